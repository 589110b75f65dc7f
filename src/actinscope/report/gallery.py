"""A gallery of maps: one page that needs no other file, and a picture for each image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actinscope.files import atomic_path, write_text_atomic
from actinscope.report import bars, pictures, text
from actinscope.report.content import CellPicture
from actinscope.report.page import environment, frame

_GAP = 4  # pixels between the pictures of a strip


@dataclass(frozen=True, eq=False)
class GalleryCard:
    """One image: the cell, its maps with their names, and a few words on each."""

    picture: CellPicture
    maps: tuple[tuple[str, NDArray[np.float32]], ...]
    words: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class GalleryContent:
    """What the page says.

    Attributes:
        sentence: how much of the evidence lies inside the cells.
        cards: the first images.
        total: images that have maps; ``cards`` may hold only some.
        problems: (name, message) of images that could not be used.
    """

    title: str
    question: str
    sentence: str
    notices: tuple[str, ...]
    cards: tuple[GalleryCard, ...]
    total: int
    problems: tuple[tuple[str, str], ...]
    command: str
    synthetic: bool
    created: str
    version: str


def write_gallery(content: GalleryContent, path: Path) -> None:
    """Write the page; the same content gives the same bytes.

    Raises:
        OutputError: it cannot be written.
    """
    write_text_atomic(path, environment().get_template("gallery.html").render(_view(content)))


def write_maps(
    pixels: NDArray[np.uint8], heats: Sequence[NDArray[np.floating]], path: Path
) -> None:
    """Write a PNG: the image, and beside it the same under each map.

    Args:
        pixels: (H, W) or (H, W, 3).
        heats: (H, W) each, 0..1.
        path: the file.

    Raises:
        OutputError: it cannot be written.
    """
    from PIL import Image

    cell = pictures.as_rgb(pixels)
    gap = np.full((cell.shape[0], _GAP, 3), 255, np.uint8)
    strips = [cell]
    for heat in heats:
        strips += [gap, pictures.overlay(pixels, heat)]
    with atomic_path(path) as temporary:
        Image.fromarray(np.concatenate(strips, axis=1)).save(temporary, "PNG")


def _view(content: GalleryContent) -> dict[str, Any]:
    return {
        "c": content,
        **frame("page.css"),
        "sections": _sections(content),
        "text": text,
        "bars": bars,
        "ramp": pictures.ramp_uri(),
        "picture_uri": pictures.data_uri,
        "overlay_uri": pictures.overlay_uri,
        "where": _where,
    }


def _sections(content: GalleryContent) -> dict[str, str]:
    """Anchor -> heading of the sections that this content fills, in their order."""
    sections = (
        ("notices", "Before you rely on this", content.notices),
        ("verdict", "Inside the cells, or outside?", True),
        ("maps", "The images and their maps", content.cards),
        ("problems", "Images that could not be used", content.problems),
        ("reproduce", "How to reproduce this", content.command),
    )
    return {anchor: title for anchor, title, filled in sections if filled}


def _where(cell: CellPicture) -> str:
    return text.clean(f"{cell.name} · {cell.object_id}" if cell.object_id else cell.name)
