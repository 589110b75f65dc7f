"""Random variants of a training image: one affine map, then brightness and sharpness.

The geometry has the meaning it has in Keras' ``ImageDataGenerator``: for an output pixel
``p`` (column, row) the input is read at ``c + R T S Z (p - c)``, where ``c`` is the centre
of the image, R a rotation, T a shift, S a shear and Z a zoom, and flips act on the result.
Keras resamples once per channel with SciPy; here the whole map is one matrix that is
applied once. Unlike Keras, whose newer versions move columns by ``height_shift_range``
and take the centre of an image that is not square with height and width exchanged,
``width_shift`` moves columns and the centre is the centre.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from actinscope.errors import SettingsError

Fill = Literal["nearest", "reflect", "wrap", "constant"]


class AugmentSettings(BaseModel):
    """How far training images may be varied; draws are uniform unless noted.

    Attributes:
        horizontal_flip: exchange left and right in half of the draws.
        vertical_flip: exchange top and bottom in half of the draws.
        rotation_degrees: rotate by up to this many degrees either way.
        width_shift: move sideways by up to this fraction of the width either way.
        height_shift: move up or down by up to this fraction of the height either way.
        shear_degrees: shear by up to this angle either way.
        zoom: z means factors from 1 - z to 1 + z, a pair gives them directly; drawn for
            columns and rows separately; a factor below 1 enlarges the cell.
        fill: what lies outside the image: the ``nearest`` pixel, the image ``reflect``-ed
            (the edge pixel counts twice) or repeated (``wrap``), or 0 (``constant``).
        intensity_gain: g multiplies by a factor from 1 - g to 1 / (1 - g), log-uniform.
        gamma: g raises to a power from 1 - g to 1 / (1 - g), log-uniform.
        noise: adds Gaussian noise of a standard deviation from 0 to this, for values in 0..1.
        blur: Gaussian blur of a sigma from 0 to this, in pixels of the resized image.

    Raises:
        SettingsError: a zoom range that is not 0 < low <= high.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    horizontal_flip: bool = True
    vertical_flip: bool = True
    rotation_degrees: float = Field(default=180.0, ge=0, le=180)
    width_shift: float = Field(default=0.05, ge=0, lt=1)
    height_shift: float = Field(default=0.05, ge=0, lt=1)
    shear_degrees: float = Field(default=5.0, ge=0, lt=90)
    zoom: float | tuple[float, float] = 0.1
    fill: Fill = "reflect"
    intensity_gain: float = Field(default=0.0, ge=0, lt=1)
    gamma: float = Field(default=0.0, ge=0, lt=1)
    noise: float = Field(default=0.0, ge=0, le=1)
    blur: float = Field(default=0.0, ge=0, le=50)

    @model_validator(mode="after")
    def _consistent(self) -> AugmentSettings:
        low, high = self.zoom_range
        if not 0 < low <= high:
            raise SettingsError(
                f"zoom factors from {low:g} to {high:g} are impossible",
                where="zoom",
                remedy="Give a number from 0 to below 1, or a pair such as [0.9, 1.1]",
            )
        return self

    @property
    def zoom_range(self) -> tuple[float, float]:
        """Smallest and largest zoom factor."""
        return self.zoom if isinstance(self.zoom, tuple) else (1.0 - self.zoom, 1.0 + self.zoom)

    @classmethod
    def off(cls) -> AugmentSettings:
        """Settings under which every image stays as it is."""
        return cls(
            horizontal_flip=False,
            vertical_flip=False,
            rotation_degrees=0.0,
            width_shift=0.0,
            height_shift=0.0,
            shear_degrees=0.0,
            zoom=0.0,
        )


@dataclass(frozen=True)
class AugmentParameters:
    """One draw. Angles in degrees, shifts as fractions, blur in pixels, noise for values in 0..1.

    The defaults leave an image as it is. Positive shifts read the input further right and
    further down, so the content moves left and up, as in Keras.
    """

    rotation: float = 0.0
    shift_x: float = 0.0
    shift_y: float = 0.0
    shear: float = 0.0
    zoom_x: float = 1.0
    zoom_y: float = 1.0
    flip_horizontal: bool = False
    flip_vertical: bool = False
    gain: float = 1.0
    gamma: float = 1.0
    noise: float = 0.0
    noise_seed: int = 0
    blur: float = 0.0

    @property
    def moves(self) -> bool:
        """Whether pixels have to be interpolated (flips alone do not need it)."""
        still = (self.rotation, self.shift_x, self.shift_y, self.shear) == (0.0,) * 4
        return not still or (self.zoom_x, self.zoom_y) != (1.0, 1.0)


