"""What each job is asked to do: one class a job, with the options of the command line that fill it.

An :class:`Option` beside a field is all that the command line knows of it, and says what the
field means. The recipe, the reading options and the levels are each filled by several options
together, an :class:`OptionGroup`. Nothing heavy is imported, so that ``--help`` answers at once:
classes of other rooms are named in quotes, and ``from __future__ import annotations`` is left out
so that the options can be read without looking these names up.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from actinscope.names import PAPER_NETWORKS, Precision
from actinscope.options import (
    AS_WRITTEN,
    BUNDLE,
    CROP_SIZE,
    CSV,
    EPOCHS,
    FOLDER,
    IMAGES,
    INPUT,
    LEVEL,
    LEVEL_RULES,
    LEVELS,
    NETWORK,
    PRECISION,
    READING,
    RECIPE,
    Option,
    minutes,
    positive,
    recipe_options,
    seed_of,
)

if TYPE_CHECKING:
    from actinscope.images import ReadOptions
    from actinscope.training import LevelSettings, Recipe

_SPACE = "what to search (default: what `recipe space` prints)"

# Studies --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class StudySource:
    """Where images, labels and groups come from.

    Without ``manifest`` the folders are searched: one folder a class. With ``group_level`` or
    ``group_pattern`` only the labels of a manifest are taken. A ``crop_size`` of None is chosen.
    ``exclude`` holds names of classes, folders or files, in which ``*`` stands for any letters.
    """

    data: Annotated[Path, Option("", "DATA", "folder of images, one folder a class")]
    manifest: Annotated[
        Path | None, Option("--manifest", "CSV", "CSV with path, label and other columns")
    ] = None
    group: Annotated[
        str | None,
        Option(
            "--group",
            "COLUMN",
            "column whose values stay together in one part (field, slide, donor, ...)",
        ),
    ] = None
    group_level: Annotated[
        int | None, Option("--group-level", "N", "folder level below DATA that is the group")
    ] = None
    group_pattern: Annotated[
        str | None,
        Option(
            "--group-pattern",
            "PATTERN",
            "regular expression for the file name (for the path, if it holds a /) whose first "
            "group is the group, or a template such as {field}_cell{}",
        ),
    ] = None
    label_level: Annotated[
        int | None,
        Option("--label-level", "N", "folder level below DATA that is the class (default: found)"),
    ] = None
    label_pattern: Annotated[
        str | None,
        Option(
            "--label-pattern",
            "PATTERN",
            "the class from the file name, as with --group-pattern, such as {label}_{}",
        ),
    ] = None
    exclude: Annotated[
        tuple[str, ...],
        Option(
            "--exclude", "NAME", "leave out classes, folders or files of this name, such as *_bf"
        ),
    ] = ()
    as_written: Annotated[bool, AS_WRITTEN] = False
    crop_size: Annotated[int | None, CROP_SIZE] = None


@dataclass(frozen=True)
class ScanRequest:
    """List the images of a study in a CSV."""

    source: StudySource
    output: Annotated[Path, CSV]
    seed: Annotated[int, seed_of("the split that is tried")] = 0
    options: Annotated["ReadOptions | None", READING] = None


@dataclass(frozen=True)
class AuditRequest:
    """Look for what is wrong with the images. ``command`` is the command line, for the page."""

    source: StudySource
    recipe: Annotated[
        "Recipe",
        recipe_options(
            replace(RECIPE, help="whose split and preprocessing is looked at"),
            *INPUT,
            seed="seed of the split and of the checks",
        ),
    ]
    output: Annotated[Path, FOLDER]
    network: Annotated[
        bool,
        Option("--no-network", "", "do not ask a pretrained network which labels look wrong"),
    ] = True
    command: str = ""


@dataclass(frozen=True)
class PatchRequest:
    """List patches around objects and of the background, from fields and label masks."""

    data: Annotated[Path, Option("", "DATA", "folder of the fields and masks")]
    fields: Annotated[
        Path,
        Option("--manifest", "CSV", "CSV with the columns path (a field) and mask (its labels)"),
    ]
    output: Annotated[Path, CSV]
    crop_size: Annotated[int | None, Option("--crop-size", "PX", "side of the patches")] = None
    object_label: Annotated[
        str,
        Option("--object-label", "NAME", "class of the patches around objects, such as nucleus"),
    ] = "cell"
    seed: Annotated[int, seed_of("the choice of background patches")] = 0
    options: Annotated["ReadOptions | None", READING] = None


# Training -------------------------------------------------------------------------------------

_FOLDS = "cross-validation"


@dataclass(frozen=True)
class TrainRequest:
    """Train and test: by folds, or on one split (``folds`` 1); None decides by the size.

    Repeat r of a cross-validation takes the recipe's seed + r - 1. ``synthetic`` images are
    phantoms, which is said wherever a result is shown; ``command`` is the command line, for the
    report; ``notices`` are further sentences that go with the bundle.
    """

    source: StudySource
    recipe: Annotated[
        "Recipe",
        recipe_options(
            *NETWORK,
            RECIPE,
            EPOCHS,
            LEVEL,
            *LEVEL_RULES,
            seed="seed of split, views and training; every further repeat takes the next one",
        ),
    ]
    output: Annotated[Path, Option("-o --output", "RUN", "folder for the results")]
    folds: Annotated[
        int | None,
        Option(
            "--folds",
            "K",
            "test every image once, by networks trained on the other folds; as many as there are "
            "groups leaves out one at a time; 1: test one split (default: 5 where one split would "
            "test fewer than 100 images or 20 groups)",
            section=_FOLDS,
        ),
    ] = None
    repeats: Annotated[
        int,
        Option(
            "--repeats",
            "R",
            "draw and train all folds R times",
            needs="--folds",
            section=_FOLDS,
        ),
    ] = 1
    deliver: Annotated[
        Literal["refit", "none"],
        Option(
            "--deliver",
            "",
            "refit: train one more model, on all images, to be used; none: only test",
            needs="--folds",
            section=_FOLDS,
        ),
    ] = "refit"
    resume: Annotated[
        bool, Option("--resume", "", "go on after the last epoch, or the last fold, of RUN")
    ] = False
    synthetic: bool = False
    command: str = ""
    notices: tuple[str, ...] = ()


@dataclass(frozen=True)
class TuneRequest:
    """Search for better settings; trial 0 is the recipe as it is."""

    source: StudySource
    recipe: Annotated[
        "Recipe",
        recipe_options(
            *NETWORK,
            replace(
                RECIPE,
                help="the recipe to start from, and all that is not searched",
                default="fine-tuned",
            ),
            replace(
                EPOCHS, help="epochs of the base recipe, and of all where they are not searched"
            ),
            seed="seed of split, views, training and search",
        ),
    ]
    output: Annotated[Path, FOLDER]
    space: Annotated[Path | None, Option("--space", "FILE.toml", _SPACE)] = None
    trials: Annotated[
        int, Option("--trials", "N", "trials in the end, the base recipe included")
    ] = 20
    minutes: Annotated[
        float | None,
        Option(
            "--minutes",
            "M",
            "after so many minutes begin no trial, and stop a running one, but not trial 0",
            parse=minutes,
        ),
    ] = None
    folds: Annotated[
        int,
        Option(
            "--folds",
            "K",
            "folds of the images outside the test part that judge a trial; 1: the validation "
            "part alone, which is faster and noisier",
        ),
    ] = 3
    resume: Annotated[
        bool, Option("--resume", "", "go on after the last finished trial of FOLDER")
    ] = False
    command: str = ""


@dataclass(frozen=True)
class PaperRequest:
    """Run the paper's experiment. ``weights`` are words such as ``vgg16=FILE`` or ``none``."""

    source: StudySource
    recipe: Annotated[
        "Recipe",
        recipe_options(
            replace(
                RECIPE, help="paper, fine-tuned, or your settings as a TOML file", default="paper"
            ),
            EPOCHS,
            seed="seed of copies, divisions and training",
        ),
    ]
    output: Annotated[Path, FOLDER]
    networks: Annotated[
        tuple[str, ...], Option("--networks", "NAME", "which networks to compare")
    ] = PAPER_NETWORKS
    protocol: Annotated[
        Literal["published", "honest", "both"],
        Option("--protocol", "", "order of augmenting and dividing; both adds a step between them"),
    ] = "both"
    repeats: Annotated[
        int, Option("--repeats", "N", "how many times other groups are held out")
    ] = 3
    copies: Annotated[
        int,
        Option(
            "--copies",
            "N",
            "images made of each image, itself included; the paper does not state it",
        ),
    ] = 4
    weights: Annotated[
        tuple[str, ...],
        Option(
            "--weights",
            "NAME=FILE|none",
            "weights file of a network; none starts all from RANDOM weights (NAME=none only that "
            "one), and every row and figure says so",
        ),
    ] = ()
    vgg_epochs: Annotated[
        int | None,
        Option(
            "--vgg-epochs",
            "N",
            "epochs of VGG networks (default: as of the others; the paper trained 1000)",
        ),
    ] = None
    resume: Annotated[
        bool, Option("--resume", "", "go on: finished runs are kept, the others resumed")
    ] = False
    command: str = ""


