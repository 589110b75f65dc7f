"""Resizing: no aliasing, no overshoot, any shape."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actinscope.preprocess.pipeline import fit_to_square, resize_plane


def stripes(size: int) -> np.ndarray:
    """Stripes one pixel wide, the finest that there are."""
    return np.tile((np.arange(size) % 2).astype(np.float32), (size, 1))


@pytest.mark.parametrize("size", [448, 512, 896, 1000, 1280])
def test_stripes_too_fine_for_the_new_grid_become_grey(size):
    for pattern in (stripes(size), stripes(size).T):
        small = resize_plane(pattern, 224, 224)
        np.testing.assert_allclose(small[8:-8, 8:-8], 0.5, atol=0.005)
        np.testing.assert_allclose(small, 0.5, atol=0.08)  # the filter is cut at the border


@pytest.mark.parametrize("size", [300, 336, 400, 512, 1280])
def test_no_more_is_left_of_fine_stripes_than_with_skimage(size):
    transform = pytest.importorskip("skimage.transform")
    theirs = transform.resize(stripes(size), (224, 224), anti_aliasing=True)
    ours = resize_plane(stripes(size), 224, 224)
    assert ours[100, 8:-8].std() < theirs[100, 8:-8].std() + 1e-3


def test_smooth_images_agree_with_skimage():
    transform = pytest.importorskip("skimage.transform")
    y, x = np.mgrid[0:300, 0:500] / 300
    smooth = (0.5 + 0.4 * np.sin(5 * x + 1) * np.cos(4 * y)).astype(np.float32)
    for shape in ((224, 224), (100, 600), (450, 200)):
        theirs = transform.resize(smooth, shape, anti_aliasing=True)
        np.testing.assert_allclose(
            resize_plane(smooth, *shape)[4:-4, 4:-4], theirs[4:-4, 4:-4], atol=0.01
        )


def test_shrinking_one_axis_and_growing_the_other_treats_each_rightly():
    pattern = stripes(600)[:50]  # 50 rows grow, 600 columns shrink
    out = resize_plane(pattern, 224, 224)
    np.testing.assert_allclose(out[:, 8:-8], 0.5, atol=0.005)
    grown = resize_plane(pattern.T.copy(), 224, 224)
    np.testing.assert_allclose(grown, out.T, atol=1e-6)


def test_growing_does_not_overshoot_and_keeps_the_middle():
    edge = np.zeros((8, 8), dtype=np.float32)
    edge[:, 4:] = 1
    out = resize_plane(edge, 64, 64)
    assert out.min() == 0
    assert out.max() == 1
    np.testing.assert_allclose(out, 1 - out[:, ::-1], atol=1e-6)


def test_an_image_of_the_right_size_is_left_alone():
    noise = np.random.default_rng(0).random((32, 32), dtype=np.float32)
    np.testing.assert_array_equal(fit_to_square(noise, 32, "stretch"), noise)
    np.testing.assert_array_equal(fit_to_square(noise, 32, "pad"), noise)


def test_padding_keeps_the_shape_and_fills_with_the_low_value():
    out = fit_to_square(np.ones((20, 40), dtype=np.float32), 80, "pad")
    assert not out[:20].any()
    assert not out[60:].any()
    np.testing.assert_allclose(out[20:60], 1, atol=1e-6)
    assert fit_to_square(np.ones((20, 40), dtype=np.float32), 80, "stretch").min() > 0.999


@settings(max_examples=60)
@given(
    height=st.integers(1, 300),
    width=st.integers(1, 300),
    size=st.integers(1, 300),
    how=st.sampled_from(["stretch", "pad"]),
)
def test_any_shape_fits_and_a_constant_stays_constant(height, width, size, how):
    out = fit_to_square(np.full((height, width), 0.25, dtype=np.float32), size, how)
    assert out.shape == (size, size)
    assert out.dtype == np.float32
    filled = out[out > 0]
    assert filled.size >= 1
    np.testing.assert_allclose(filled, 0.25, atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 300), (300, 1), (1, 1), (1, 10_000)])
def test_thin_images(shape):
    out = fit_to_square(np.ones(shape, dtype=np.float32), 224, "pad")
    assert out.max() == pytest.approx(1)
