"""The search for changed copies: what is found, what is not, and in which words."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from actinscope.study import NearPair, near_duplicates, sets_of
from actinscope.study.copy_search import in_words
from actinscope.study.sketches import mirrored_descriptors, sketch, small_picture


def texture(seed: int, side: int = 96) -> NDArray[np.uint8]:
    """A picture with structure of several scales; every seed another one."""
    rng = np.random.default_rng(seed)
    layers = [
        cv2.GaussianBlur(rng.normal(size=(side, side)).astype(np.float32), (0, 0), sigma) * sigma
        for sigma in (1.5, 3.0, 6.0)
    ]
    total = np.sum(layers, axis=0)
    scaled = 255 * (total - total.min()) / (total.max() - total.min())
    return scaled.astype(np.uint8)


def pairs_among(images: list[NDArray[np.uint8]]) -> tuple[NearPair, ...]:
    return near_duplicates([sketch(one[None]) for one in images])


def recompressed(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 60])[1]
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE), np.uint8)


CHANGES = {
    "turned by 90": lambda one: np.rot90(one[16:80, 16:80]).copy(),
    "mirrored": lambda one: one[16:80, 16:80][:, ::-1].copy(),
    "larger": lambda one: cv2.resize(one[16:80, 16:80], (110, 110)),
    "recompressed": lambda one: recompressed(one[16:80, 16:80]),
    "darker": lambda one: (one[16:80, 16:80] * 0.5 + 20).astype(np.uint8),
    "16 bit": lambda one: one[16:80, 16:80].astype(np.uint16) * 100,
    "shifted": lambda one: one[16:80, 32:96].copy(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_is_found_and_nothing_else(change: str) -> None:
    whole = [texture(seed) for seed in range(12)]
    images = [one[16:80, 16:80] for one in whole] + [CHANGES[change](whole[4])]
    assert [(pair.first, pair.second) for pair in pairs_among(images)] == [(4, 12)]


def test_the_words_say_what_was_done() -> None:
    whole = texture(3)
    (pair,) = pairs_among([whole[16:80, 16:80], np.rot90(whole[16:80, 16:80]).copy()])
    assert pair.how == "turned by 90°"
    assert in_words(np.eye(3)) == "same place and direction"


def test_smooth_blobs_that_all_look_alike_are_no_copies() -> None:
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:64, :64]
    images = []
    for _ in range(12):
        width, height = rng.uniform(8, 10, 2)
        blob = 200 * np.exp(-((((x - 32) / width) ** 2 + ((y - 32) / height) ** 2) ** 2))
        images.append(np.clip(blob + 10 + rng.normal(0, 2, blob.shape), 0, 255).astype(np.uint8))
    assert pairs_among(images) == ()


def test_flat_pictures_and_single_images_give_nothing() -> None:
    assert pairs_among([texture(0)]) == ()
    assert pairs_among([np.zeros((20, 20), np.uint8)] * 3) == ()


def test_a_small_picture_does_not_depend_on_type_or_scale() -> None:
    image = texture(1)
    plain, scaled = (
        small_picture(image[None]),
        small_picture(image[None].astype(np.float64) * 7 + 3),
    )
    assert np.abs(plain.astype(int) - scaled).max() <= 1


def test_mirroring_descriptors_twice_changes_nothing() -> None:
    some = np.random.default_rng(0).integers(0, 255, (5, 128))
    assert (mirrored_descriptors(mirrored_descriptors(some)) == some).all()
    assert (mirrored_descriptors(some) != some).any()


def test_pairs_are_joined_to_sets() -> None:
    assert sets_of([(1, 2), (5, 9), (2, 4)]) == [[1, 2, 4], [5, 9]]