@dataclass(frozen=True)
class DemoRequest:
    """Draw synthetic cells and run the whole job on them."""

    output: Annotated[Path, Option("-o --output", "FOLDER", "folder for images and results")] = (
        Path("demo")
    )
    seed: Annotated[int, seed_of("everything")] = 0
    difficulty: Annotated[
        float, Option("--difficulty", "D", "0 clearly different cells to 1 no difference")
    ] = 0.5
    command: str = ""


# Using a model --------------------------------------------------------------------------------


@dataclass(frozen=True)
class EvaluateRequest:
    """Test a bundle on labelled images. ``options`` that are not set are those of training."""

    bundle: Annotated[Path, BUNDLE]
    source: StudySource
    output: Annotated[Path, FOLDER]
    seed: Annotated[int, seed_of("the intervals")] = 0
    options: Annotated["ReadOptions | None", READING] = None
    precision: Annotated[Precision, PRECISION] = "auto"
    levels: Annotated["LevelSettings | None", LEVELS] = None
    command: str = ""


@dataclass(frozen=True)
class PredictRequest:
    """Predict images into a CSV. ``options`` that are not set are those of training."""

    bundle: Annotated[Path, BUNDLE]
    images: Annotated[tuple[Path, ...], IMAGES]
    output: Annotated[Path, CSV]
    masks: Annotated[
        Path | None,
        Option(
            "--masks",
            "PATH",
            "label mask, or folder of masks named like images: one row a cell",
        ),
    ] = None
    objects: Annotated[
        Path | None, Option("--objects", "CSV", "cell centres, e.g. from CellProfiler")
    ] = None
    manifest: Annotated[
        Path | None, Option("--manifest", "CSV", "CSV whose columns are added to the rows")
    ] = None
    group: Annotated[
        str | None,
        Option("--group", "COLUMN", "name of the column of --group-level or --group-pattern"),
    ] = None
    group_level: Annotated[
        int | None,
        Option("--group-level", "N", "folder level below PATH that becomes a column (a well, ...)"),
    ] = None
    group_pattern: Annotated[
        str | None,
        Option(
            "--group-pattern",
            "PATTERN",
            "columns from file names, as of `train`, such as {plate}_{well}_{}",
        ),
    ] = None
    as_written: Annotated[bool, AS_WRITTEN] = False
    crop_size: Annotated[int | None, CROP_SIZE] = None
    match_pixel_size: Annotated[
        bool,
        Option("--match-pixel-size", "", "bring crops to the um a pixel of the training images"),
    ] = False
    batch_size: Annotated[int, Option("--batch-size", "N", "rows written at a time")] = 32
    precision: Annotated[Precision, PRECISION] = "auto"
    views: Annotated[
        int | None,
        Option(
            "--views",
            "N",
            "average over N turned and mirrored views: steadier and N times slower (default: as "
            "many as helped in training)",
            parse=positive,
        ),
    ] = None
    options: Annotated["ReadOptions | None", READING] = None
    levels: Annotated["LevelSettings | None", LEVELS] = None


