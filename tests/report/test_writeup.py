"""Levels, methods and checklists on the page: drawn, named in the contents, foreign text safe."""

from __future__ import annotations

import pytest

from actinscope.report import Checklist, ChecklistItem, ReportContent
from actinscope.report.content import ExtraTable, LevelSection
from actinscope.report.report_page import render_report
from helpers.pages import Page
from helpers.report_content import HOSTILE, evaluation, make_content

NASTY = " | ".join(HOSTILE)


def content(text: str) -> ReportContent:
    classes = ("wild type", "knockout")
    units = ExtraTable(f"Every {text}", (text, "images"), ((text, "12"),), f"note {text}")
    level = LevelSection(f"{text}s", (f"9 of 10 {text}s are right.",), evaluation(classes), units)
    bare = LevelSection("wells", ("No well could be judged.",), None, units)
    items = (
        ChecklistItem("D1", "Where from?", f"Write {text}.", "author"),
        ChecklistItem("D2", "How many?", "12.", "run"),
    )
    made: ReportContent = make_content(
        classes,
        levels=(level, bare),
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
    assert "9 of 10 donors are right." in page.text
    assert "No well could be judged." in page.text
    assert "The data were 12 images of donor." in page.text
    assert "1 of 2 items answered by the run" in page.text
    assert "Confusion matrix, test part, 77 donors" in page.text
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
