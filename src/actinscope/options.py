"""How the command line fills a field of a request, and the kinds of values that it takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal


@dataclass(frozen=True)
class Option:
    """How the command line fills a field.

    Attributes:
        flags: ``"-o --output"``; empty for a value that is known by its place.
        metavar: the value in the help; empty for a switch, or for the choices of a ``Literal``.
        help: what it means. The default of the field is added.
        parse: text -> value; raises ValueError with what is wrong. None goes by the field's type,
            where an int is from 1 on.
        default: where an option of a group has one.
        needs: flag without which this one does nothing, and is refused.
        section: heading of the help that it stands under.
        many: may be given again.
    """

    flags: str
    metavar: str
    help: str
    parse: Callable[[str], Any] | None = None
    default: Any = None
    needs: str = ""
    section: str = ""
    many: bool = False


@dataclass(frozen=True)
class OptionGroup:
    """Options that fill one field together; ``build`` names the function that does it."""

    build: Literal["recipe", "reading", "levels"]
    options: tuple[Option, ...]


def share(text: str) -> float:
    """A number from 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise ValueError(f"{text!r} is no share between 0 and 1")
    return value


def minutes(text: str) -> float:
    """Minutes, above 0."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < 1e6:
        raise ValueError(f"{text!r} is no number of minutes above 0")
    return value


def z_planes(text: str) -> str | int:
    """A projection of a z-stack, or the number of a plane."""
    projections = ("max", "mean", "sum", "middle")
    if text in projections:
        return text
    if text.strip().isdecimal():
        return int(text)
    raise ValueError(
        f"{text!r} is neither {', '.join(projections)} nor the number of a plane, from 0 on"
    )


def intensity(text: str) -> str:
    """A way to scale pixel values that needs no numbers of its own."""
    ways = {"auto", "divide", "percentile", "per-image"}
    if text not in ways:
        raise ValueError(f"{text!r} is none of {', '.join(sorted(ways))}")
    return text.replace("-", "_")


def listed(text: str) -> tuple[str, ...]:
    """Names with commas between them."""
    names = tuple(name.strip() for name in text.split(","))
    if not all(names):
        raise ValueError(f"{text!r} is no list of names with commas between them")
    return names


def whole(text: str) -> int:
    """A whole number from 0."""
    if not text.strip().isdecimal():
        raise ValueError(f"{text!r} is no whole number from 0 on")
    return int(text)


def positive(text: str) -> int:
    """A whole number from 1."""
    if not text.strip().isdecimal() or not int(text):
        raise ValueError(f"{text!r} is no whole number from 1 on")
    return int(text)


#: How pixels become the network's input, in every job that trains.
INPUT = (
    Option(
        "--channels",
        "NAME,...",
        "channels to use, by name or number from 1 (default: all)",
        parse=listed,
    ),
    Option(
        "--intensity",
        "auto|divide|percentile|per-image",
        "what becomes black and white: the ends of the pixel type, percentiles of the training "
        "images, or of each image by itself (default: by the pixels)",
        parse=intensity,
    ),
)

_READING = "reading images that hold more than one picture, or are several files"
READING = OptionGroup(
    "reading",
    tuple(
        replace(one, section=_READING)
        for one in (
            Option(
                "--z",
                "max|mean|sum|middle|N",
                "projection of a z-stack, or one plane, from 0 (default: max)",
                parse=z_planes,
            ),
            Option("--time", "N", "time point, from 0", parse=whole),
            Option("--scene", "N", "scene or series, from 0", parse=whole),
            Option("--axes", "LETTERS", "order of axes such as ZYX or CYX", parse=str),
            Option(
                "--channel-pattern",
                "PATTERN",
                "what differs in the names of files that are channels or z planes of one image, "
                "such as {DNA|actin} or z{..}; none: every file is an image (default: looked for; "
                "for a model, as in training)",
                parse=str,
            ),
        )
    ),
)

# Options of several jobs.

LEVEL = Option(
    "--level",
    "COLUMN[:RULE]",
    "sum cells up to the values of this column (donor, plate+well, ...); RULE is mean (of the "
    "probabilities, the default), vote or pool; may be given again",
    many=True,
)
LEVEL_RULES = (
    Option("--fewest-cells", "N", "no answer from fewer cells (default: 1)", parse=positive),
    Option(
        "--agreement",
        "SHARE",
        "no answer unless this share of the cells names it (default: 0)",
        parse=share,
    ),
)
LEVELS = OptionGroup("levels", (LEVEL, *(replace(one, needs="--level") for one in LEVEL_RULES)))

RECIPE = Option(
    "--recipe",
    "NAME|FILE.toml",
    "default, quick, fine-tuned, paper, scratch, boosted-trees, or a TOML file with your settings",
    default="default",
)
NETWORK = (
    Option("--network", "NAME", "a name that `actinscope recipe networks` lists, or auto"),
    Option("--weights", "imagenet|none|FILE", "pretrained weights (default: imagenet)"),
    *INPUT,
)
EPOCHS = Option("--epochs", "N", "epochs at most", parse=positive)
AS_WRITTEN = Option(
    "--as-written",
    "",
    "take labels and groups as they are written: tell 01 from 1, and NA is a name",
)
PRECISION = Option(
    "--precision",
    "",
    "auto is bf16 where the processor has it and no answer changed in training, else float32; "
    "int8 is faster and less exact, for bundles that `bundle quantize` prepared",
)
CROP_SIZE = Option("--crop-size", "PX", "side of single-cell crops")


def recipe_options(*options: Option, seed: str) -> OptionGroup:
    """All that changes the recipe of a job; ``seed`` says of what."""
    last = Option("--seed", "N", seed, parse=whole)
    return OptionGroup("recipe", (*options, last, *READING.options))


def seed_of(what: str) -> Option:
    """The seed of a job, of ``what``."""
    return Option("--seed", "N", f"seed of {what}", parse=whole)


BUNDLE = Option("", "BUNDLE|RUN", "a bundle (folder or .zip), or the run that it lies in")
FOLDER = Option("-o --output", "FOLDER", "folder for the results")
CSV = Option(
    "-o --output",
    "FILE.csv",
    "the table to write: CSV, or a workbook for Excel if it ends in .xlsx",
)
IMAGES = Option("", "PATH", "files or folders")
