"""The fitted preprocessing: an image in, network input out, the same everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from actinscope.errors import ImageEmpty, ImageError
from actinscope.preprocess.channels import planes_of
from actinscope.preprocess.intensity import image_percentiles, scale_plane
from actinscope.preprocess.settings import ColourOrder

if TYPE_CHECKING:
    from actinscope.images import Image


_COLOURS = 3


class Preprocess(BaseModel):
    """Everything needed to turn an image into network input; survives JSON unchanged.

    The order is: choose planes, scale and clip to 0..1 (float32), resize, then (in
    ``to_network``) spread over the network's channels and normalise. Scaling comes
    before resizing so that a single hot pixel is clipped before it can bleed.

    Attributes:
        channel_names: all channels of the training images.
        planes: positions (from 0) of the channels in use, in order.
        joint_colour: the planes are red, green and blue of one picture and share a range.
        intensity: resolved policy; ``auto`` is no longer possible.
        low, high: values that become 0 and 1, per plane; empty for ``per_image``.
        low_percentile, high_percentile: used by ``percentile`` (for the record) and
            ``per_image``.
        value_range: nominal range of the training files' type; None for floating point.
        size: side of the square in pixels.
        resize: ``stretch`` or ``pad``.
        network_channels: planes of the network's input.
        mean, std: subtracted from scaled values and divided by, per network channel.
        order: ``bgr`` puts the first plane (red) last and the third (blue) first; a single
            plane is the same in both. Bundles from before it existed are ``rgb``.
        description: all this in one sentence.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    channel_names: tuple[str, ...] = Field(min_length=1)
    planes: tuple[int, ...] = Field(min_length=1)
    joint_colour: bool
    intensity: Literal["divide", "percentile", "per_image", "fixed"]
    low: tuple[float, ...]
    high: tuple[float, ...]
    low_percentile: float = Field(ge=0, le=100)
    high_percentile: float = Field(ge=0, le=100)
    value_range: tuple[float, float] | None
    size: int = Field(gt=0)
    resize: Literal["stretch", "pad"]
    network_channels: int = Field(gt=0)
    mean: tuple[float, ...]
    std: tuple[float, ...]
    order: ColourOrder = "rgb"
    description: str

    @model_validator(mode="after")
    def _consistent(self) -> Preprocess:
        ranges = 0 if self.intensity == "per_image" else len(self.planes)
        if len(self.low) != ranges or len(self.high) != ranges:
            raise ValueError(f"low and high must have {ranges} values")
        if any(low >= high for low, high in zip(self.low, self.high, strict=True)):
            raise ValueError("every low must be below its high")
        if len(self.mean) != self.network_channels or len(self.std) != self.network_channels:
            raise ValueError("mean and std must have one value per network channel")
        if not all(value > 0 for value in self.std):
            raise ValueError("std must be positive")
        if not all(0 <= plane < len(self.channel_names) for plane in self.planes):
            raise ValueError("planes must be positions among channel_names")
        if len(self.planes) > 1 and self.network_channels < len(self.planes):
            raise ValueError("more planes than network channels")
        if self.order == "bgr" and self.network_channels != _COLOURS:
            raise ValueError("blue before red needs a network of three channels")
        return self

    def to_scaled(self, image: Image) -> NDArray[np.float32]:
        """Choose planes, scale to 0..1, resize.

        Returns:
            (size, size, K) float32 in 0..1, contiguous; K distinct planes (1 for grey,
            so that later steps need not carry three copies).

        Raises:
            ImageError: another number of channels or another bit depth than fitted.
            ImageEmpty: an image without pixels.
        """
        if image.pixels.ndim != 3 or image.pixels.size == 0:
            raise ImageEmpty(
                f"has no pixels (shape {image.pixels.shape})",
                where=image.path,
                remedy="Leave the file out",
            )
        names = tuple(self.channel_names[plane] for plane in self.planes)
        places = planes_of(image, names, self.planes, channel_names=self.channel_names)
        self._check_depth(image)
        pixels = image.pixels[list(places)]
        scaled = np.empty((self.size, self.size, len(places)), dtype=np.float32)
        for index, (low, high) in enumerate(self._ranges(pixels)):
            scaled[..., index] = fit_to_square(
                scale_plane(pixels[index], low, high), self.size, self.resize
            )
        return scaled

    def mask_to_scaled(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """A mask (Y, X) of the image, resized as ``to_scaled`` resizes the image: (size, size)."""
        plane = fit_to_square(mask.astype(np.float32), self.size, self.resize)
        return np.asarray(plane >= 0.5)

    def to_network(self, scaled: NDArray[np.float32]) -> NDArray[np.float32]:
        """Spread scaled planes over the network's channels and normalise.

        One plane is repeated; fewer planes than channels are followed by planes of 0. Where
        the network wants blue first, the order of the three is then reversed.

        Args:
            scaled: (H, W, K) or a batch (N, H, W, K), float32 in 0..1.

        Returns:
            (H, W, C) or (N, H, W, C) float32, C = ``network_channels``.

        Raises:
            ValueError: K is not the number of planes.
        """
        count = len(self.planes)
        if scaled.ndim not in (3, 4) or scaled.shape[-1] != count:
            raise ValueError(f"expected (..., H, W, {count}), got {scaled.shape}")
        out = np.empty((*scaled.shape[:-1], self.network_channels), dtype=np.float32)
        # A plane for itself lies in one piece, which is twice as fast to calculate with.
        plane = np.empty(scaled.shape[:-1], dtype=np.float32)
        for channel in range(self.network_channels):
            shown = channel if self.order == "rgb" else _COLOURS - 1 - channel
            source = 0 if count == 1 else shown
            mean, std = np.float32(self.mean[channel]), np.float32(self.std[channel])
            if source < count:
                np.subtract(scaled[..., source], mean, out=plane)
                np.divide(plane, std, out=plane)
                out[..., channel] = plane
            else:
                out[..., channel] = -mean / std
        return out

    def apply(self, image: Image) -> NDArray[np.float32]:
        """``to_network(to_scaled(image))``: (size, size, network_channels) float32."""
        return self.to_network(self.to_scaled(image))

    def _ranges(self, pixels: NDArray[Any]) -> list[tuple[float, float]]:
        if self.intensity == "per_image":
            return image_percentiles(
                pixels, self.low_percentile, self.high_percentile, joint=self.joint_colour
            )
        return list(zip(self.low, self.high, strict=True))

    def _check_depth(self, image: Image) -> None:
        if self.intensity == "per_image" or image.kind.value_range == self.value_range:
            return
        expected = image.kind._replace(value_range=self.value_range)
        raise ImageError(
            f"is {image.kind.depth} where {expected.depth} was expected, "
            "so its brightness means something else",
            where=image.path,
            remedy="Use files as the microscope wrote them, of the same bit depth as the "
            "training images, or train with --intensity per-image",
        )


def resize_plane(plane: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Resize one plane (Y, X) float32, values kept in 0..1.

    A separable cubic filter: along an axis that shrinks it is widened by the shrink
    factor, so that detail too fine for the new grid is averaged away instead of turning
    into false stripes; along an axis that grows it interpolates.
    """
    if plane.shape == (height, width):
        return plane
    from PIL import Image as PillowImage

    picture = PillowImage.fromarray(np.ascontiguousarray(plane, dtype=np.float32))
    resized = picture.resize((width, height), PillowImage.Resampling.BICUBIC)
    # The cubic's negative lobes overshoot at sharp edges.
    return np.clip(np.asarray(resized, dtype=np.float32), 0.0, 1.0)


def fit_to_square(
    plane: NDArray[np.float32], size: int, how: Literal["stretch", "pad"]
) -> NDArray[np.float32]:
    """Bring one plane (Y, X) to (size, size), stretched or centred on a ground of 0."""
    if how == "stretch":
        return resize_plane(plane, size, size)
    height, width = plane.shape
    longest = max(height, width)
    new_height = max(1, round(height * size / longest))
    new_width = max(1, round(width * size / longest))
    square = np.zeros((size, size), dtype=np.float32)
    top, left = (size - new_height) // 2, (size - new_width) // 2
    square[top : top + new_height, left : left + new_width] = resize_plane(
        plane, new_height, new_width
    )
    return square
