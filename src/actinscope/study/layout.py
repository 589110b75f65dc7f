"""Which folder level holds the classes, and which the parts of a split.

``DATA/wild_type/plate1/a.tif`` has its class at level 1, ``DATA/train/wild_type/a.tif`` at level
2, and so has ``DATA/2024-05-01/wild_type/a.tif``. Folders that leave it open are asked about: a
network that learns to tell plates apart looks as good as one that tells cells apart.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from actinscope.errors import StudyError
from actinscope.study.records import PART_WORDS, tidy
from actinscope.study.spelling import date_of
from actinscope.wording import enumerate_some

#: Words before a number or a letter that name a sample, from the coarsest to the finest.
SAMPLE_WORDS = (
    *("experiment", "exp", "donor", "patient", "subject", "animal", "mouse", "rat", "session"),
    *("batch", "date", "run", "series", "fold", "culture", "biorep", "replicate", "rep", "techrep"),
    *("plate", "dish", "slide", "chip", "section", "well", "sample", "position", "pos", "site"),
    *("field", "fov"),
)
LAYOUT = (
    "Put the images of each class into a folder of its own: DATA/wild_type/a.tif, "
    "DATA/knockout/b.tif; say where the class stands with --label-level or --label-pattern; or "
    "give a CSV with the columns path and label"
)
_NUMBERED = "number"
_WELL = re.compile(r"[A-Pa-p][0-9]{1,2}")
_SAMPLE = re.compile(r"([a-z]{3,}?)[\W_]*([0-9]+|(?-i:[A-Z]))", re.IGNORECASE)

Folders = Sequence[tuple[str, ...]]  # of each image, from level 1 on


@dataclass(frozen=True)
class Layout:
    """What the folder levels are, the first below DATA being 1.

    Attributes:
        label: the level of the classes, None where a pattern tells them.
        part: the level of train, validation and test, None where there is none.
        others: the further levels that every image has.
        notes: what was concluded.
    """

    label: int | None
    part: int | None
    others: tuple[int, ...]
    notes: tuple[str, ...]

    def part_of(self, name: str) -> str:
        """The part that an image's path names, empty where there is no such level."""
        return PART_WORDS[_word(name.split("/")[self.part - 1])] if self.part else ""


def find_layout(
    names: Sequence[str], data: Path, *, label_level: int | None, label_pattern: bool
) -> Layout:
    """Find the levels of classes and parts in the paths of images below ``data``.

    Args:
        names: the paths, with forward slashes.
        data: the folder, for messages.
        label_level: the level of the classes, where the person said it.
        label_pattern: whether a pattern tells the classes.

    Raises:
        StudyError: images lie outside any class folder, or the folders leave it open which
            level the classes are.
    """
    folders = [tuple(map(tidy, name.split("/")[:-1])) for name in names]
    depth = min(map(len, folders))
    levels = [level for level in range(1, depth + 1) if level != label_level]
    part = next((level for level in levels if _are_parts(_at(folders, level))), None)
    levels = [level for level in levels if level != part]
    notes: tuple[str, ...] = ()
    if label_level is None and not label_pattern:
        _require_folders(names, folders, data, least=2 if part == 1 else 1)
        _refuse_mixture(_at(folders, levels[0]), data)
        label_level, notes = _class_level(folders, levels, data)
    elif label_level is not None:
        _require_folders(names, folders, data, least=label_level)
    others = tuple(level for level in levels if level != label_level)
    return Layout(label_level, part, others, notes)


def _at(folders: Folders, level: int) -> tuple[str, ...]:
    """The names of the folders of one level, each once, in order."""
    return tuple(dict.fromkeys(own[level - 1] for own in folders))


def _are_parts(names: Collection[str]) -> bool:
    return all(_word(name) in PART_WORDS for name in names)


def _word(folder: str) -> str:
    return tidy(folder).casefold()


def _require_folders(names: Sequence[str], folders: Folders, data: Path, *, least: int) -> None:
    loose = [name for name, own in zip(names, folders, strict=True) if len(own) < least]
    if loose:
        place = "directly in this folder" if least == 1 else f"above folder level {least}"
        raise StudyError(
            f"{len(loose)} of {len(names)} images lie {place}, "
            f"outside any class folder: {enumerate_some(loose, most=3)}",
            where=data,
            remedy=LAYOUT,
        )


def _refuse_mixture(names: Sequence[str], data: Path) -> None:
    """Ask about folders such as train, test and unlabelled beside each other."""
    others = [name for name in names if _word(name) not in PART_WORDS]
    if others and len(names) - len(others) > 1:
        raise StudyError(
            f"some folders are named like the parts of a split, and others not: "
            f"{enumerate_some(others)}",
            where=data,
            remedy=f"Leave them out with --exclude {others[0]}, or say with --label-level 1 that "
            "all of them are classes",
        )


def _class_level(
    folders: Folders, levels: Sequence[int], data: Path
) -> tuple[int, tuple[str, ...]]:
    """The level of the classes, and a note where it is not the first.

    Raises:
        StudyError: the folders leave it open.
    """
    first = levels[0]
    # A level with one folder tells nothing apart.
    levels = [level for level in levels if len(_at(folders, level)) > 1] or levels[:1]
    kinds = {level: kind_of_folders(_at(folders, level)) for level in levels}
    chosen = next((level for level in levels if kinds[level] in ("", _NUMBERED)), None)
    named = enumerate_some(_at(folders, levels[0]), most=3)
    if chosen is None or (chosen != levels[0] and not _repeat(folders, chosen)):
        raise StudyError(
            f"the folders {named} look like samples, not like classes",
            where=data,
            remedy="Say where the class stands: --label-level N, --label-pattern PATTERN, or "
            f"--label-level {levels[0]} if these are the classes",
        )
    classes = enumerate_some(_at(folders, chosen), most=3)
    following = levels[levels.index(chosen) + 1 :][:1]
    if any(
        _repeat(folders, level) and (not kinds[level] or kinds[level] == kinds[chosen])
        for level in following
    ):
        below = enumerate_some(_at(folders, following[0]), most=3)
        raise StudyError(
            f"the classes can be the folders {classes}, or {below}, which repeat below them",
            where=data,
            remedy=f"Say which: --label-level {chosen} or --label-level {following[0]}",
        )
    if chosen == first:
        return chosen, ()
    return chosen, (
        f"the classes are the folders of level {chosen}, {classes}, and not {named}; "
        f"--label-level {first} takes those of level {first}",
    )


def kind_of_folders(names: Sequence[str]) -> str:
    """The sample that folders are named for, "number" where only numbers differ, else empty."""
    if all(map(date_of, names)):
        return "date"
    if all(map(_WELL.fullmatch, names)):
        return "well"
    words = {(found := _SAMPLE.fullmatch(name)) and found.group(1).casefold() for name in names}
    if len(words) == 1 and (word := words.pop()) in SAMPLE_WORDS:
        return word
    stems = {re.sub(r"[0-9]+", "0", name.casefold()) for name in names}
    return _NUMBERED if len(stems) == 1 and "0" in stems.pop() else ""


def _repeat(folders: Folders, level: int) -> bool:
    """Whether two or more folders of a level lie below most of the folders above it."""
    above = {own[: level - 1]: set[str]() for own in folders}
    for own in folders:
        above[own[: level - 1]].add(own[level - 1])
    homes = Counter(name for found in above.values() for name in found)
    return sum(count > len(above) / 2 for count in homes.values() if len(above) > 1) > 1
