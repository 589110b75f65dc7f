"""What helps on real cells: parts of a linear probe, tried one by one over grouped folds.

    python benchmarks/what_helps.py mef_actin
    python benchmarks/what_helps.py mitocheck_nuclei --views 4
    python benchmarks/what_helps.py mef_actin --split-seed 0
    python benchmarks/what_helps.py tcell_activation --views 4 --cut 10 20 50

The features of EfficientNet-Lite0 are computed once for every image and view, then heads are
fitted on parts of them: the last map alone or all stages, one view or several, several kinds of
classifier. Groups stay in one fold (of `tcell_activation` one donor is left out in turn). Intensity
scaling is fitted on all images, without their labels: these are comparisons of heads, and the
figures of whole runs come from `grouped_folds.py`. Settings were chosen with `--split-seed 1`,
the default. Each variant is compared with the first, paired over folds: its mean difference, and
the standard error of Nadeau and Bengio's corrected resampled t-test. A line for each data set goes
into benchmarks/results.jsonl; `write_results.py` makes the table. With `--cut` each training part
is cut to so many images of each class, and only the usual probe and that on all stages are tried.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actinscope.cells import CropReader
from actinscope.networks import StageGraph, network_entry, resolve_weights
from actinscope.preprocess import fit_preprocess, turned
from actinscope.progress import Silent
from actinscope.requests import StudySource
from actinscope.runs import images_of, labels_of, network_input, read_study
from actinscope.runtimes import OpenVinoEngine, usable_cores
from actinscope.training import load_recipe
from record import DATA_SETS, command_line, data_folder, write_record

_VIEWS = (0, 5, 2, 7, 1, 3, 4, 6)
_FOLDS = 5
_OF_FEW = ("last map, 1 view", "all stages, 4 views")


@dataclass(frozen=True)
class Variant:
    """What the head reads, what it is trained on, and what it is."""

    title: str
    maps: str  # "last", "ends", "widened" or "all"
    train: int  # views
    answer: int  # views
    head: str = "logistic"
    strength: float = 0.03
    cut: int | None = None  # images of each class that it is trained on


def variants(most: int) -> tuple[Variant, ...]:
    """The last map and one view first: what a linear probe usually is."""
    several = min(4, most)
    found = [
        Variant("last map, 1 view", "last", 1, 1),
        Variant("last map, weaker penalty", "last", 1, 1, strength=1.0),
        Variant(f"last map, {several} views", "last", several, several, strength=1.0),
        Variant("all stages, 1 view", "all", 1, 1),
        Variant(f"all stages, {several} views", "all", several, several),
        Variant(f"all stages, trained on {several} views, 1 for the answer", "all", several, 1),
        Variant(f"ends of blocks alone, {several} views", "ends", several, several),
        Variant(f"widened maps alone, {several} views", "widened", several, several),
        Variant("all stages, stronger penalty", "all", several, several, strength=0.003),
        Variant("all stages, weaker penalty", "all", several, several, strength=0.3),
        Variant("all stages, shrunken LDA", "all", several, several, head="lda"),
        Variant("all stages, linear SVM with Platt's scaling", "all", several, several, head="svm"),
    ]
    if most == len(_VIEWS):
        found.append(Variant("all stages, 8 views", "all", 8, 8))
    return tuple(found)


def main() -> int:
    arguments = _parse()
    study = _study(arguments.data, _VIEWS[: arguments.views])
    folds = _folds(arguments.data, study, arguments.split_seed)
    scores: list[dict[str, Any]] = []
    tried = variants(arguments.views)
    if arguments.cut:
        few = [one for one in tried if one.title in _OF_FEW]
        tried = tuple(
            replace(one, title=f"{cut} images a class: {one.title}", cut=cut)
            for cut in arguments.cut
            for one in few
        )
    for variant in tried:
        judged = [_judge(variant, study, train, test) for train, test in folds]
        accuracy, loss = (np.array(column) for column in zip(*judged, strict=True))
        scores.append({"accuracy": accuracy, "loss": loss})
        print(f"{variant.title:55s} {accuracy.mean():.3f}  log loss {loss.mean():.3f}", flush=True)
    rows = []
    for number, (variant, got) in enumerate(zip(tried, scores, strict=True)):
        first = number - number % len(_OF_FEW) if arguments.cut else 0
        gained = got["accuracy"] - scores[first]["accuracy"]
        rows.append(
            {
                "variant": variant.title,
                "balanced_accuracy": round(float(got["accuracy"].mean()), 4),
                "log_loss": round(float(got["loss"].mean()), 4),
                "gained": round(float(gained.mean()), 4),
                "error": round(_corrected_error(gained, folds), 4),
            }
        )
    write_record(
        {
            "benchmark": "what helps",
            "data": arguments.data,
            "folds": len(folds),
            "split_seed": arguments.split_seed,
            "cut": arguments.cut,
            "rows": rows,
            "command": command_line("what_helps.py"),
        }
    )
    return 0


@dataclass(frozen=True, eq=False)
class Study:
    """Images of a data set as features."""

    features: NDArray[np.float32]  # (N, V, D)
    columns: dict[str, NDArray[np.intp]]  # of each choice of maps
    labels: NDArray[np.int64]
    groups: NDArray[np.str_]
    classes: int


def _study(data: str, views: Sequence[int]) -> Study:
    recipe = load_recipe("default")
    folder = data_folder(data)
    source = StudySource(data=folder, manifest=folder / "groups.csv", group=DATA_SETS[data])
    manifest = read_study(source, recipe)
    reader, records = CropReader(recipe.images), manifest.records
    entry = network_entry("efficientnet-lite0")
    preprocess = fit_preprocess(
        images_of(records, reader, Silent(), ""), recipe.preprocess, network_input(entry, recipe)
    )
    graph = StageGraph.of(
        entry,
        resolve_weights(entry),
        size=preprocess.size,
        channels=preprocess.network_channels,
    )
    engine = OpenVinoEngine(graph.features_model(), usable_cores())
    rows = [
        np.stack([engine.run(preprocess.to_network(turned(scaled, view))[None])[0][0]
                  for view in views])
        for image in images_of(records, reader, Silent(), "")
        for scaled in [preprocess.to_scaled(image)]
    ]  # fmt: skip
    groups = manifest.groups_of(list(records))
    assert groups is not None
    return Study(
        np.stack(rows),
        _columns(graph),
        labels_of(records, manifest.classes),
        np.array(groups),
        len(manifest.classes),
    )


def _columns(graph: StageGraph) -> dict[str, NDArray[np.intp]]:
    ends = np.cumsum([channels for _, channels in graph.stages])
    spans = {
        name: np.arange(end - channels, end)
        for (name, channels), end in zip(graph.stages, ends, strict=True)
    }
    last = list(spans)[-1]
    widened = [name for name in spans if "project" not in name and "add" not in name]
    return {
        "all": np.concatenate(list(spans.values())),
        "last": spans[last],
        "widened": np.concatenate([spans[name] for name in widened]),
        "ends": np.concatenate(
            [span for name, span in spans.items() if name not in widened or name == last]
        ),
    }


def _folds(data: str, study: Study, seed: int) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    from sklearn.model_selection import LeaveOneGroupOut, StratifiedGroupKFold

    labels, groups = study.labels, study.groups
    if data == "tcell_activation":
        return list(LeaveOneGroupOut().split(labels, labels, groups))
    divide = StratifiedGroupKFold(_FOLDS, shuffle=True, random_state=seed)
    return list(divide.split(labels, labels, groups))


def _judge(
    variant: Variant, study: Study, train: NDArray[Any], test: NDArray[Any]
) -> tuple[float, float]:
    from sklearn.metrics import balanced_accuracy_score, log_loss

    rows = study.features[:, :, study.columns[variant.maps]]
    if variant.cut is not None:
        shuffled = np.random.default_rng(variant.cut).permutation(train)
        train = np.concatenate(
            [shuffled[study.labels[shuffled] == label][: variant.cut]
             for label in range(study.classes)]
        )  # fmt: skip
    given = rows[train, : variant.train].reshape(-1, rows.shape[2])
    mean, scale = given.mean(axis=0), np.hypot(given.std(axis=0), np.float32(0.003))
    labels = np.repeat(study.labels[train], variant.train)
    chances = _fitted(variant, (given - mean) / scale, labels)
    logs = np.mean(
        [np.log(chances((rows[test, view] - mean) / scale) + 1e-12)
         for view in range(variant.answer)], axis=0
    )  # fmt: skip
    powers = np.exp(logs - logs.max(axis=1, keepdims=True))
    found = powers / powers.sum(axis=1, keepdims=True)
    truth = study.labels[test]
    return (
        float(balanced_accuracy_score(truth, found.argmax(axis=1))),
        float(log_loss(truth, found, labels=range(study.classes))),
    )


def _fitted(
    variant: Variant, rows: NDArray[Any], labels: NDArray[Any]
) -> Callable[[NDArray[Any]], NDArray[Any]]:
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.decomposition import PCA
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import LinearSVC

    space = PCA(min(512, *rows.shape), svd_solver="randomized", random_state=0).fit(rows)
    weight = variant.strength / variant.train
    head: Any = {
        "logistic": lambda: LogisticRegression(C=weight, class_weight="balanced", max_iter=300),
        "lda": lambda: LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"),
        "svm": lambda: CalibratedClassifierCV(
            LinearSVC(C=weight / 10, class_weight="balanced"), cv=3
        ),
    }[variant.head]()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a fit that is cut short is held back a little more
        head.fit(space.transform(rows), labels)
    return lambda others: np.asarray(head.predict_proba(space.transform(others)))


def _corrected_error(gained: NDArray[Any], folds: Sequence[tuple[Any, Any]]) -> float:
    """Standard error of a mean over folds, whose trainings overlap (Nadeau and Bengio 2003)."""
    share = float(np.mean([len(test) / len(train) for train, test in folds]))
    return float(np.sqrt((1 / len(gained) + share) * gained.var(ddof=1)))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", choices=sorted(DATA_SETS))
    parser.add_argument("--views", type=int, choices=[4, 8], default=8)
    parser.add_argument("--split-seed", type=int, default=1)
    parser.add_argument("--cut", type=int, nargs="+", default=[])
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
