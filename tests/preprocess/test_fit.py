"""Channels, intensity policy and the fitted Preprocess."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pydantic import ValidationError

from actinscope.errors import ImageEmpty, ImageError, SettingsError, StudyError
from actinscope.images import Image, ImageKind
from actinscope.preprocess import (
    NetworkInput,
    Preprocess,
    PreprocessSettings,
    fit_preprocess,
    require_one_kind,
)
from actinscope.preprocess.intensity import PixelPool

NAMES = ("DAPI", "actin", "tubulin", "membrane", "golgi")


def plain(size: int, channels: int = 3) -> NetworkInput:
    return NetworkInput(size=size, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0), channels=channels)


def image(pixels, value_range=(0, 255), names=None, *, colour=False, path="cell.tif") -> Image:
    pixels = np.asarray(pixels)
    if pixels.ndim == 2:
        pixels = pixels[None]
    if names is None:
        names = tuple(f"channel {n + 1}" for n in range(len(pixels)))
    if colour:
        names = ("red", "green", "blue")
    return Image(
        path=Path(path),
        pixels=pixels,
        channel_names=tuple(names),
        pixel_size_um=None,
        is_colour=colour,
        value_range=value_range,
    )


def ramp(size=4, channels=1, dtype=np.uint8, step=1):
    return (np.arange(size * size * channels).reshape(channels, size, size) * step).astype(dtype)


# Intensity


def test_eight_bit_images_are_divided_by_255():
    shown = ramp(4, step=17)
    fitted = fit_preprocess([image(shown)], PreprocessSettings(), plain(4))
    assert fitted.intensity == "divide"
    assert (fitted.low, fitted.high) == ((0.0,), (255.0,))
    scaled = fitted.to_scaled(image(shown))
    np.testing.assert_array_equal(scaled[..., 0], shown[0].astype(np.float32) / np.float32(255))


def test_one_bit_images_are_divided_by_one():
    shown = np.array([[0, 1], [1, 0]], dtype=np.uint8)
    fitted = fit_preprocess([image(shown, (0, 1))], PreprocessSettings(), plain(2))
    np.testing.assert_array_equal(fitted.to_scaled(image(shown, (0, 1)))[..., 0], shown)


@pytest.mark.parametrize(
    ("dtype", "ends"), [("int8", (-128, 127)), ("int16", (-32768, 32767)), ("float32", (0, 1))]
)
def test_values_below_zero_keep_their_differences(dtype, ends):
    # What OME's own samples look like: 8 bits with a sign, most of them below 0.
    shown = np.linspace(-120, 60, 256).reshape(16, 16).astype(dtype)
    fitted = fit_preprocess([image(shown, ends)], PreprocessSettings(), plain(16))
    assert fitted.intensity == "percentile"
    low, high = np.percentile(shown, [0.1, 99.9])
    assert (fitted.low[0], fitted.high[0]) == pytest.approx((low, high))
    scaled = fitted.to_scaled(image(shown, ends))[..., 0]
    expected = np.clip((shown.astype(float) - low) / (high - low), 0, 1)
    np.testing.assert_allclose(scaled, expected, atol=1e-6)
    assert (scaled == 0).mean() < 0.01


def test_an_offset_of_the_camera_does_not_take_the_contrast_of_eight_bits():
    shown = np.linspace(100, 140, 256).reshape(16, 16).astype(np.uint8)
    fitted = fit_preprocess([image(shown)], PreprocessSettings(), plain(16))
    assert fitted.intensity == "percentile"
    assert (fitted.low[0], fitted.high[0]) == pytest.approx((100, 139.745))
    low_enough = np.linspace(25, 140, 256).reshape(16, 16).astype(np.uint8)
    fitted = fit_preprocess([image(low_enough)], PreprocessSettings(), plain(16))
    assert fitted.intensity == "divide"


def test_dividing_takes_the_whole_type_of_values_with_a_sign():
    shown = np.array([[-128, 127], [0, -1]], np.int8)
    chosen = PreprocessSettings(intensity="divide")
    fitted = fit_preprocess([image(shown, (-128, 127))], chosen, plain(2))
    scaled = fitted.to_scaled(image(shown, (-128, 127)))[..., 0]
    np.testing.assert_allclose(scaled, [[0, 1], [128 / 255, 127 / 255]], atol=1e-6)
    assert "-128 to 127 (the ends of their type)" in fitted.description


def test_dividing_floats_below_zero_is_refused():
    shown = np.linspace(-3, 1, 16).reshape(4, 4)
    with pytest.raises(StudyError, match="reach -3, beyond the nominal end 0"):
        fit_preprocess([image(shown)], PreprocessSettings(intensity="divide"), plain(4))


def test_sixteen_bit_images_take_percentiles_of_the_training_part():
    # 0..100 over two images: percentile p of 0, 1, ..., 100 is p itself.
    first = np.arange(0, 50, dtype=np.uint16).reshape(5, 10)
    second = np.arange(50, 101, dtype=np.uint16).reshape(3, 17)
    chosen = PreprocessSettings(low_percentile=10, high_percentile=90)
    fitted = fit_preprocess([image(first, (0, 65535)), image(second, (0, 65535))], chosen, plain(5))
    assert fitted.intensity == "percentile"
    assert fitted.low == pytest.approx((10.0,))
    assert fitted.high == pytest.approx((90.0,))
    new = np.array([[0, 10], [50, 65535]], dtype=np.uint16)
    scaled = fitted.model_copy(update={"size": 2}).to_scaled(image(new, (0, 65535)))
    np.testing.assert_allclose(scaled[..., 0], [[0, 0], [0.5, 1]], atol=1e-6)


def test_percentiles_are_per_plane_but_shared_in_colour():
    planes = np.stack([np.full((4, 4), v, np.uint16) for v in (10, 200, 3000)])
    planes += np.arange(16, dtype=np.uint16).reshape(4, 4)
    separate = fit_preprocess([image(planes, (0, 65535))], PreprocessSettings(), plain(4))
    assert len(set(separate.low)) == 3
    colour = image(planes, (0, 65535), colour=True)
    joint = fit_preprocess([colour], PreprocessSettings(), plain(4))
    assert len(set(joint.low)) == len(set(joint.high)) == 1
    assert joint.low[0] == pytest.approx(10, abs=0.1)
    assert joint.high[0] == pytest.approx(3015, abs=1)


def test_per_image_percentiles_use_each_image_alone_and_any_depth():
    chosen = PreprocessSettings(intensity="per_image", low_percentile=0, high_percentile=100)
    fitted = fit_preprocess([image(ramp()), image(ramp(), (0, 65535))], chosen, plain(4))
    dim = image((ramp(dtype=np.uint16) + 300), (0, 65535))
    scaled = fitted.to_scaled(dim)
    assert scaled.min() == 0
    assert scaled.max() == 1
    blank = fitted.to_scaled(image(np.full((4, 4), 7, np.uint16), (0, 65535)))
    assert not blank.any()


def test_fixed_range_is_used_as_given():
    chosen = PreprocessSettings(intensity="fixed", fixed_low=100, fixed_high=300)
    shown = np.array([[50, 100], [200, 400]], dtype=np.uint16)
    fitted = fit_preprocess([image(shown, (0, 65535))], chosen, plain(2))
    scaled = fitted.to_scaled(image(shown, (0, 65535)))
    np.testing.assert_allclose(scaled[..., 0], [[0, 0], [0.5, 1]])


def test_float_images_take_percentiles_and_broken_pixels_become_black():
    shown = np.linspace(-3, 5, 16, dtype=np.float32).reshape(4, 4)
    fitted = fit_preprocess([image(shown, (0.0, 1.0))], PreprocessSettings(), plain(4))
    assert fitted.value_range is None
    broken = shown.copy()
    broken[0, :3] = np.nan, np.inf, -np.inf
    scaled = fitted.to_scaled(image(broken, (0.0, 1.0)))
    np.testing.assert_array_equal(scaled[0, :3, 0], 0)
    np.testing.assert_array_equal(scaled[1:], fitted.to_scaled(image(shown, (0.0, 1.0)))[1:])


def test_broken_pixels_do_not_move_the_fitted_range():
    clean = np.linspace(1, 2, 64, dtype=np.float32).reshape(8, 8)
    broken = np.concatenate([clean, np.full((1, 8), np.nan, np.float32)])
    fits = [fit_preprocess([image(p)], PreprocessSettings(), plain(8)) for p in (clean, broken)]
    assert fits[0].low == fits[1].low
    assert fits[0].high == fits[1].high


def test_dividing_floats_that_exceed_one_is_refused():
    shown = np.linspace(0, 4000, 16).reshape(4, 4)
    with pytest.raises(StudyError, match="reach 4000, beyond the nominal end 1"):
        fit_preprocess([image(shown)], PreprocessSettings(intensity="divide"), plain(4))


def test_an_eight_bit_image_is_refused_by_a_sixteen_bit_fit():
    deep = image(ramp(dtype=np.uint16), (0, 65535))
    fitted = fit_preprocess([deep], PreprocessSettings(), plain(4))
    with pytest.raises(ImageError, match=r"shallow.png: is 8-bit \(0 to 255\) where 16-bit"):
        fitted.to_scaled(image(ramp(), path="shallow.png"))
    with pytest.raises(ImageError, match="is floating point where 16-bit"):
        fitted.to_scaled(image(ramp(dtype=np.float32)))


def test_mixed_bit_depths_in_a_study_are_refused():
    mixed = [image(ramp()), image(ramp(dtype=np.uint16), (0, 4095), path="b.tif")]
    with pytest.raises(StudyError, match=r"b.tif: is 12-bit \(0 to 4095\) where images before"):
        fit_preprocess(mixed, PreprocessSettings(), plain(4))


EIGHT = ImageKind(1, False, (0.0, 255.0))
SIXTEEN = ImageKind(1, False, (0.0, 65535.0))
RGB = ImageKind(3, True, (0.0, 255.0))


def test_all_images_unlike_most_are_named_at_once():
    names = [f"{n}.tif" for n in range(6)]
    kinds = [EIGHT, RGB, EIGHT, SIXTEEN, EIGHT, RGB]
    with pytest.raises(StudyError) as caught:
        require_one_kind(names, kinds, PreprocessSettings())
    assert str(caught.value) == (
        "most images are 1 channel, 8-bit (0 to 255), and these are not: RGB, 8-bit (0 to 255): "
        "1.tif, 5.tif; 1 channel, 16-bit (0 to 65535): 3.tif. Save them like the others, or "
        "leave them out with --exclude NAME."
    )


def test_depths_alone_have_a_way_out_that_keeps_every_image():
    kinds = [EIGHT, SIXTEEN, EIGHT]
    with pytest.raises(StudyError, match=r"16-bit \(0 to 65535\): b\. Give --intensity per-image"):
        require_one_kind(["a", "b", "c"], kinds, PreprocessSettings())
    require_one_kind(["a", "b", "c"], kinds, PreprocessSettings(intensity="per_image"))
    with pytest.raises(StudyError, match="RGB, 8-bit"):
        require_one_kind(
            ["a", "b", "c"], [EIGHT, EIGHT, RGB], PreprocessSettings(intensity="per_image")
        )
    require_one_kind(["a", "a"], [RGB, RGB], PreprocessSettings())
    require_one_kind([], [], PreprocessSettings())


@pytest.mark.parametrize("policy", ["auto", "divide", "per_image"])
def test_a_constant_training_part_is_refused(policy):
    blank = image(np.full((4, 4), 9, np.uint8))
    with pytest.raises(StudyError, match="all training images have the same value"):
        fit_preprocess([blank, blank], PreprocessSettings(intensity=policy), plain(4))


def test_a_constant_channel_is_refused_by_name_where_percentiles_are_taken():
    planes = ramp(4, 2, np.uint16)
    planes[1] = 5
    with pytest.raises(StudyError, match=r"'actin'.*are the same value, 5"):
        fit_preprocess([image(planes, (0, 65535), NAMES[:2])], PreprocessSettings(), plain(4))


def test_no_training_images_are_refused():
    with pytest.raises(StudyError, match="no training images"):
        fit_preprocess([], PreprocessSettings(), plain(4))


def test_training_images_are_streamed_once():
    def stream():
        for start in range(3):
            yield image(ramp(dtype=np.uint16) + start, (0, 65535))

    assert fit_preprocess(stream(), PreprocessSettings(), plain(4)).intensity == "percentile"


def test_the_pool_stays_bounded_and_close_to_the_truth(monkeypatch):
    monkeypatch.setattr("actinscope.preprocess.intensity._PIXELS_IN_POOL", 20_000)
    rng = np.random.default_rng(0)
    pool, everything = PixelPool(1), []
    for _ in range(60):
        pixels = rng.gamma(2, 100, size=(1, 64, 64))
        everything.append(pixels)
        pool.add(pixels)
        assert sum(map(len, pool._samples[0])) <= 20_000
    low, high = pool.percentiles(1, 99, joint=False)[0]
    exact = np.percentile(everything, [1, 99])
    assert [low, high] == pytest.approx(exact, rel=0.1)
    assert pool.highest[0] == np.max(everything)


# Channels


def test_one_channel_is_kept_single_and_repeated_for_the_network():
    network = NetworkInput(size=4, mean=(0.5, 0.25, 0.0), std=(0.5, 1.0, 2.0))
    fitted = fit_preprocess([image(ramp(4, step=17))], PreprocessSettings(), network)
    scaled = fitted.to_scaled(image(ramp(4, step=17)))
    assert scaled.shape == (4, 4, 1)
    out = fitted.to_network(scaled)
    assert out.shape == (4, 4, 3)
    np.testing.assert_allclose(out[..., 0], (scaled[..., 0] - 0.5) / 0.5)
    np.testing.assert_allclose(out[..., 1], scaled[..., 0] - 0.25)
    np.testing.assert_allclose(out[..., 2], scaled[..., 0] / 2)
    batch = fitted.to_network(np.stack([scaled, scaled]))
    np.testing.assert_array_equal(batch, np.stack([out, out]))
    np.testing.assert_array_equal(fitted.apply(image(ramp(4, step=17))), out)


def test_colour_maps_straight():
    shown = image(ramp(4, 3, step=5), colour=True)
    fitted = fit_preprocess([shown], PreprocessSettings(), plain(4))
    np.testing.assert_array_equal(
        fitted.apply(shown), shown.pixels.transpose(1, 2, 0) / np.float32(255)
    )


def test_two_channels_leave_the_third_plane_at_zero():
    network = NetworkInput(size=4, mean=(0.0, 0.0, 0.5), std=(1.0, 1.0, 0.25))
    shown = image(ramp(4, 2), names=NAMES[:2])
    fitted = fit_preprocess([shown], PreprocessSettings(), network)
    assert fitted.to_scaled(shown).shape == (4, 4, 2)
    out = fitted.apply(shown)
    np.testing.assert_array_equal(out[..., :2], fitted.to_scaled(shown))
    np.testing.assert_array_equal(out[..., 2], -2.0)


@pytest.mark.parametrize("choice", [(3, 1), ("TUBULIN", "dapi"), ("tubulin", 1), ("3", "1")])
def test_channels_are_chosen_by_number_from_one_or_by_name(choice):
    shown = image(ramp(4, 5, step=3), names=NAMES)
    fitted = fit_preprocess([shown], PreprocessSettings(channels=choice), plain(4))
    assert fitted.planes == (2, 0)
    np.testing.assert_array_equal(
        fitted.to_scaled(shown), shown.pixels[[2, 0]].transpose(1, 2, 0) / np.float32(255)
    )


@pytest.mark.parametrize("wanted", ["myosin", 0, 6, "6", -1])
def test_unknown_channels_are_refused_with_the_list(wanted):
    shown = image(ramp(4, 5), names=NAMES)
    with pytest.raises(SettingsError, match=r"no channel.*1 'DAPI', 2 'actin', 3 'tubulin'"):
        fit_preprocess([shown], PreprocessSettings(channels=(wanted,)), plain(4))


def test_a_channel_chosen_twice_or_ambiguously_is_refused():
    shown = image(ramp(4, 2), names=("actin", "Actin"))
    with pytest.raises(SettingsError, match="2 channels are called 'actin'"):
        fit_preprocess([shown], PreprocessSettings(channels=("actin",)), plain(4))
    with pytest.raises(SettingsError, match="chosen twice"):
        fit_preprocess([shown], PreprocessSettings(channels=(1, "1")), plain(4))


def test_more_than_three_channels_need_a_choice_or_an_adapted_network():
    shown = image(ramp(4, 5), names=NAMES)
    with pytest.raises(SettingsError, match=r"takes three channels but 5.*5 'golgi'"):
        fit_preprocess([shown], PreprocessSettings(), plain(4))
    network = NetworkInput(size=4, mean=(0.1, 0.2, 0.3), std=(0.5, 0.25, 0.75))
    fitted = fit_preprocess([shown], PreprocessSettings(adapt_first_convolution=True), network)
    assert fitted.network_channels == 5
    assert fitted.mean == pytest.approx((0.2,) * 5)
    assert fitted.std == pytest.approx((0.5,) * 5)
    assert fitted.apply(shown).shape == (4, 4, 5)


def test_an_adapted_network_takes_a_single_plane():
    chosen = PreprocessSettings(adapt_first_convolution=True)
    assert fit_preprocess([image(ramp())], chosen, plain(4)).apply(image(ramp())).shape == (4, 4, 1)


def test_another_channel_count_is_refused_at_prediction_and_in_a_study():
    two = image(ramp(4, 2), names=NAMES[:2])
    fitted = fit_preprocess([two], PreprocessSettings(), plain(4))
    with pytest.raises(ImageError, match=r"lone.tif: has 1 channel \(channel 1\) where 2 \(DAPI"):
        fitted.to_scaled(image(ramp(), path="lone.tif"))
    with pytest.raises(StudyError, match=r"lone.tif: has the channels 1 'channel 1' where"):
        fit_preprocess([two, image(ramp(), path="lone.tif")], PreprocessSettings(), plain(4))


def test_channels_in_another_order_are_found_by_name():
    shown = image(ramp(4, 2, step=3), names=("DAPI", "actin"))
    fitted = fit_preprocess([shown], PreprocessSettings(), plain(4))
    swapped = image(shown.pixels[::-1].copy(), names=("Actin", "dapi"))
    np.testing.assert_array_equal(fitted.to_scaled(swapped), fitted.to_scaled(shown))
    unnamed = image(shown.pixels)
    np.testing.assert_array_equal(fitted.to_scaled(unnamed), fitted.to_scaled(shown))
    foreign = image(shown.pixels, names=("actin", "tubulin"))
    with pytest.raises(ImageError, match="1 'actin', 2 'tubulin' where 1 'DAPI'"):
        fitted.to_scaled(foreign)


# Settings and storage


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"intensity": "fixed"}, "needs fixed_low"),
        ({"intensity": "fixed", "fixed_low": 3, "fixed_high": 3}, "larger fixed_high"),
        ({"fixed_low": 3}, "do nothing with intensity = 'auto'"),
        ({"intensity": "divide", "low_percentile": 3}, "percentiles do nothing"),
        ({"low_percentile": 50, "high_percentile": 50}, "not below"),
        ({"channels": ()}, "no channel"),
    ],
)
def test_contradictory_settings_are_refused(given, text):
    with pytest.raises(SettingsError, match=text):
        PreprocessSettings(**given)


def test_unknown_keys_and_impossible_values_are_refused():
    with pytest.raises(ValidationError, match="Extra inputs"):
        PreprocessSettings(intensitty="auto")
    with pytest.raises(ValidationError, match="less than or equal to 100"):
        PreprocessSettings(high_percentile=101)


def test_a_damaged_stored_preprocess_is_refused():
    stored = fit_preprocess([image(ramp())], PreprocessSettings(), plain(4)).model_dump()
    for change in ({"low": [300.0]}, {"std": [0, 1, 1]}, {"planes": [4]}, {"mean": [0]}):
        with pytest.raises(ValidationError):
            Preprocess.model_validate(stored | change)


def test_the_description_says_what_is_done():
    deep = image(np.arange(100, 1100, dtype=np.uint16).reshape(20, 50), (0, 65535), ("actin",))
    fitted = fit_preprocess([deep], PreprocessSettings(resize="pad"), plain(224))
    assert fitted.description == (
        "Channel actin repeated to 3 network channels; pixel values 100.999 to 1098 (percentiles "
        "0.1 and 99.9 of the training part) mapped to 0..1; resized and padded to 224 x 224 pixels."
    )


def test_unnamed_channels_read_well_in_the_description():
    fitted = fit_preprocess([image(ramp())], PreprocessSettings(), plain(4))
    assert fitted.description == (
        "Channel 1 repeated to 3 network channels; pixel values divided by 255; "
        "stretched to 4 x 4 pixels."
    )


def test_an_image_without_pixels_is_refused():
    fitted = fit_preprocess([image(ramp())], PreprocessSettings(), plain(4))
    with pytest.raises(ImageEmpty, match="has no pixels"):
        fitted.to_scaled(image(np.zeros((1, 0, 5), np.uint8)))


DTYPES = ("uint8", "int16", "uint16", "uint32", "int64", "float16", "float32", "float64", "bool")


@st.composite
def wild_images(draw):
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    shape = (draw(st.integers(1, 3)), draw(st.integers(1, 300)), draw(st.integers(1, 300)))
    elements = (
        st.floats(width=8 * dtype.itemsize, allow_nan=True, allow_infinity=True)
        if dtype.kind == "f"
        else hnp.from_dtype(dtype)
    )
    # A few wild values spread over the picture; filling each pixel would take minutes.
    few = draw(hnp.arrays(dtype, draw(st.integers(1, 30)), elements=elements))
    pixels = np.resize(few, shape)
    top = {"b": 1.0, "f": 1.0}.get(dtype.kind) or float(np.iinfo(dtype).max)
    return image(pixels, (0.0, top), colour=shape[0] == 3 and draw(st.booleans()))


@settings(max_examples=120)
@given(
    shown=wild_images(),
    policy=st.sampled_from(["auto", "percentile", "per_image", "fixed"]),
    resize=st.sampled_from(["stretch", "pad"]),
    size=st.integers(1, 64),
)
def test_unit_images_are_finite_and_in_range_and_survive_json(shown, policy, resize, size):
    limits = {"fixed_low": -0.5, "fixed_high": 0.75} if policy == "fixed" else {}
    chosen = PreprocessSettings(intensity=policy, resize=resize, **limits)
    try:
        fitted = fit_preprocess([shown], chosen, plain(size))
    except StudyError as refusal:
        assert "same value" in str(refusal)
        return
    scaled = fitted.to_scaled(shown)
    assert scaled.shape == (size, size, shown.pixels.shape[0])
    assert scaled.dtype == np.float32
    assert scaled.flags.c_contiguous
    assert np.isfinite(scaled).all()
    assert scaled.min() >= 0
    assert scaled.max() <= 1
    again = Preprocess.model_validate_json(fitted.model_dump_json())
    assert again == fitted
    assert again.apply(shown).tobytes() == fitted.apply(shown).tobytes()


def test_real_actin_images_are_neither_black_nor_saturated(shared_data):
    tifffile = pytest.importorskip("tifffile")
    files = sorted((shared_data / "mef_actin" / "cells").glob("*/*.tif"))[::6]
    cells = [image(tifffile.imread(file), (0, 65535), path=file) for file in files]
    fitted = fit_preprocess(cells, PreprocessSettings(), plain(224))
    scaled_images = np.stack([fitted.to_scaled(cell) for cell in cells])
    assert np.percentile(scaled_images, 99) > 0.5
    assert np.median(scaled_images) > 0.03
    assert np.mean(scaled_images >= 1) < 0.05
    assert np.mean(scaled_images <= 0) < 0.05


def test_blue_first_turns_three_planes_round_and_survives_json() -> None:
    wanted = NetworkInput(2, mean=(0.1, 0.2, 0.3), std=(1.0, 0.5, 0.25), order="bgr")
    planes = np.stack([np.full((2, 2), value, np.uint8) for value in (51, 102, 153)])
    planes[:, 0, 0] = 255
    divided = PreprocessSettings(intensity="divide")
    colour = fit_preprocess([image(planes)], divided, wanted)
    value = colour.apply(image(planes))[1, 1]
    # 153, 102 and 51 of 255 are 0.6, 0.4 and 0.2.
    np.testing.assert_allclose(value, [(0.6 - 0.3) / 0.25, (0.4 - 0.2) / 0.5, 0.1], atol=1e-6)
    assert Preprocess.model_validate_json(colour.model_dump_json()) == colour
    grey = fit_preprocess([image(planes[1])], divided, wanted)
    value = grey.apply(image(planes[1]))[1, 1]
    np.testing.assert_allclose(value, [(0.4 - 0.3) / 0.25, (0.4 - 0.2) / 0.5, 0.3], atol=1e-6)
    two = fit_preprocess([image(planes[:2])], divided, wanted)
    value = two.apply(image(planes[:2]))[1, 1]
    np.testing.assert_allclose(value, [(0.0 - 0.3) / 0.25, (0.4 - 0.2) / 0.5, 0.1], atol=1e-6)


def test_a_bundle_from_before_the_order_existed_is_red_first() -> None:
    planes = ramp()
    fitted = fit_preprocess([image(planes)], PreprocessSettings(), plain(4))
    told = json.loads(fitted.model_dump_json())
    assert told.pop("order") == "rgb"
    assert Preprocess.model_validate(told) == fitted
