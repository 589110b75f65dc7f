"""Pictures of cells: as the network sees them, under their map, embedded and as files."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from actinscope.files import atomic_path
from actinscope.names import DRAWN_BY

LARGEST_SIDE = 224  # px; more does not show at the size that the page draws them
_LOSSLESS_SIDE = 96  # px; pictures this small are kept exact, they are shown enlarged
_QUALITY = 88
_STRENGTH = 0.62  # opacity of the map where it is highest
_GAP = 4  # pixels between the pictures of a strip


def displayed(scaled: NDArray[np.floating]) -> NDArray[np.uint8]:
    """A scaled image (H, W, K), 0..1, as a picture: grey (H, W), or colours (H, W, 3)."""
    planes = np.round(scaled * 255).astype(np.uint8)
    if planes.shape[2] == 1:
        return planes[:, :, 0]
    if planes.shape[2] == 2:
        return np.dstack([planes, np.zeros_like(planes[:, :, :1])])
    return planes[:, :, :3]


def as_rgb(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Grey (H, W) or colour (H, W, 3) uint8 as (H, W, 3) uint8."""
    if pixels.ndim == 2:
        return np.repeat(pixels[:, :, None], 3, axis=2)
    return pixels


def overlay(pixels: NDArray[np.uint8], heat: NDArray[np.floating]) -> NDArray[np.uint8]:
    """A map (H, W), 0..1, laid over a picture of the same size, uint8 (H, W, 3).

    The more a place counts, the more opaque and the brighter the colour; places that
    do not count show the picture itself.

    Raises:
        ValueError: the sizes differ.
    """
    if heat.shape != pixels.shape[:2]:
        raise ValueError(f"map {heat.shape} for pixels {pixels.shape}")
    from matplotlib import colormaps

    heat = np.clip(np.nan_to_num(heat.astype(np.float64)), 0.0, 1.0)  # (H, W)
    colour = colormaps["plasma"](0.25 + 0.72 * heat)[:, :, :3]  # (H, W, 3), 0..1
    alpha = _STRENGTH * np.sqrt(heat)[:, :, None]  # (H, W, 1)
    cell = as_rgb(pixels).astype(np.float64) / 255.0
    mixed = (1.0 - alpha) * cell + alpha * colour
    laid: NDArray[np.uint8] = np.round(255.0 * mixed).astype(np.uint8)
    return laid


def data_uri(pixels: NDArray[np.uint8]) -> str:
    """A picture as a ``data:`` address: PNG where it is small, WebP otherwise."""
    from PIL import Image

    picture = Image.fromarray(np.ascontiguousarray(pixels))
    if max(picture.size) > LARGEST_SIDE:
        scale = LARGEST_SIDE / max(picture.size)
        size = tuple(max(1, round(side * scale)) for side in picture.size)
        picture = picture.resize((size[0], size[1]), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    if max(picture.size) <= _LOSSLESS_SIDE:
        kind = "png"
        picture.save(stream, "PNG", optimize=True)
    else:
        kind = "webp"
        picture.convert("RGB").save(stream, "WEBP", quality=_QUALITY, method=2)
    return f"data:image/{kind};base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"


def ramp_uri() -> str:
    """The colours of the map from little to much, as a picture of one row."""
    return data_uri(overlay(np.full((1, 64), 70, np.uint8), np.linspace(0.0, 1.0, 64)[None, :]))


def write_map(pixels: NDArray[np.uint8], heat: NDArray[np.floating], path: Path) -> None:
    """Write a PNG: the image, and beside it the same under the map.

    Args:
        pixels: (H, W) or (H, W, 3).
        heat: (H, W), 0..1.
        path: the file.

    Raises:
        OutputError: it cannot be written.
    """
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    cell = as_rgb(pixels)
    gap = np.full((cell.shape[0], _GAP, 3), 255, np.uint8)
    strips = [cell, gap, overlay(pixels, heat)]
    said = PngInfo()
    said.add_text(*DRAWN_BY)
    with atomic_path(path) as temporary:
        Image.fromarray(np.concatenate(strips, axis=1)).save(temporary, "PNG", pnginfo=said)
