"""Page, tables and figures of the paper's experiment, also with foreign text."""

from __future__ import annotations

import base64
import hashlib
import math
import re
from pathlib import Path
from typing import Any

import pytest

from actinscope.evaluation import Verdict
from actinscope.report import (
    LeakRow,
    LeakStep,
    Page,
    PaperCell,
    PaperContent,
    PaperRow,
    PaperTable,
    ProtocolFigures,
    RunLink,
    write_paper_pages,
)
from actinscope.report.drawing import sheet
from actinscope.report.paper_figures import leak_charts, leak_floor
from actinscope.report.paper_page import render_paper
from actinscope.report.paper_tables import shown, spreadsheet
from helpers.pages import Page as ReadPage
from helpers.report_content import HOSTILE, estimate, evaluation, picture

CLASSES = ("wild type", "knockout")
OURS = estimate(9, 10, 0.6, 0.98)


def leak_row(**changes: Any) -> LeakRow:
    row = {
        "network": "Net",
        "protocol": "as published",
        "own": OURS,
        "unseen": estimate(7, 10, 0.4, 0.9),
        "optimism": estimate(2, 10, -0.05, 0.4),
        "by_repeat": ((0.9, 0.7), (0.8, 0.6)),
    }
    return LeakRow(**{**row, **changes})


def make_table(name: str = "Net") -> PaperTable:
    rows = (
        PaperRow(name, "the paper", (PaperCell("98.15"), PaperCell("70")), published=True),
        PaperRow(name, "your cells", (PaperCell(estimate=OURS), PaperCell("12"))),
        PaperRow("Other", "your cells", note="Not trained. No weights_at_hand"),
    )
    return PaperTable("table_4", "Table IV", "100 % & more", ("accuracy", "epochs"), rows)


def make_content(text: str = "plain", **changes: Any) -> PaperContent:
    history = {"epoch": [1.0, 2.0], "loss": [1.0, 0.5], "accuracy": [0.5, 0.8]}
    figures = ProtocolFigures("published", text, ((text, history),), ((text, evaluation(CLASSES)),))
    values: dict[str, Any] = {
        "page": Page(
            title=text,
            question=text,
            notices=(text,),
            settings={text: {text: text}},
            environment={text: text},
            file_problems=((text, text),),
            command=text,
        ),
        "verdict": Verdict(text, "caution", (text,)),
        "tables": (make_table(text),),
        "figures": (figures,),
        "examples": {text: (picture(CLASSES[0], CLASSES[0], CLASSES),)},
        "leak": (leak_row(network=text, protocol=text),),
        "steps": (LeakStep(text, text, OURS),),
        "leak_note": text,
        "doubts": ((text, text),),
        "not_stated": (text,),
        "links": (RunLink(text, text, 1, "runs/a/published/repeat_1/report.html"),),
    }
    return PaperContent(**{**values, **changes})


def test_the_page_is_whole_and_its_verdict_comes_first() -> None:
    page = ReadPage(render_paper(make_content()))
    ids = [attrs["id"] for attrs in page.all("section")]
    assert ids[0] == "verdict"
    assert {"leak", "tables", "examples", "curves", "confusion", "doubts", "runs"} <= set(ids)
    anchors = [a["href"] for a in page.all("a") if a["href"].startswith("#")]
    assert {anchor[1:] for anchor in anchors} == set(ids)


def test_the_page_asks_for_nothing_from_elsewhere() -> None:
    html = render_paper(make_content())
    page = ReadPage(html)
    (policy,) = [m["content"] for m in page.all("meta") if "http-equiv" in m]
    (script,) = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy.startswith("default-src 'none'") and f"'sha256-{digest}'" in policy
    assert all(image["src"].startswith("data:") for image in page.all("img"))
    assert not page.all("link")
    assert [a["href"] for a in page.all("a") if not a["href"].startswith("#")] == [
        "runs/a/published/repeat_1/report.html"
    ]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_foreign_text_stays_text(text: str) -> None:
    html = render_paper(make_content(text))
    page = ReadPage(html)
    html.encode("utf-8")
    assert "onerror" not in {name for _, attrs in page.tags for name in attrs}
    assert len(page.all("script")) == 1
    assert "49" not in page.text or "7*7" in page.text


