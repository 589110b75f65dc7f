"""Words and numbers as printed."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actinscope.evaluation import METRICS, Estimate
from actinscope.report import flatten
from actinscope.report.text import (
    clean,
    counts,
    groups,
    interval,
    metric_title,
    number,
    percent,
    shorten,
)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.0, "0.0\u202f%"),
        (1.0, "100.0\u202f%"),
        (53 / 54, "98.1\u202f%"),
        (0.99951, ">99.9\u202f%"),
        (0.0004, "<0.1\u202f%"),
        (math.nan, "n/a"),
    ],
)
def test_percent(value: float, words: str) -> None:
    assert percent(value) == words


def test_what_is_not_perfect_is_never_printed_as_perfect() -> None:
    assert percent(9999 / 10000) != percent(1.0)
    assert percent(1 / 10000) != percent(0.0)


def test_numbers_that_are_no_shares_keep_three_decimals() -> None:
    assert number(-0.25, "mcc") == "\u22120.250"
    assert number(math.inf, "log_loss") == "n/a"
    assert number(0.25, "recall") == "25.0\u202f%"


def test_interval_and_counts() -> None:
    estimate = Estimate(53 / 54, 0.902, 0.997, 54, 53, "Wilson")
    assert interval(estimate, "accuracy") == "90.2 to 99.7\u202f%"
    assert counts(estimate) == "53 of 54"
    bare = Estimate(0.5, math.nan, math.nan, 1200, None, "no interval")
    assert interval(bare, "accuracy") == ""
    assert counts(bare) == "n = 1,200"


def test_every_metric_has_a_title_of_its_own() -> None:
    titles = [metric_title(metric) for metric in METRICS]
    assert len(set(titles)) == len(titles)
    assert "F1, macro" in titles
    assert "AUROC" in titles
    assert not [title for title in titles if "_" in title]


def test_settings_are_flattened_in_order() -> None:
    nested = {"a": 1, "b": {"c": True, "d": {"e": None, "f": (0.9, 1.1)}}, "g": {}}
    assert list(flatten(nested)) == [
        ("a", "1"),
        ("b.c", "yes"),
        ("b.d.e", "not set"),
        ("b.d.f", "0.9, 1.1"),
        ("g", "none"),
    ]


@given(st.text(st.characters()))
def test_clean_text_can_always_be_written(text: str) -> None:
    cleaned = clean(text)
    cleaned.encode("utf-8")
    assert "\x00" not in cleaned
    assert len(cleaned) == len(text)


@given(st.text(), st.integers(3, 60))
def test_short_text_is_short_and_keeps_both_ends(text: str, length: int) -> None:
    short = shorten(text, length)
    assert len(short) <= length
    line = " ".join(clean(text).split())
    if len(line) > length:
        assert line.startswith(short.split("…")[0]) or "…" in line
    else:
        assert short == line


def test_one_group_is_no_groups() -> None:
    assert (groups(1), groups(1234)) == ("1 group", "1,234 groups")
