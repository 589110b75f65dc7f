"""The split: nothing divided, nothing lost, balanced, repeatable, and honest about limits."""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actinscope.errors import SettingsError, SplitError
from actinscope.study import (
    PARTS,
    Manifest,
    Record,
    Split,
    folds_for_size,
    grouped_folds,
    independent_images,
    joined_groups,
    read_manifest,
    split,
)

ROOT = Path("/data")


def study(rows: list[tuple[str, str]], *, grouped: bool = True, hashes: str = "") -> Manifest:
    """A manifest of (label, group) rows; ``hashes`` has one letter a row, '.' for none."""
    records = tuple(
        Record(
            path=ROOT / f"{number:05}.tif",
            name=f"{number:05}.tif",
            label=label,
            groups={"plate": group},
            pixel_hash=hashes[number : number + 1].replace(".", ""),
        )
        for number, (label, group) in enumerate(rows)
    )
    return Manifest(records, ROOT, "plate" if grouped else None, ("plate",))


def parts_of(result: Split) -> dict[str, str]:
    return {record.name: record.part for record in result.manifest.records}


def shares(result: Split, label: str) -> list[float]:
    counts = Counter(r.part for r in result.manifest.records if r.label == label)
    return [counts[part] / counts.total() for part in PARTS]


def groups_by_part(result: Split) -> dict[str, set[str]]:
    manifest = result.manifest
    return {
        part: {manifest.group_of(r) for r in manifest.records if r.part == part} for part in PARTS
    }


def assert_undivided(result: Split) -> None:
    held = groups_by_part(result)
    assert not held["train"] & held["validation"]
    assert not held["train"] & held["test"]
    assert not held["validation"] & held["test"]


def test_images_are_split_exactly() -> None:
    result = split(study([("a", "")] * 50 + [("b", "")] * 200, grouped=False), seed=3)
    assert shares(result, "a") == shares(result, "b") == [0.8, 0.1, 0.1]
    assert result.by_image
    assert result.notes == ()  # that there is no group is said once, by scan or the audit


def test_smallest_study_has_one_of_each_class_in_each_part() -> None:
    result = split(study([("a", "")] * 3 + [("b", "")] * 3, grouped=False), seed=0)
    assert shares(result, "a") == shares(result, "b") == [1 / 3] * 3
    assert any("'a' is split 33:33:33 instead of 80:10:10" in note for note in result.notes)


def test_groups_of_mixed_classes_stay_whole() -> None:
    rows = [(label, f"p{n % 20}") for n, label in enumerate("ab" * 200)]
    rows += [("b", f"p{n % 20}") for n in range(100)]
    result = split(study(rows), seed=1)
    assert_undivided(result)
    assert not result.by_image
    assert shares(result, "a") == pytest.approx([0.8, 0.1, 0.1], abs=0.03)
    assert shares(result, "b") == pytest.approx([0.8, 0.1, 0.1], abs=0.03)


def test_too_few_groups_or_images() -> None:
    rows = [("a", f"a{n}") for n in range(9)] + [("b", f"b{n % 2}") for n in range(30)]
    with pytest.raises(SplitError, match=r"'b' has 2 in 30 images.*--group none"):
        split(study(rows), seed=0)
    with pytest.raises(SplitError, match=r"at least 3 different images: 'b' has 2 in 2 images"):
        split(study([("a", "")] * 5 + [("b", "")] * 2, grouped=False), seed=0)
    # Three copies of one picture are one picture.
    copies = study([("a", "")] * 5 + [("b", "")] * 4, grouped=False, hashes=".....xxxy")
    with pytest.raises(SplitError, match="'b' has 2 in 4 images"):
        split(copies, seed=0)
    with pytest.raises(SplitError, match="there are 1 classes"):
        split(study([("a", "")] * 9), seed=0)


def test_groups_that_cannot_give_every_part_every_class() -> None:
    # Each class lies in three of four plates, yet no three disjoint sets hold all four.
    plates = {"p": "abc", "q": "abd", "r": "acd", "s": "bcd"}
    rows = [(label, plate) for plate, labels in plates.items() for label in labels]
    with pytest.raises(SplitError, match="no split was found that keeps every group whole"):
        split(study(rows), seed=0)


