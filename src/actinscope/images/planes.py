"""From an array whose axes have names to the (C, Y, X) picture that the user chose.

Every format ends here: its header says what the axes of its array are, and this module
settles what they mean. It picks the time point, projects the z-stack, orders channels, rows
and columns, and checks that something was recorded. What the metadata leaves open is refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actinscope.errors import AmbiguousAxes, ImageEmpty, ImageTooLarge, ImageUnreadable
from actinscope.images.model import KNOWN_AXES, Image, ReadOptions, integer_range

_AXIS_NAMES = {"A": "angle", "R": "tile", "H": "lifetime", "P": "phase", "V": "event", "M": "tile"}
COLOURS = ("red", "green", "blue")
#: Note on an image that is read although it shows nothing.
NOTHING_SHOWN = "every pixel has the same value"


@dataclass(frozen=True, eq=False)
class Stored:
    """What a decoder found: the whole array, one letter of ``axes`` for each axis.

    ``bits`` says how many bits of an unsigned type are in use, None for all of them.
    ``is_colour`` says that axis S holds red, green and blue.
    """

    array: NDArray[Any]
    axes: str
    bits: int | None = None
    is_colour: bool = False
    channel_names: tuple[str, ...] = ()
    pixel_size_um: tuple[float, float] | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Header:
    """What is known of an open file before its pixels are decoded.

    ``axes`` are one letter for each axis of ``shape``, as far as the file says. ``decode``
    is called with the letters that :func:`settle_axes` makes of them, while the file is open.
    ``pixel_size_um`` is (y, x), where the file says it.
    """

    shape: tuple[int, ...]
    axes: str
    dtype: np.dtype[Any]
    decode: Callable[[str], Stored]
    pixel_size_um: tuple[float, float] | None = None


def check_size(
    path: Path, shape: Sequence[int], dtype: np.dtype[Any], options: ReadOptions
) -> None:
    """Refuse a shape from a file's header before anything is decoded.

    Raises:
        ImageEmpty: an axis has length zero.
        ImageTooLarge: more values than ``options.max_pixels``, or more bytes than so many
            values of 16 bits.
        ImageUnreadable: a negative length.
    """
    sides = _sizes(shape)
    if any(length < 0 for length in shape):
        raise ImageUnreadable(
            f"the header gives impossible sizes ({sides})",
            where=path,
            remedy="Export the image again, or leave it out",
        )
    if math.prod(shape) == 0:
        raise ImageEmpty(
            f"the image has no pixels ({sides})", where=path, remedy="Remove or replace the file"
        )
    limit = options.max_pixels * 2 // max(dtype.itemsize, 2)
    if math.prod(shape) > limit:
        raise ImageTooLarge(
            f"the header promises {sides} = {math.prod(shape):,} values, the limit is {limit:,}"
            + (f" of {8 * dtype.itemsize} bits" if dtype.itemsize > 2 else ""),
            where=path,
            remedy="Crop or split the image, or raise max_pixels if the file can be trusted",
        )


def check_type(path: Path, dtype: np.dtype[Any]) -> None:
    """Refuse types that are not measured intensities: complex, text, records, long double."""
    if dtype.kind in "bui" or (dtype.kind == "f" and dtype.itemsize <= 8):
        return
    remedy = "Save the image as integers or as 32-bit floats"
    if dtype.kind == "c":
        remedy = "Save the magnitude as 32-bit floats"
    raise ImageUnreadable(f"pixels of type {dtype} are not intensities", where=path, remedy=remedy)


def settle_axes(path: Path, header: Header, options: ReadOptions) -> str:
    """One letter for each axis of the file: the user's, or the file's if it is complete.

    Raises:
        ImageUnreadable, ImageEmpty, ImageTooLarge: as :func:`check_type`, :func:`check_size`.
        AmbiguousAxes: an axis longer than 1 has no known meaning, there are several
            time points and none was chosen, or the user's axes do not fit the file.
    """
    shape, axes = header.shape, header.axes
    check_type(path, header.dtype)
    check_size(path, shape, header.dtype, options)
    if options.axes is not None:
        axes = _chosen_axes(path, shape, axes, options.axes)
    lengths = dict(zip(axes, shape, strict=True))
    if axes.count("Y") != 1 or axes.count("X") != 1:
        raise AmbiguousAxes(
            f"the file has no rows and columns (axes {axes}, lengths {_sizes(shape)})",
            where=path,
            remedy="Say what the axes are with --axes, such as --axes YX",
        )
    for letter, length in zip(axes, shape, strict=True):
        if length > 1 and (letter not in KNOWN_AXES or axes.count(letter) > 1):
            meaning = _AXIS_NAMES.get(letter, "unknown meaning")
            raise AmbiguousAxes(
                f"an axis of length {length} has {meaning} (axes {axes}, lengths {_sizes(shape)})"
                if meaning == "unknown meaning"
                else f"an axis of length {length} is a series of {meaning}s",
                where=path,
                remedy="Say what the axes are with --axes, such as --axes ZYX or --axes CYX",
            )
    refuse_colour_channels(path, axes, shape)
    _check_index(path, "time", lengths.get("T", 1), options.time)
    if isinstance(options.z, int):
        _check_index(path, "z", lengths.get("Z", 1), options.z)
    return axes


def refuse_colour_channels(path: Path, axes: str, shape: Sequence[int]) -> None:
    """Refuse several channels (C) that have several colour samples (S) each."""
    lengths = dict(zip(axes, shape, strict=True))
    if lengths.get("S", 1) > 1 and lengths.get("C", 1) > 1:
        raise AmbiguousAxes(
            "the file has several channels that are each in colour",
            where=path,
            remedy="Save the channels in grey, or say what the axes are with --axes",
        )


def _chosen_axes(path: Path, shape: Sequence[int], declared: str, chosen: str) -> str:
    if len(chosen) == len(shape):
        return chosen
    long_axes = [index for index, length in enumerate(shape) if length != 1]
    if len(chosen) == len(long_axes):
        # Axes of length 1 need no name; the letter of a dropped axis must not clash.
        letters = ["Q"] * len(shape)
        for letter, index in zip(chosen, long_axes, strict=True):
            letters[index] = letter
        return "".join(letters)
    raise AmbiguousAxes(
        f"--axes {chosen} names {len(chosen)} axes, the file has {len(shape)} "
        f"({declared}, lengths {_sizes(shape)})",
        where=path,
        remedy="Give --axes one letter for each axis of the file",
    )


def _check_index(path: Path, option: str, length: int, index: int | None) -> None:
    if index is None:
        if length > 1:
            raise AmbiguousAxes(
                f"the file is a series of {length} time points",
                where=path,
                remedy=f"Choose one with --{option} 0 to --{option} {length - 1}",
            )
    elif index >= length:
        what = "time points" if option == "time" else "z planes"
        raise AmbiguousAxes(
            f"--{option} {index} asks for more than the file has ({length} {what}, from 0)",
            where=path,
            remedy=f"Choose --{option} 0 to --{option} {length - 1}",
        )


def check_scene(path: Path, count: int, scene: int | None) -> int:
    """Number of the scene to read.

    Raises:
        AmbiguousAxes: several scenes and no choice, or a choice that is not there.
    """
    if scene is None and count > 1:
        raise AmbiguousAxes(
            f"the file holds {count} scenes (series)",
            where=path,
            remedy=f"Choose one with --scene 0 to --scene {count - 1}",
        )
    if scene is not None and scene >= count:
        raise AmbiguousAxes(
            f"--scene {scene} asks for more than the file has ({count}, counted from 0)",
            where=path,
            remedy=f"Choose --scene 0 to --scene {count - 1}",
        )
    return scene or 0


def to_image(path: Path, stored: Stored, options: ReadOptions) -> Image:
    """The one picture that ``options`` choose, checked for having content.

    Raises:
        ImageEmpty: no finite value, or every pixel the same.
        AmbiguousAxes: colour samples that are neither three nor four.
    """
    array, axes, notes = stored.array, stored.axes, list(stored.notes)
    array = array.astype(np.uint8) if array.dtype.kind == "b" else array
    low, high = integer_range(stored.array.dtype, stored.bits)
    array, axes = _take_time(array, axes, options.time, notes)
    array, axes, scale = _project(array, axes, options.z, notes)
    array, axes, is_colour = _order(path, array, axes, stored, notes)
    pixels = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))
    names = stored.channel_names if "S" not in axes else ()
    image = Image(
        path=path,
        pixels=pixels,
        channel_names=COLOURS if is_colour else _full_names(names, len(pixels)),
        pixel_size_um=stored.pixel_size_um,
        is_colour=is_colour,
        value_range=(low * scale, high * scale),
    )
    notes.extend(_content_notes(image, options.allow_constant))
    return replace(image, notes=tuple(notes))


def _take_time(
    array: NDArray[Any], axes: str, time: int | None, notes: list[str]
) -> tuple[NDArray[Any], str]:
    if "T" not in axes:
        return array, axes
    at = axes.index("T")
    if array.shape[at] > 1:
        notes.append(f"time point {time or 0} of {array.shape[at]}")
    return array.take(time or 0, axis=at), axes.replace("T", "")


def _project(
    array: NDArray[Any], axes: str, z: str | int, notes: list[str]
) -> tuple[NDArray[Any], str, int]:
    """Array without its z axis, its axes, and the factor on the nominal range."""
    if "Z" not in axes:
        return array, axes, 1
    at, rest = axes.index("Z"), axes.replace("Z", "")
    count = array.shape[at]
    if count == 1:
        return array.take(0, axis=at), rest, 1
    if isinstance(z, int) or z == "middle":
        plane = count // 2 if z == "middle" else int(z)
        notes.append(f"z plane {plane} of {count} (from 0)")
        return array.take(plane, axis=at), rest, 1
    if z == "max":
        notes.append(f"maximum projection of {count} z planes")
        return array.max(axis=at), rest, 1
    if z == "mean":
        notes.append(f"mean projection of {count} z planes")
        wide = np.float64 if array.dtype.itemsize == 8 else np.float32
        return array.mean(axis=at, dtype=np.float64).astype(wide), rest, 1
    notes.append(f"sum projection of {count} z planes")
    return array.sum(axis=at, dtype=_sum_type(array.dtype)), rest, count


def _sum_type(dtype: np.dtype[Any]) -> np.dtype[Any]:
    if dtype.kind == "f":
        return np.dtype(np.float64 if dtype.itemsize == 8 else np.float32)
    if dtype.kind == "i":
        return np.dtype(np.int64)
    # 65,536 planes of 16 bits fit into 32.
    return np.dtype(np.uint32 if dtype.itemsize <= 2 else np.uint64)


def _order(
    path: Path, array: NDArray[Any], axes: str, stored: Stored, notes: list[str]
) -> tuple[NDArray[Any], str, bool]:
    """Array as (C, Y, X); whether its channels are the colours of one picture."""
    keep = [
        letter in "YX" or (letter in "CS" and length > 1)
        for letter, length in zip(axes, array.shape, strict=True)
    ]
    array = array.reshape([n for n, kept in zip(array.shape, keep, strict=True) if kept])
    axes = "".join(letter for letter, kept in zip(axes, keep, strict=True) if kept)
    if len(axes) == 2:
        return array.transpose(axes.index("Y"), axes.index("X"))[np.newaxis], axes, False
    first = "S" if "S" in axes else "C"
    array = array.transpose(axes.index(first), axes.index("Y"), axes.index("X"))
    if first == "C":
        return array, axes, False
    if stored.is_colour:
        return array, axes, True
    # Only the user (or a vendor's reader) calls samples colour by that alone.
    if len(array) not in (3, 4):
        raise AmbiguousAxes(
            f"an axis of length {len(array)} is called colour samples (S)",
            where=path,
            remedy="Colour has 3 samples, or 4 with alpha; call channels C with --axes",
        )
    if len(array) == 4:
        notes.append("alpha channel dropped")
    return array[:3], axes, True


def _full_names(names: Sequence[str], count: int) -> tuple[str, ...]:
    given = [str(name).strip() for name in names] if len(names) == count else [""] * count
    return tuple(name or f"channel {index}" for index, name in enumerate(given, start=1))


def _content_notes(image: Image, allow_constant: bool) -> list[str]:
    """Notes on odd pixels; refuses pictures without content."""
    pixels, notes = image.pixels, []
    if pixels.dtype.kind == "f":
        finite = np.isfinite(pixels)
        bad = int(pixels.size - np.count_nonzero(finite))
        if bad == pixels.size:
            raise ImageEmpty(
                "no pixel has a finite value (all NaN or infinite)",
                where=image.path,
                remedy="Remove or replace the file",
            )
        if bad:
            notes.append(f"{bad} of {pixels.size} values are not finite (NaN or infinite)")
        flat = [
            c.min(where=f, initial=np.inf) >= c.max(where=f, initial=-np.inf)
            for c, f in zip(pixels, finite, strict=True)
        ]
    else:
        flat = [channel.min() == channel.max() for channel in pixels]
    if all(flat):
        if not allow_constant:
            raise ImageEmpty(
                "every pixel has the same value, so the image shows nothing",
                where=image.path,
                remedy="Check the exposure and the export, then remove or replace the file",
            )
        notes.append(NOTHING_SHOWN)
    elif not image.is_colour:
        blank = [name for name, is_flat in zip(image.channel_names, flat, strict=True) if is_flat]
        notes.extend(f"channel '{name}' has the same value everywhere" for name in blank)
    return notes


def _sizes(shape: Sequence[int]) -> str:
    return " x ".join(str(length) for length in shape)
