"""Facts of runs that never took place, for tests of what is written about them."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from actinscope.audit import Confound
from actinscope.bundle import AbstainRule, NetworkOutput, OodRule, Reliability, SetRule
from actinscope.evaluation import (
    Estimate,
    Evaluation,
    LevelRule,
    UncertaintyEvaluation,
    evaluate,
    evaluate_level,
    evaluate_uncertainty,
)
from actinscope.explain import ControlResults
from actinscope.explain.control_models import ControlPredictions, judge_control, permuted_labels
from actinscope.networks import network_entry
from actinscope.predict import DecisionRules
from actinscope.preprocess import Preprocess
from actinscope.training import Recipe
from actinscope.writeup import AuditFacts
from actinscope.writeup.crossvalidate_facts import FoldsFacts, Model
from actinscope.writeup.diagnostics import Diagnostics, ExplanationFacts
from actinscope.writeup.facts import PartFacts, RunFacts, StudyFacts, Trained
from helpers.bundles import bundle_info
from helpers.tiny_training import tiny_preprocess

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


def toy_controls(*, strong: bool = False) -> ControlResults:
    """One control, of noise or (``strong``) of the label itself, on 41 test images."""
    labels, chances, names = predictions(41, seed=0, groups=8)
    answers = ControlPredictions(labels, chances.argmax(axis=1), names, CLASSES)
    rng = np.random.default_rng(1)
    fitted = rng.normal(size=(40, 2)) + (9 * (np.arange(40) % 2)[:, None] if strong else 0)
    told = rng.normal(size=(41, 2)) + (9 * labels[:, None] if strong else 0)
    control = judge_control("brightness", fitted, np.arange(40) % 2, told, answers)
    assert control is not None
    return ControlResults((control,), permuted_labels(answers, seed=0), (), ())


def toy_worth(*, ood: bool = True) -> UncertaintyEvaluation:
    """Of 41 test images, with an out-of-distribution rule or without."""
    labels, chances, names = predictions(41, seed=0, groups=8)
    sets = SetRule(
        coverage=0.9, per_class=False, thresholds=(0.3, 0.3), images=30, effective=(30.0, 30.0)
    )
    rule = OodRule(neighbours=5, threshold=1.0, share=0.01, references=50, images=30, golden=())
    rules = Reliability(
        temperature=1.25,
        images=30,
        groups=4,
        sets=sets,
        abstain=AbstainRule(by="set"),
        ood=rule if ood else None,
    )
    judged = DecisionRules(rules)(NetworkOutput(chances, None, None))
    if ood:
        judged = replace(judged, unfamiliarity=np.where(np.arange(41) < 2, 3.0, 0.5))
    return evaluate_uncertainty(
        labels, chances, judged, [rules], classes=CLASSES, groups=names, seed=0
    )


def toy_checks(**changes: Any) -> Diagnostics:
    """Everything that the default recipe asks for, with anything changed."""
    values: dict[str, Any] = {
        "controls": toy_controls(),
        "audit": AuditFacts(
            (
                Confound("brightness", 0.9, 0.5, 0.004, 0.001),
                Confound("column plate", 0.6, 0.5, 0.4, 0.001),
            ),
            copies=3,
        ),
        "explanation": ExplanationFacts("occlusion map"),
        "worth": toy_worth(),
    }
    return Diagnostics(**(values | changes))


SHARED = list(StudyFacts.__dataclass_fields__)


def toy_model(name: str, *, recipe: Recipe | None = None, kept: int = 9, **changes: Any) -> Model:
    """A fold that was right for 8 of 10, or with ``parts`` another model."""
    preprocess: Preprocess = changes.pop("preprocess", tiny_preprocess())
    reliability = changes.pop("reliability", None)
    info = bundle_info(preprocess, classes=CLASSES)
    info = info.model_copy(update={"reliability": reliability})
    counts = dict.fromkeys(CLASSES, 5)
    accuracy = {"accuracy": Estimate(changes.pop("right", 0.8), 0.6, 0.9, 10, 8, "")}
    values: dict[str, Any] = {
        "name": name,
        "recipe": recipe or Recipe(),
        "info": info,
        "parts": tuple(PartFacts(part, 10, 4, counts) for part in ("train", "validation", "test")),
        "trained": Trained(95, 49, 3_415_586, 2_646_946, 12, kept),
        "seconds": 60.0,
        "metrics": dict.fromkeys(("train", "validation", "test"), accuracy),
    }
    return Model(**(values | changes))


def toy_folds(recipe: Recipe | None = None, **changes: Any) -> FoldsFacts:
    """Two folds of 40 images from 12 donors (or ungrouped), with any facts changed."""
    group = changes.pop("group", "donor")
    run = toy_facts(recipe, group=group)
    labels, chances, names = predictions(40, seed=3, groups=12)
    groups = names if group else None
    found = evaluate(labels, chances, classes=CLASSES, groups=groups, seed=0, resamples=50)
    values = {name: getattr(run, name) for name in SHARED} | {
        "groups": 12 if group else None,
        "count": 2,
        "folds": (
            toy_model("fold-1-1", recipe=recipe),
            toy_model("fold-1-2", recipe=recipe, kept=4, right=0.9),
        ),
        "pooled": (found,),
        "missing": 0,
        "levels": (),
        "notes": (),
        "search": None,
        "extras": False,
        "deployed": "refit",
        "refit": toy_model("refit", recipe=recipe, kept=11),
        "validation_share": 0.1,
    }
    return FoldsFacts(**(values | changes))
