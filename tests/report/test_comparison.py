"""The page of a comparison: foreign text stays text, and numbers are shown as they are."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from actinscope.evaluation import compare_classifiers, comparison_verdict, pair_sentence
from actinscope.report import (
    ComparedRun,
    ComparisonContent,
    ContestedImage,
    Page,
    RunAnswer,
    write_comparison,
)
from actinscope.report.comparison_page import render_comparison
from actinscope.report.fields import difference_rows
from helpers.pages import Page as ReadPage
from helpers.report_content import HOSTILE


def content(names: tuple[str, ...], classes: tuple[str, ...], word: str) -> ComparisonContent:
    """Runs that get 0, 8, 16, ... of 40 images wrong; every text is ``word``."""
    labels = np.arange(40) % len(classes)
    probabilities = np.full((len(names), 40, len(classes)), 0.1 / (len(classes) - 1))
    for run in range(len(names)):
        answers = np.where(np.arange(40) < 8 * run, (labels + 1) % len(classes), labels)
        probabilities[run, np.arange(40), answers] = 0.9
    compared = compare_classifiers(
        names, labels, probabilities, classes=classes, groups=None, seed=0, resamples=100
    )
    answers_of = tuple(RunAnswer(name, classes[0], 0.9, 0.1) for name in names)
    shown = ContestedImage(word, word, classes[1], word, answers_of, np.zeros((9, 7), np.uint8))
    return ComparisonContent(
        page=Page(
            title=word,
            question=word,
            synthetic=True,
            notices=(word,),
            command=word,
            created=word,
            version=word,
        ),
        verdict=comparison_verdict(compared, synthetic=True, random_weights=True, group=word),
        comparison=compared,
        runs=tuple(ComparedRun(name, word, 100) for name in names),
        sentences=tuple(pair_sentence(compared, pair) for pair in compared.pairs),
        contested=(shown,),
        all_wrong=(shown,),
        differing=((word, tuple(word for _ in names)),),
        group=word,
        pictures=word,
        lost=((word, 3),),
        notes=(word,),
    )


def test_foreign_text_stays_text(tmp_path: Path) -> None:
    nasty = " | ".join(HOSTILE)
    names = tuple(f"{number} {name}" for number, name in enumerate(HOSTILE))
    told = content(names, HOSTILE, nasty)
    write_comparison(told, tmp_path)
    html = (tmp_path / "report.html").read_text("utf-8")
    page = ReadPage(html)
    assert len(page.all("script")) == 1
    assert not [attrs for _, attrs in page.tags if any(key.startswith("on") for key in attrs)]
    assert "{{ 7*7 }} {% raw %}" in page.text
    assert "\x00" not in html
    for tag, attrs in page.tags:
        for name in ("src", "href"):
            assert attrs.get(name, "#").startswith(("#", "data:image/")), tag
    assert all(tag["alt"].strip() for tag in page.all("img"))
    style = html.split("<style>")[1].split("</style>")[0]
    assert "@import" not in style and "url(" not in style
    assert "Synthetic images." in page.text
    json.loads((tmp_path / "comparison.json").read_text("utf-8"))


def test_the_matrix_is_the_row_minus_the_column() -> None:
    told = content(("good", "poor"), ("flat", "round"), "x")
    (first, second) = difference_rows(told.comparison)
    assert first[0] == "good"
    assert first[1][0] is None
    assert first[1][1] is not None and second[1][0] is not None
    assert (first[1][1].value, first[1][1].look) == ("+20.0", "hit")
    assert (second[1][0].value, second[1][0].look) == ("−20.0", "miss")
    assert first[1][1].framed and second[1][0].framed
    low, high = first[1][1].below.split(" to ")
    assert second[1][0].below == f"{high.replace('+', '−')} to {low.replace('+', '−')}"
    assert 'class="hit apart"' in render_comparison(told)


def test_the_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    told = content(("a", "b", "c"), ("flat", "round"), "x")
    for name in ("one", "two"):
        write_comparison(told, tmp_path / name)
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.*"))
    assert len(files) == 7
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
