"""The page: whole, self-contained, safe against foreign text, readable by machines."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import math
import re
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from actinscope.report import Finding, FoldRow, FoldsShown, NeighbourShown, SplitTable
from actinscope.report.charts import curve_charts, folds_chart
from actinscope.report.drawing import sheet
from actinscope.report.report_page import render_report
from helpers.pages import Page
from helpers.report_content import HOSTILE, bare_content, estimate, make_content, picture

EMPTY = np.zeros((40, 40), np.uint8)
OPEN = ["verdict", "confusion", "examples", "errors"]
SECTIONS = [*OPEN, "data", "metrics", "right", "split", "curves", "settings"]


@pytest.fixture(scope="module")
def html() -> str:
    return render_report(make_content())


@pytest.fixture(scope="module")
def hostile_html() -> str:
    nasty = " | ".join(HOSTILE)
    content = make_content(
        HOSTILE,
        title=nasty,
        question=nasty,
        notices=HOSTILE,
        split_notes=HOSTILE,
        findings=(Finding("error", nasty, nasty, nasty),),
        settings={nasty: {nasty: nasty}, "top": nasty},
        environment={nasty: nasty},
        file_problems=((nasty, nasty),),
        command=nasty,
        errors=(picture(HOSTILE[0], HOSTILE[1], HOSTILE, name=nasty, group=nasty),),
    )
    return render_report(content)


def test_every_section_is_there_with_its_entry_in_the_contents(html: str) -> None:
    page = Page(html)
    assert [tag["id"] for tag in page.all("section")] == SECTIONS
    links = {tag["href"] for tag in page.all("a")}
    assert links >= {f"#{name}" for name in SECTIONS}


def test_result_matrix_examples_and_errors_are_open_and_the_rest_is_folded(html: str) -> None:
    folded = [tag["id"] for tag in Page(html).all("section") if tag.get("class") == "folded"]
    assert folded == [name for name in SECTIONS if name not in OPEN]
    assert html.count('class="folded">\n<details>') == len(folded)


def test_printing_opens_what_is_folded_with_and_without_the_script(html: str) -> None:
    printed = html[html.index("@media print") :]
    assert "details::details-content { content-visibility: visible" in printed
    assert "beforeprint" in html.split("<script>")[1]


def test_a_report_of_many_classes_and_errors_is_read_in_under_3000_words() -> None:
    classes = tuple(f"a class of cells, number {k}" for k in range(16))
    examples = {name: (picture(name, name, classes),) * 6 for name in classes}
    near = NeighbourShown("far.tif", classes[2], "other group, distance 0.5", EMPTY)
    error = picture(classes[0], classes[1], classes, neighbours=(near,) * 3)
    many = make_content(classes, examples=examples, errors=(error,) * 60)
    assert len(Page(render_report(many)).unfolded) < 3000


def test_three_limits_are_open_and_the_graver_ones_come_first() -> None:
    reasons = tuple(f"Limit number {k}." for k in range(5))
    content = make_content(notices=("A notice of the model.",))
    verdict = dataclasses.replace(content.verdict, reasons=reasons)
    page = Page(render_report(dataclasses.replace(content, verdict=verdict)))
    unfolded = " ".join(page.unfolded)
    assert "A notice of the model. Limit number 0. Limit number 1. 3 more" in unfolded
    assert "Limit number 2." not in unfolded and "Limit number 4." in page.text


def test_cells_that_were_named_correctly_and_wrongly_stand_beside_the_result(html: str) -> None:
    verdict = html[html.index('id="verdict"') : html.index('id="confusion"')]
    right, wrong = verdict.split("Named wrongly")
    assert "Named correctly" in right
    assert (right.count("<img"), wrong.count("<img")) == (4, 1)


def test_words_are_explained_where_they_are_met_first_and_only_once(html: str) -> None:
    text = Page(html).text
    for word, meaning in (("interval", "where to expect the true one"), ("Recall", "were found")):
        assert text.count(meaning) == 1, word
    assert text.index("where to expect the true one") < text.index("Confusion matrix, test part")


def test_a_phone_is_told_to_scroll_where_it_cannot_show_all_columns(html: str) -> None:
    classes = tuple(f"class {k}" for k in range(7))
    told = "Scroll the table sideways to see all 7 columns."
    assert told in Page(render_report(make_content(classes))).text
    assert "sideways to see" not in Page(html).text


@pytest.mark.parametrize("which", ["html", "hostile_html"])
def test_nothing_is_fetched_from_outside(which: str, request: pytest.FixtureRequest) -> None:
    html = request.getfixturevalue(which)
    page = Page(html)
    for tag, attrs in page.tags:
        for name in ("src", "href", "srcset", "data", "action", "poster", "xlink:href"):
            assert attrs.get(name, "#").startswith(("#", "data:image/")), (tag, attrs)
    assert not page.all("link")
    style = html.split("<style>")[1].split("</style>")[0]
    assert "@import" not in style
    assert "url(" not in style


def test_the_policy_forbids_all_but_the_one_script(html: str) -> None:
    policy = Page(html).all("meta")[1]["content"]
    assert policy.startswith("default-src 'none'; img-src data:;")
    (script,) = re.findall(r"<script>(.*?)</script>", html, re.S)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy


def test_foreign_text_stays_text(hostile_html: str) -> None:
    page = Page(hostile_html)
    assert len(page.all("script")) == 1
    assert not [attrs for _, attrs in page.tags if any(key.startswith("on") for key in attrs)]
    assert HOSTILE[0] in page.text
    assert "{{ 7*7 }} {% raw %}" in page.text
    assert "\x00" not in hostile_html
    assert "\udcff" not in hostile_html
    hostile_html.encode("utf-8")


def test_a_direction_override_cannot_leave_its_element(hostile_html: str) -> None:
    cells = re.findall(r"<(\w+)[^<>]*>[^<>]*\u202e", hostile_html)
    assert cells
    allowed = {"bdi", "h1", "p", "li", "span", "title", "code", "caption", "text"}
    assert set(cells) <= allowed


@pytest.mark.parametrize("which", ["html", "hostile_html"])
def test_every_picture_has_words(which: str, request: pytest.FixtureRequest) -> None:
    page = Page(request.getfixturevalue(which))
    assert len(page.all("img")) >= 8
    assert all(tag["alt"].strip() for tag in page.all("img"))
    for tag in page.all("svg"):
        assert tag.get("aria-hidden") == "true" or (tag["role"] == "img" and tag["aria-label"])


def test_headings_come_in_order(html: str) -> None:
    levels = [int(tag[1]) for tag, _ in Page(html).tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_tables_have_captions_and_scopes(html: str) -> None:
    page = Page(html)
    assert len(page.all("caption")) == len(page.all("table"))
    assert all("scope" in tag for tag in page.all("th"))
    assert page.all("html")[0]["lang"] == "en"


def test_numbers_are_those_of_the_content(html: str) -> None:
    text = Page(html).text
    for number in (
        "87.7\u202f%",  # headline 0.87654
        "76.5 to 98.8\u202f%",  # its interval
        "54.3\u202f%",  # the baseline
        "74 of 77",  # accuracy
        "61.3 to 97.8\u202f%",
        "37 of 40",  # recall of the first class
        "7.5\u202f%",  # 3 of 40 answered wrongly
        "0.912",
        "0.432 0.311 to 0.522",
        "1,234 (21)",
        "70.0\u202f%",
        "5e-05",
        "16",
    ):
        assert number in text, number


def test_the_headline_bar_is_drawn_where_the_numbers_are(html: str) -> None:
    bar = html[html.index('class="headline-bar"') :]
    band = re.search(r'class="band" x="([\d.]+)%" width="([\d.]+)%"', bar)
    assert band is not None
    assert float(band[1]) == pytest.approx(76.543, abs=0.01)
    assert float(band[2]) == pytest.approx(22.222, abs=0.01)
    base = re.search(r'line class="baseline" x1="([\d.]+)%"', bar)
    assert base is not None
    assert float(base[1]) == pytest.approx(54.32, abs=0.01)


def test_the_headline_part_comes_first() -> None:
    page = Page(render_report(make_content()))
    captions = re.findall(r"Confusion matrix, (\w+) part", page.text)
    assert captions == ["test", "validation", "training"]


def test_the_same_content_gives_the_same_text(html: str) -> None:
    assert render_report(make_content()) == html


def test_new_data_need_no_history_and_no_split() -> None:
    page = Page(render_report(bare_content()))
    there = [tag["id"] for tag in page.all("section")]
    missing = {"examples", "right", "data", "split", "curves", "settings"}
    assert there == [name for name in SECTIONS if name not in missing]
    assert "3 predictions were wrong; there are no pictures" in page.text


@pytest.mark.parametrize(
    ("errors", "total", "words"),
    [
        (0, 5, "5 predictions were wrong; there are no pictures"),
        (0, 0, "No prediction was wrong."),
        (1, 1, "The one wrong prediction."),
        (1, None, "1 of 3 wrong predictions."),
        (2, 2, "All 2 wrong predictions, the surest first."),
        (2, 1500, "2 of 1,500 wrong predictions, the surest first."),
    ],
)
def test_errors_are_counted_in_words(errors: int, total: int | None, words: str) -> None:
    content = make_content()
    one = content.errors[0]
    changed = dataclasses.replace(content, errors=(one,) * errors, errors_total=total)
    assert words in Page(render_report(changed)).text


def test_without_maps_nothing_is_said_of_maps() -> None:
    content = make_content()
    flat = tuple(dataclasses.replace(cell, heat=None) for cell in content.errors)
    page = Page(render_report(dataclasses.replace(content, errors=flat, right=())))
    assert "found evidence" not in page.text
    assert not [tag for tag in page.all("img") if "activation map" in tag["alt"]]


def test_a_map_of_another_size_is_refused() -> None:
    content = make_content()
    odd = dataclasses.replace(content.errors[0], heat=np.zeros((7, 7), np.float32))
    with pytest.raises(ValueError, match=r"map \(7, 7\) for pixels \(40, 40\)"):
        render_report(dataclasses.replace(content, errors=(odd,)))


def test_sixteen_classes_show_the_true_class_among_the_bars() -> None:
    classes = tuple(f"a rather long class name, number {k}" for k in range(16))
    page = Page(render_report(make_content(classes)))
    assert [tag for tag in page.all("table") if tag["class"] == "matrix dense"]
    # The last class of equals is not among the first four, and is added.
    cell = picture(classes[15], classes[0], classes)
    text = Page(render_report(make_content(classes, errors=(cell,), right=()))).text
    assert "is a rather long class name, number 15" in text
    assert "number 15 2.0\u202f%" in text


def test_synthetic_images_are_named_as_such_at_the_top_and_on_every_printed_page() -> None:
    html = render_report(make_content(synthetic=True))
    assert html.index("Synthetic images.") < html.index('id="verdict"')
    assert "@bottom-left" in html
    assert "Synthetic images." not in render_report(make_content())


def test_no_groups_is_said() -> None:
    split = SplitTable(("a",), ("train", "test"), {"a": {"train": 3, "test": 1}})
    assert "every image stands alone" in Page(render_report(make_content(split=split))).text


@pytest.mark.parametrize(
    "pixels",
    [np.zeros((1, 1), np.uint8), np.full((30, 700, 3), 255, np.uint8)],
    ids=["one pixel", "wide colour"],
)
def test_pictures_of_any_shape(pixels: Any) -> None:
    cell = picture("wild type", "knockout", ("wild type", "knockout"), pixels=pixels, heat=None)
    Page(render_report(make_content(errors=(cell,))))


def test_a_usual_report_stays_small() -> None:
    classes = tuple(f"class {k}" for k in range(16))
    rng = np.random.default_rng(1)
    smooth = np.kron(rng.integers(20, 200, (28, 28)), np.ones((8, 8)))  # a cell is no white noise
    pixels = (smooth + rng.integers(0, 12, smooth.shape)).astype(np.uint8)
    heat = (smooth / 200).astype(np.float32)
    cell = picture(classes[0], classes[1], classes, pixels=pixels, heat=heat)
    examples = dict.fromkeys(classes, (cell,) * 6)
    full = make_content(classes, examples=examples, errors=(cell,) * 200)
    html = render_report(full)
    assert len(html) < 3_000_000
    assert html.count('<figure class="cell">') == 60 + 1  # the errors are cut, one right one


@cache
def colours(scheme: str) -> dict[str, str]:
    style = render_report(bare_content())
    block = style.split(":root {")[1 if scheme == "light" else 2].split("}")[0]
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))


def luminance(colour: str) -> float:
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("ink", ["ink", "muted", "blue", "orange"])
@pytest.mark.parametrize("ground", ["paper", "surface", "faint"])
def test_text_can_be_read_on_its_ground(scheme: str, ink: str, ground: str) -> None:
    named = colours(scheme)
    light, dark = sorted((luminance(named[ink]), luminance(named[ground])), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5


def test_a_value_without_neighbours_is_drawn_as_a_dot() -> None:
    history = {"epoch": [1, 2, 3, 4], "loss": [0.7, math.nan, 0.5, 0.4], "validation_loss": [0.9]}
    (chart,) = curve_charts(history, 1)
    axes = sheet(85, 60).subplots()
    chart.draw(axes)
    training, validation, kept = axes.get_lines()
    assert (training.get_markevery(), validation.get_markevery()) == ([0], [0])
    assert list(kept.get_xdata()) == [1, 1]


def test_a_gap_of_a_history_is_a_gap_of_its_curve() -> None:
    history = {"accuracy": [0.5, 1.0], "validation_accuracy": [0.25, math.nan]}
    (chart,) = curve_charts(history, None)
    axes = sheet(85, 60).subplots()
    chart.draw(axes)
    training, validation = axes.get_lines()
    assert list(training.get_xdata()) == [1.0, 2.0]
    assert list(training.get_ydata()) == [50.0, 100.0]
    assert validation.get_ydata()[0] == 25.0 and math.isnan(validation.get_ydata()[1])
    assert chart.words == "2 epochs; training ends at 1.000; validation ends at nan"


def test_a_chart_of_the_page_has_its_colours_and_no_names_of_its_own(html: str) -> None:
    (loss, accuracy) = re.findall(r'<svg class="chart".*?</svg>', html, re.DOTALL)
    for chart in (loss, accuracy):
        assert "var(--blue)" in chart and "var(--orange)" in chart
        assert not re.search('#[0-9a-f]{6}[;"]', chart)
        assert "<style" not in chart and "metadata" not in chart and "DejaVu" not in chart
        assert set(re.findall(r' id="([^"]*)"', chart)) <= set(re.findall(r"#(\w+)", chart))
    assert ">kept: epoch 4</text>" in loss
    assert 'aria-label="Loss: 5 epochs; training ends at 0.200' in loss


def test_words_of_a_chart_are_never_taken_for_its_colours() -> None:
    name = "#ffffff <b> 0.123456 'DejaVu Sans'"
    fold = FoldRow(name, 8, None, {"accuracy": estimate(7, 8)}, "fold")
    chart = folds_chart(FoldsShown((fold,), estimate(7, 8), {}))
    assert "#ffffff &lt;b&gt; 0.1" in chart.svg()
