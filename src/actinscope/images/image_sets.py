"""Images of several files, one a channel or one a z plane, under one name.

``a_{DNA|actin}.tif`` is the image whose channels are ``a_DNA.tif`` and ``a_actin.tif``;
``a_z{01..12}.tif`` the one whose z planes are ``a_z01.tif`` to ``a_z12.tif``; a name may hold
both. Such a name stands wherever the name of an image file can stand. What the names of a
study have in common is its channel pattern: ``{DNA|actin}``, ``z{..}`` or ``z{..}*{ch00|ch01}``.
"""

from __future__ import annotations

import re
import string
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

#: The channel pattern of studies in which every file is an image.
NO_PATTERN = "none"

_CHANNELS = re.compile(r"\{([^{}/|]+(?:\|[^{}/|]+)+)\}")
_PLANES = re.compile(r"\{(\d{1,4})\.\.(\d{1,4})\}")
_TOKEN = re.compile(r"(\*|\{[^{}]*\})")
# MetaXpress ends the name of every file with a number of its own.
_UNIQUE = re.compile(r"[0-9A-F]{8}-(?:[0-9A-F]{4}-){3}[0-9A-F]{12}$", re.IGNORECASE)


def channels_of(path: Path) -> tuple[tuple[str, tuple[Path, ...]], ...]:
    """(name, its file for each z plane) of every channel; a file of its own has one, ``""``."""
    text = path.as_posix()
    channels = _CHANNELS.search(text) if "{" in text else None
    if channels is None:
        planes = _with_planes(text)
        return (("", (path,) if planes == [text] else tuple(map(Path, planes))),)
    # "ch{00|01}": a bare number would be taken for the place of a channel.
    letters = _letters_before(text, channels.start())
    return tuple(
        (
            letters + name if name[0].isdecimal() else _UNIQUE.sub("", name),
            tuple(map(Path, _with_planes(text.replace(channels[0], name)))),
        )
        for name in channels[1].split("|")
    )


def _with_planes(text: str) -> list[str]:
    planes = _PLANES.search(text) if "{" in text else None
    if planes is None:
        return [text]
    first, last = planes.groups()
    numbers = range(int(first), int(last) + 1)
    return [text.replace(planes[0], str(n).zfill(len(first))) for n in numbers]


def _letters_before(text: str, end: int) -> str:
    return text[len(text[:end].rstrip(string.ascii_letters)) : end]


def files_of(path: Path) -> tuple[Path, ...]:
    """The files of an image: ``path`` itself, or those that an image set names."""
    return tuple(file for _, files in channels_of(path) for file in files)


def is_set(path: Path) -> bool:
    """Whether ``path`` names an image of several files."""
    return "{" in str(path) and files_of(path) != (path,)


def also_called(path: Path) -> tuple[Path, ...]:
    """What masks and tables may call an image: its name, that without channels, its files."""
    if not is_set(path):
        return (path,)
    text = re.sub(rf"[ _.-]?[A-Za-z]*[_-]?{_PLANES.pattern}", "", path.as_posix())
    bare = re.sub(rf"[ _.-]?{_CHANNELS.pattern}", "", text)
    return (path, Path(bare), *files_of(path))


def file_state(path: Path) -> tuple[int, int]:
    """Bytes of an image's files, and the last change of any (nanoseconds).

    Raises:
        OSError, ValueError: a file is not there, or cannot be.
    """
    states = [file.stat() for file in files_of(path)]
    return sum(one.st_size for one in states), max(one.st_mtime_ns for one in states)


@dataclass(frozen=True)
class Place:
    """Where a file stands in its set: ``key`` is its name with the channel and plane cut out."""

    key: str
    channel: int
    channel_text: str
    plane_text: str


