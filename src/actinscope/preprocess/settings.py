"""What the user may choose about preprocessing, and what a network asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from actinscope.errors import SettingsError

# Over a whole training part 0.1 % of the pixels is far more than hot or dead camera
# pixels make up, and still lies inside the cells where these cover 1 % of the picture.
LOW_PERCENTILE = 0.1
HIGH_PERCENTILE = 99.9


ColourOrder = Literal["rgb", "bgr"]


@dataclass(frozen=True)
class NetworkInput:
    """What a network wants to be fed: ``value = (scaled - mean) / std`` per channel.

    Attributes:
        size: side of the square input in pixels.
        mean, std: subtracted from values in 0..1 and divided by, one per red, green and blue.
        channels: planes of the input; 3 for everything pretrained on photographs.
        order: whether red or blue is the first plane of the input; networks that come from
            Caffe want blue first. ``mean`` and ``std`` are red, green, blue in either case.
    """

    size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    channels: int = 3
    order: ColourOrder = "rgb"


class PreprocessSettings(BaseModel):
    """How images become network input.

    Attributes:
        channels: ``"auto"`` takes all channels in file order; otherwise the channels by
            name (upper and lower case alike) or by number, the first being 1.
        intensity: where 0 and 1 lie. ``divide``: the smallest and the largest value of the
            file's type (0 and 255 for 8-bit). ``percentile``: two percentiles pooled over the
            training part, per channel. ``per_image``: the same percentiles of each image by
            itself. ``fixed``: ``fixed_low`` and ``fixed_high``. ``auto``: ``divide`` for files
            of up to 8 bits without a sign whose darkest pixels lie in the lowest tenth;
            ``percentile`` for all others.
        low_percentile: per cent of the pixels that become 0.
        high_percentile: per cent of the pixels below the value that becomes 1.
        fixed_low: pixel value that becomes 0; only with ``intensity="fixed"``.
        fixed_high: pixel value that becomes 1; only with ``intensity="fixed"``.
        resize: ``stretch`` to the square, or ``pad`` the short side with 0 to keep the shape.
        adapt_first_convolution: give the network one input plane per channel.

    Raises:
        SettingsError: settings that contradict each other or would do nothing.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    channels: Literal["auto"] | tuple[int | str, ...] = "auto"
    intensity: Literal["auto", "divide", "percentile", "per_image", "fixed"] = "auto"
    low_percentile: float = Field(default=LOW_PERCENTILE, ge=0, le=100)
    high_percentile: float = Field(default=HIGH_PERCENTILE, ge=0, le=100)
    fixed_low: float | None = None
    fixed_high: float | None = None
    resize: Literal["stretch", "pad"] = "stretch"
    adapt_first_convolution: bool = False

    @model_validator(mode="after")
    def _consistent(self) -> PreprocessSettings:
        self._check_fixed()
        if self.low_percentile >= self.high_percentile:
            raise SettingsError(
                f"low_percentile {self.low_percentile:g} is not below "
                f"high_percentile {self.high_percentile:g}",
                where="low_percentile",
                remedy="Choose two percentiles such as 0.1 and 99.9",
            )
        changed = (self.low_percentile, self.high_percentile) != (LOW_PERCENTILE, HIGH_PERCENTILE)
        if changed and self.intensity in ("divide", "fixed"):
            raise SettingsError(
                f"percentiles do nothing with intensity = {self.intensity!r}",
                where="low_percentile, high_percentile",
                remedy="Leave them out, or set intensity to 'percentile' or 'per_image'",
            )
        if self.channels == ():
            raise SettingsError(
                "no channel is chosen",
                where="channels",
                remedy="Name at least one channel, or write 'auto'",
            )
        return self

    def _check_fixed(self) -> None:
        given = [value for value in (self.fixed_low, self.fixed_high) if value is not None]
        if self.intensity != "fixed":
            if given:
                raise SettingsError(
                    f"fixed_low and fixed_high do nothing with intensity = {self.intensity!r}",
                    where="fixed_low, fixed_high",
                    remedy="Leave them out, or set intensity to 'fixed'",
                )
        elif len(given) < 2 or given[0] >= given[1]:
            raise SettingsError(
                "intensity = 'fixed' needs fixed_low and a larger fixed_high",
                where="fixed_low, fixed_high",
                remedy="Give the pixel values that are to become black and white",
            )