def test_an_experiment_with_nothing_trained_has_a_page() -> None:
    nothing = make_content(figures=(), examples={}, leak=(), steps=(), links=())
    ids = {attrs["id"] for attrs in ReadPage(render_paper(nothing)).all("section")}
    assert {"verdict", "tables", "doubts"} <= ids
    assert not {"leak", "curves", "confusion", "examples", "runs"} & ids


def test_published_and_own_numbers_are_told_apart() -> None:
    html = render_paper(make_content())
    assert '<tr class="published">' in html
    assert "90.0 (60.0 to 98.0)" in html
    assert "+20.0 points (\u22125.0 to +40.0)" in html


@pytest.mark.parametrize(
    ("cell", "in_percent", "words"),
    [
        (PaperCell("98.15"), True, "98.15"),
        (PaperCell(estimate=OURS), True, "90.0 (60.0 to 98.0)"),
        (PaperCell(estimate=OURS), False, "0.900 (0.600 to 0.980)"),
        (PaperCell(estimate=estimate(9, 10)), True, "90.0"),
        (PaperCell(estimate=estimate(0, 0)), True, "n/a"),
    ],
)
def test_cells(cell: PaperCell, in_percent: bool, words: str) -> None:
    assert shown(cell, in_percent=in_percent) == words


def test_csv_has_all_digits_and_the_interval() -> None:
    header, lines = spreadsheet(make_table())
    rows = [dict(zip(header, line, strict=True)) for line in lines]
    assert rows[0]["accuracy"] == "98.15"
    assert rows[0]["accuracy low"] == ""
    assert (rows[1]["accuracy"], rows[1]["accuracy low"], rows[1]["accuracy n"]) == (
        "90.0",
        "60.0",
        "10",
    )
    assert (rows[1]["epochs"], rows[2]["accuracy"]) == ("12", "")
    assert rows[2]["note"].startswith("Not trained")


@pytest.mark.parametrize(
    ("low", "floor"), [(0.82, 0.8), (0.4, 0.3), (0.05, 0.0), (0.999, 0.9), (math.nan, 0.5)]
)
def test_the_scale_begins_below_everything(low: float, floor: float) -> None:
    row = leak_row(
        own=estimate(10, 10, low, 1.0),
        unseen=estimate(10, 10, low, 1.0),
        by_repeat=((0.6, 1.0),) if math.isnan(low) else (),
    )
    assert leak_floor([row]) == pytest.approx(floor)


def test_the_leak_stands_where_the_numbers_are() -> None:
    (chart,) = leak_charts([leak_row(by_repeat=())])
    axes = sheet(85, 24).subplots()
    chart.draw(axes)
    reach, own, beyond, unseen = axes.get_lines()
    # 0.9 and 0.7; the intervals 0.6 to 0.98 and 0.4 to 0.9.
    assert (list(own.get_xdata()), list(unseen.get_xdata())) == ([90.0], [70.0])
    assert (tuple(reach.get_xdata()), tuple(beyond.get_xdata())) == ((60.0, 98.0), (40.0, 90.0))
    assert [one.get_text() for one in axes.texts] == ["as published", "+20.0 points"]
    assert axes.get_xlim() == pytest.approx((30.0, 100.0))


def test_every_repeat_has_its_dot() -> None:
    (chart,) = leak_charts([leak_row()])
    axes = sheet(85, 24).subplots()
    chart.draw(axes)
    dots = [list(one.get_xdata()) for one in axes.get_lines() if one.get_markersize() < 3]
    assert dots == [[90.0, 80.0], [70.0, 60.0]]


def test_files_are_the_same_each_time(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_paper_pages(make_content(HOSTILE[4]), tmp_path / name)
    files = sorted(p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*.*"))
    assert {path.name for path in files} >= {
        "report.html",
        "table_4.csv",
        "figure_1.png",
        "figure_4_published.svg",
        "figure_5_published.png",
        "cost_of_the_leak.svg",
    }
    for path in files:
        assert (tmp_path / "a" / path).read_bytes() == (tmp_path / "b" / path).read_bytes(), path
