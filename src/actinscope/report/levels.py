"""The section of a report on one level: fields, wells or donors instead of single cells."""

from __future__ import annotations

from actinscope.evaluation import LevelEvaluation, Unit, level_words
from actinscope.report.content import ExtraTable, LevelSection
from actinscope.wording import whole_percent

_SHOWN_UNITS = 200


def level_section(level: LevelEvaluation) -> LevelSection:
    """What the report says of one level."""
    rule, classes = level.rule, level.classes
    header = (
        rule.word,
        "images",
        "true class",
        *(f"share labelled {name}" for name in classes if level.mixed),
        "prediction",
        *(f"share predicted {name}" for name in classes),
        *(f"mean probability of {name}" for name in classes),
    )
    note = f"Every {rule.word}: its images, its prediction, and what it rests on."
    if len(level.units) > _SHOWN_UNITS:
        note += f" The first {_SHOWN_UNITS} of {len(level.units)}; the CSV holds all."
    return LevelSection(
        things=rule.words,
        words=level_words(level),
        evaluation=level.evaluation,
        units=ExtraTable(
            title=f"Every {rule.word}",
            header=header,
            rows=tuple(_shown(unit, level) for unit in level.units[:_SHOWN_UNITS]),
            note=note,
        ),
    )


def _shown(unit: Unit, level: LevelEvaluation) -> tuple[str, ...]:
    classes = level.classes
    label = "" if unit.labels is None else "mixed" if unit.label is None else classes[unit.label]
    labelled = unit.votes if unit.labels is None else unit.labels
    return (
        " / ".join(unit.name),
        str(unit.cells),
        label,
        *(f"{whole_percent(count / unit.cells)} %" for count in labelled if level.mixed),
        f"none: {unit.why}" if unit.answer is None else classes[unit.answer],
        *(f"{whole_percent(count / unit.cells)} %" for count in unit.votes),
        *(f"{value:.3f}" for value in unit.mean),
    )
