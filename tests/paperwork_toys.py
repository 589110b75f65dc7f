"""Facts of runs that never took place, for tests of what is written about them."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from actinscope.evidence import Evaluation, LevelRule, evaluate, evaluate_level
from actinscope.experiment.facts import PartFacts, RunFacts
from actinscope.networks import network_entry
from actinscope.training import Recipe
from training_toys import tiny_preprocess

CLASSES = ("control", "treated")


def predictions(
    n: int, *, seed: int, groups: int, good: float = 0.8
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """(n,) labels, (n, 2) probabilities of which ``good`` are right, and groups."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    named = np.where(rng.random(n) < good, labels, 1 - labels)
    first = np.where(named == 0, rng.uniform(0.5, 1, n), rng.uniform(0, 0.5, n))
    names = [f"d{k}" for k in np.arange(n) * groups // n]
    return labels, np.stack([first, 1 - first], axis=1), names


@cache
def evaluated(seed: int, n: int, groups: int | None) -> Evaluation:
    """The evaluation of ``predictions``."""
    labels, chances, names = predictions(n, seed=seed, groups=groups or 1)
    own = names if groups else None
    return evaluate(labels, chances, classes=CLASSES, groups=own, seed=0, resamples=50)


def toy_facts(
    recipe: Recipe | None = None,
    *,
    group: str | None = "donor",
    test_groups: int = 8,
    **changes: Any,
) -> RunFacts:
    """A run on 24 donors (or ungrouped), with any facts changed."""
    evaluations, parts = {}, []
    for number, (name, n, groups) in enumerate(
        (("test", 41, test_groups), ("validation", 30, 4), ("train", 160, 12))
    ):
        labels = np.arange(n) % 2
        evaluations[name] = evaluated(number, n, groups if group else None)
        counts = {label: int((labels == k).sum()) for k, label in enumerate(CLASSES)}
        parts.append(PartFacts(name, n, groups if group else None, counts))
    labels, chances, names = predictions(41, seed=0, groups=test_groups)
    level = evaluate_level(
        labels, chances, [(name,) for name in names], LevelRule(("donor",)), classes=CLASSES
    )
    entry = network_entry("efficientnet-lite0")
    values: dict[str, Any] = {
        "classes": CLASSES,
        "by_class": {name: sum(part.by_class[name] for part in parts) for name in CLASSES},
        "left_out": 3,
        "duplicates": 0,
        "group": group,
        "groups": test_groups + 16 if group else None,
        "crop_size": None,
        "parts": tuple(parts),
        "split_origin": "seed",
        "by_image": group is None,
        "leak": False,
        "recipe": recipe or Recipe(),
        "preprocess": tiny_preprocess(),
        "reading": (),
        "network": entry,
        "weights": "imagenet",
        "weights_text": "EfficientNet-Lite0 with ImageNet weights from a package",
        "weights_sha256": "ab" * 32,
        "frozen_layers": 95,
        "trained_layers": 49,
        "parameters": 3_415_586,
        "trained_parameters": 2_646_946,
        "epochs": 12,
        "kept_epoch": 9,
        "history": ({"seconds": 30.0}, {"seconds": 60.0}),
        "evaluations": evaluations,
        "levels": (level,),
        "synthetic": False,
        "environment": {
            "actinscope": "1.2.3",
            "python": "3.11.7",
            "platform": "Linux x86_64",
            "cores": "2",
            "backend": "tensorflow",
            "keras": "3.15",
        },
        "gpu": False,
        "created": "2026-01-01T00:00:00+00:00",
    }
    return RunFacts(**(values | changes))
