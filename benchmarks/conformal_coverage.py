"""How often prediction sets hold the true class on real cells, over random grouped splits.

    python benchmarks/conformal_coverage.py mef_actin
    python benchmarks/conformal_coverage.py mitocheck_nuclei

The embedding of the untouched network is computed once. Every split draws whole groups for
training, validation (10 %, as by default) and test, fits a logistic head for each of several
strengths of regularisation, keeps the one of smallest validation loss (as a run keeps its best
epoch), fits the temperature on the same validation part, and the sets too: the double use of the
validation part is measured with everything else. Beside the sets as delivered stand those of the
two textbook ways: images taken as exchangeable, and hierarchical conformal prediction.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

import numpy as np

from actinscope.bundle import calibrated
from actinscope.cells import CropReader
from actinscope.evaluation import fit_sets, fit_temperature
from actinscope.networks import build_network, embedding_of
from actinscope.preprocess import fit_preprocess
from actinscope.progress import Silent
from actinscope.requests import StudySource
from actinscope.runs import choose_network, images_of, labels_of, network_input, read_study
from actinscope.training import change_recipe, load_recipe
from record import DATA_SETS, command_line, data_folder, write_record

_COVERAGE = 0.9
_COMPONENTS = 60
_STRENGTHS = (0.003, 0.03, 0.3)


def main() -> int:
    arguments = _parse()
    embedding, labels, groups, classes = _embedded(arguments.data)
    features = _reduced(embedding)
    found: dict[str, list[float]] = {}
    sizes, given, temperatures = [], [], []
    for seed in range(arguments.splits):
        one = _one_split(features, labels, groups, classes, seed=seed)
        for name, share in one["coverage"].items():
            found.setdefault(name, []).append(share)
        sizes.append(one["size"])
        given.append(one["given"])
        temperatures.append(one["temperature"])
    write_record(
        {
            "benchmark": "conformal coverage",
            "data": arguments.data,
            "images": len(labels),
            "groups": len(set(groups)),
            "splits": arguments.splits,
            "nominal": _COVERAGE,
            "coverage": {name: round(float(np.mean(some)), 4) for name, some in found.items()},
            "spread": {name: round(float(np.std(some)), 4) for name, some in found.items()},
            "mean_size": round(float(np.mean(sizes)), 3),
            "share_with_threshold": round(float(np.mean(given)), 3),
            "median_temperature": round(float(np.median(temperatures)), 3),
            "command": command_line("conformal_coverage.py"),
        }
    )
    return 0


def _embedded(name: str) -> tuple[Any, Any, list[str], tuple[str, ...]]:
    """Embedding (N, D), labels (N,), groups and classes."""
    recipe = change_recipe(load_recipe("fine-tuned"), {"network": {"name": "efficientnet-lite0"}})
    folder = data_folder(name)
    source = StudySource(data=folder, manifest=folder / "groups.csv", group=DATA_SETS[name])
    manifest = read_study(source, recipe)
    records = list(manifest.records)
    labels = labels_of(records, manifest.classes)
    groups = [manifest.group_of(record) for record in records]
    return _computed(records, recipe), labels, groups, manifest.classes


def _computed(records: list[Any], recipe: Any) -> Any:
    import keras

    network = choose_network(recipe)
    model = build_network(network.entry, classes=2, weights=network.weights, seed=0)
    embedding = keras.Model(model.input, embedding_of(model))
    reader = CropReader(recipe.images)
    preprocess = fit_preprocess(
        images_of(records, reader, Silent(), ""),
        recipe.preprocess,
        network_input(network.entry, recipe),
    )
    rows = []
    for start in range(0, len(records), 64):
        images = images_of(records[start : start + 64], reader, Silent(), "")
        rows.append(embedding.predict_on_batch(np.stack([preprocess.apply(one) for one in images])))
    return np.concatenate(rows)


def _reduced(embedding: Any) -> Any:
    """Principal components, unlabelled: fitting hundreds of heads takes seconds each otherwise."""
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import StandardScaler

    scaled = StandardScaler().fit_transform(embedding)
    parts = PCA(_COMPONENTS, random_state=0).fit_transform(scaled)
    return parts / parts[:, 0].std()


def _one_split(
    features: Any, labels: Any, groups: list[str], classes: tuple[str, ...], *, seed: int
) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    names = np.array(groups)
    order = rng.permutation(np.unique(names))
    some = max(1, round(len(order) / 10))
    validation = np.isin(names, order[:some])
    test = np.isin(names, order[some : 3 * some])
    training = ~(validation | test)
    choices = [_head(features, labels, training, len(classes), strength) for strength in _STRENGTHS]
    chances = min(choices, key=lambda one: _loss(one[validation], labels[validation]))
    temperature = fit_temperature(labels[validation], chances[validation]).value
    chances = calibrated(chances, temperature)
    rule = fit_sets(
        labels[validation],
        chances[validation],
        classes=classes,
        groups=names[validation].tolist(),
        coverage=_COVERAGE,
        per_class=False,
    )
    threshold = rule.thresholds[0] or 0.0
    scores = 1 - chances[np.arange(len(labels)), labels]
    limits = {
        "as delivered": 1 - threshold,
        "images as exchangeable": _exchangeable(scores[validation]),
        "hierarchical": _hierarchical(scores[validation], names[validation]),
    }
    return {
        "coverage": {name: float((scores[test] <= limit).mean()) for name, limit in limits.items()},
        "size": float((chances[test] >= threshold).sum(axis=1).mean()),
        "given": rule.known,
        "temperature": temperature,
    }


def _head(features: Any, labels: Any, training: Any, classes: int, strength: float) -> Any:
    from sklearn.linear_model import LogisticRegression

    head = LogisticRegression(C=strength, max_iter=200, tol=1e-2)
    head.fit(features[training], labels[training])
    chances = np.full((len(labels), classes), 1e-9)
    chances[:, head.classes_] = head.predict_proba(features)
    return chances / chances.sum(axis=1, keepdims=True)


def _loss(chances: Any, labels: Any) -> float:
    return float(-np.log(chances[np.arange(len(labels)), labels]).mean())


def _exchangeable(scores: Any) -> float:
    """Split conformal prediction: the ceil(c (n + 1))-th of n scores."""
    rank = int(np.ceil(_COVERAGE * (len(scores) + 1)))
    return float(np.sort(scores)[rank - 1]) if rank <= len(scores) else np.inf


def _hierarchical(scores: Any, groups: Any) -> float:
    """Lee, Barber and Willett 2023: each of G groups weighs 1 / (G + 1), and so does infinity."""
    _, unit = np.unique(groups, return_inverse=True)
    sizes = np.bincount(unit)
    weights = 1 / (len(sizes) + 1) / sizes[unit]
    order = np.argsort(scores)
    place = int(np.searchsorted(weights[order].cumsum(), _COVERAGE - 1e-12))
    return float(scores[order][place]) if place < len(scores) else np.inf


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", choices=["mef_actin", "mitocheck_nuclei"])
    parser.add_argument("--splits", type=int, default=200)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
