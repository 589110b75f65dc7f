"""The published numbers, and what follows from them: values worked out by hand."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actinscope.names import PAPER_NETWORKS
from actinscope.networks import REGISTRY
from actinscope.paper import doubts
from actinscope.paper.published import PUBLISHED, SETTINGS, Printed


def printed(text: str, *, in_percent: bool = True) -> Printed:
    return Printed(text, in_percent)


def test_every_setting_has_its_place_and_every_row_its_columns() -> None:
    assert len(SETTINGS) == 11
    assert all(value and place for value, place in SETTINGS.values())
    for one in PUBLISHED.values():
        assert [len(one.training), len(one.validation), len(one.test)] in ([2, 2, 4], [0, 0, 0])
        assert len(one.accuracy_and_epochs) in {0, 2}
        assert one.test or one.accuracy_and_epochs


def test_the_networks_of_the_paper_are_registered() -> None:
    missing = set(PUBLISHED) - set(REGISTRY)
    if missing:
        pytest.skip(f"not registered in this version: {', '.join(sorted(missing))}")
    assert set(PUBLISHED) == set(PAPER_NETWORKS) <= set(REGISTRY)


@pytest.mark.parametrize(
    ("text", "in_percent", "share", "rounding"),
    [
        ("98.15", True, 0.9815, Fraction(1, 20_000)),
        ("0.9916", False, 0.9916, Fraction(1, 20_000)),
        ("97.2", True, 0.972, Fraction(1, 2_000)),
    ],
)
def test_printed_digits(text: str, in_percent: bool, share: float, rounding: Fraction) -> None:
    one = printed(text, in_percent=in_percent)
    assert one.share == pytest.approx(share)
    assert one.rounding == rounding


@pytest.mark.parametrize(
    ("text", "n", "counts"),
    [
        ("98.15", 54, (53,)),  # 53/54 = 0.98148
        ("94.44", 54, (51,)),  # 51/54 = 0.94444
        ("88.46", 54, ()),  # 47/54 = 0.8704, 48/54 = 0.8889
        ("88.46", 26, (23,)),  # 23/26 = 0.88462
        ("50", 200, (99, 100, 101)),  # 99/200 = 0.495 may round up, 101/200 = 0.505 down
        ("100.00", 7, (7,)),
        ("0.00", 7, (0,)),
    ],
)
def test_counts_that_fit(text: str, n: int, counts: tuple[int, ...]) -> None:
    assert doubts.counts_that_fit(printed(text), n) == counts


def test_sizes_of_the_odd_accuracy() -> None:
    sizes = doubts.sizes_that_fit(printed("88.46"))
    assert sizes[:4] == (26, 52, 78, 104)
    assert 54 not in sizes


@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_a_share_fits_its_own_size(pair: tuple[int, int]) -> None:
    k, n = pair
    text = f"{100 * k / n:.2f}"
    assert k in doubts.counts_that_fit(printed(text), n)
    assert n in doubts.sizes_that_fit(printed(text), largest=300)


@pytest.mark.parametrize(
    ("first", "second", "n", "p"),
    [
        (53, 51, 54, 0.5),  # 2 : 0, twice a quarter
        (54, 48, 54, 2 / 2**6),  # 6 : 0
        (10, 10, 20, 1.0),
        (48, 54, 54, 2 / 2**6),
    ],
)
def test_the_best_mcnemar(first: int, second: int, n: int, p: float) -> None:
    assert doubts.best_mcnemar(first, second, n) == pytest.approx(p)


def test_the_intervals_of_the_two_best() -> None:
    told = doubts.size_doubt().sentence
    assert "On 54 images" in told and "53 and 51 right answers" in told
    assert "from 90.2 to 99.7 % and from 84.9 to 98.1 %" in told
    # 1.96^2 x 0.98 x 0.02 / 0.01^2 = 752.9
    assert "takes 792 independent" in told and "753 by the normal" in told


def test_two_images_are_no_difference() -> None:
    told = doubts.difference_doubt().sentence
    assert "2 of 54 images" in told and "p = 0.5 at best" in told


def test_nasnet_was_tested_on_other_images() -> None:
    told = doubts.nasnet_size_doubt().sentence
    assert "No number of 54 images" in told and "26, 52, 78, 104" in told
    assert 54 not in doubts.sizes_that_fit(PUBLISHED["nasnet-mobile"].test[0])


def test_an_f1_above_its_bound() -> None:
    _, precision, recall, f1 = PUBLISHED["nasnet-mobile"].test
    bound = (precision.exact + recall.exact) / 2 + precision.rounding
    assert f1.exact - f1.rounding > bound
    assert "have the mean 88.79" in doubts.f1_doubt().sentence


def test_the_other_rows_keep_the_bound() -> None:
    rows = {name: one.test for name, one in PUBLISHED.items() if one.test}
    assert len(rows) == 3
    for name, (_, precision, recall, f1) in rows.items():
        within = f1.exact <= (precision.exact + recall.exact) / 2
        assert within == (name != "nasnet-mobile")


def test_averages_are_weighted() -> None:
    assert all(one.test[0].exact == one.test[2].exact for one in PUBLISHED.values() if one.test)
    assert "weighted averages" in doubts.averages_doubt().sentence


def test_validation_images() -> None:
    # 49/51 = 0.96078, 44/51 = 0.86275, 50/51 = 0.98039
    told = doubts.validation_doubt().sentence
    assert "multiples of 1/51: 49, 44 and 50 of 51 images" in told


def test_the_order_is_suspected_not_proven() -> None:
    told = doubts.partition_doubt().sentence
    assert "54 images" in told and "540 images" in told
    assert "suspected, not proven" in told


def test_two_networks_have_271_layers() -> None:
    told = doubts.layers_doubt().sentence
    assert told.count("(271)") == 2
    assert "ends inside block6d either way" in told
