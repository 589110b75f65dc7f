"""A comparison as CSV files and JSON."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actinscope.evaluation import DIFFERENCES, evaluation_to_json
from actinscope.files import write_json_atomic
from actinscope.report.comparison_content import ComparisonContent, ContestedImage
from actinscope.report.tables import ESTIMATE_COLUMNS, estimate_cells, exact, write_csv
from actinscope.report.text import clean

if TYPE_CHECKING:
    from actinscope.evaluation import Estimate, RunPair

_OF_ACCURACY = ("changed", "only_first_right", "only_second_right", "mcnemar_p")
_OF_PAIR = ("holm_p", "told_apart", "images_needed", "agreement", "kappa")
_PAIR_COLUMNS = ("first", "second", "n", *_OF_ACCURACY, *_OF_PAIR)


def write_comparison_tables(content: ComparisonContent, folder: Path) -> None:
    """Write ``comparison.csv``, ``pairs.csv``, ``disagreements.csv`` and ``comparison.json``.

    Raises:
        OutputError: a file cannot be written.
    """
    write_csv(folder / "comparison.csv", ("run", "metric", *ESTIMATE_COLUMNS), _metrics(content))
    differences = [
        f"{name}_difference{end}"
        for name in ("accuracy", *DIFFERENCES)
        for end in ("", "_low", "_high")
    ]
    write_csv(folder / "pairs.csv", (*_PAIR_COLUMNS, *differences, "sentence"), _pairs(content))
    own = ("path", "object", "label", content.group or "group", "runs_right", "different_answers")
    each = [
        f"{what}_{run.name}"
        for run in content.runs
        for what in ("predicted", "probability", "probability_of_label")
    ]
    write_csv(folder / "disagreements.csv", (*own, *each), _images(content))
    write_json_atomic(folder / "comparison.json", _cleaned(_as_json(content)))


def _metrics(content: ComparisonContent) -> Iterator[tuple[str, ...]]:
    compared = content.comparison
    for name, evaluation in zip(compared.names, compared.evaluations, strict=True):
        for metric, figure in evaluation.metrics.items():
            yield (name, metric, *estimate_cells(figure))
        for of_class, figures in evaluation.per_class.items():
            for metric, figure in figures.items():
                yield (name, f"{metric}[{of_class}]", *estimate_cells(figure))


def _pairs(content: ComparisonContent) -> Iterator[tuple[str, ...]]:
    for pair, sentence in zip(content.comparison.pairs, content.sentences, strict=True):
        values = {"n": content.comparison.n, **_pair_as_json(content, pair, sentence)}
        ends = (
            exact(end)
            for figure in _differences(pair).values()
            for end in (figure.value, figure.low, figure.high)
        )
        yield (*(_cell(values[name]) for name in _PAIR_COLUMNS), *ends, sentence)


def _cell(value: str | int | float | bool | None) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return exact(value)
    return "" if value is None else str(value)


def _differences(pair: RunPair) -> dict[str, Estimate]:
    return {"accuracy": pair.accuracy.difference, **pair.differences}


def _images(content: ComparisonContent) -> Iterator[tuple[str, ...]]:
    """The contested images, then those that all runs get wrong in the same way."""
    same = (image for image in content.all_wrong if image.different == 1)
    for image in (*content.contested, *same):
        yield (
            image.name,
            image.object_id,
            image.label,
            image.group,
            str(image.right),
            str(image.different),
            *(
                cell
                for answer in image.answers
                for cell in (
                    answer.predicted,
                    exact(answer.probability),
                    exact(answer.probability_of_label),
                )
            ),
        )


def _as_json(content: ComparisonContent) -> dict[str, Any]:
    compared = content.comparison
    return {
        "verdict": content.verdict.sentence,
        "reasons": list(content.verdict.reasons),
        "classes": list(compared.classes),
        "images": compared.n,
        "groups": compared.groups,
        "group": content.group,
        "left_out": [{"why": why, "images": count} for why, count in content.lost],
        "notices": list(content.page.notices),
        "notes": list(content.notes),
        "runs": {
            run.name: {
                "network": run.network,
                "images_for_one_point": run.images_for_one_point,
                "metrics": evaluation_to_json(evaluation),
                "confusion": evaluation.confusion.tolist(),
            }
            for run, evaluation in zip(content.runs, compared.evaluations, strict=True)
        },
        "pairs": [
            _pair_as_json(content, pair, sentence)
            for pair, sentence in zip(compared.pairs, content.sentences, strict=True)
        ],
        "contested": [_place(image) for image in content.contested],
        "all_wrong": [_place(image) for image in content.all_wrong],
    }


def _pair_as_json(content: ComparisonContent, pair: RunPair, sentence: str) -> dict[str, Any]:
    names = content.comparison.names
    return {
        "first": names[pair.first],
        "second": names[pair.second],
        "sentence": sentence,
        **{name: getattr(pair.accuracy, name) for name in _OF_ACCURACY},
        **{name: getattr(pair, name) for name in _OF_PAIR},
        "differences": {
            name: {end: getattr(figure, end) for end in ("value", "low", "high", "method")}
            for name, figure in _differences(pair).items()
        },
    }


def _place(image: ContestedImage) -> dict[str, str]:
    return {"path": image.name, "object": image.object_id, "label": image.label}


def _cleaned(value: Any) -> Any:
    """``value`` with every text, keys too, as it can be written."""
    if isinstance(value, dict):
        return {clean(key): _cleaned(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    return clean(value) if isinstance(value, str) else value