@dataclass(frozen=True)
class SummariseRequest:
    """Sum the predictions of cells up to one level."""

    predictions: Annotated[Path, Option("", "PREDICTIONS.csv", "the predictions of cells")]
    levels: Annotated["LevelSettings", LEVELS]
    output: Annotated[Path, CSV]


@dataclass(frozen=True)
class ExplainRequest:
    """Show the evidence in images. ``options`` that are not set are those of training."""

    bundle: Annotated[Path, BUNDLE]
    images: Annotated[tuple[Path, ...], IMAGES]
    output: Annotated[Path, FOLDER]
    method: Annotated[
        Literal["auto", "occlusion"],
        Option(
            "--method",
            "",
            "auto: class activation maps, of networks that have them; occlusion: cover one "
            "place after the other, as for all other networks, 145 predictions an image",
        ),
    ] = "auto"
    masks: Annotated[
        Path | None,
        Option(
            "--masks",
            "PATH",
            "label mask, or folder of masks named like the images: one row a cell, and evidence "
            "is counted inside the cell's mask",
        ),
    ] = None
    crop_size: Annotated[int | None, CROP_SIZE] = None
    precision: Annotated[Precision, PRECISION] = "auto"
    options: Annotated["ReadOptions | None", READING] = None
    command: str = ""


