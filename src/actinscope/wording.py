"""Numbers, counts and lists in sentences: one format for every text, page and message."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

UNDEFINED = "not defined"
_MINUS = "\u2212"
_IRREGULAR = {
    "mouse": "mice",
    "child": "children",
    "man": "men",
    "woman": "women",
    "person": "people",
    "foot": "feet",
    "tooth": "teeth",
    "leaf": "leaves",
    "half": "halves",
    "lens": "lenses",
    "gas": "gases",
    "epoch": "epochs",
    "stomach": "stomachs",
    "matrix": "matrices",
    "index": "indices",
    "nucleus": "nuclei",
    "focus": "foci",
    "locus": "loci",
    "fungus": "fungi",
    "genus": "genera",
    "bacterium": "bacteria",
    "medium": "media",
    "mitochondrion": "mitochondria",
    "ganglion": "ganglia",
    "larva": "larvae",
    "criterion": "criteria",
}
#: Words that have one form, and plurals that do not end in "s".
_UNCHANGED = {"data", "sheep", "fish", "zebrafish", *_IRREGULAR.values()}


def percent(value: float, *, space: str = " ", undefined: str = UNDEFINED) -> str:
    """A share 0..1 as per cent with one decimal.

    What is not 0 or 1 is never rounded to it: "<0.1 %", ">99.9 %".

    Args:
        value: the share.
        space: between number and sign; a page takes one that does not break.
        undefined: what to say where ``value`` is not finite.
    """
    if not math.isfinite(value):
        return undefined
    if 0.9995 <= value < 1:
        return f">99.9{space}%"
    if 0 < value < 0.0005:
        return f"<0.1{space}%"
    return f"{100 * value:.1f}{space}%"


def whole_percent(share: float) -> str:
    """Whole per cent without the sign, for a verdict; more digits where 0 or 100 is not meant."""
    for digits in (0, 1, 2):
        text = f"{share * 100:.{digits}f}"
        if share in {0.0, 1.0} or 0 < float(text) < 100:
            return text
    return "under 0.01" if share < 0.5 else "over 99.99"


def signed(value: float, digits: int, *, undefined: str = UNDEFINED) -> str:
    """A difference with its sign, "+0.012" or "−0.012"; what is rounded to 0 has none."""
    if not math.isfinite(value):
        return undefined
    text = f"{abs(value):.{digits}f}"
    if float(text) == 0:
        return text
    return f"{'+' if value > 0 else _MINUS}{text}"


def round_percent(share: float) -> str:
    """A share that was chosen, not measured, without needless digits: "95 %", "2.5 %"."""
    return f"{100 * share:g} %"


def percent_interval(value: float, low: float, high: float) -> str:
    """A share with its interval, which may be NaN: "85.0 % (80.1 to 89.0)"."""
    if math.isnan(low):
        return percent(value)
    ends = (percent(end, space="").removesuffix("%") for end in (low, high))
    return f"{percent(value)} ({' to '.join(ends)})"


def points(value: float, *, digits: int = 1, undefined: str = UNDEFINED) -> str:
    """A difference of shares in points of a hundred with its sign: -0.0321 -> "−3.2"."""
    return signed(100 * value, digits, undefined=undefined)


def points_interval(
    value: float, low: float, high: float, *, digits: int = 1, name: str = ""
) -> str:
    """The same with its interval, which may be NaN: "−3.2 points (−5.0 to −1.4)".

    Args:
        name: what stands before the interval, such as "95 % interval ".
    """
    words = f"{points(value, digits=digits)} points"
    if math.isnan(low):
        return f"{words} (no interval)"
    return f"{words} ({name}{points(low, digits=digits)} to {points(high, digits=digits)})"


def p_value(p: float) -> str:
    """Two digits, never 0: "0.012", "<0.001"."""
    return "<0.001" if p < 0.001 else f"{p:.2g}"


def p_words(p: float) -> str:
    """The same in a sentence: "p = 0.012", "p < 0.001"."""
    return "p < 0.001" if p < 0.001 else f"p = {p_value(p)}"


def spoken(column: str) -> str:
    """The name of a column as a word: "culture_day" -> "culture day"."""
    return column.replace("_", " ").strip() or "group"


def plural(column: str) -> str:
    """The plural of a word or of a column's name: "day of culture" -> "days of culture".

    Upper and lower case stay as they are, and so does what is a plural already.
    """
    phrase, of, rest = spoken(column).partition(" of ")
    first, space, word = phrase.rpartition(" ")
    return f"{first}{space}{_plural_word(word)}{of}{rest}"


def _plural_word(word: str) -> str:
    lower = word.lower()
    if lower in _UNCHANGED:
        return word
    if lower in _IRREGULAR:
        return _in_case_of(word, _IRREGULAR[lower])
    if lower.endswith("is"):
        return f"{word[:-2]}{_in_case_of(word[-2:], 'es')}"
    if lower.endswith("s") and not lower.endswith(("ss", "us")):
        return word
    ending = "s"
    if lower.endswith(("ss", "us", "x", "z", "ch", "sh")):
        ending = "es"
    elif lower.endswith("y") and lower[-2:-1] not in set("aeiou"):
        word, ending = word[:-1], "ies"
    # Short words of capitals are abbreviations: "ROIs", but "BATCHES".
    return word + (ending.upper() if word.isupper() and len(word) > 3 else ending)


def _in_case_of(word: str, other: str) -> str:
    """``other`` in the case of ``word``: all capitals, a capital first, or none."""
    if word.isupper() and len(word) > 1:
        return other.upper()
    return other.capitalize() if word[:1].isupper() else other


def counted(count: int, word: str) -> str:
    """A number and what is counted: "1 image", "3 images"."""
    return f"{count} {spoken(word) if count == 1 else plural(word)}"


def data_size(count: int) -> str:
    """A number of bytes for people: "3.2 GB", "150.0 kB", "12 bytes"."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"


def time_left(seconds: float) -> str:
    """ "12 min left", "40 s left"."""
    return f"{seconds / 60:.0f} min left" if seconds > 90 else f"{seconds:.0f} s left"


def listed(items: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def enumerate_some(items: Iterable[str], *, most: int = 5) -> str:
    """The first few ``items``, and how many more there are."""
    everything = list(items)
    head = ", ".join(everything[:most])
    more = len(everything) - most
    return f"{head} and {more} more" if more > 0 else head


def span(values: Sequence[float]) -> str:
    """ "3" where all are written alike, else "3 to 7"."""
    ends = (str(end) if isinstance(end, int) else f"{end:g}" for end in (min(values), max(values)))
    return " to ".join(dict.fromkeys(ends))


def percent_span(values: Sequence[float]) -> str:
    """The same of shares 0..1: "80.0 %", or "75.0 % to 85.0 %"."""
    return " to ".join(dict.fromkeys((percent(min(values)), percent(max(values)))))


def escaped(text: str) -> str:
    """Foreign text in Markdown: no tags, no columns, no links of its own."""
    for sign in "\\<|`*":
        text = text.replace(sign, f"\\{sign}")
    return text.replace("](", "]\\(")
