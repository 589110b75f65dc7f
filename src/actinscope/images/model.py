"""What the room hands out: an image in memory, a region of it, and how to read it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, field_validator

from actinscope.images.image_sets import NO_PATTERN, ChannelPattern

#: Letters that ``--axes`` may use: time, z, channel, row, column, colour sample.
KNOWN_AXES = "TZCYXS"


class ImageKind(NamedTuple):
    """What images must share to be compared: channels, and what their numbers mean.

    ``value_range`` is None for floating point, which has no nominal range.
    """

    channels: int
    is_colour: bool
    value_range: tuple[float, float] | None

    @property
    def depth(self) -> str:
        """The value range for people: ``16-bit (0 to 65535)``."""
        if self.value_range is None:
            return "floating point"
        low, high = self.value_range
        bits = math.log2(high - low + 1) if high > low else 0.0
        span = f"{low:.0f} to {high:.0f}"
        return f"{bits:.0f}-bit ({span})" if bits == round(bits) else f"values {span}"

    @property
    def text(self) -> str:
        """In words: ``1 channel, 8-bit (0 to 255)``."""
        plural = "s" if self.channels > 1 else ""
        what = "RGB" if self.is_colour else f"{self.channels} channel{plural}"
        return f"{what}, {self.depth}"


@dataclass(frozen=True, eq=False)
class Image:
    """One picture with the values its file holds, not scaled, not converted.

    Attributes:
        path: the file it came from.
        pixels: (C, Y, X), C-contiguous, native byte order; unsigned or signed
            integers or floats as stored.
        channel_names: one name a channel: from the metadata, ``red green blue``
            for colour pictures, else ``channel 1``, ``channel 2``...
        pixel_size_um: size of a pixel in micrometres (y, x), where the file says so.
        is_colour: the channels are red, green and blue of one colour picture.
        value_range: lowest and highest value that the file's type can hold:
            (0, 255), (0, 65535), (0, 4095) where the metadata promises 12 bits,
            (0, 1) for 1-bit pictures; (0, 1) by convention for floats.
        notes: what was done or noticed on the way, for people to read.
    """

    path: Path
    pixels: NDArray[Any]
    channel_names: tuple[str, ...]
    pixel_size_um: tuple[float, float] | None
    is_colour: bool
    value_range: tuple[float, float]
    notes: tuple[str, ...] = ()

    @property
    def kind(self) -> ImageKind:
        """Number of channels, colour, and range of values."""
        low, high = (float(end) for end in self.value_range)
        value_range = None if self.pixels.dtype.kind == "f" else (low, high)
        return ImageKind(len(self.pixels), self.is_colour, value_range)


class ReadOptions(BaseModel):
    """How to choose where a file holds more than one (C, Y, X) picture.

    Attributes:
        z: projection of a z-stack, or the number of one plane, from 0. ``max``
            and ``middle`` keep the type; ``mean`` gives float32 (float64 for
            64-bit types); ``sum`` gives uint32, int64 or uint64 wide enough.
        time: the time point to take, from 0; None refuses a time series.
        scene: the scene (OME image, series) to take, from 0; None refuses several.
        axes: the file's axes in order, of the letters T, Z, C, Y, X and S (colour
            samples), where the file does not say, such as ``ZYX``. It overrides
            what the file says.
        channel_pattern: what differs in the names of files that are channels or z planes of
            one image, such as ``{DNA|actin}`` or ``z{..}``; ``none`` where every file is an
            image. None looks for it when a study is listed; a model has what was found.
        max_pixels: most values that a file may hold, over all its axes, before it
            is refused without being decoded; half as many of 32 bits, a quarter of 64.
        allow_constant: read images in which every pixel has the same value.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    z: Literal["max", "mean", "sum", "middle"] | int = "max"
    time: int | None = Field(default=None, ge=0)
    scene: int | None = Field(default=None, ge=0)
    axes: str | None = None
    channel_pattern: str | None = None
    max_pixels: int = Field(default=400_000_000, ge=1)
    allow_constant: bool = False

    @field_validator("z")
    @classmethod
    def _z_is_a_plane(cls, value: str | int) -> str | int:
        if isinstance(value, int) and value < 0:
            raise ValueError("a z plane is counted from 0")
        return value

    @field_validator("channel_pattern")
    @classmethod
    def _pattern_is_one(cls, value: str | None) -> str | None:
        if value is not None and value != NO_PATTERN:
            ChannelPattern(value)
        return value

    @field_validator("axes")
    @classmethod
    def _axes_are_known(cls, value: str | None) -> str | None:
        if value is None:
            return None
        letters = value.upper()
        if set(letters) - set(KNOWN_AXES) or len(set(letters)) != len(letters):
            raise ValueError(f"axes are given by the letters {KNOWN_AXES}, each at most once")
        if "Y" not in letters or "X" not in letters:
            raise ValueError("axes must hold Y and X")
        if "C" in letters and "S" in letters:
            raise ValueError("axes hold either C (channels) or S (colour samples), not both")
        return letters


@dataclass(frozen=True)
class Region:
    """A rectangle of an image: centre (y, x) and size, all in pixels.

    Pixel centres lie at whole numbers: the first pixel is (0, 0).
    """

    y: float
    x: float
    height: int
    width: int


def integer_range(dtype: np.dtype[Any], bits: int | None = None) -> tuple[float, float]:
    """Nominal value range of a pixel type; ``bits`` where fewer bits are in use."""
    if dtype.kind == "f":
        return 0.0, 1.0
    if dtype.kind == "b":
        return 0.0, 1.0
    if bits is not None and dtype.kind == "u" and 0 < bits < dtype.itemsize * 8:
        return 0.0, float(2**bits - 1)
    limits = np.iinfo(dtype)
    return float(limits.min), float(limits.max)
