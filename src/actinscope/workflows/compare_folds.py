"""Two cross-validations on the same folds: which way of training is better, fold by fold."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from actinscope.errors import StudyError, UsageError
from actinscope.evaluation import ResampledTest, corrected_resampled_t
from actinscope.files import make_folder, write_csv
from actinscope.names import RunFile
from actinscope.predict import FOLD_COLUMNS
from actinscope.runs import FoldResult, read_run
from actinscope.study import TEST
from actinscope.wording import p_words, points

#: The tables that :func:`compare_folds` writes.
FOLD_TABLES = ("folds_compared.csv", "fold_differences.csv")
_METRICS = ("accuracy", "balanced_accuracy", "f1_macro", "mcc", "auroc", "log_loss")


def is_crossvalidation(folder: Path) -> bool:
    """True where ``actinscope train --folds`` wrote the folder."""
    return (folder / RunFile.QUESTION).is_file()


def compare_folds(runs: Sequence[Path], output: Path) -> tuple[str, ...]:
    """Compare two folders of ``actinscope train --folds`` fold by fold and write ``FOLD_TABLES``.

    The folds of all repeats are taken together; the test allows for the training images that they
    share, also between repeats (Bouckaert and Frank, PAKDD 2004). Differences are the second
    minus the first.

    Returns:
        What came out, in sentences, the verdict first.

    Raises:
        UsageError: there are not two such folders.
        StudyError: their folds are not the same, or a folder is not finished.
    """
    if len(runs) != 2 or not all(map(is_crossvalidation, runs)):
        raise UsageError(
            "folders of `train --folds` can only be compared two at a time, with each other",
            remedy="Give two of them; single runs are compared without them",
        )
    first, second = (_folds_of(Path(run)) for run in runs)
    _require_same_folds(first, second)
    share = _test_share(first)
    differences = {
        name: [b.test[name].value - a.test[name].value for a, b in zip(first, second, strict=True)]
        for name in _METRICS
        if all(name in fold.test for fold in (*first, *second))
    }
    if "accuracy" not in differences:
        raise StudyError("the folds have no accuracy", remedy="Give folders that are finished")
    tests = {
        name: corrected_resampled_t(values, test_share=share)
        for name, values in differences.items()
    }
    make_folder(output)
    header = ["figure", "mean_difference", "low", "high", "t", "p", "folds"]
    rows = [
        [name, one.mean, one.low, one.high, one.statistic, one.p, one.folds]
        for name, one in tests.items()
    ]
    write_csv(output / FOLD_TABLES[0], header, rows)
    by_fold = zip(first, zip(*differences.values(), strict=True), strict=True)
    lines = [[fold.repeat, fold.number, *values] for fold, values in by_fold]
    write_csv(output / FOLD_TABLES[1], [*FOLD_COLUMNS, *differences], lines)
    return _sentences(tests, runs)


def _folds_of(folder: Path) -> list[FoldResult]:
    try:
        asked = json.loads((folder / RunFile.QUESTION).read_text("utf-8"))
        folds, repeats = int(asked["folds"]), int(asked["repeats"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StudyError(
            f"cannot be read ({type(error).__name__})", where=folder / RunFile.QUESTION
        ) from error
    if not (folder / RunFile.FOLDS).is_file():
        raise StudyError(
            "the cross-validation is not finished",
            where=folder,
            remedy="Continue it with --resume",
        )
    return [
        FoldResult(repeat, number, read_run(folder / f"fold-{repeat}-{number}"))
        for repeat in range(1, repeats + 1)
        for number in range(1, folds + 1)
    ]


def _require_same_folds(first: Sequence[FoldResult], second: Sequence[FoldResult]) -> None:
    def tested(fold: FoldResult) -> set[tuple[tuple[str, str], str]]:
        images = fold.run.predictions.images
        return {(image.key, image.label) for image in images if image.part == TEST}

    if len(first) != len(second):
        raise StudyError(
            f"the cross-validations have {len(first)} and {len(second)} folds",
            remedy="Use the same --folds and --repeats for both",
        )
    for one, other in zip(first, second, strict=True):
        if one.name != other.name or tested(one) != tested(other):
            raise StudyError(
                f"{one.name} does not test the same images in both",
                where=other.run.path,
                remedy="Use the same images, labels, groups and --seed for both; folds are the "
                "same then",
            )


def _test_share(folds: Sequence[FoldResult]) -> float:
    """Share of the images that a fold tests, in the mean; validation counts as training."""
    tested = sum(len(fold.run.predictions.rows_of(TEST)) for fold in folds)
    return tested / sum(len(fold.run.predictions.images) for fold in folds)


def _sentences(tests: Mapping[str, ResampledTest], runs: Sequence[Path]) -> tuple[str, ...]:
    one = tests["accuracy"]
    first, second = (str(run) for run in runs)
    found = (
        f"mean difference of the accuracy over {one.folds} folds {points(one.mean)} points "
        f"(95 % interval {points(one.low)} to {points(one.high)}, {p_words(one.p)})"
    )
    if one.p < 0.05:
        better, other = (second, first) if one.mean > 0 else (first, second)
        said = f"{better} is better than {other}: {found}."
    else:
        said = f"{first} and {second} cannot be told apart: {found}."
    sentences = [
        said,
        "Second minus first, by the corrected resampled t-test (Nadeau and Bengio 2003), which "
        "allows for the training images that folds share. It says how ways of training differ on "
        "such images, not how two models do.",
    ]
    left = [name for name in _METRICS if name not in tests]
    if left:
        sentences.append(f"Not defined in every fold, and left out: {', '.join(left)}.")
    return tuple(sentences)
