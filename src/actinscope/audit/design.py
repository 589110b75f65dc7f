"""Can the question be answered from these images at all? Groups, plates, days of each class."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from actinscope.audit.findings import AuditFinding, words_of
from actinscope.study import Manifest, possible_folds
from actinscope.wording import plural, spoken

_FEW = 5
_FILLED = 0.95  # share of the images with a value, below which a column says nothing
# "imaging_day", "slide 2", "day_of_staining", but not "donor_sex" or "culture_medium".
_SAMPLES = re.compile(
    r"(^|[\W_])((plate|slide|coverslip|culture|donor|day|date|batch|patient|animal|mouse|field|movie|"
    r"well|dish|run|session|replicate|passage|operator|microscope|sample)s?"
    r"([\W_]*(id|no|nr|number|name|code|barcode|\d+))*[\W_]*($|[\W_]of[\W_])|date[\W_])",
    re.IGNORECASE,
)


def design_findings(manifest: Manifest) -> Iterator[AuditFinding]:
    """Classes that come from one sample only, or from few."""
    columns = dict.fromkeys(
        (*([manifest.group] if manifest.group else []), *manifest.group_columns)
    )
    for column in columns:
        held = _values(manifest, column)
        if len(set().union(*held.values())) < 2:
            continue
        is_group = column == manifest.group
        # Where many values are missing, nobody knows where the other images come from.
        alone = _alone(held) if _filled(manifest, column) else []
        if alone and (is_group or _SAMPLES.search(column)):
            yield _unanswerable(column, alone, held)
        elif alone and len(alone) == len(held):
            words = words_of("column names the class", column=column)
            yield AuditFinding(**words, severity="info")
        elif is_group:
            few = {label: len(values) for label, values in held.items() if len(values) < _FEW}
            if few:
                yield _few_groups(manifest, column, few)


def _values(manifest: Manifest, column: str) -> dict[str, set[str]]:
    held: dict[str, set[str]] = {label: set() for label in manifest.classes}
    for record in manifest.records:
        if value := record.groups.get(column, ""):
            held[record.label].add(value)
    return held


def _filled(manifest: Manifest, column: str) -> bool:
    """Nearly every image of every class has a value."""
    images = Counter(record.label for record in manifest.records)
    valued = Counter(record.label for record in manifest.records if record.groups.get(column))
    return all(valued[label] >= _FILLED * count for label, count in images.items())


def _alone(held: dict[str, set[str]]) -> list[str]:
    """Classes with one value only, which no other class has."""
    classes_of = Counter(value for values in held.values() for value in values)
    return [
        label
        for label, values in held.items()
        if len(values) == 1 and classes_of[next(iter(values))] == 1
    ]


def _unanswerable(column: str, alone: list[str], held: dict[str, set[str]]) -> AuditFinding:
    names = ", ".join(f"{label} from {column} {min(held[label])}" for label in alone[:6])
    return AuditFinding(
        **words_of(
            "one sample",
            sample=spoken(column),
            samples=plural(column),
            column=column,
            names=names,
        ),
        severity="error",
        numbers={label: len(held[label]) for label in held},
        unanswerable=True,
    )


def _few_groups(manifest: Manifest, column: str, few: dict[str, int]) -> AuditFinding:
    counts = ", ".join(f"{label} {count}" for label, count in few.items())
    folds = possible_folds(manifest)
    refused = " Training will refuse this split." if folds < 2 else ""
    until = f"until then test every group once with `--folds {folds}`"
    if folds < 2:
        until = f"with these no split by {spoken(column)} can be made"
    words = words_of("few groups", column=column, counts=counts, refused=refused, until=until)
    return AuditFinding(
        **words,
        severity="warning",
        numbers={label: float(count) for label, count in few.items()},
    )
