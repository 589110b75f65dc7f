"""Facts of runs that never took place, for tests of what is written about them."""

from __future__ import annotations

from dataclasses import fields, replace
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
from actinscope.explain import ControlResults, Explanation
from actinscope.explain.control_models import ControlPredictions, judge_control, permuted_labels
from actinscope.networks import ResolvedWeights, network_entry
from actinscope.predict import DecisionRules
from actinscope.report import ChecklistItem
from actinscope.runs import RunContext
from actinscope.training import Recipe
from actinscope.writeup import Facts
from actinscope.writeup.diagnostics import AuditFacts, Diagnostics
from actinscope.writeup.documents import checklists, methods_paragraphs, model_card
from actinscope.writeup.facts import (
    FoldsFacts,
    ModelFacts,
    PartFacts,
    SplitFacts,
    TrainingSummary,
)
from helpers.bundles import bundle_info
from helpers.tiny_training import tiny_preprocess

CLASSES = ("control", "treated")
PARTS = ("train", "validation", "test")
SUMMARY = [one.name for one in fields(TrainingSummary)]
ENVIRONMENT = {
    "actinscope": "1.2.3",
    "python": "3.11.7",
    "platform": "Linux x86_64",
    "cores": "2",
    "backend": "tensorflow",
    "keras": "3.15",
}


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


def toy_model(name: str, *, recipe: Recipe | None = None, **changes: Any) -> ModelFacts:
    """A model that was right for 8 of 10 in every part, with any facts changed."""
    summary = {one: changes.pop(one) for one in SUMMARY if one in changes}
    info = bundle_info(
        changes.pop("preprocess", tiny_preprocess()),
        classes=CLASSES,
        actinscope_version="1.2.3",
        reliability=changes.pop("reliability", None),
    )
    counts = dict.fromkeys(CLASSES, 5)
    accuracy = {"accuracy": Estimate(changes.pop("right", 0.8), 0.6, 0.9, 10, 8, "")}
    values: dict[str, Any] = {
        "name": name,
        "recipe": recipe or Recipe(),
        "info": info,
        "parts": tuple(PartFacts(part, 10, 4, counts) for part in PARTS),
        "training": replace(TrainingSummary(95, 49, 3_415_586, 2_646_946, 12, 9), **summary),
        "seconds": 60.0,
        "metrics": dict.fromkeys(PARTS, accuracy),
    }
    return ModelFacts(**(values | changes))


def toy_facts(
    recipe: Recipe | None = None,
    *,
    group: str | None = "donor",
    test_groups: int = 8,
    **changes: Any,
) -> Facts:
    """A run on 24 donors (or ungrouped), with any facts of it or of its model changed."""
    evaluations, parts = {}, []
    for number, (name, n, groups) in enumerate(
        (("test", 41, test_groups), ("validation", 30, 4), ("train", 160, 12))
    ):
        labels = np.arange(n) % 2
        evaluations[name] = evaluated(number, n, groups if group else None)
        counts = {label: int((labels == k).sum()) for k, label in enumerate(CLASSES)}
        parts.insert(0, PartFacts(name, n, groups if group else None, counts))
    of_model = {one: changes.pop(one) for one in (*SUMMARY, "preprocess") if one in changes}
    model = toy_model(
        "run",
        recipe=recipe,
        parts=tuple(parts),
        metrics={name: one.metrics for name, one in evaluations.items()},
        seconds=90.0,
        **of_model,
    )
    labels, chances, names = predictions(41, seed=0, groups=test_groups)
    level = evaluate_level(
        labels, chances, [(name,) for name in names], LevelRule(("donor",)), classes=CLASSES
    )
    weights = changes.pop("weights", "imagenet")
    values: dict[str, Any] = {
        "classes": CLASSES,
        "by_class": {name: sum(part.by_class[name] for part in parts) for name in CLASSES},
        "left_out": 3,
        "duplicates": 0,
        "group": group,
        "groups": test_groups + 16 if group else None,
        "crop_size": None,
        "by_image": group is None,
        "synthetic": False,
        "reading": (),
        "recipe": recipe or Recipe(),
        "network": network_entry("efficientnet-lite0"),
        "weights": ResolvedWeights(
            weights,
            None,
            None if weights in {"none", "scratch"} else "ab" * 32,
            "EfficientNet-Lite0 with ImageNet weights from a package",
        ),
        "context": RunContext("2026-01-01T00:00:00+00:00", ENVIRONMENT, "", "1.2.3"),
        "gpu": False,
        "design": SplitFacts(changes.pop("split_origin", "seed"), changes.pop("leak", False)),
        "models": (model,),
        "result": evaluations["test"],
        "levels": (level,),
    }
    return Facts(**(values | changes))


def toy_folds(recipe: Recipe | None = None, **changes: Any) -> Facts:
    """Two folds of 40 images from 12 donors (or ungrouped), with any facts changed."""
    group = changes.pop("group", "donor")
    labels, chances, names = predictions(40, seed=3, groups=12)
    groups = names if group else None
    found = evaluate(labels, chances, classes=CLASSES, groups=groups, seed=0, resamples=50)
    pooled = (found,) * changes.pop("repeats", 1)
    design: dict[str, Any] = {
        "count": 2,
        "pooled": pooled,
        "missing": 0,
        "notes": (),
        "refit": toy_model("refit", recipe=recipe, kept_epoch=11),
        "validation_share": 0.1,
    }
    design |= {one.name: changes.pop(one.name) for one in fields(FoldsFacts) if one.name in changes}
    values = {
        "groups": 12 if group else None,
        "design": FoldsFacts(**design),
        "models": (
            toy_model("fold-1-1", recipe=recipe),
            toy_model("fold-1-2", recipe=recipe, kept_epoch=4, right=0.9),
        ),
        "result": found,
        "levels": (),
    }
    return toy_facts(recipe, group=group, **(values | changes))


def answers_of(facts: Facts) -> dict[str, ChecklistItem]:
    """Every item of both checklists by its number."""
    lists = checklists(facts, methods_paragraphs(facts))
    return {item.number: item for one in lists for item in one.items}


def card_of(facts: Facts) -> str:
    """The card of the run's model, or of that which was trained on all images."""
    model = facts.models[0] if facts.folds is None else facts.folds.refit
    assert model is not None
    return model_card(facts, methods_paragraphs(facts), model)


def paragraph(facts: Facts, heading: str) -> str:
    """One paragraph of the methods."""
    return methods_paragraphs(facts)[heading]


def toy_controls(*, strong: bool = False) -> ControlResults:
    """One control, of noise or (``strong``) of the label itself, on 41 test images."""
    labels, chances, names = predictions(41, seed=0, groups=8)
    answers = ControlPredictions(labels, chances.argmax(axis=1), names, CLASSES)
    rng = np.random.default_rng(1)
    fitted = rng.normal(size=(40, 2)) + (9 * (np.arange(40) % 2)[:, None] if strong else 0)
    told = rng.normal(size=(41, 2)) + (9 * labels[:, None] if strong else 0)
    control = judge_control("brightness", fitted, np.arange(40) % 2, told, answers)
    assert control is not None
    return ControlResults((control,), permuted_labels(answers, seed=0), ())


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
        "explanation": Explanation("occlusion map", 0, None, (), None, None),
        "uncertainty": toy_worth(),
    }
    return Diagnostics(**(values | changes))
