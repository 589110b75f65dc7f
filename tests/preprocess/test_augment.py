"""Augmentation: what each parameter means, measured against Keras and SciPy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from actinscope.errors import SettingsError
from actinscope.preprocess import AugmentSettings, augment
from actinscope.preprocess.augmentation import (
    AugmentParameters,
    affine_matrix,
    apply_parameters,
    draw_parameters,
)

SIZE = 64
ALONE = [
    AugmentParameters(rotation=33.0),
    AugmentParameters(shift_x=0.11),
    AugmentParameters(shift_y=-0.07),
    AugmentParameters(shear=14.0),
    AugmentParameters(zoom_x=0.8),
    AugmentParameters(zoom_y=1.3),
    AugmentParameters(flip_horizontal=True),
    AugmentParameters(flip_vertical=True),
]
COMBINED = AugmentParameters(
    rotation=-21.0,
    shift_x=0.08,
    shift_y=0.05,
    shear=9.0,
    zoom_x=0.85,
    zoom_y=1.2,
    flip_horizontal=True,
    flip_vertical=True,
)


@pytest.fixture(scope="module")
def keras_image():
    return pytest.importorskip("keras.src.legacy.preprocessing.image")


def smooth(size: int = SIZE, planes: int = 2) -> np.ndarray:
    y, x = np.mgrid[0:size, 0:size] / size
    waves = [0.5 + 0.4 * np.sin((3 + k) * x + k) * np.cos(4 * y - k) for k in range(planes)]
    return np.stack(waves, axis=-1).astype(np.float32)


def with_keras(keras_image, scaled, drawn: AugmentParameters, fill: str) -> np.ndarray:
    height, width, _ = scaled.shape
    out = keras_image.apply_affine_transform(
        scaled,
        theta=drawn.rotation,
        tx=drawn.shift_x * width,
        ty=drawn.shift_y * height,
        shear=drawn.shear,
        zx=drawn.zoom_x,
        zy=drawn.zoom_y,
        row_axis=0,
        col_axis=1,
        channel_axis=2,
        fill_mode=fill,
        order=1,
    )
    out = out[:, ::-1] if drawn.flip_horizontal else out
    return out[::-1] if drawn.flip_vertical else out


def inside(drawn: AugmentParameters, size: int = SIZE) -> np.ndarray:
    """Output pixels that are read at least two pixels inside the image."""
    y, x = np.mgrid[0:size, 0:size]
    read = affine_matrix(drawn, size, size) @ np.stack([x.ravel(), y.ravel(), np.ones(size**2)])
    return ((read > 2) & (read < size - 3)).all(axis=0).reshape(size, size)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("fill", ["nearest", "reflect", "wrap", "constant"])
@pytest.mark.parametrize("drawn", [*ALONE, COMBINED], ids=[*(str(n) for n in range(8)), "all"])
def test_the_warp_is_that_of_keras(keras_image, drawn, fill):
    scaled = smooth()
    ours = apply_parameters(scaled, drawn, fill=fill)
    theirs = with_keras(keras_image, scaled, drawn, fill)
    middle = inside(drawn)
    assert middle.mean() > 0.4
    assert np.abs(ours - theirs)[middle].mean() < 1e-3
    assert np.abs(ours - theirs)[middle].max() < 1e-2
    # SciPy's "wrap" counts first and last pixel as one and its "constant" drops to the
    # fill value at the edge without interpolating; its "grid" modes do what the
    # documentation of Keras promises, and what OpenCV does.
    exact = {"wrap": "grid-wrap", "constant": "grid-constant"}.get(fill, fill)
    everywhere = np.abs(ours - with_keras(keras_image, scaled, drawn, exact))
    assert everywhere.mean() < 1e-3
    assert everywhere.max() < 2e-2


@pytest.mark.parametrize(
    ("fill", "row"),
    [
        ("nearest", [3, 4, 5, 5, 5]),
        ("reflect", [3, 4, 5, 5, 4]),
        ("wrap", [3, 4, 5, 1, 2]),
        ("constant", [3, 4, 5, 0, 0]),
    ],
)
def test_what_lies_outside_the_image(fill, row):
    scaled = (np.tile(np.arange(1, 6), (5, 1))[..., None] / 5).astype(np.float32)
    moved = apply_parameters(scaled, AugmentParameters(shift_x=0.4), fill=fill)
    np.testing.assert_allclose(moved[2, :, 0] * 5, row, atol=1e-5)


def test_width_shift_moves_columns_and_height_shift_rows():
    scaled = np.zeros((10, 20, 1), dtype=np.float32)
    scaled[5, 10] = 1
    sideways = apply_parameters(scaled, AugmentParameters(shift_x=0.1), fill="constant")
    assert np.argwhere(sideways[..., 0] > 0.5).tolist() == [[5, 8]]
    upwards = apply_parameters(scaled, AugmentParameters(shift_y=0.1), fill="constant")
    assert np.argwhere(upwards[..., 0] > 0.5).tolist() == [[4, 10]]


@pytest.mark.parametrize("shape", [(9, 9), (10, 10), (9, 15)])
def test_a_half_turn_is_both_flips_about_the_same_centre(shape):
    scaled = np.random.default_rng(1).random((*shape, 1), dtype=np.float32)
    turned = apply_parameters(scaled, AugmentParameters(rotation=180.0))
    np.testing.assert_allclose(turned, scaled[::-1, ::-1], atol=1e-4)
    quarter = apply_parameters(scaled[:9, :9].copy(), AugmentParameters(rotation=90.0))
    np.testing.assert_allclose(quarter, np.rot90(scaled[:9, :9]), atol=1e-4)


def test_flips_with_a_move_equal_flips_after_the_move():
    drawn = AugmentParameters(rotation=20, shift_x=0.1, zoom_x=0.9)
    moved = apply_parameters(smooth(), drawn)
    flipped = apply_parameters(smooth(), replace(drawn, flip_horizontal=True))
    np.testing.assert_allclose(flipped, moved[:, ::-1], atol=3e-3)


@given(seed=st.integers(0, 2**32), planes=st.integers(1, 6))
@settings(max_examples=30)
def test_no_augmentation_returns_the_same_image(seed, planes):
    rng = np.random.default_rng(seed)
    scaled = rng.random((12, 17, planes), dtype=np.float32)
    out = augment(scaled, AugmentSettings.off(), rng)
    np.testing.assert_array_equal(out, scaled)
    assert out is not scaled
    assert not np.shares_memory(out, scaled)


STRONG = AugmentSettings(
    rotation_degrees=180,
    width_shift=0.9,
    height_shift=0.9,
    shear_degrees=60,
    zoom=(0.2, 4.0),
    intensity_gain=0.5,
    gamma=0.5,
    noise=0.3,
    blur=5.0,
)


@given(
    seed=st.integers(0, 2**32),
    height=st.integers(1, 60),
    width=st.integers(1, 60),
    planes=st.integers(1, 6),
    fill=st.sampled_from(["nearest", "reflect", "wrap", "constant"]),
)
@settings(max_examples=100)
def test_the_strongest_augmentation_stays_in_range(seed, height, width, planes, fill):
    rng = np.random.default_rng(seed)
    scaled = rng.random((height, width, planes), dtype=np.float32)
    before = scaled.copy()
    out = augment(scaled, STRONG.model_copy(update={"fill": fill}), rng)
    assert out.shape == scaled.shape
    assert out.dtype == np.float32
    assert out.flags.c_contiguous
    assert np.isfinite(out).all()
    assert out.min() >= 0
    assert out.max() <= 1
    np.testing.assert_array_equal(scaled, before)


def test_more_than_four_planes_are_moved_alike():
    one = smooth(32, 1)
    drawn = AugmentParameters(rotation=17, zoom_x=0.9)
    many = apply_parameters(np.repeat(one, 6, axis=-1), drawn)
    # OpenCV may place the samples of several planes on a grid of 1/32 pixel.
    np.testing.assert_allclose(many, np.repeat(apply_parameters(one, drawn), 6, -1), atol=3e-3)


def test_the_same_seed_gives_the_same_image_and_settings_do_not_shift_the_draws():
    scaled = smooth()
    assert np.array_equal(*(augment(scaled, STRONG, np.random.default_rng(3)) for _ in range(2)))
    states = []
    for chosen in (STRONG, AugmentSettings(), AugmentSettings.off()):
        rng = np.random.default_rng(3)
        augment(scaled, chosen, rng)
        states.append(rng.random())
    assert len(set(states)) == 1


def test_draws_fill_their_ranges():
    rng = np.random.default_rng(0)
    drawn = [draw_parameters(STRONG, rng) for _ in range(4000)]
    for name, low, high in [
        ("rotation", -180, 180),
        ("shift_x", -0.9, 0.9),
        ("shift_y", -0.9, 0.9),
        ("shear", -60, 60),
        ("zoom_x", 0.2, 4.0),
        ("zoom_y", 0.2, 4.0),
        ("gain", 0.5, 2.0),
        ("gamma", 0.5, 2.0),
        ("noise", 0.0, 0.3),
        ("blur", 0.0, 5.0),
    ]:
        values = np.array([getattr(one, name) for one in drawn])
        slack = (high - low) * 0.01
        assert low <= values.min() < low + slack, name
        assert high - slack < values.max() <= high, name
    assert np.mean([one.flip_horizontal for one in drawn]) == pytest.approx(0.5, abs=0.05)
    assert np.median([one.gain for one in drawn]) == pytest.approx(1.0, abs=0.05)


def test_gain_gamma_blur_and_noise_do_what_they_say():
    flat = np.full((50, 50, 1), 0.25, dtype=np.float32)
    np.testing.assert_allclose(apply_parameters(flat, AugmentParameters(gain=1.25)), 0.3125)
    np.testing.assert_allclose(apply_parameters(flat, AugmentParameters(gain=8)), 1.0)
    np.testing.assert_allclose(apply_parameters(flat, AugmentParameters(gamma=0.5)), 0.5, rtol=1e-5)
    noisy = apply_parameters(flat, AugmentParameters(noise=0.05, noise_seed=1))
    assert noisy.std() == pytest.approx(0.05, rel=0.1)
    assert noisy.mean() == pytest.approx(0.25, abs=0.005)
    point = np.zeros((41, 41, 1), dtype=np.float32)
    point[20, 20] = 1
    spread = apply_parameters(point, AugmentParameters(blur=2.0))[..., 0]
    y, _ = np.mgrid[0:41, 0:41]
    assert spread.sum() == pytest.approx(1, abs=1e-4)
    assert np.sqrt((spread * (y - 20) ** 2).sum()) == pytest.approx(2.0, rel=0.02)


@pytest.mark.parametrize("zoom", [1.0, -0.1, (1.2, 0.8), (0.0, 1.0)])
def test_impossible_zoom_is_refused(zoom):
    with pytest.raises(SettingsError, match="zoom factors"):
        AugmentSettings(zoom=zoom)


def test_unknown_keys_and_pixel_shifts_are_refused():
    with pytest.raises(ValidationError, match="Extra inputs"):
        AugmentSettings(rotation=10)
    with pytest.raises(ValidationError, match="less than 1"):
        AugmentSettings(width_shift=5)


def test_a_zoom_pair_is_taken_from_a_list():
    assert AugmentSettings.model_validate({"zoom": [0.9, 1.2]}).zoom_range == (0.9, 1.2)
