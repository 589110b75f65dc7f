"""What a study is made of: one Record per image or cell, the Manifest, and its counts."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from actinscope.images import Region

TRAIN = "train"
VALIDATION = "validation"
TEST = "test"
PARTS: tuple[str, str, str] = (TRAIN, VALIDATION, TEST)

#: How people call the parts of a split, in lower case.
PART_WORDS = {
    **{word: word for word in PARTS},
    **{"training": TRAIN, "val": VALIDATION, "valid": VALIDATION, "testing": TEST},
}

# Columns of a manifest that mean something by themselves; every other column can be a group.
RESERVED_COLUMNS = frozenset(
    {
        "path",
        "label",
        "mask",
        "objects",
        "object",
        "y",
        "x",
        "height",
        "width",
        "part",
        "sha256",
    }
)

# Marks that turn the reading direction around and so can disguise a file name or a label.
_DIRECTION_MARKS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_FORBIDDEN_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})
# Invisible, but letters of Persian and of Indian scripts change with them.
_JOINERS = frozenset("\u200c\u200d")
# How spreadsheets, R, Python and people write that there is no value, in lower case.
_MISSING = frozenset(
    {"na", "n/a", "n.a.", "nan", "nat", "null", "none", "-", "--", "\u2013", "\u2014", "<na>"}
    | {"#n/a", "#na", "#nv", "#null!", "#value!", "#wert!", "#ref!", "#bezug!", "#div/0!"}
    | {"#name?", "#num!", "#zahl!"}
)


@dataclass(frozen=True)
class Record:
    """One image, or one cell of a field of view, with its label.

    Attributes:
        path: the image file, absolute.
        name: the path relative to the study's folder with forward slashes, or the
            absolute path where the file lies elsewhere. ``name`` and ``object_id``
            together are unique in a study.
        label: the class.
        groups: every other column of the manifest, by column name.
        part: ``train``, ``validation``, ``test``, or empty before the split.
        object_id: which cell of the field, empty for a whole image.
        region: where the cell lies in the field (pixels), None for a whole image.
        pixel_hash: SHA-256 of the pixels, empty before the fingerprints are taken.
        copy_set: name shared by records that must stay together as changed copies of one
            another, else empty.
        mask: the label mask that the cell was found in, None where there was none. It
            is not written with a manifest: only the study that has it can use it.
    """

    path: Path
    name: str
    label: str
    groups: Mapping[str, str] = field(default_factory=dict, hash=False)
    part: str = ""
    object_id: str = ""
    region: Region | None = None
    pixel_hash: str = ""
    copy_set: str = ""
    mask: Path | None = None

    @property
    def key(self) -> tuple[str, str]:
        """``(name, object_id)``, unique in a study and the order that splits start from."""
        return (self.name, self.object_id)

    @property
    def title(self) -> str:
        """The name for people: the file, and the object where there is one."""
        return f"{self.name} object {self.object_id}" if self.object_id else self.name


@dataclass(frozen=True)
class Manifest:
    """The images of a study, their labels and what they were grouped by.

    Attributes:
        records: in the order of the file or folder.
        root: the folder that names are relative to.
        group: the column whose values must not be divided between parts, or None.
        group_columns: every column that could serve as the group.
        crop_size: side of the square crops in pixels, where records are cells of fields.
        notes: what was decided while reading that a person should know.
    """

    records: tuple[Record, ...]
    root: Path
    group: str | None = None
    group_columns: tuple[str, ...] = ()
    crop_size: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def classes(self) -> tuple[str, ...]:
        """The labels that occur, each once, sorted."""
        return tuple(sorted({record.label for record in self.records}))

    def group_of(self, record: Record) -> str:
        """The group of ``record``; with no group column, a name that only it has."""
        if self.group is None:
            return "\x00".join(record.key)
        return record.groups[self.group]

    def groups_of(self, records: Sequence[Record]) -> tuple[str, ...] | None:
        """The group of each of ``records``; None where there is no group column."""
        return tuple(map(self.group_of, records)) if self.group is not None else None


@dataclass(frozen=True)
class StudySummary:
    """Counts for a report.

    Attributes:
        classes: the labels, sorted.
        parts: the parts in use, train, validation and test first; ``("",)`` before a split.
        group: the group column, or None.
        images: ``images[part][label]``, number of records.
        groups: ``groups[part][label]``, number of groups with such a record; empty where
            there is no group column.
        images_in_all: number of records.
        groups_in_all: number of groups, or None.
    """

    classes: tuple[str, ...]
    parts: tuple[str, ...]
    group: str | None
    images: Mapping[str, Mapping[str, int]]
    groups: Mapping[str, Mapping[str, int]]
    images_in_all: int
    groups_in_all: int | None


def summarise(manifest: Manifest) -> StudySummary:
    """Count the images and groups of ``manifest`` by class and part."""
    classes = manifest.classes
    present = dict.fromkeys(record.part for record in manifest.records)
    parts = tuple(dict.fromkeys(part for part in (*PARTS, *present) if part in present))
    images = {part: dict.fromkeys(classes, 0) for part in parts}
    members: dict[str, dict[str, set[str]]] = {
        part: {label: set() for label in classes} for part in parts
    }
    for record in manifest.records:
        images[record.part][record.label] += 1
        members[record.part][record.label].add(manifest.group_of(record))
    grouped = manifest.group is not None
    groups = {part: {label: len(found) for label, found in members[part].items()} for part in parts}
    everyone = {manifest.group_of(record) for record in manifest.records}
    return StudySummary(
        classes=classes,
        parts=parts,
        group=manifest.group,
        images=images,
        groups=groups if grouped else {},
        images_in_all=len(manifest.records),
        groups_in_all=len(everyone) if grouped else None,
    )


def forbidden_characters(text: str) -> str:
    """The characters of ``text`` that no label, group or path may have, written as escapes.

    These are control characters, line and paragraph separators, halves of surrogate
    pairs and marks that turn the reading direction. Empty where there are none.
    """
    found = [
        character
        for character in text
        if unicodedata.category(character) in _FORBIDDEN_CATEGORIES or character in _DIRECTION_MARKS
    ]
    return " ".join(f"U+{ord(character):04X}" for character in dict.fromkeys(found))


def tidy(text: str) -> str:
    """``text`` as a person sees it: in composed form (NFC), with nothing invisible in it.

    Folder names from macOS come decomposed; what is copied from web pages brings spaces of no
    width and spaces that do not break. Space around the text goes too.
    """
    if text.isascii():
        return text.strip()
    return unicodedata.normalize("NFC", "".join(map(_visible, text)).strip())


def _visible(sign: str) -> str:
    kind = unicodedata.category(sign)
    if kind == "Cf" and sign not in _JOINERS | _DIRECTION_MARKS:
        return ""
    return " " if kind == "Zs" else sign


def is_missing(text: str) -> bool:
    """Whether ``text`` is empty or a word for it, such as NA, nan or #N/A."""
    word = tidy(text).casefold()
    return not word or word in _MISSING


def absolute(path: Path | str) -> Path:
    """``path`` from the root, without ``..``, and with links left as the user named them.

    Resolving links would tear names away from a data folder that holds links to images.
    """
    return Path(os.path.abspath(path))  # noqa: PTH100
