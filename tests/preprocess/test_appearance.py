"""New images are compared with those of the training by size, pixel size and brightness."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from actinscope.errors import ImageError
from actinscope.images import Image
from actinscope.preprocess import Appearance, AppearanceCounter, appearance_of, matched

TRAINED = Appearance(height=224, width=224, brightness=400.0, pixel_size_um=0.325)


def image(pixels: np.ndarray, size: tuple[float, float] | None = None) -> Image:
    return Image(Path("a.tif"), pixels[None], ("actin",), size, False, (0.0, 65535.0))


def test_medians_of_images() -> None:
    sides, values = (10, 20, 40), (1, 5, 6)
    images = [
        image(np.full((side, 2 * side), value, np.uint16), (0.2, 0.2))
        for side, value in zip(sides, values, strict=True)
    ]
    found = appearance_of(images)
    assert found is not None
    assert (found.height, found.width, found.brightness) == (20, 40, 5)
    assert found.pixel_size_um == pytest.approx(0.2)
    unknown = image(np.ones((4, 4), np.uint16))
    found = appearance_of([*images, unknown])
    assert found is not None and found.pixel_size_um is None
    assert appearance_of([]) is None


def said(*new: tuple[int, float | None, int], unfamiliar: int = 0) -> str:
    """Of images of these (side, um a pixel, brightness)."""
    seen = AppearanceCounter()
    for side, size, value in new:
        pixels = np.full((side, side), value, np.uint16)
        seen(image(pixels, None if size is None else (size, size)))
    return "; ".join(seen.unlike(TRAINED, unfamiliar=unfamiliar, total=100))


def test_a_plain_difference_is_said_in_one_sentence() -> None:
    assert said((224, 0.325, 400), unfamiliar=90) == ""
    assert said((128, 0.325, 400)).startswith(
        "these images are 128 x 128 pixels, the model was trained on 224 x 224"
    )
    assert said((224, 0.65, 400)).startswith(
        "these images are 0.65 um a pixel, the training images were 0.325 um: --match-pixel-size"
    )
    assert said((224, None, 400)) == ""
    assert said((224, 0.325, 1600)) == "", "brightness varies, and the images are familiar"
    assert said((224, 0.325, 1600), unfamiliar=20) == (
        "20 of 100 images are unfamiliar: they are 4.0 times brighter than in training"
    )
    assert said((224, 0.325, 200), unfamiliar=20).endswith("2.0 times darker than in training")


def test_a_few_small_crops_among_normal_ones_are_counted() -> None:
    normal = [(224, 0.325, 400)] * 6
    assert said(*normal, (128, 0.325, 400), (130, 0.325, 400), (240, 0.325, 400)).startswith(
        "2 of 9 images are 129 x 129 pixels, the model was trained on 224 x 224"
    )
    assert said(*normal, (224, 0.65, 400)).startswith("1 of 7 images are 0.65 um a pixel")
    assert said(*normal[:2], *[(128, 0.325, 400)] * 3).startswith("3 of 5 images are 128 x 128")
    assert said(*((side, 0.325, 400) for side in (190, 210, 226, 240, 260))) == "", "all vary"


def test_images_are_brought_to_the_pixel_size_of_the_training() -> None:
    """At twice the micrometres a pixel, 4 x 4 becomes 8 x 8; the rest is filled from the edge."""
    trained = Appearance(height=10, width=6, brightness=1.0, pixel_size_um=0.5)
    given = np.full((4, 4), 7, np.uint16)
    found = matched(image(given, (1.0, 1.0)), trained)
    assert found.pixels.shape == (1, 10, 6) and found.pixels.dtype == np.uint16
    assert (found.pixels == 7).all()
    assert found.pixel_size_um == (0.5, 0.5)


def test_a_smaller_scale_averages() -> None:
    trained = Appearance(height=2, width=2, brightness=1.0, pixel_size_um=1.0)
    blocks = np.kron(np.array([[1, 2], [3, 4]], np.uint16), np.ones((2, 2), np.uint16))
    found = matched(image(blocks, (0.5, 0.5)), trained)
    np.testing.assert_array_equal(found.pixels[0], [[1, 2], [3, 4]])


def test_without_a_pixel_size_nothing_is_guessed() -> None:
    with pytest.raises(ImageError, match=r"a\.tif: its pixel size is not known"):
        matched(image(np.ones((4, 4), np.uint16)), TRAINED)
