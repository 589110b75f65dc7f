"""The smallest golden run: what it writes is made of the same files, words, columns and keys.

Floating-point results differ between processors, so the numbers are left out here, and only the
structure is compared with ``tests/golden/expected``. All bytes of all kinds of runs are compared
by ``tests/golden/make.py``, before and after a change on one machine; see the README beside it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from golden.make import EXPECTED, blank, differences, main, make_structure, structure

RENEW = "If that was meant, renew it: python tests/golden/make.py --renew"


def test_the_smallest_run_has_the_expected_structure(tmp_path: Path) -> None:
    make_structure(tmp_path)
    found = list(differences(EXPECTED, tmp_path))
    assert not found, "\n".join([*found, RENEW])


def test_comparing_shows_every_difference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    for folder, page in ((before, "<p>one</p><p>two</p>"), (after, "<p>one</p><p>three</p>")):
        (folder / "run").mkdir(parents=True)
        (folder / "run" / "report.html").write_text(page)
        (folder / "same.csv").write_text("a,b\n1,2\n")
    (after / "new.md").write_text("new")
    assert main(["--compare", str(before), str(after)]) == 1
    shown = capsys.readouterr().out
    assert "-<p>two</p>\n+<p>three</p>" in shown
    assert "<p>one</p>\n-" in shown
    assert f"Only in {after}: new.md" in shown
    assert "same.csv" not in shown
    assert main(["--compare", str(before), str(before)]) == 0


def test_what_differs_from_run_to_run_is_blanked(tmp_path: Path) -> None:
    text = f"{tmp_path}/run made 2026-11-28T07:14:57+00:00, accuracy 0.93"
    assert blank("card.md", text, tmp_path) == "PLACE/run made TIME, accuracy 0.93"


def test_the_structure_is_without_numbers() -> None:
    assert structure("a.md", "93 % (34 to 99.7), -1.5e-05") == "# % (# to #), #"
    assert structure("a.csv", "path,label\na.tif,x\n") == "path,label\n"
    assert (
        structure("a.json", '{"a": [{"b": 1}, {"c": null}], "k1": 2}')
        == ".a\n.a[].b\n.a[].c\n.k#\n"
    )
    page = '<h2 id="a">Part <b>7</b></h2><p class="note">12 are wrong</p><p class="note"></p>'
    assert structure("a.html", page) == "Part #\n\nb \nh2 \np note\n"
