"""The published numbers, and what follows from them: values worked out by hand."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actinscope.evaluation import Estimate
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


def computed(doubt: doubts.Doubt, name: str) -> object:
    return doubt.computed[name]


def test_the_intervals_of_the_two_best() -> None:
    found = doubts.size_doubt()
    best, second = computed(found, "best"), computed(found, "second")
    assert isinstance(best, Estimate) and isinstance(second, Estimate)
    assert (best.count, best.n, second.count) == (53, 54, 51)
    assert (best.low, best.high) == (pytest.approx(0.902, abs=5e-4), pytest.approx(0.997, abs=5e-4))
    assert (second.low, second.high) == (
        pytest.approx(0.849, abs=5e-4),
        pytest.approx(0.981, abs=5e-4),
    )
    assert "90.2 to 99.7 %" in found.sentence
    # 1.96^2 x 0.98 x 0.02 / 0.01^2 = 752.9
    assert (computed(found, "needed"), computed(found, "normal")) == (792, 753)


def test_two_images_are_no_difference() -> None:
    found = doubts.difference_doubt()
    assert (computed(found, "images apart"), computed(found, "p")) == (2, 0.5)


def test_nasnet_was_tested_on_other_images() -> None:
    found = doubts.nasnet_size_doubt()
    assert computed(found, "fits the others' size") is False
    assert "26, 52, 78, 104" in found.sentence


def test_an_f1_above_its_bound() -> None:
    found = doubts.f1_doubt()
    assert computed(found, "bound") == pytest.approx((0.8912 + 0.8846) / 2)
    assert computed(found, "impossible") is True


def test_the_other_rows_keep_the_bound() -> None:
    rows = {name: one.test for name, one in PUBLISHED.items() if one.test}
    assert len(rows) == 3
    for name, (_, precision, recall, f1) in rows.items():
        within = f1.exact <= (precision.exact + recall.exact) / 2
        assert within == (name != "nasnet-mobile")


def test_averages_are_weighted() -> None:
    assert computed(doubts.averages_doubt(), "recall is accuracy") is True


def test_validation_images() -> None:
    found = doubts.validation_doubt()
    # 49/51 = 0.96078, 44/51 = 0.86275, 50/51 = 0.98039
    assert (computed(found, "n"), computed(found, "counts")) == (51, (49, 44, 50))


def test_the_order_is_suspected_not_proven() -> None:
    found = doubts.partition_doubt()
    assert (computed(found, "test images"), computed(found, "all images at 10 %")) == (54, 540)
    assert "suspected, not proven" in found.sentence


def test_two_networks_have_271_layers() -> None:
    found = doubts.layers_doubt()
    assert computed(found, "with head, without preprocessing") == 271
    assert computed(found, "without head, with preprocessing, and pooling") == 271
    assert computed(found, "cut in") == ("block6d", "block6d")
    assert computed(found, "rescales itself") is True