def draw_parameters(settings: AugmentSettings, rng: np.random.Generator) -> AugmentParameters:
    """Draw one variant; takes the same numbers from ``rng`` whatever the settings are."""
    draws = rng.random(12)
    noise_seed = int(rng.integers(1 << 62))
    both = draws * 2.0 - 1.0  # -1..1
    low, high = settings.zoom_range
    return AugmentParameters(
        rotation=settings.rotation_degrees * both[0],
        shift_x=settings.width_shift * both[1],
        shift_y=settings.height_shift * both[2],
        shear=settings.shear_degrees * both[3],
        zoom_x=low + (high - low) * draws[4],
        zoom_y=low + (high - low) * draws[5],
        flip_horizontal=bool(settings.horizontal_flip and draws[6] < 0.5),
        flip_vertical=bool(settings.vertical_flip and draws[7] < 0.5),
        gain=math.exp(-math.log1p(-settings.intensity_gain) * both[8]),
        gamma=math.exp(-math.log1p(-settings.gamma) * both[9]),
        noise=settings.noise * draws[10],
        noise_seed=noise_seed,
        blur=settings.blur * draws[11],
    )


def affine_matrix(parameters: AugmentParameters, height: int, width: int) -> NDArray[np.float64]:
    """The map from output to input pixels as a (2, 3) matrix on (column, row, 1).

    Pixel centres have whole coordinates, so the centre of the image is
    ((width - 1) / 2, (height - 1) / 2).
    """
    angle, shear = math.radians(parameters.rotation), math.radians(parameters.shear)
    rotate = _matrix(math.cos(angle), -math.sin(angle), math.sin(angle), math.cos(angle))
    skew = _matrix(1.0, -math.sin(shear), 0.0, math.cos(shear))
    zoom = _matrix(parameters.zoom_x, 0.0, 0.0, parameters.zoom_y)
    shift = np.array([parameters.shift_x * width, parameters.shift_y * height])
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    # Flips act on the finished output: mirrored about the same centre.
    flips = (parameters.flip_horizontal, parameters.flip_vertical)
    flip = np.diag([-1.0 if one else 1.0 for one in flips])
    linear = rotate @ skew @ zoom @ flip
    offset = centre + rotate @ shift - linear @ centre
    return np.column_stack([linear, offset])


def apply_parameters(
    scaled: NDArray[np.float32], parameters: AugmentParameters, *, fill: Fill = "reflect"
) -> NDArray[np.float32]:
    """The variant of ``scaled`` that ``parameters`` describe: move, blur, gamma, gain, noise.

    From (H, W, K) float32 in 0..1, which is not changed, to a new contiguous array of this kind.
    """
    out = _move(scaled, parameters, fill)
    if parameters.blur > 0:
        out = _blur(out, parameters.blur)
    if parameters.gamma != 1.0:
        import cv2

        out = cv2.pow(np.maximum(out, 0.0), parameters.gamma).reshape(scaled.shape)
    if parameters.gain != 1.0:
        out *= np.float32(parameters.gain)
    if parameters.noise > 0:
        source = np.random.Generator(np.random.SFC64(parameters.noise_seed))
        out += source.standard_normal(out.shape, dtype=np.float32) * np.float32(parameters.noise)
    np.clip(out, 0.0, 1.0, out=out)
    return out


def augment(
    scaled: NDArray[np.float32], settings: AugmentSettings, rng: np.random.Generator
) -> NDArray[np.float32]:
    """One random variant of a training image.

    From (H, W, K) float32 in 0..1, which is not changed, to a new contiguous array of this kind.
    """
    return apply_parameters(scaled, draw_parameters(settings, rng), fill=settings.fill)


def _matrix(a: float, b: float, c: float, d: float) -> NDArray[np.float64]:
    return np.array([[a, b], [c, d]])


def _move(
    scaled: NDArray[np.float32], parameters: AugmentParameters, fill: Fill
) -> NDArray[np.float32]:
    if not parameters.moves:
        rows = slice(None, None, -1 if parameters.flip_vertical else 1)
        columns = slice(None, None, -1 if parameters.flip_horizontal else 1)
        return np.array(scaled[rows, columns], dtype=np.float32, order="C")
    import cv2

    height, width, count = scaled.shape
    # "reflect" repeats the edge pixel (dcba|abcd|dcba), which OpenCV calls REFLECT;
    # its REFLECT_101 does not.
    border = {
        "nearest": cv2.BORDER_REPLICATE,
        "reflect": cv2.BORDER_REFLECT,
        "wrap": cv2.BORDER_WRAP,
        "constant": cv2.BORDER_CONSTANT,
    }[fill]
    matrix = affine_matrix(parameters, height, width)
    out = np.empty((height, width, count), dtype=np.float32)
    # OpenCV warps at most four channels at a time.
    for first in range(0, count, 4):
        part = np.ascontiguousarray(scaled[..., first : first + 4], dtype=np.float32)
        warped = cv2.warpAffine(
            part,
            matrix,
            (width, height),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=border,
            borderValue=(0.0, 0.0, 0.0, 0.0),
        )
        out[..., first : first + 4] = warped.reshape(part.shape)
    return out


def _blur(scaled: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    import cv2

    planes = [np.ascontiguousarray(plane) for plane in np.moveaxis(scaled, -1, 0)]
    border = cv2.BORDER_REFLECT
    blurred = [cv2.GaussianBlur(one, (0, 0), sigma, borderType=border) for one in planes]
    return np.stack(blurred, axis=-1)
