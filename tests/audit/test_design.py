"""What the columns of a manifest say about the question that its images can answer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from actinscope.audit.design import design_findings
from actinscope.study import Manifest, Record, grouped_folds, possible_folds


def told(
    column: str, value: Callable[[int], str], *, classes: int = 2, group: bool = False
) -> list[tuple[str, bool]]:
    """(kind, unanswerable) of the findings on 120 images of 40 donors, the classes in turn."""
    records = tuple(
        Record(
            Path(f"/x/{n}.png"), f"{n}.png", "abc"[n % classes],
            {"donor": f"d{n % 40}", column: value(n)},
        )
        for n in range(120)
    )  # fmt: skip
    manifest = Manifest(records, Path("/x"), column if group else "donor", ("donor", column))
    return [(one.kind, one.unanswerable) for one in design_findings(manifest)]


def test_a_class_from_one_session_makes_the_question_unanswerable() -> None:
    assert told("session", lambda n: ["s1", "s2"][n % 2]) == [("one sample", True)]


def test_a_few_values_in_an_empty_column_say_nothing() -> None:
    assert told("session", lambda n: ["s1", "s2"][n] if n < 2 else "") == []


def test_a_class_without_values_may_come_from_anywhere() -> None:
    assert told("session", lambda n: "s1" if n % 2 else f"s{n % 40}" if n < 30 else "") == []


def test_a_single_missing_value_hides_nothing() -> None:
    assert told("plate", lambda n: ["p1", "p2"][n % 2] if n else "") == [("one sample", True)]


@pytest.mark.parametrize("column", ["treatment_group", "donor_sex", "culture_medium", "site"])
def test_another_name_of_the_class_is_no_sample(column: str) -> None:
    assert told(column, lambda n: ["control", "drug"][n % 2]) == [("column names the class", False)]


def test_doses_of_one_drug_are_no_sample() -> None:
    assert told("treatment_group", lambda n: "no" if n % 3 == 0 else "drug", classes=3) == []


@pytest.mark.parametrize(
    "column", ["plate", "Plate ID", "imaging_day", "day_of_staining", "slide2", "date acquired"]
)
def test_names_of_samples_are_known(column: str) -> None:
    assert told(column, lambda n: f"v{n % 2}") == [("one sample", True)]


def test_the_chosen_group_is_always_a_sample() -> None:
    assert told("treatment_group", lambda n: f"v{n % 2}", group=True)[0] == ("one sample", True)


def test_the_remedy_has_the_plural_of_the_sample() -> None:
    records = tuple(
        Record(Path(f"/x/{n}.png"), f"{n}.png", "ab"[n % 2], {"dish": f"d{n % 2}"})
        for n in range(120)
    )
    (found,) = design_findings(Manifest(records, Path("/x"), "dish", ("dish",)))
    assert "at least three dishes, better with all classes on each; if dish" in found.remedy


@pytest.mark.parametrize(
    ("groups", "advice"),
    [
        (2, "Image more of them; with these no split by plate can be made"),
        (4, "Image more of them; until then test every group once with `--folds 4`"),
    ],
)
def test_with_few_plates_no_folds_are_advised_that_cannot_be_made(groups: int, advice: str) -> None:
    records = tuple(
        Record(Path(f"/x/{n}.png"), f"{n}.png", "ab"[n % 2], {"plate": f"p{n // 2 % groups}"})
        for n in range(40)
    )
    manifest = Manifest(records, Path("/x"), "plate", ("plate",))
    (found,) = design_findings(manifest)
    assert found.remedy == advice
    possible = possible_folds(manifest)
    if possible > 1:
        assert len(grouped_folds(manifest, folds=possible, seed=0)) == groups