def test_copies_stay_together_and_are_told() -> None:
    rows = [("a", "")] * 30 + [("b", "")] * 30
    hashes = "".join("x" if n in (0, 7, 29) else "." for n in range(60))
    for seed in range(5):
        result = split(study(rows, grouped=False, hashes=hashes), seed=seed)
        parts = parts_of(result)
        assert parts["00000.tif"] == parts["00007.tif"] == parts["00029.tif"]
    assert any(
        "2 images are exact copies of others (1 set, such as" in note for note in result.notes
    )


def test_copies_join_groups() -> None:
    rows = [("ab"[n % 2], f"p{n // 4}") for n in range(80)]
    hashes = "".join("x" if n in (0, 79) else "." for n in range(80))
    result = split(study(rows, hashes=hashes), seed=0)
    assert parts_of(result)["00000.tif"] == parts_of(result)["00079.tif"]
    assert_undivided(result)
    assert any("kept together and count as one: p0 and p19" in note for note in result.notes)


def test_images_marked_as_changed_copies_stay_together() -> None:
    manifest = study([("ab"[n % 2], f"g{n}") for n in range(30)])
    marked = tuple(
        dataclasses.replace(record, copy_set="same" if number in {0, 8, 17} else "")
        for number, record in enumerate(manifest.records)
    )
    for seed in range(8):
        found = split(dataclasses.replace(manifest, records=marked), seed=seed)
        assert len({found.manifest.records[number].part for number in (0, 8, 17)}) == 1


def test_copies_with_two_labels_are_a_loud_note() -> None:
    rows = [("a", "")] * 5 + [("b", "")] * 5
    result = split(study(rows, grouped=False, hashes="x...." + "x...."), seed=0)
    assert any(
        note.startswith("LABEL CONFLICT: 1 sets") and "00000.tif (a) = 00005.tif (b)" in note
        for note in result.notes
    )


def test_many_classes_of_few_images_are_split_at_once() -> None:
    manifest = study([(f"c{n % 300:03}", "") for n in range(1200)], grouped=False)
    began = time.process_time()
    result = split(manifest, seed=0)
    assert time.process_time() - began < 10
    seen = Counter((r.part, r.label) for r in result.manifest.records)
    assert seen == {
        (part, label): {"train": 2}.get(part, 1) for part in PARTS for label in manifest.classes
    }


def test_a_validation_part_is_drawn_where_only_train_and_test_are_given() -> None:
    rows = [("ab"[n % 2], f"g{n // 4}", "test" if n >= 40 else "train") for n in range(48)]
    result = split(given_parts(rows), seed=0)
    assert [r.part for r in result.manifest.records[40:]] == ["test"] * 8
    assert {r.part for r in result.manifest.records[:40]} == {"train", "validation"}
    assert_undivided(result)
    assert "no validation part was given: it is drawn from the training part" in result.notes


def given_parts(rows: list[tuple[str, str, str]], hashes: str = "") -> Manifest:
    manifest = study([(label, group) for label, group, _ in rows], hashes=hashes)
    records = [
        dataclasses.replace(record, part=part)
        for record, (_, _, part) in zip(manifest.records, rows, strict=True)
    ]
    return dataclasses.replace(manifest, records=tuple(records))


def test_given_parts_are_kept_and_leaks_told() -> None:
    rows = [
        ("a", "p1", "train"),
        ("b", "p1", "train"),
        ("a", "p2", "validation"),
        ("b", "p1", "test"),
    ]
    result = split(given_parts(rows, "x..x"), seed=0)
    assert [r.part for r in result.manifest.records] == ["train", "train", "validation", "test"]
    told = "\n".join(result.notes)
    assert "the split is the one given, by the column part" in told
    assert "LEAK: 1 of 2 groups (plate) lie in more than one part: p1" in told
    assert "LEAK: 1 sets of identical images lie in more than one part" in told
    assert result.leak
    assert "LABEL CONFLICT" in told
    assert "the validation part has no image of class 'b'" in told


def test_given_parts_that_cannot_be_used() -> None:
    with pytest.raises(SplitError, match="no image in: validation, test"):
        split(given_parts([("a", "1", "train"), ("b", "2", "train")]), seed=0)
    rows = [("a", "1", "train"), ("b", "2", "validation"), ("b", "3", "test")]
    with pytest.raises(SplitError, match="the train part lacks 'b'"):
        split(given_parts(rows), seed=0)
    with pytest.raises(SplitError, match="some have none"):
        split(given_parts([("a", "1", "train"), ("b", "2", "")]), seed=0)


