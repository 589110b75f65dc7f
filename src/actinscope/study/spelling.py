"""One value in several spellings: "01" and "1", "Donor 1" and "donor_1", two formats of a date.

Spreadsheets and people write one donor in many ways. Taken as they are, the images of one donor
stand in training and test, and one class becomes three.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date

from actinscope.study.records import Record
from actinscope.wording import enumerate_some

_LABEL = "label"
_DASHES = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-"))
_JOINTS = re.compile(r"(?<=\w)[\s_-]+(?=\w)")
_WORDS = re.compile(r"\d+|[^\W\d_]+|[^\w\s]")
_BETWEEN_LETTERS = re.compile(r"(?<=[^\W\d_]) (?=[^\W\d_])")
# A spreadsheet's 1.0; but 1,000 is a thousand.
_POINT_ZERO = re.compile(r"(?<![\w.,])(\d+)(?:\.|,(?!000(?!0)))0+(?![\w.,])")
_LEADING_ZEROS = re.compile(r"(?<![\d.,])0+(?=\d)")
_MIDNIGHT = re.compile(r"[ t]00:00(:00)?(\.0+)?$")
_BETWEEN = re.compile(r"[-./_,\s]+")
_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)


def spelling_key(text: str, column: str = "", *, day_first: bool = True) -> str:
    """What all spellings of one value have in common.

    Case, blanks, underscores, hyphens between words, leading zeros, a decimal ``.0``, forms of
    Unicode, invisible characters, the format of a date and the name of the column before the
    value make no difference; signs do (``KO+`` and ``KO-``).

    Args:
        text: the value.
        column: the column that it stands in: ``Donor 1`` is ``1`` in the column ``donor``.
        day_first: whether 5/1/2024 is the fifth of January.
    """
    visible = "".join(sign for sign in text if unicodedata.category(sign) != "Cf")
    plain = unicodedata.normalize("NFKC", visible).casefold().translate(_DASHES).strip()
    if day := date_of(plain, day_first=day_first):
        return day.isoformat()
    whole = _LEADING_ZEROS.sub("", _POINT_ZERO.sub(r"\1", plain))
    words = _WORDS.findall(_JOINTS.sub(" ", whole))
    named = _WORDS.findall(_JOINTS.sub(" ", column.casefold()))
    if len(words) > len(named) and words[: len(named)] == named:
        words = words[len(named) :]
    # "wildtype" is "wild type"; digits stay apart, as 1-2 is not 12.
    return _BETWEEN_LETTERS.sub("", " ".join(words)) or plain


def date_of(text: str, *, day_first: bool = True) -> date | None:
    """The day that ``text`` names in one of the usual formats, else None."""
    text = _MIDNIGHT.sub("", text.casefold())
    if text.isascii() and text.isdecimal() and len(text) in (6, 8):
        pieces = [text[:-4], text[-4:-2], text[-2:]]
    else:
        pieces = [str(_month(piece) or piece) for piece in _BETWEEN.split(text)]
        if len(pieces) != 3 or not all(p.isascii() and p.isdecimal() for p in pieces):
            return None
        if len(pieces[2]) in (2, 4) and len(pieces[0]) <= 2:
            first, second, year = pieces
            month_first = text[0].isalpha() or not (day_first or "." in text or "-" in text)
            pieces = [year, first, second] if month_first else [year, second, first]
        elif len(pieces[0]) != 4:
            return None
    century = 2000 if len(pieces[0]) == 2 else 0
    try:
        return date(century + int(pieces[0]), int(pieces[1]), int(pieces[2]))
    except ValueError:
        return None


def _month(word: str) -> int:
    """1 to 12 where ``word`` is an English month or begins one, else 0."""
    named = len(word) >= 3 and [n for n, name in enumerate(_MONTHS, 1) if name.startswith(word)]
    return named[0] if named else 0


def one_spelling(values: Iterable[str], column: str = "") -> dict[str, str]:
    """Value -> the spelling that stands for it and all that are alike: the commonest of them."""
    counts = Counter(filter(None, values))
    # Slashes do not say whether day or month comes first: the order that agrees with more dates.
    keys = min(
        ({v: spelling_key(v, column, day_first=first) for v in counts} for first in (True, False)),
        key=lambda found: len(set(found.values())),
    )
    chosen: dict[str, str] = {}
    for value in sorted(counts, key=lambda value: (-counts[value], value)):
        chosen.setdefault(keys[value], value)
    return {value: chosen[key] for value, key in keys.items()}


def join_spellings(
    records: Sequence[Record], columns: Sequence[str]
) -> tuple[tuple[Record, ...], tuple[str, ...]]:
    """The records with one spelling for each label and each value of ``columns``, and notes."""
    labels = one_spelling((record.label for record in records), _LABEL)
    groups = {
        name: one_spelling((record.groups[name] for record in records), name) for name in columns
    }
    told = [told_spellings(labels, "LABELS ALIKE: {} are taken as one class")]
    told += [told_spellings(groups[name], f"{name}: {{}} are taken as one") for name in columns]
    notes = tuple(filter(None, told))
    if not notes:
        return tuple(records), ()
    joined = tuple(
        replace(
            record,
            label=labels.get(record.label, ""),
            groups={
                name: groups.get(name, {}).get(value, value)
                for name, value in record.groups.items()
            },
        )
        for record in records
    )
    return joined, notes


def told_spellings(spellings: Mapping[str, str], sentence: str) -> str:
    """A note on what :func:`one_spelling` joined, at the place of ``{}`` in ``sentence``, or ""."""
    alike: dict[str, list[str]] = {}
    for value, chosen in spellings.items():
        alike.setdefault(chosen, []).append(value)
    several = [" and ".join(map(repr, sorted(found))) for found in alike.values() if len(found) > 1]
    if not several:
        return ""
    return f"{sentence.format(enumerate_some(several))}. Where they differ, give --as-written"
