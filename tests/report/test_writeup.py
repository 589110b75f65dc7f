"""Levels, methods and checklists on the page: drawn, named in the contents, foreign text safe."""

from __future__ import annotations

import numpy as np
import pytest

from actinscope.evaluation import LevelEvaluation, LevelRule, evaluate_level
from actinscope.report import Checklist, ChecklistItem, ReportContent
from actinscope.report.report_page import render_report
from helpers.pages import Page
from helpers.report_content import HOSTILE, make_content

NASTY = " | ".join(HOSTILE)


def level(column: str, units: list[str], classes: tuple[str, ...]) -> LevelEvaluation:
    """Ten cells of both classes in turn, nine of them named rightly."""
    labels = np.arange(10) % 2
    named = np.where(np.arange(10) == 9, 1 - labels, labels)
    names = [(unit,) for unit in units]
    return evaluate_level(labels, np.eye(2)[named], names, LevelRule((column,)), classes=classes)


def content(text: str) -> ReportContent:
    classes = ("wild type", "knockout")
    pure = level(text, [f"{text} {number}" for number in range(10)], classes)
    mixed = level("well", ["A1"] * 10, classes)
    items = (
        ChecklistItem("D1", "Where from?", f"Write {text}.", "author"),
        ChecklistItem("D2", "How many?", "12.", "run"),
    )
    made: ReportContent = make_content(
        classes,
        levels=(pure, mixed),
        methods=(("Images", f"The data were 12 images of {text}."),),
        checklists=(Checklist("DOME", "Walsh et al.", items),),
    )
    return made


def test_the_sections_are_there_and_in_the_contents() -> None:
    page = Page(render_report(content("donor")))
    sections = [tag["id"] for tag in page.all("section")]
    mine = ["levels", "methods", "checklists"]
    assert [name for name in sections if name in mine] == mine
    assert {f"#{name}" for name in mine} <= {tag["href"] for tag in page.all("a")}
    assert "At the level of donors, wells" in page.text
    assert "9 of 10 donors" in page.text
    assert "mixed" in page.text
    assert "The data were 12 images of donor." in page.text
    assert "1 of 2 items answered by the run" in page.text
    assert "Confusion matrix, test part, 10 donors" in page.text
    assert len(page.all("caption")) == len(page.all("table"))


@pytest.mark.parametrize("text", [*HOSTILE, NASTY])
def test_foreign_text_stays_text(text: str) -> None:
    html = render_report(content(text))
    page = Page(html)
    assert len(page.all("script")) == 1
    assert not [attrs for _, attrs in page.tags if any(key.startswith("on") for key in attrs)]
    html.encode("utf-8")
    assert "\x00" not in html


def test_without_them_nothing_is_said() -> None:
    page = Page(render_report(make_content()))
    assert not {"levels", "methods", "checklists"} & {tag["id"] for tag in page.all("section")}