@dataclass(frozen=True)
class CompareRequest:
    """Compare runs on the test images that they have in common."""

    runs: Annotated[
        tuple[Path, ...],
        Option("", "RUN", "folders that `train` or `evaluate` wrote"),
    ]
    output: Annotated[Path, FOLDER]
    images: Annotated[
        Path | None,
        Option(
            "--images",
            "DATA",
            "folder of images that the runs were trained on, for pictures in the report",
        ),
    ] = None
    group: Annotated[
        str | None,
        Option(
            "--group",
            "COLUMN",
            "column that says which images belong together (field, slide, donor, ...), or none; "
            "unless given, the one that the runs were split by",
        ),
    ] = None
    seed: Annotated[int, seed_of("the intervals")] = 0
    command: str = ""


# Bundles and recipes --------------------------------------------------------------------------


@dataclass(frozen=True)
class VerifyRequest:
    """Check a bundle."""

    bundle: Annotated[Path, BUNDLE]


@dataclass(frozen=True)
class QuantizeRequest:
    """Give the bundle of a run an 8-bit network."""

    run: Annotated[
        Path, Option("", "RUN", "folder of a finished run, or `refit` of a cross-validation")
    ]
    data: Annotated[Path, Option("", "DATA", "folder of images that the run was trained on")]
    images: Annotated[
        int, Option("--images", "N", "training images to take the ranges from, at most")
    ] = 200
    seed: Annotated[int, seed_of("their choice and of the intervals")] = 0
    force: Annotated[
        bool, Option("--force", "", "store it with a warning where it costs too much")
    ] = False


@dataclass(frozen=True)
class JoinRequest:
    """Make one bundle of several."""

    members: Annotated[
        tuple[Path, ...],
        Option("", "BUNDLE|RUN", "bundle folders or .zip files, or folders of runs; two or more"),
    ]
    output: Annotated[Path, Option("-o --output", "BUNDLE", "folder for the bundle")]


@dataclass(frozen=True)
class ShowRequest:
    """Print a recipe."""

    name: Annotated[
        str,
        Option(
            "",
            "NAME|FILE.toml",
            "default, quick, fine-tuned, paper, scratch, boosted-trees, or a TOML file",
        ),
    ] = "default"


@dataclass(frozen=True)
class NetworksRequest:
    """List the networks, or describe one."""

    name: Annotated[str | None, Option("", "NAME", "one network to describe in full")] = None


@dataclass(frozen=True)
class SpaceRequest:
    """Print what a search searches."""
