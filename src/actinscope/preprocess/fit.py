"""Fitting the preprocessing on the training part: one pass, bounded memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from actinscope.errors import SettingsError, StudyError
from actinscope.preprocess.channels import MOST_PLANES, choose_planes, list_channels, planes_of
from actinscope.preprocess.intensity import PixelPool
from actinscope.preprocess.pipeline import Preprocess
from actinscope.preprocess.settings import ColourOrder, NetworkInput, PreprocessSettings

if TYPE_CHECKING:
    from actinscope.images import Image, ImageKind

_Policy = Literal["divide", "percentile", "per_image", "fixed"]
_EIGHT_BIT = 255.0
# Of the nominal range: where the darkest pixels lie above it, an offset takes the contrast.
_MOST_OFFSET = 0.1


class _Study(NamedTuple):
    """What all training images have in common, taken from the first."""

    names: tuple[str, ...]
    planes: tuple[int, ...]
    joint_colour: bool
    kind: ImageKind


def require_one_kind(
    names: Sequence[str], kinds: Sequence[ImageKind], settings: PreprocessSettings
) -> None:
    """Refuse images that cannot be trained together; ``kinds`` are those of ``names``.

    Channels must agree in any case, bit depths unless every image is scaled by itself.

    Raises:
        StudyError: names all images unlike most others.
    """
    any_depth = settings.intensity == "per_image"
    compared = [kind._replace(value_range=None) if any_depth else kind for kind in kinds]
    counts = [kind for kind, _ in Counter(compared).most_common()]
    if len(counts) < 2:
        return
    usual, *others = counts
    lists = []
    for odd in others:
        own = [name for name, kind in zip(names, compared, strict=True) if kind == odd]
        text = kinds[compared.index(odd)].text
        lists.append(f"{text}: {', '.join(dict.fromkeys(own))}")
    same_channels = len({kind[:2] for kind in kinds}) == 1
    raise StudyError(
        f"most images are {kinds[compared.index(usual)].text}, and these are not: "
        + "; ".join(lists),
        remedy="Give --intensity per-image, or leave them out with --exclude NAME"
        if same_channels
        else "Save them like the others, or leave them out with --exclude NAME",
    )


def fit_preprocess(
    images: Iterable[Image], settings: PreprocessSettings, network: NetworkInput
) -> Preprocess:
    """Decide once, on training images only, how every image is preprocessed.

    ``images``, the training part and nothing else, are gone through once, one at a time.

    Raises:
        SettingsError: channels that do not exist, or too many of them.
        StudyError: no images; images of differing channels or bit depth; an intensity
            range that holds a single value, or that the pixels do not fit.
    """
    study: _Study | None = None
    pool: PixelPool | None = None
    any_depth = settings.intensity == "per_image"
    for image in images:
        if study is None or pool is None:
            study = _first(image, settings)
            pool = PixelPool(len(study.planes))
        pool.add(image.pixels[list(_checked_planes(image, study, any_depth=any_depth))])
    if study is None or pool is None:
        raise StudyError(
            "there are no training images", remedy="Check the data folder and the split"
        )
    policy, low, high = _ranges(study, pool, settings)
    channels, mean, std, order = _network_side(len(study.planes), settings, network)
    fitted = Preprocess(
        channel_names=study.names,
        planes=study.planes,
        joint_colour=study.joint_colour,
        intensity=policy,
        low=low,
        high=high,
        low_percentile=settings.low_percentile,
        high_percentile=settings.high_percentile,
        value_range=study.kind.value_range,
        size=network.size,
        resize=settings.resize,
        network_channels=channels,
        mean=mean,
        std=std,
        order=order,
        description="",
    )
    return fitted.model_copy(update={"description": _describe(fitted)})


def _first(image: Image, settings: PreprocessSettings) -> _Study:
    names = tuple(image.channel_names)
    planes = choose_planes(names, settings.channels, adapt=settings.adapt_first_convolution)
    joint = image.is_colour and len(planes) == 3
    return _Study(names, planes, joint, image.kind)


def _checked_planes(image: Image, study: _Study, *, any_depth: bool) -> tuple[int, ...]:
    if image.pixels.shape[0] != len(study.names):
        raise StudyError(
            f"has the channels {list_channels(image.channel_names)} where images before it "
            f"have {list_channels(study.names)}",
            where=image.path,
            remedy="Use images with the same channels throughout a study",
        )
    if not any_depth and image.kind.value_range != study.kind.value_range:
        raise StudyError(
            f"is {image.kind.depth} where images before it are {study.kind.depth}",
            where=image.path,
            remedy="Use files of one bit depth, or train with --intensity per-image",
        )
    chosen = tuple(study.names[plane] for plane in study.planes)
    return planes_of(image, chosen, study.planes, channel_names=study.names)


def _ranges(
    study: _Study, pool: PixelPool, settings: PreprocessSettings
) -> tuple[_Policy, tuple[float, ...], tuple[float, ...]]:
    """The policy, and the values of each plane that become 0 and 1."""
    count = len(study.planes)
    if all(low >= high for low, high in zip(pool.lowest, pool.highest, strict=True)):
        raise StudyError(
            "all pixels of all training images have the same value, or none",
            where="intensity",
            remedy="Check that the right files and the right channels are used",
        )
    if settings.intensity == "per_image":
        return "per_image", (), ()
    if settings.intensity == "fixed":
        assert settings.fixed_low is not None and settings.fixed_high is not None
        return "fixed", (settings.fixed_low,) * count, (settings.fixed_high,) * count
    pairs = pool.percentiles(
        settings.low_percentile, settings.high_percentile, joint=study.joint_colour
    )
    darkest = min(low for low, _ in pairs)
    if settings.intensity == "divide" or (
        settings.intensity == "auto" and _uses_its_type(study.kind.value_range, darkest)
    ):
        low, high = _nominal_ends(study, pool)
        return "divide", (low,) * count, (high,) * count
    for plane, (low, high) in zip(study.planes, pairs, strict=True):
        if low >= high:
            raise StudyError(
                f"percentiles {settings.low_percentile:g} and {settings.high_percentile:g} of "
                f"the training part are the same value, {low:g}",
                where=f"channel {study.names[plane]!r}",
                remedy="Leave the channel out, choose percentiles further apart, "
                "or set intensity to 'fixed'",
            )
    return "percentile", tuple(low for low, _ in pairs), tuple(high for _, high in pairs)


def _uses_its_type(value_range: tuple[float, float] | None, darkest: float) -> bool:
    """Whether pixels of up to 8 bits, from 0, use the lower end of what they can hold."""
    if value_range is None or value_range[0] < 0 or value_range[1] > _EIGHT_BIT:
        return False
    return darkest <= _MOST_OFFSET * value_range[1]


def _nominal_ends(study: _Study, pool: PixelPool) -> tuple[float, float]:
    ends = (0.0, 1.0) if study.kind.value_range is None else study.kind.value_range
    for found, end, is_beyond in (
        (min(pool.lowest), ends[0], min(pool.lowest) < ends[0]),
        (max(pool.highest), ends[1], max(pool.highest) > ends[1]),
    ):
        if is_beyond:
            raise StudyError(
                f"pixel values reach {found:g}, beyond the nominal end {end:g} of "
                f"{study.kind.depth} files",
                where="intensity",
                remedy="Set intensity to 'percentile' or 'fixed'",
            )
    return ends


def _network_side(
    planes: int, settings: PreprocessSettings, network: NetworkInput
) -> tuple[int, tuple[float, ...], tuple[float, ...], ColourOrder]:
    """Number of input channels of the network, mean and std of each, and their order."""
    channels = planes if settings.adapt_first_convolution else network.channels
    if channels == len(network.mean):
        turn = -1 if network.order == "bgr" else 1
        return channels, network.mean[::turn], network.std[::turn], network.order
    if planes > 1 and channels < planes:
        raise SettingsError(
            f"{planes} channels are to be used but the network takes {channels}",
            where="channels",
            remedy="Choose fewer channels, or set adapt_first_convolution",
        )
    # Red, green and blue mean nothing to other planes; their average keeps the scale.
    mean = sum(network.mean) / len(network.mean)
    std = sum(network.std) / len(network.std)
    return channels, (mean,) * channels, (std,) * channels, "rgb"


def _describe(fitted: Preprocess) -> str:
    how = "stretched" if fitted.resize == "stretch" else "resized and padded"
    return (
        f"{_describe_channels(fitted)}; {_describe_intensity(fitted)}; "
        f"{how} to {fitted.size} x {fitted.size} pixels."
    )


def _describe_channels(fitted: Preprocess) -> str:
    count, channels = len(fitted.planes), fitted.network_channels
    text = ", ".join(fitted.channel_names[plane] for plane in fitted.planes)
    if text.startswith("channel "):  # the reader's own name for a channel without one
        text = text[0].upper() + text[1:]
    else:
        text = f"Channel{'s' if count > 1 else ''} {text}"
    if count == 1 and channels > 1:
        return f"{text} repeated to {channels} network channels"
    if count < channels:
        return f"{text} as the first {count} of {channels} network channels, the rest 0"
    if count == MOST_PLANES == channels:
        return f"{text} as the network's three channels"
    return f"{text}, one network channel each"


def _describe_intensity(fitted: Preprocess) -> str:
    percentiles = f"percentiles {fitted.low_percentile:g} and {fitted.high_percentile:g}"
    if fitted.intensity == "per_image":
        return f"{percentiles} of each image mapped to 0 and 1"
    if fitted.intensity == "divide" and not fitted.low[0]:
        return f"pixel values divided by {fitted.high[0]:g}"
    pairs = list(zip(fitted.low, fitted.high, strict=True))
    if len(set(pairs)) == 1:
        pairs = pairs[:1]
    text = ", ".join(f"{low:g} to {high:g}" for low, high in pairs)
    source = {"fixed": "fixed", "divide": "the ends of their type"}.get(
        fitted.intensity, f"{percentiles} of the training part"
    )
    return f"pixel values {text} ({source}) mapped to 0..1"
