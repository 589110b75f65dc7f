"""Which files are one image: by a channel pattern that is given, or found in the file names.

A pattern is found only where what differs is known to name a channel or a z plane and most
files make whole images with it. Names that can mean something else (``_c1`` a channel or a
cell, ``_w1`` a wavelength or a week, ``_d0`` a detector or a day) are asked about.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Container, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from actinscope.errors import UsageError
from actinscope.images.image_sets import (
    NO_PATTERN,
    ChannelPattern,
    Place,
    channels_of,
    is_set,
)
from actinscope.images.kinds import natural_key
from actinscope.wording import counted, enumerate_some, listed

_FEWEST_SETS = 3
_MOST = 0.8  # of the files are in whole images: joined
_MANY = 0.5  # asked about
_MOST_IN_DOUBT = 6  # twelve files C01 to C12 are wells
_FEWEST_PLANES = 3

_STAINS = (
    r"dapi|hoechst(?:[ _-]?\d{5})?|dna|rna|draq5|sytox|syto\d*|nuc|nuclei|nucleus|"
    r"f-?actin|actin|phalloidin|lifeact|tubulin|microtubules?|vimentin|lamin|golgi|er|agp|"
    r"mito|mitochondria|mitotracker|lysotracker|wga|cona|membrane|cellmask|"
    r"e?gfp|e?yfp|e?cfp|e?bfp|rfp|mcherry|tdtomato|dsred|mscarlet|mruby|mneongreen|venus|"
    r"fitc|tritc|cy[2357](?:\.5)?|alexa(?:[ _-]?fluor)?[ _-]?\d{3}|af\d{3}|atto\d{3}|"
    r"texas[ _-]?red|txred|far[ _-]?red|red|green|blue|yellow|cyan|magenta|"
    r"bright[ _-]?field|bf|phase(?:[ _-]?contrast)?|ph|dic|trans(?:mitted)?|tl|"
    r"(?:405|445|488|514|532|546|555|561|568|594|633|640|647)(?:[ _-]?nm)?"
)
_START, _END = r"(?<![A-Za-z])", r"(?![A-Za-z])"


def _family(text: str) -> re.Pattern[str]:
    return re.compile(text, re.IGNORECASE)


# What names a channel, as group 1 within a file name; a match is cut out to its end.
_STAINED = _family(rf"{_START}(?<!\d)((?:{_STAINS})(?:[ _-](?:{_STAINS}))*)(?!\d){_END}")
_METAXPRESS = _family(rf"{_START}(w\d)[\dA-F]{{8}}-[\dA-F-]+")
_FOLDER = _family(rf"(?<=/)({_STAINS}|(?:ch|w)\d+)(?=/)")
_SURE = (
    _STAINED,
    _METAXPRESS,
    _FOLDER,
    _family(rf"{_START}(ch(?:annel)?[ _-]?\d{{1,3}})(?!\d)"),  # Leica, Opera, Keyence
    _family(rf"{_START}((?:ch?|w)\d{{1,3}}[ _-]?(?:{_STAINS})){_END}"),
    _family(rf"{_START}(w\d[A-Za-z][A-Za-z\d +-]*)(?=[_.])"),  # MetaMorph
    _family(r"_s\d+_(w\d)(?=[_.])"),  # MetaXpress, its unique numbers taken off
    _family(r"f\d+(d\d)(?=\.)"),  # Cellomics, EVOS
    _family(r"(?:xy|z)\d+[_-]?(c\d{1,3})(?!\d)"),  # Nikon, Yokogawa
    _family(r"(c\d{1,3})(?=[_-]?z\d)"),
)
_IN_DOUBT = _family(rf"{_START}(?<!r\d)(?<!r\d\d)([wcd]\d{{1,3}})(?![A-Za-z\d])")
# Group 1 is what stands before the number of a z plane.
_PLANES = (
    _family(r"(?:(?<=[ _.\d-])|^(?=[a-z]+[_-]?\d+\.[^.]*$))((?:z|plane)[_-]?)\d+(?!\d)"),
    _family(r"f\d+(p)\d+(?=-?ch\d)"),  # Opera
)
# Files beside the channels of an image.
_BESIDE = "merged|merge|overlay|composite|rgb|masks|mask|labels|label|seg|segmentation|outlines"
_THUMBNAIL = _family(r"_thumb(?=[\dA-F]{8}-|\.)")
_WORD = re.compile(r"(?<![A-Za-z\d])([A-Za-z][A-Za-z\d]*)(?![A-Za-z\d])")


@dataclass(frozen=True)
class JoinedFiles:
    """What files stand for.

    Attributes:
        image_of: the image that a file belongs to: itself, or an image set. Overlays,
            masks and thumbnails beside the channels of an image belong to none.
        notes: what was joined, in sentences.
    """

    image_of: Mapping[Path, Path]
    notes: tuple[str, ...] = ()


def join_files(apart: Mapping[Path, Hashable], pattern: str | None) -> JoinedFiles:
    """Find the files that are channels or z planes of one image.

    Args:
        apart: for each file something that the files of one image have in common, such as the
            label. No pattern is found that joins others.
        pattern: as :class:`ChannelPattern` takes it, ``none``, or None to look for one.

    Raises:
        UsageError: the names fit a pattern, but can mean something else.
    """
    text = _found(apart) if pattern is None else pattern
    if text == NO_PATTERN:
        return JoinedFiles({file: file for file in apart})
    fitting = ChannelPattern(text)
    sets = fitting.sets(file for file in apart if not _THUMBNAIL.search(file.name))
    image_of: dict[Path, Path] = {}
    for key, places in sets.items():
        image_of |= dict.fromkeys(places, fitting.name_of(key, list(places.values())))
    beside = _beside(apart, fitting, sets)
    joined = {file: image_of.get(file, file) for file in apart if file not in beside}
    return JoinedFiles(joined, _notes(fitting, joined, sorted(beside)))


def _notes(
    pattern: ChannelPattern, image_of: Mapping[Path, Path], beside: Sequence[Path]
) -> tuple[str, ...]:
    notes = []
    joined = [image for file, image in image_of.items() if image != file]
    alone = [file.name for file, image in image_of.items() if image == file and not is_set(file)]
    if joined:
        names = [name for name, _ in channels_of(joined[0])]
        channels = f"each of the channels {listed(names)}" if pattern.names else ""
        planes = "each z plane" if pattern.has_planes else ""
        notes.append(
            f"{len(joined)} files are joined into {counted(len(set(joined)), 'image')}, with a "
            f"file for {listed([*filter(None, (channels, planes))])}, such as {_short(joined[0])} "
            "(--channel-pattern none keeps every file an image)"
        )
    if alone:
        notes.append(
            f"not joined, as they do not fit the channel pattern {pattern.text}: "
            f"{counted(len(alone), 'file')}, {enumerate_some(alone, most=3)}"
        )
    if beside:
        notes.append(
            "left out as overlays, masks or thumbnails beside the channels: "
            f"{counted(len(beside), 'file')}, "
            f"{enumerate_some((file.name for file in beside), most=3)}"
        )
    return tuple(notes)


def _short(path: Path) -> str:
    return "/".join(path.parts[-2:])


def _beside(files: Iterable[Path], pattern: ChannelPattern, keys: Container[str]) -> set[Path]:
    """The thumbnails, and the overlays and masks of the sets with these ``keys``."""
    found = {file for file in files if _THUMBNAIL.search(file.name)}
    if pattern.names:
        for key, places in pattern.with_names(_BESIDE).sets(files).items():
            found |= set(places) if key in keys else set()
    return found


class _Candidate(NamedTuple):
    """A pattern that joins files; ``is_sure`` if their names mean nothing else."""

    pattern: ChannelPattern
    is_sure: bool
    files: int
    example: Mapping[Path, Place]
    key: str

    @property
    def words(self) -> str:
        """What it would do, for a question."""
        image = _short(self.pattern.name_of(self.key, list(self.example.values())))
        return f"'{self.pattern.text}' joins {self.files} files into images such as {image}"


def _found(apart: Mapping[Path, Hashable]) -> str:
    """The pattern that the names speak for; ``none`` where they speak for none.

    Raises:
        UsageError: they speak for several, or can mean something else.
    """
    apart = {file: group for file, group in apart.items() if not is_set(file)}
    names = {file.as_posix(): group for file, group in apart.items()}
    channels = _chosen(apart, [_channels(names, family) for family in (*_SURE, _IN_DOUBT)])
    planes = _chosen(apart, [_planes(names, family) for family in _PLANES])
    both = [one for one in (planes, channels) if one is not None]
    texts = ["*".join(one.pattern.text for one in order) for order in (both, both[::-1])]
    if len(both) < 2:
        return texts[0] or NO_PATTERN
    fits = ChannelPattern(texts[0]).sets(both[0].example)
    return texts[0] if fits else texts[1]


def _chosen(
    apart: Mapping[Path, Hashable], texts: Iterable[tuple[str, bool] | None]
) -> _Candidate | None:
    sure = dict(sorted(filter(None, texts), key=lambda one: one[1]))  # the last of each counts
    fitting = [one for text in sure if (one := _judged(apart, text, is_sure=sure[text]))]
    fitting = [one for one in fitting if one.is_sure] or fitting
    if not fitting:
        return None
    if len(fitting) == 1 and fitting[0].is_sure:
        return fitting[0]
    choices = " or ".join(f"--channel-pattern '{one.pattern.text}'" for one in fitting)
    raise UsageError(
        "by their names, files may be channels or z planes of one image: "
        + "; ".join(one.words for one in fitting),
        remedy=f"Give {choices} to join them, or --channel-pattern none if every file is an image",
    )


def _judged(apart: Mapping[Path, Hashable], text: str, *, is_sure: bool) -> _Candidate | None:
    """The pattern ``text`` if many of the files make whole images with it."""
    pattern = ChannelPattern(text)
    sets = pattern.sets(apart)
    whole = {
        key: places
        for key, places in sets.items()
        if _is_whole(pattern, list(places.values())) and len({apart[file] for file in places}) == 1
    }
    files = sum(map(len, whole.values()))
    share = files / max(1, len(apart) - len(_beside(apart, pattern, sets)))
    doubtful = not is_sure and len(pattern.names) > _MOST_IN_DOUBT
    if len(whole) < _FEWEST_SETS or share < _MANY or doubtful:
        return None
    deep = bool(pattern.names) or files >= _FEWEST_PLANES * len(whole)
    key, example = next(iter(whole.items()))
    return _Candidate(pattern, is_sure and deep and share >= _MOST, files, example, key)


def _is_whole(pattern: ChannelPattern, places: Sequence[Place]) -> bool:
    if pattern.names:
        return len({place.channel for place in places}) == len(pattern.names) == len(places)
    numbers = {int(place.plane_text) for place in places}
    return len(numbers) == len(places) == max(numbers) - min(numbers) + 1 > 1


def _channels(names: Mapping[str, Hashable], family: re.Pattern[str]) -> tuple[str, bool] | None:
    """The channels that most images have of those that ``family`` names, as a pattern.

    Beside known stains, a word that nobody knows may name a channel too; then it is asked.
    """
    spelled: dict[str, str] = {}
    named: dict[tuple[Hashable, str], set[str]] = defaultdict(set)
    others = []
    for path, group in names.items():
        found = _cuts(path, family)
        if not found:
            others.append(path)
            continue
        key, name = found[-1]
        spelled.setdefault(name.casefold(), name)
        named[group, key].add(name.casefold())
    known = set(spelled)
    for path in others if family is _STAINED and named else ():
        for key, word in _cuts(path, _WORD):
            if (names[path], key) in named and word.casefold() not in _BESIDE.split("|"):
                spelled.setdefault(word.casefold(), word)
                named[names[path], key].add(word.casefold())
    counts = Counter(frozenset(words) for words in named.values() for _ in words)
    words = counts.most_common(1)[0][0] if counts else frozenset()
    # "c1_DAPI" and "c2_DAPI" are one stain of two cells.
    stains = {re.sub(r"^[a-z]+\d+[ _-]?(?=[a-z])", "", word) for word in words}
    if len(stains) < max(2, len(words)):
        return None
    ending = "*" if family is _METAXPRESS else ""
    ordered = sorted((spelled[word] for word in words), key=lambda name: natural_key(Path(name)))
    text = f"{{{'|'.join(name + ending for name in ordered)}}}{'/' if family is _FOLDER else ''}"
    return text, family is not _IN_DOUBT and words <= known


def _planes(names: Iterable[str], family: re.Pattern[str]) -> tuple[str, bool] | None:
    counts = Counter(found[-1][1] for path in names if (found := _cuts(path, family)))
    return (f"{counts.most_common(1)[0][0]}{{..}}", True) if counts else None


def _cuts(path: str, family: re.Pattern[str]) -> list[tuple[str, str]]:
    """(the path without it, itself) of all that ``family`` finds in a name."""
    end = path.rfind("/") + 1
    start, text = (0, path[:end]) if family is _FOLDER else (end, path[end:])
    return [
        (f"{path[: start + match.start(1)]}\0{path[start + match.end() :]}", match[1])
        for match in family.finditer(text)
    ]
