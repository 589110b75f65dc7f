"""``actinscope audit`` as a user runs it, on small made-up studies."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from actinscope import errors
from actinscope.audit import audit_images
from actinscope.audit.confounds import _drawn
from actinscope.audit.quality import _deviations
from actinscope.cells import CropReader
from actinscope.cli.main import main
from actinscope.progress import Silent
from actinscope.requests import StudySource
from actinscope.runs import fingerprint_study, read_study
from actinscope.study import grouped_folds
from actinscope.training import load_recipe
from actinscope.workflows import audit as audit_job
from helpers.textures import texture

Shown = pytest.CaptureFixture[str]


def write_study(
    folder: Path, *, groups: int = 12, slides: str = "many", mark: bool = False
) -> Path:
    """Two classes of pictures; ``slides`` one gives each class a slide of its own."""
    rows = ["path,label,field,slide"]
    for group in range(groups):
        label = "ab"[group % 2]
        slide = label if slides == "one" else f"s{group // 2 % 3}"
        for image in range(2):
            pixels = texture(100 * group + image, 48)
            if mark and label == "b":
                pixels[-6:, -6:] = 255
            name = f"{label}/{group}_{image}.png"
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(folder / name), pixels)
            rows.append(f"{name},{label},f{group},{slide}")
    (folder / "study.csv").write_text("\n".join(rows))
    return folder


def findings_of(folder: Path, output: Path, *options: str) -> dict[str, dict[str, str]]:
    study = ["--manifest", str(folder / "study.csv"), "--group", "field", "--no-network"]
    assert main(["audit", str(folder), *study, "-o", str(output), "--quiet", *options]) == 0
    with (output / "findings.csv").open(newline="", encoding="utf-8") as stream:
        return {row["kind"]: row for row in csv.DictReader(stream)}


def test_a_clean_study_has_no_error(tmp_path: Path, capsys: Shown) -> None:
    found = findings_of(write_study(tmp_path / "d"), tmp_path / "o")
    assert not [row for row in found.values() if row["severity"] == "error"]
    assert "correct first:" not in capsys.readouterr().out


def test_copies_with_two_labels_are_an_error_with_pictures(tmp_path: Path, capsys: Shown) -> None:
    folder = write_study(tmp_path / "d")
    image = cv2.imread(str(folder / "a" / "0_0.png"), cv2.IMREAD_GRAYSCALE)
    cv2.imwrite(str(folder / "b" / "copy.png"), np.rot90(image).copy())
    with (folder / "study.csv").open("a") as stream:
        stream.write("\nb/copy.png,b,f1,s0")
    found = findings_of(folder, tmp_path / "o")
    assert found["copies with two labels"]["severity"] == "error"
    with (tmp_path / "o" / "duplicates.csv").open(newline="") as stream:
        (row,) = csv.DictReader(stream)
    assert {row["first"], row["second"]} == {"a/0_0.png", "b/copy.png"}
    page = (tmp_path / "o" / "report.html").read_text("utf-8")
    assert page.count('<figure class="shot">') >= 2
    assert "b/copy.png" in page
    assert "http" not in page.replace("http-equiv", "")
    shown = capsys.readouterr().out
    first = "correct first: 1 pair of images of the same cells with different labels, such as "
    assert f"{first}a/0_0.png (a) = b/copy.png (b)" in shown
    assert "delete one file of the pair" in shown


def test_copies_in_a_study_tested_by_folds_say_which_fold_tests_them(tmp_path: Path) -> None:
    """No image has a part there: each is tested once."""
    folder = write_study(tmp_path / "d")
    image = cv2.imread(str(folder / "a" / "0_0.png"), cv2.IMREAD_GRAYSCALE)
    cv2.imwrite(str(folder / "b" / "copy.png"), np.rot90(image).copy())
    recipe = load_recipe("fine-tuned")
    source = StudySource(folder)
    prints = fingerprint_study(
        read_study(source, recipe), CropReader(recipe.images), Silent(), observing=True
    )
    found = audit_images(
        prints, recipe, progress=Silent(), folds=lambda study: grouped_folds(study, folds=3, seed=1)
    )
    (copies,) = (one for one in found.findings if one.kind == "copies with two labels")
    lines = [shot.lines[-1] for shot in copies.pairs[0]]
    assert lines[0] == lines[1]
    assert lines[0] in {f"tested by fold {number}" for number in (1, 2, 3)}
    assert found.parts is None


def test_a_class_from_one_slide_makes_the_question_unanswerable(tmp_path: Path) -> None:
    findings_of(write_study(tmp_path / "d", slides="one"), tmp_path / "o")
    first = json.loads((tmp_path / "o" / "audit.json").read_text("utf-8"))["findings"][0]
    assert first["unanswerable"] is True
    assert "one slide only" in first["title"]


def test_a_mark_in_the_corner_is_told(tmp_path: Path) -> None:
    findings_of(write_study(tmp_path / "d", groups=20, mark=True), tmp_path / "o")
    with (tmp_path / "o" / "findings.csv").open(newline="", encoding="utf-8") as stream:
        told = [row["title"] for row in csv.DictReader(stream) if row["kind"] == "confound"]
    assert "The class can be told from the corners of the picture" in told


def test_results_do_not_overwrite_anything(tmp_path: Path, capsys: Shown) -> None:
    folder = write_study(tmp_path / "d")
    (tmp_path / "o").mkdir()
    (tmp_path / "o" / "mine.txt").touch()
    assert main(["audit", str(folder), "-o", str(tmp_path / "o"), "--quiet"]) == 2
    assert "never overwrite" in capsys.readouterr().err


def test_the_page_names_only_files_that_are_there(tmp_path: Path) -> None:
    findings_of(write_study(tmp_path / "d"), tmp_path / "o")
    page = (tmp_path / "o" / "report.html").read_text("utf-8")
    beside = page[page.index("The same findings are in") :]
    assert "duplicates.csv" in beside
    assert "review_queue.csv" not in beside
    assert "every pair" not in page


def test_without_groups_the_page_does_not_speak_of_them(tmp_path: Path) -> None:
    folder = write_study(tmp_path / "d", groups=20, mark=True)
    (folder / "study.csv").unlink()
    options = ["--group", "none", "--no-network", "-o", str(tmp_path / "o"), "--quiet"]
    assert main(["audit", str(folder), *options]) == 0
    page = (tmp_path / "o" / "report.html").read_text("utf-8")
    assert "for images that were left out" in page
    assert "exchanged among the groups" not in page


@pytest.mark.parametrize("grouped", [True, False])
def test_units_are_drawn_by_lot_in_whole_groups(grouped: bool) -> None:
    labels = np.arange(12_000) % 2
    groups = [f"g{n // 4}" for n in range(12_000)] if grouped else None  # two units each
    chosen = _drawn(labels, groups, np.random.default_rng(0))
    assert len(chosen) == (6000 if grouped else 3000)
    if grouped:
        assert set(np.bincount(chosen // 4).tolist()) == {0, 4}


def test_a_small_study_is_tested_whole() -> None:
    groups = ["a", "a", "b", "c"]
    assert _drawn(np.array([0, 1, 0, 1]), groups, np.random.default_rng(0)).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("unit", [1e-3, 1.0, 1000.0])
def test_outliers_do_not_depend_on_the_unit(unit: float) -> None:
    bright = np.r_[100 + np.random.default_rng(0).normal(size=30) * 0.1, 102.0, 200.0]
    away = _deviations(np.log10(unit * bright), np.array(["a"] * 32))
    assert abs(away[-2]) < 1  # 2 % more
    assert away[-1] == pytest.approx(np.log10(2) / 0.03, rel=0.01)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (errors.WeightsUnavailable("none here"), "for lack of a pretrained network: none here"),
        (errors.SplitError("one group"), "as no folds can be made: one group"),
        (errors.ImageError("three channels"), "as one network cannot take all images: three"),
    ],
)
def test_the_review_of_labels_says_why_it_was_left_out(
    monkeypatch: pytest.MonkeyPatch, error: errors.ActinscopeError, words: str
) -> None:
    assert words in _why_not_reviewed(monkeypatch, error)


def test_any_other_fault_of_the_review_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(errors.SettingsError, match="a wrong recipe"):
        _why_not_reviewed(monkeypatch, errors.SettingsError("a wrong recipe"))


def _why_not_reviewed(monkeypatch: pytest.MonkeyPatch, error: errors.ActinscopeError) -> str:
    def fail(**_: Any) -> Any:
        raise error

    monkeypatch.setattr(audit_job, "default_network", fail)
    request: Any = SimpleNamespace(network=True)
    nothing: Any = None
    found, said = audit_job._review(request, nothing, nothing, nothing)
    assert found is None
    return said
