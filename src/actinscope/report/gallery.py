"""A gallery of maps: the page of `actinscope explain`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from actinscope.files import write_text_atomic
from actinscope.report.content import CellPicture, Page
from actinscope.report.frame import render


@dataclass(frozen=True, eq=False)
class GalleryCard:
    """One image: the cell with its map, and a few words on it."""

    picture: CellPicture
    words: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class GalleryContent:
    """What the page says.

    Attributes:
        sentence: how much of the evidence lies inside the cells.
        cards: the first images.
        total: images that have maps; ``cards`` may hold only some.
    """

    page: Page
    sentence: str
    cards: tuple[GalleryCard, ...]
    total: int


def write_gallery(content: GalleryContent, path: Path) -> None:
    """Write the page; the same content gives the same bytes.

    Raises:
        OutputError: it cannot be written.
    """
    write_text_atomic(path, render("gallery.html", content))
