"""One value in several spellings, and words for no value."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from actinscope.errors import ManifestError
from actinscope.study import read_manifest, split
from actinscope.study.records import is_missing, tidy
from actinscope.study.spelling import date_of, one_spelling, spelling_key


@pytest.mark.parametrize(
    "alike",
    [
        ("01", "1", "001", "1.0", "1,0", " 1 ", "\u200b1", "\uff11"),
        ("Donor 1", "donor_1", "Donor-01", "DONOR1", "donor  1", "donor\u00a01", "donor\u00ad1"),
        ("Wild type", "wild type", "wild_type", "Wild\u200btype ", "WILD-TYPE", "wildtype"),
        ("2024-05-01", "20240501", "01.05.2024", "1 May 2024", "May 1, 2024", "01-May-24",
         "2024-05-01 00:00:00", "240501", "2024/5/1"),
        ("Mu\u0308ller", "M\u00fcller", "m\u00dcller"),
        ("KO-", "ko \u2212", "ko\u2013"),
    ],
)  # fmt: skip
def test_spellings_of_one_value_have_one_key(alike: tuple[str, ...]) -> None:
    assert len({spelling_key(tidy(text)) for text in alike}) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("KO+", "KO-"),
        ("1 nM", "1,000 nM"),
        ("CD4", "CD4-"),
        ("p53 +/+", "p53 -/-"),
        ("1.5", "15"),
        ("1.05", "1.5"),
        ("5-1", "51"),
        ("-1", "1"),
        ("d1-2", "d12"),
        ("donor 1", "donor 10"),
        ("2024-05-01", "2024-05-10"),
        ("A1", "B1"),
        ("Muller", "M\u00fcller"),
        ("10 nM", "10 mM"),
    ],
)
def test_values_that_differ_have_two_keys(one: str, other: str) -> None:
    assert spelling_key(one) != spelling_key(other)


def test_a_value_may_repeat_the_name_of_its_column() -> None:
    assert one_spelling(["Donor 1", "1", "1", "donor_2"], "donor") == {
        "Donor 1": "1",
        "1": "1",
        "donor_2": "donor_2",
    }
    assert spelling_key("donor", "donor") == "donor"


def test_slashes_are_read_in_the_order_that_agrees_with_the_other_dates() -> None:
    european = one_spelling(["13/05/2024", "05/01/2024", "2024-05-13", "2024-01-05"])
    assert european["05/01/2024"] == european["2024-01-05"]
    american = one_spelling(["05/13/2024", "05/01/2024", "2024-05-13", "2024-05-01"])
    assert american["05/01/2024"] == american["2024-05-01"]
    assert len(set(one_spelling(["05/01/2024", "01/05/2024"]).values())) == 2


@pytest.mark.parametrize("text", ["", "plate 1", "2024-13-45", "1.2", "marker 1 2024", "A 1 2024"])
def test_what_is_no_date(text: str) -> None:
    assert date_of(text) is None


@given(st.text(max_size=40))
def test_any_text_has_a_key_that_its_upper_case_shares(text: str) -> None:
    key = spelling_key(text)
    assert spelling_key(f" {text}\u200b") == key
    assert spelling_key(text.casefold()) == key


@pytest.mark.parametrize(
    "word",
    ["", " ", "NA", "na", "n/a", "NaN", "#N/A", "null", "None", "-", "\u2013", "#NV", "<NA>"],
)
def test_words_for_no_value(word: str) -> None:
    assert is_missing(word)


@pytest.mark.parametrize("word", ["Na", "KO-", "0", "control", "nano", "+"])
def test_words_that_are_values(word: str) -> None:
    assert is_missing(word) == (word == "Na")  # sodium has to say --as-written


def listed(folder: Path, rows: list[tuple[str, str]], *, column: str = "donor") -> Path:
    """A manifest of small different images with these labels and groups."""
    lines = [f"path,label,{column}"]
    for number, (label, group) in enumerate(rows):
        name = f"{number:03}.tif"
        tifffile.imwrite(folder / name, np.full((4, 4), number, np.uint8))
        lines.append(f"{name},{label},{group}")
    (folder / "study.csv").write_text("\n".join(lines), encoding="utf-8")
    return folder / "study.csv"


def test_a_donor_in_two_spellings_stands_in_one_part(tmp_path: Path) -> None:
    donors = ["01", "1", "Donor 2", "donor_2", "2024-05-03", "03.05.2024", "4", "5", "6"]
    csv = listed(tmp_path, [(label, donor) for donor in donors for label in "ab"])
    for seed in range(5):
        found = split(read_manifest(csv, None, group="donor"), seed=seed).manifest.records
        parts = {donor: found[2 * place].part for place, donor in enumerate(donors)}
        assert parts["01"] == parts["1"]
        assert parts["Donor 2"] == parts["donor_2"]
        assert parts["2024-05-03"] == parts["03.05.2024"]
    manifest = read_manifest(csv, None, group="donor")
    assert len({manifest.group_of(record) for record in manifest.records}) == 6
    assert (
        "donor: '01' and '1', 'Donor 2' and 'donor_2', '03.05.2024' and '2024-05-03' are taken "
        "as one. Where they differ, give --as-written"
    ) in manifest.notes


def test_donors_that_differ_only_in_spelling_are_told_apart_when_asked(tmp_path: Path) -> None:
    csv = listed(tmp_path, [("a", "01"), ("b", "1"), ("Ab", "1"), ("ab", "NA")])
    manifest = read_manifest(csv, None, group="donor", as_written=True)
    assert [manifest.group_of(record) for record in manifest.records] == ["01", "1", "1", "NA"]
    assert manifest.classes == ("Ab", "a", "ab", "b")
    assert manifest.notes == ()


def test_a_class_in_several_spellings_is_one_class(tmp_path: Path) -> None:
    rows = [("wild type", "1"), ("Wild type", "2"), ("wild type", "3"), ("wild\u200b type", "4")]
    manifest = read_manifest(listed(tmp_path, [*rows, ("KO+", "5"), ("KO-", "6")]), None)
    assert manifest.classes == ("KO+", "KO-", "wild type")
    assert [note for note in manifest.notes if "ALIKE" in note] == [
        "LABELS ALIKE: 'Wild type' and 'wild type' are taken as one class. Where they differ, "
        "give --as-written"
    ]


def test_cells_that_say_na_have_no_label_and_no_group(tmp_path: Path) -> None:
    words = ["NA", "nan", "#N/A", "null", "n/a", "none", "-"]
    csv = listed(tmp_path, [("x", word) for word in words] + [("y", "d1")])
    assert {r.groups["donor"] for r in read_manifest(csv, None, group="none").records} == {"", "d1"}
    with pytest.raises(ManifestError, match=r"7 rows have no value .*: line 2 NA, line 3 nan"):
        read_manifest(csv, None, group="donor")
    csv = listed(tmp_path, [(word, "d1") for word in words] + [("y", "d1")])
    with pytest.raises(ManifestError, match=r"7 of 8 rows have no label: .*line 4 #N/A.*--as-wr"):
        read_manifest(csv, None)
