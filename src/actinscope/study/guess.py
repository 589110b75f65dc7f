"""Which images may belong together, guessed from folder levels and names of files.

``wild_type/plate1/xy03_cell12.tif`` is of the plate ``plate1`` and of its field ``xy03``. A guess
is always said, with examples, and taken or declined with ``--group``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from actinscope.study.layout import SAMPLE_WORDS, kind_of_folders
from actinscope.wording import enumerate_some

GROUP = "group"
_ENOUGH = 5  # groups in every class: one to test, one to choose the epoch, three to learn from
_FEWEST = 3
_IMAGES = 1.5  # in a group, on average
_WORDS = {
    **{word: word for word in SAMPLE_WORDS},
    **dict.fromkeys(("f", "fld", "xy"), "field"),
    **{"s": "site", "p": "position", "plt": "plate"},
}
_BEFORE = re.compile(r"([^\W\d_]+)[\W_]*$")
_PIECES = re.compile(r"[^\W\d_]+|\d+|[\W_]+")


@dataclass(frozen=True)
class Guess:
    """One way to group images.

    Attributes:
        column: its name.
        values: of every image.
        origin: where it was found, in words.
        apart: a pattern for ``--group-pattern`` that keeps equal names in two folders apart.
    """

    column: str
    values: tuple[str, ...]
    origin: str
    apart: str

    @property
    def examples(self) -> str:
        """A few values, and how many more there are."""
        return enumerate_some(dict.fromkeys(self.values), most=3)


def guess_groups(
    names: Sequence[str], labels: Sequence[str], others: Sequence[int]
) -> tuple[tuple[Guess, ...], str | None]:
    """What could group the images, from the coarsest to the finest, and the column to take.

    Args:
        names: paths of images below the data folder.
        labels: their classes.
        others: folder levels, from 1, that are neither class nor part.
    """
    found = [*_from_folders(names, others), *_from_files(names, others)]
    # What numbers the images of each folder one by one groups none of them.
    folders = [(label, PurePosixPath(n).parent) for label, n in zip(labels, names, strict=True)]
    several = [
        one
        for one in found
        if len(set(one.values)) > 1
        and len(names) >= _IMAGES * len(set(zip(folders, one.values, strict=True)))
    ]
    several.sort(key=lambda one: len(set(one.values)))
    number = choose_group({str(place): one.values for place, one in enumerate(several)}, labels)
    chosen = "" if number is None else several[int(number)].column
    kept: dict[str, Guess] = {}
    for place, one in enumerate(several):
        if str(place) == number or one.column not in (GROUP, chosen):
            kept.setdefault(one.column, one)
    return tuple(kept.values()), chosen or None


def choose_group(columns: Mapping[str, Sequence[str]], labels: Sequence[str]) -> str | None:
    """The coarsest of ``columns`` with enough groups in every class, else the finest that will do.

    Args:
        columns: their values, each column as long as ``labels``.
        labels: the classes.

    Returns:
        None where no column has three groups in every class and no empty value.
    """
    counts: dict[str, tuple[int, int]] = {}
    for key, values in columns.items():
        within: dict[str, set[str]] = {}
        for label, value in zip(labels, values, strict=True):
            within.setdefault(label, set()).add(value)
        if all(values):
            counts[key] = (len(set(values)), min(map(len, within.values())))
    enough = [key for key, (_, least) in counts.items() if least >= _ENOUGH]
    if enough:
        return min(enough, key=lambda key: counts[key][0])
    usable = [key for key, (_, least) in counts.items() if least >= _FEWEST]
    return max(usable, key=lambda key: counts[key][0], default=None)


def _folders_of(name: str, levels: Sequence[int]) -> list[str]:
    folders = name.split("/")
    return [folders[level - 1] for level in levels]


def _from_folders(names: Sequence[str], others: Sequence[int]) -> list[Guess]:
    guesses = []
    for place, level in enumerate(others, start=1):
        # Well A01 of one plate is not well A01 of another.
        values = tuple("/".join(_folders_of(name, others[:place])) for name in names)
        kind = kind_of_folders(tuple({name.split("/")[level - 1] for name in names}))
        column = kind if kind in SAMPLE_WORDS else GROUP
        folders = "/".join(["[^/]*"] * level)
        apart = f"^(?P<{column}>{folders})/"
        guesses.append(Guess(column, values, f"folder level {level}", apart))
    return guesses


def _from_files(names: Sequence[str], others: Sequence[int]) -> list[Guess]:
    """The beginnings of file names up to each number, as far as all names are built alike."""
    pieces = [_PIECES.findall(PurePosixPath(name).stem) for name in names]
    shapes = [
        ["a" if p[0].isalpha() else "0" if p[0].isdecimal() else p for p in own] for own in pieces
    ]
    guesses = []
    for place, kinds in enumerate(zip(*shapes, strict=False), start=1):
        if len(set(kinds)) > 1:
            break
        if kinds[0] != "0" or len({own[place - 1] for own in pieces}) == 1:
            continue
        values = tuple(
            "/".join([*_folders_of(name, others), "".join(own[:place])])
            for name, own in zip(names, pieces, strict=True)
        )
        before = _BEFORE.search("".join(pieces[0][: place - 1]))
        word = _WORDS.get(before.group(1).casefold(), GROUP) if before else GROUP
        numbers = sum(kind == "0" for kind in shapes[0][:place])
        until = r"\D*\d+" if numbers == 1 else rf"(?:\D*\d+){{{numbers}}}"
        guesses.append(Guess(word, values, "file names", f"^(?P<{word}>.*/{until})"))
    return guesses
