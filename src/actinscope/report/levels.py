"""Fields, wells or donors in the report: a table with a row for each of them."""

from __future__ import annotations

from actinscope.evaluation import LevelEvaluation, Unit
from actinscope.wording import whole_percent

_SHOWN_UNITS = 200


def unit_table(level: LevelEvaluation) -> tuple[list[str], list[list[str]], str]:
    """Header, a row for each unit, and caption."""
    rule, classes = level.rule, level.classes
    header = [
        rule.word,
        "images",
        "true class",
        *(f"share labelled {name}" for name in classes if level.mixed),
        "prediction",
        *(f"share predicted {name}" for name in classes),
        *(f"mean probability of {name}" for name in classes),
    ]
    caption = f"Every {rule.word}: its images, its prediction, and what it rests on."
    if len(level.units) > _SHOWN_UNITS:
        caption += f" The first {_SHOWN_UNITS} of {len(level.units)}; the CSV holds all."
    return header, [_row(unit, level) for unit in level.units[:_SHOWN_UNITS]], caption


def _row(unit: Unit, level: LevelEvaluation) -> list[str]:
    classes = level.classes
    label = "" if unit.labels is None else "mixed" if unit.label is None else classes[unit.label]
    labelled = unit.votes if unit.labels is None else unit.labels
    return [
        " / ".join(unit.name),
        str(unit.cells),
        label,
        *(f"{whole_percent(count / unit.cells)} %" for count in labelled if level.mixed),
        f"none: {unit.why}" if unit.answer is None else classes[unit.answer],
        *(f"{whole_percent(count / unit.cells)} %" for count in unit.votes),
        *(f"{value:.3f}" for value in unit.mean),
    ]
