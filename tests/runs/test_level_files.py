"""Files of levels: a name for each, on every file system."""

from __future__ import annotations

from actinscope.runs import level_file


def test_levels_that_differ_only_in_case_or_signs_have_files_of_their_own() -> None:
    """Windows and macOS take Well and well for one file, which the second would replace."""
    taken: set[str] = set()
    names = [level_file(level, taken) for level in ("Well", "well", "a+b", "a_b", "a:b", "CON")]
    assert names == [
        "level_Well.csv", "level_well_2.csv", "level_a_b.csv", "level_a_b_2.csv",
        "level_a_b_3.csv", "level_CON.csv",
    ]  # fmt: skip
    assert len({name.casefold() for name in names}) == len(names)
