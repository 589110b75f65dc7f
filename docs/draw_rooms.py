"""Draw ``rooms.svg``: the rooms of the package, and the way of one image through them.

::

    python docs/draw_rooms.py

A test compares the picture with what this script draws, and its rooms with those of the package.
"""

from __future__ import annotations

from html import escape
from pathlib import Path

TARGET = Path(__file__).with_name("rooms.svg")

#: Bands of rooms, top to bottom; a room imports only from rooms above it.
BANDS: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    (
        "pixels",
        (
            ("images", "files to pixels, native dtype"),
            ("cells", "a field's cells: masks, tables, crops"),
        ),
    ),
    (
        "study",
        (
            ("study", "labels, groups, fingerprints, split, folds"),
            ("preprocess", "channels, intensity, size; augmentation"),
        ),
    ),
    (
        "model",
        (
            ("runtimes", "OpenVINO, ONNX Runtime"),
            ("networks", "backbones, weights, export"),
            ("training", "recipe, stored activations, loop, search"),
            ("bundle", "the delivered model"),
            ("predict", "the one inference path"),
        ),
    ),
    (
        "evidence",
        (
            ("evaluation", "metrics, intervals, paired tests"),
            ("runs", "a run on disk"),
            ("audit", "what is wrong with the images"),
            ("explain", "saliency, sanity checks, controls"),
            ("report", "pages, drawings, tables"),
            ("writeup", "methods, checklists, model card"),
        ),
    ),
    (
        "doors",
        (
            ("phantoms", "synthetic cells for the demo"),
            ("workflows", "one file a command"),
            ("paper", "the paper's experiment"),
            ("api", "what a notebook calls"),
            ("cli", "what a terminal calls"),
        ),
    ),
)

#: Station -> what the image is when it leaves that room.
TRAIN = (
    ("images", "Image (C, Y, X), uint16"),
    ("cells", "crop of one cell"),
    ("study", "hash, statistics; its part"),
    ("preprocess", "(H, W, K) float32, 0 to 1"),
    ("networks", "activations of frozen layers"),
    ("training", "a step of the trained layers"),
    ("bundle", "golden input and output"),
    ("predict", "probabilities, features"),
    ("evaluation", "one of n in an interval"),
    ("runs", "a row of predictions.csv"),
    ("explain", "saliency map"),
    ("writeup", "a count in the methods"),
    ("workflows", "a picture in report.html"),
)
PREDICT = (
    ("images", "Image (C, Y, X), uint16"),
    ("cells", "crop of one cell"),
    ("preprocess", "(H, W, 3) float32"),
    ("runtimes", "logits"),
    ("bundle", "joint output of all members"),
    ("predict", "set, abstained, unfamiliar; CSV row"),
)

_ROW, _TOP, _BOX, _LEFT = 40, 64, 320, 110
_COLUMNS = (_LEFT + _BOX + 40, _LEFT + _BOX + 310)
_WIDTH = _COLUMNS[1] + 280
_COLOURS = ("#0072b2", "#b3541e")


def rooms() -> list[str]:
    """Names of all rooms that are drawn, in order."""
    return [name for _, band in BANDS for name, _ in band]


def draw() -> str:
    """The picture as SVG."""
    height = _TOP + _ROW * len(rooms()) + 8 * len(BANDS) + 20
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        'font-family="sans-serif" font-size="13">',
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        _text(_LEFT, 30, "Rooms", weight="bold", size=15),
        *(
            _text(x, 30, title, colour=colour, weight="bold", size=15)
            for x, title, colour in zip(
                _COLUMNS, ("an image in train", "an image in predict"), _COLOURS, strict=True
            )
        ),
    ]
    middle: dict[str, int] = {}
    y = _TOP
    for title, band in BANDS:
        lines.append(_text(16, y + _ROW * len(band) / 2, title, colour="#555555"))
        for name, purpose in band:
            middle[name] = y + _ROW // 2 - 4
            lines.append(
                f'<rect x="{_LEFT}" y="{y}" width="{_BOX}" height="{_ROW - 8}" rx="5" '
                'fill="#f2f4f7" stroke="#b8c0cc"/>'
            )
            lines.append(_text(_LEFT + 10, y + 20, name, weight="bold"))
            lines.append(_text(_LEFT + 98, y + 20, purpose, colour="#444444", size=10.5))
            y += _ROW
        y += 8
    for x, stations, colour in zip(_COLUMNS, (TRAIN, PREDICT), _COLOURS, strict=True):
        first, last = middle[stations[0][0]], middle[stations[-1][0]]
        lines.append(f'<path d="M{x} {first}V{last}" stroke="{colour}" stroke-width="2"/>')
        for name, what in stations:
            lines.append(f'<circle cx="{x}" cy="{middle[name]}" r="5" fill="{colour}"/>')
            lines.append(_text(x + 14, middle[name] + 4, what, colour="#222222", size=12))
    return "\n".join([*lines, "</svg>", ""])


def _text(
    x: float,
    y: float,
    words: str,
    *,
    colour: str = "#111111",
    weight: str = "normal",
    size: float = 13,
) -> str:
    return (
        f'<text x="{x:g}" y="{y:g}" fill="{colour}" font-weight="{weight}" '
        f'font-size="{size:g}">{escape(words)}</text>'
    )


if __name__ == "__main__":
    TARGET.write_text(draw(), "utf-8")