@pytest.mark.parametrize("fractions", [(0.8, 0.2, 0.0), (0.8, 0.1, 0.2), (1.1, -0.2, 0.1)])
def test_fractions_are_checked(fractions: tuple[float, float, float]) -> None:
    with pytest.raises(SettingsError, match="positive and sum to 1"):
        split(study([("a", "1"), ("b", "2")]), seed=0, fractions=fractions)


def test_fractions_are_followed() -> None:
    rows = [("ab"[n % 2], "") for n in range(200)]
    result = split(study(rows, grouped=False), seed=0, fractions=(0.5, 0.2, 0.3))
    assert shares(result, "a") == [0.5, 0.2, 0.3]


def test_few_tested_groups_are_told() -> None:
    rows = [("ab"[n % 2], f"donor{n // 10}") for n in range(60)]
    result = split(study(rows), seed=0)
    assert any("holds only 1 of 6 groups (plate)" in note for note in result.notes)


@st.composite
def wild_studies(draw: st.DrawFn) -> Manifest:
    """Every class has three groups of its own, and shares any number of others."""
    labels = "abcd"[: draw(st.integers(2, 4))]
    rows = [(label, f"{label}{n}") for label in labels for n in range(3)]
    row = st.tuples(st.sampled_from(labels), st.integers(0, 12).map(lambda n: f"p{n}"))
    rows += draw(st.lists(row, max_size=60))
    hashes = "." * (3 * len(labels)) + draw(st.text("......xyz", max_size=60))
    return study(rows, grouped=draw(st.booleans()), hashes=hashes)


@settings(max_examples=80)
@given(manifest=wild_studies(), seed=st.integers(0, 2**31), data=st.data())
def test_whatever_the_study_the_split_keeps_its_promises(
    manifest: Manifest, seed: int, data: st.DataObject
) -> None:
    result = split(manifest, seed=seed)
    assert [r.key for r in result.manifest.records] == [r.key for r in manifest.records]
    assert_undivided(result)
    by_hash: dict[str, set[str]] = {}
    for record in result.manifest.records:
        by_hash.setdefault(record.pixel_hash or record.name, set()).add(record.part)
    assert all(len(parts) == 1 for parts in by_hash.values())
    seen = {(r.part, r.label) for r in result.manifest.records}
    assert seen == {(part, label) for part in PARTS for label in manifest.classes}
    shuffled = data.draw(st.permutations(manifest.records))
    again = split(dataclasses.replace(manifest, records=tuple(shuffled)), seed=seed)
    assert parts_of(again) == parts_of(result)


@settings(max_examples=40)
@given(manifest=wild_studies(), seed=st.integers(0, 2**31), folds=st.integers(3, 6))
def test_whatever_the_study_every_record_is_tested_once(
    manifest: Manifest, seed: int, folds: int
) -> None:
    results = grouped_folds(manifest, folds=folds, seed=seed)
    assert len(results) == folds
    tested: Counter[str] = Counter()
    for result in results:
        assert_undivided(result)
        tested.update(r.name for r in result.manifest.records if r.part == "test")
        assert {r.label for r in result.manifest.records if r.part == "train"} == set(
            manifest.classes
        )
    assert tested == Counter(r.name for r in manifest.records)


def test_folds_are_even_and_have_a_validation_part() -> None:
    rows = [("ab"[n % 2], f"p{n // 8}") for n in range(320)]
    for result in grouped_folds(study(rows), folds=5, seed=2):
        assert shares(result, "a") == pytest.approx([0.7, 0.1, 0.2], abs=0.03)
        assert result.notes == ()


def test_folds_that_cannot_be_made() -> None:
    rows = [("ab"[n % 2], f"p{n // 8}") for n in range(32)]
    with pytest.raises(SplitError, match="5 folds cannot be made from 4 groups"):
        grouped_folds(study(rows), folds=5, seed=0)
    with pytest.raises(SettingsError, match="folds is 1"):
        grouped_folds(study(rows), folds=1, seed=0)
    with pytest.raises(SettingsError, match="validation_fraction is 1"):
        grouped_folds(study(rows), folds=2, seed=0, validation_fraction=1.0)
    assert len(grouped_folds(study(rows), folds=4, seed=0)) == 4


