"""The search for changed copies: what is found, what is not, and in which words."""

from __future__ import annotations

import tracemalloc

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from actinscope.audit import copy_candidates, near_duplicates
from actinscope.audit.copy_candidates import Guess, guess_copies
from actinscope.audit.copy_matching import NearPair, in_words, sets_of
from actinscope.study import Thumbnail, mirrored_descriptors
from actinscope.study.thumbnails import small_picture, thumbnail_of
from helpers.textures import texture


def pairs_among(images: list[NDArray[np.uint8]]) -> tuple[NearPair, ...]:
    return near_duplicates([thumbnail_of(one[None]) for one in images])


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


def without_points(picture: NDArray[np.uint8]) -> Thumbnail:
    return Thumbnail(picture, np.zeros((0, 4), np.float32), np.zeros((0, 128), np.uint8))


def test_many_pictures_without_keypoints_take_little_memory_and_copies_are_found() -> None:
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (3000, 8, 8), dtype=np.uint8)
    pictures = [np.kron(one, np.ones((8, 8), np.uint8)) for one in coarse]
    for n in range(20):
        pictures[2000 + n] = np.rot90(pictures[n][:, ::-1], n % 4).copy()
    sketches = [without_points(one) for one in pictures]
    tracemalloc.start()
    guesses = guess_copies(sketches)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 60e6  # eight matrices of 2048 x 3000 are 200 MB
    found = {(one.first, one.second) for one in guesses}
    assert {(n, 2000 + n) for n in range(20)} <= found
    assert len(guesses) == 2 * len(sketches)


def test_the_two_most_alike_pictures_are_those_of_all_pairs() -> None:
    coarse = np.random.default_rng(1).normal(size=(40, 144)).astype(np.float32)
    best = copy_candidates._Top(40)
    for some in np.array_split(np.random.default_rng(2).permutation(40), 5):
        alike = coarse @ coarse[some].T
        alike[np.arange(40)[:, None] == some[None]] = -np.inf
        for symmetry in range(2):  # seen twice: still one partner
            best.update(np.arange(40), alike.copy(), some, symmetry)
    everything = coarse @ coarse.T
    np.fill_diagonal(everything, -np.inf)
    assert best.other.tolist() == np.argsort(-everything, axis=1)[:, :2].tolist()
    assert set(best.how.ravel().tolist()) == {0}


def test_dropping_hopeless_guesses_on_the_way_loses_no_pair(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(copy_candidates, "_FARTHEST", 400.0)  # far more guesses than copies
    sketches = [thumbnail_of(texture(n, 64)[None]) for n in range(40)]
    at_once = firsts(guess_copies(sketches))
    monkeypatch.setattr(copy_candidates, "_MOST_ROWS", 50)
    assert firsts(guess_copies(sketches)) == at_once
    assert len(at_once) > 40


def firsts(guesses: list[Guess]) -> dict[tuple[int, int], list[list[float]]]:
    """The most promising guess of each pair of images."""
    return {(g.first, g.second): g.placing.tolist() for g in reversed(guesses)}


def test_each_image_keeps_its_nearest_partners_and_those_that_need_it() -> None:
    # Image 0 is near to all of 1..9; 8 and 9 have no other partner, 1..7 neither.
    partners = np.arange(1, 10)
    wanted = copy_candidates._among_the_best(
        np.zeros(9, np.intp), partners, np.linspace(1, 2, 9, dtype=np.float32)
    )
    assert wanted.all()
    crowd = np.array([(a, b) for a in range(10) for b in range(a + 1, 10)])
    wanted = copy_candidates._among_the_best(
        crowd[:, 0], crowd[:, 1], (crowd[:, 1] - crowd[:, 0]).astype(np.float32)
    )
    assert not wanted[(crowd == (0, 9)).all(axis=1)].any()
    assert wanted[crowd[:, 1] - crowd[:, 0] == 1].all()
