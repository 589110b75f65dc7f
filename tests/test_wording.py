"""Words and numbers that all texts share."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from actinscope.report import text
from actinscope.wording import (
    counted,
    data_size,
    enumerate_some,
    listed,
    p_value,
    p_words,
    percent,
    percent_interval,
    percent_span,
    plural,
    points,
    points_interval,
    round_percent,
    signed,
    span,
)


@pytest.mark.parametrize(
    ("word", "words"),
    [
        ("mouse", "mice"),
        ("Mouse", "Mice"),
        ("MOUSE", "MICE"),
        ("batch", "batches"),
        ("BATCH", "BATCHES"),
        ("dish", "dishes"),
        ("biopsy", "biopsies"),
        ("Biopsy", "Biopsies"),
        ("series", "series"),
        ("species", "species"),
        ("slice", "slices"),
        ("patch", "patches"),
        ("class", "classes"),
        ("assay", "assays"),
        ("epoch", "epochs"),
        ("stomach", "stomachs"),
        ("virus", "viruses"),
        ("analysis", "analyses"),
        ("nucleus", "nuclei"),
        ("ROI", "ROIs"),
        ("Fields", "Fields"),
        ("mice", "mice"),
        ("field of view", "fields of view"),
        ("mouse_id", "mouse ids"),
        ("donor_mouse", "donor mice"),
    ],
)
def test_plural(word: str, words: str) -> None:
    assert plural(word) == words


def test_counts() -> None:
    assert counted(1, "image") == "1 image"
    assert counted(0, "image") == "0 images"
    assert counted(2, "culture_dish") == "2 culture dishes"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.0, "0.0 %"),
        (0.0004, "<0.1 %"),
        (0.0005, "0.1 %"),
        (0.9994, "99.9 %"),
        (0.9996, ">99.9 %"),
        (1.0, "100.0 %"),
    ],
)
def test_a_page_and_a_text_give_the_same_per_cent(value: float, words: str) -> None:
    assert percent(value) == words
    assert text.percent(value).replace("\u202f", " ") == words


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([3, 7], "3 to 7"),
        ([3, 3], "3"),
        ([0.30000001, 0.3], "0.3"),
        ([0.25, 0.3], "0.25 to 0.3"),
    ],
)
def test_span(values: Sequence[float], words: str) -> None:
    assert span(values) == words


def test_span_of_shares() -> None:
    assert percent_span([0.8, 0.80001]) == "80.0 %"
    assert percent_span([0.85, 0.75]) == "75.0 % to 85.0 %"


def test_differences_carry_their_sign() -> None:
    assert points(0.0321) == "+3.2"
    assert points(-0.0321) == "\u22123.2"
    assert points(-0.0001) == "0.0"
    assert points(math.nan) == "not defined"
    assert signed(-0.0123, 2) == "\u22120.01"
    assert signed(0.0001, 3) == "0.000"


def test_shares_and_differences_with_their_interval() -> None:
    assert round_percent(0.95) == "95 %"
    assert round_percent(0.025) == "2.5 %"
    assert percent_interval(0.85, 0.801, 1.0) == "85.0 % (80.1 to 100.0)"
    assert percent_interval(0.85, math.nan, math.nan) == "85.0 %"
    assert points_interval(-0.032, -0.05, 0.014) == "\u22123.2 points (\u22125.0 to +1.4)"
    assert points_interval(0.05, 0.01, 0.09, digits=0, name="95 % interval ") == (
        "+5 points (95 % interval +1 to +9)"
    )
    assert points_interval(0.05, math.nan, math.nan) == "+5.0 points (no interval)"


def test_p_is_never_zero() -> None:
    assert (p_value(0.01234), p_words(0.01234)) == ("0.012", "p = 0.012")
    assert (p_value(0.0001), p_words(0.0001)) == ("<0.001", "p < 0.001")


def test_lists() -> None:
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert enumerate_some("abcdefg") == "a, b, c, d, e and 2 more"


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1500, "1.5 kB"),
        (2_340_000, "2.3 MB"),
        (6 * 10**9, "6.0 GB"),
    ],
)
def test_size_of_data(count: int, words: str) -> None:
    assert data_size(count) == words