def test_seeds_differ() -> None:
    rows = [("ab"[n % 2], f"p{n // 8}") for n in range(320)]
    tested = {frozenset(groups_by_part(split(study(rows), seed=s))["test"]) for s in range(8)}
    assert len(tested) > 4


def test_twenty_thousand_records_do_not_take_long() -> None:
    rng = np.random.default_rng(0)
    rows = [(f"c{k}", f"g{g}") for k, g in rng.integers((16, 2000), size=(20_000, 2)).tolist()]
    for grouped in (False, True):
        start = time.perf_counter()
        result = split(study(rows, grouped=grouped), seed=0)
        assert time.perf_counter() - start < 30  # about 1 s on an idle machine
        assert shares(result, "c3") == pytest.approx([0.8, 0.1, 0.1], abs=0.02)


@pytest.mark.parametrize(
    ("folder", "group", "within"),
    [
        ("mef_actin", "field", 0.02),
        ("mitocheck_nuclei", "movie", 0.25),
        ("tcell_activation", "donor", 0.25),
    ],
)
def test_real_groups(shared_data: Path, folder: str, group: str, within: float) -> None:
    manifest = read_manifest(shared_data / folder / "groups.csv", None, group=group)
    for seed in range(3):
        result = split(manifest, seed=seed)
        assert_undivided(result)
        for label in manifest.classes:
            assert shares(result, label) == pytest.approx([0.8, 0.1, 0.1], abs=within)
            assert min(shares(result, label)) > 0


@pytest.mark.parametrize(
    ("images", "groups", "rare", "expected"),
    [
        (990, None, 0, (5, "99 images")),
        (1000, None, 0, (1, "")),
        (1000, 190, 0, (5, "100 images in 19 groups")),
        (1000, 200, 0, (1, "")),
        (200, 20, 4, (4, "20 images in 2 groups")),
        (200, 20, 2, (1, "")),  # too few groups of one class for folds
    ],
)
def test_small_studies_are_tested_by_folds(
    images: int, groups: int | None, rare: int, expected: tuple[int, str]
) -> None:
    """``rare`` groups alone hold the second class; or else every other image is of it."""
    rows = []
    for number in range(images):
        group = number % groups if groups is not None else number
        second = group < rare if rare else number // (groups or 1) % 2 == 1
        rows.append(("b" if second else "a", f"g{group}"))
    sized = study(rows, grouped=groups is not None)
    assert folds_for_size(sized, test_share=0.1) == expected


def test_given_parts_are_one_split() -> None:
    small = study([("a", ""), ("b", "")] * 15, grouped=False)
    assert folds_for_size(small, test_share=0.1) == (5, "3 images")
    fixed = [dataclasses.replace(record, part="train") for record in small.records]
    assert folds_for_size(dataclasses.replace(small, records=tuple(fixed)), test_share=0.1) == (
        1,
        "",
    )


def test_copies_count_once_and_join_their_groups() -> None:
    """0 and 3 are one image in two plates, 1 and 2 show it again with another label."""
    rows = [("a", "p0"), ("b", "p1"), ("b", "p1"), ("a", "p2"), ("a", "p3")]
    first, clusters = independent_images(study(rows, hashes="xxxx.").records, "plate")
    assert first == [0, 1, 1, 0, 4]
    assert clusters == ("p0 + p1 + p2",) * 4 + ("p3",)


def test_without_groups_only_copies_are_clusters() -> None:
    rows = [("a", "")] * 4
    records = study(rows, grouped=False, hashes="xx..").records
    assert independent_images(records, None) == ([0, 0, 2, 3], None)
    marked = [
        dataclasses.replace(one, copy_set="turned" * (n > 1)) for n, one in enumerate(records)
    ]
    first, clusters = independent_images(marked, None)
    assert first == [0, 0, 2, 3]
    assert clusters is not None
    assert clusters[2] == clusters[3] != clusters[0] == clusters[1]


def test_of_no_images_nothing_is_joined() -> None:
    assert joined_groups((), ()) == ()


def test_a_study_of_copies_is_a_small_one() -> None:
    """Twenty images stored fifty times are twenty images, of which a test part would hold two."""
    rows = [("ab"[n % 2], "") for n in range(20)] * 50
    stored = study(rows, grouped=False, hashes="abcdefghijklmnopqrst" * 50)
    assert folds_for_size(stored, test_share=0.1) == (5, "2 images")
