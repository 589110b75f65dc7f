"""Contents of reports, made up."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from actinscope.evaluation import Estimate, Evaluation, Verdict
from actinscope.report import CellPicture, Finding, Headline, Page, ReportContent, SplitTable
from actinscope.study import PARTS

PAGE_FIELDS = {field.name for field in dataclasses.fields(Page)}

HOSTILE = (
    "<script>alert('x')</script>",
    '"><img src=http://evil.example/x onerror=alert(1)>',
    "a" * 300,
    "\u202eright to left \u0639\u0631\u0628\u064a",
    "$\\frac{1}{0}$ {{ 7*7 }} {% raw %}",
    "bytes \udcff and control \x00\x1b[31m",
)


def estimate(count: int, n: int, low: float = math.nan, high: float = math.nan) -> Estimate:
    return Estimate(count / n if n else math.nan, low, high, n, count, "by hand")


def evaluation(classes: tuple[str, ...], *, wrong: int = 3) -> Evaluation:
    size = len(classes)
    confusion = np.eye(size, dtype=np.int64) * 37
    confusion[0, -1] = wrong
    rows = confusion.sum(axis=1)
    per_class = {
        name: {"recall": estimate(37, int(rows[k]), 0.5125, 0.9875), "f1": estimate(0, 0)}
        for k, name in enumerate(classes)
    }
    metrics = {
        "accuracy": estimate(37 * size, int(rows.sum()), 0.6125, 0.9775),
        "balanced_accuracy": Estimate(0.87654, 0.76543, 0.98765, int(rows.sum()), None, "x"),
        "auroc": Estimate(0.91234, math.nan, math.nan, 5, None, "no interval: few groups"),
        "log_loss": Estimate(0.43215, 0.31111, 0.52222, 5, None, "bootstrap"),
    }
    note = ("auroc: no interval: few groups.",)
    return Evaluation(
        classes, int(rows.sum()), 9, confusion, metrics, per_class, "95 % intervals: Wilson.", note
    )


def picture(label: str, predicted: str, classes: tuple[str, ...], **changes: Any) -> CellPicture:
    rng = np.random.default_rng(len(label))
    rest = 0.3 / max(1, len(classes) - 1)
    values: dict[str, Any] = {
        "name": f"{label}/cell 7.tif",
        "label": label,
        "predicted": predicted,
        "probabilities": {name: 0.7 if name == predicted else rest for name in classes},
        "pixels": rng.integers(0, 255, (40, 40)).astype(np.uint8),
        "heat": rng.random((40, 40)).astype(np.float32),
        "group": "field 3",
    }
    return CellPicture(**{**values, **changes})


def make_content(classes: tuple[str, ...] = ("wild type", "knockout"), **changes: Any) -> Any:
    part = evaluation(classes)
    split = SplitTable(
        classes=classes,
        parts=PARTS,
        images={name: {"train": 1234, "validation": 31, "test": 37} for name in classes},
        groups={name: {"train": 21, "validation": 3, "test": 4} for name in classes},
        group_name="field",
        members={"train": {"f1": 1200, "f2": 34}, "validation": {"f3": 31}, "test": {"f4": 37}},
    )
    epochs = range(1, 6)
    values: dict[str, Any] = {
        "verdict": Verdict("It works, within limits.", "caution", ("Few fields.",)),
        "headline": Headline(
            "Balanced accuracy", "test", part.metrics["balanced_accuracy"], 0.5432
        ),
        "classes": classes,
        "evaluations": dict.fromkeys(("train", "test", "validation"), part),
        "history": {
            "epoch": list(epochs),
            "loss": [1.0 / k for k in epochs],
            "accuracy": [0.5 + 0.08 * k for k in epochs],
            "validation_loss": [1.1 / k for k in epochs],
            "validation_accuracy": [0.5, 0.7, math.nan, 0.8, 0.81],
            "learning_rate": [5e-5] * 5,
            "seconds": [2.5] * 5,
        },
        "best_epoch": 4,
        "split": split,
        "split_notes": ("Fields were kept whole.",),
        "findings": (Finding("warning", "Dim images", "12 of 40", "Check the exposure"),),
        "examples": {name: (picture(name, name, classes),) * 2 for name in classes},
        "errors": (picture(classes[0], classes[-1], classes),),
        "right": (picture(classes[0], classes[0], classes),),
        "preprocessing": "Divided by 65,535.",
        "network": "EfficientNet-Lite0.",
        "timing": "Two minutes.",
    }
    page: dict[str, Any] = {
        "title": "Actin of two cell lines",
        "question": "Are these cells wild type or knockout?",
        "notices": ("Another network was used than the paper's.",),
        "settings": {"seed": 7, "training": {"batch": 16, "augment": {"blur": None}}},
        "environment": {"keras": "3.15.0"},
        "file_problems": (("broken.tif", "ends too early"),),
        "command": "actinscope train data -o run",
        "created": "2025-01-02",
        "version": "0.1.0",
    }
    page |= {key: changes.pop(key) for key in list(changes) if key in PAGE_FIELDS}
    return ReportContent(page=Page(**page), **{**values, **changes})


def bare_content() -> ReportContent:
    """Only what a report cannot do without: an evaluation on new data."""
    full = make_content()
    return ReportContent(
        Page(title=full.page.title, question=full.page.question),
        full.verdict,
        full.headline,
        full.classes,
        {"test": full.evaluations["test"]},
    )