class ChannelPattern:
    """What tells the files of one image apart by their names.

    ``{DNA|actin}`` lists the channels, ``{..}`` is the number of a z plane, ``*`` anything; within
    a channel, ``*`` ends at the next ``_`` or ``.``. All else is literal. A pattern fits the last
    such part of a file name, or of the whole path if it holds a ``/``; upper and lower case are
    alike. Next to a letter it does not begin or end in a letter, next to a digit in a digit.

    Raises:
        ValueError: neither channels nor planes, or either twice.
    """

    def __init__(self, text: str) -> None:
        pieces = _TOKEN.split(text)
        channels = [_CHANNELS.fullmatch(piece) for piece in pieces]
        lists = [found[1].split("|") for found in channels if found]
        if not lists and "{..}" not in pieces:
            raise ValueError("lists no channels as {DNA|actin}, and has no z plane {..}")
        if len(lists) > 1 or pieces.count("{..}") > 1:
            raise ValueError("lists channels twice, or has two z planes")
        self.text = text
        self.names: tuple[str, ...] = tuple(lists[0]) if lists else ()
        self.has_planes = "{..}" in pieces
        if len(set(map(str.casefold, self.names))) < len(self.names):
            raise ValueError("lists a channel twice")
        body = "".join(_regex(pieces, number) for number in range(len(pieces)))
        self._fits = re.compile(f".*{body}.*", re.IGNORECASE)

    def place(self, file: Path) -> Place | None:
        """Where ``file`` stands in its set; None where the pattern does not fit it."""
        path = file.as_posix()
        start = 0 if "/" in self.text else path.rfind("/") + 1
        match = self._fits.fullmatch(path, start)
        if match is None or is_set(file):
            return None
        given = {name: text for name, text in match.groupdict().items() if text is not None}
        key = path
        for name in sorted(given, key=match.start, reverse=True):
            key = f"{key[: match.start(name)]}\0{name[0]}{key[match.end(name) :]}"
        channel = next((name for name in given if name[0] == "c"), "c0")
        return Place(key, int(channel[1:]), given.get(channel, ""), given.get("z", ""))

    def sets(self, files: Iterable[Path]) -> Mapping[str, Mapping[Path, Place]]:
        """The files that fit, by the key of their set."""
        found: dict[str, dict[Path, Place]] = defaultdict(dict)
        for file in files:
            if place := self.place(file):
                found[place.key][file] = place
        return found

    def with_names(self, names: str) -> ChannelPattern:
        """The same with other channels, separated by ``|``."""
        return ChannelPattern(_CHANNELS.sub(f"{{{names}}}", self.text))

    def name_of(self, key: str, places: Sequence[Place]) -> Path:
        """The image of the set ``key``; channels of which it has no file are named too."""
        texts = {place.channel: place.channel_text for place in reversed(places)}
        names = [texts.get(number, name) for number, name in enumerate(self.names)]
        text = key.replace("\0c", f"{{{'|'.join(names)}}}")
        if self.has_planes:
            planes = sorted((place.plane_text for place in places), key=int)
            text = text.replace("\0z", f"{{{planes[0]}..{planes[-1]}}}")
        return Path(text)


def _regex(pieces: Sequence[str], number: int) -> str:
    """A piece of a pattern as a regular expression; tokens stand at odd places."""
    piece = pieces[number]
    if piece in ("", "*"):
        return "[^/]*?" if piece else ""
    if piece == "{..}":
        return r"(?<!\d)(?P<z>\d{1,4})(?!\d)"
    is_list = _CHANNELS.fullmatch(piece)
    # Where the pattern goes on, its own text says what stands there.
    first = next((one for one in reversed(pieces[:number]) if one), "*") == "*"
    last = next((one for one in pieces[number + 1 :] if one), "*") == "*"
    if is_list is None:
        before, after = first * _edge(piece[0], "?<!"), last * _edge(piece[-1], "?!")
        return f"{before}{re.escape(piece)}{after}"
    wild = "[^_./]*"
    alternatives = [
        f"(?P<c{place}>{first * _edge(name[0], '?<!')}"
        f"{wild.join(map(re.escape, name.split('*')))}{last * _edge(name[-1], '?!')})"
        for place, name in enumerate(is_list[1].split("|"))
    ]
    return f"(?:{'|'.join(alternatives)})"


def _edge(character: str, look: str) -> str:
    if character.isdecimal():
        return rf"({look}\d)"
    return f"({look}[A-Za-z])" if character.isalpha() else ""


def pattern_of_names(paths: Iterable[Path]) -> str:
    """The channel pattern that most image sets among ``paths`` share; ``none`` without any."""
    counts = Counter(_pattern_of_name(path) for path in paths if is_set(path))
    return counts.most_common(1)[0][0] if counts else NO_PATTERN


def _pattern_of_name(path: Path) -> str:
    text = path.as_posix()
    pieces = []
    for match in re.finditer(rf"{_CHANNELS.pattern}|{_PLANES.pattern}", text):
        separated = text[: match.start()].endswith(("_", "-")) and match[1] is None
        literal = _letters_before(text, match.start() - separated)
        brace = "{..}"
        if match[1] is not None:
            names = [_UNIQUE.sub("*", name) for name in match[1].split("|")]
            literal = literal if names[0][0].isdecimal() else ""
            brace = f"{{{'|'.join(names)}}}"
        elif literal and separated:
            literal += text[match.start() - 1]
        pieces.append(f"{literal}{brace}{'/' if text[match.end() :][:1] == '/' else ''}")
    return "*".join(pieces)
