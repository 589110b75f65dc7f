"""One bundle of several: the mean of their probabilities, proved like any other bundle."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from actinscope.bundle import (
    Bundle,
    BundleInfo,
    TrainingHashes,
    group_digest,
    load_bundle,
    save_bundle,
    save_ensemble,
    store_reliability,
    verify_bundle,
)
from actinscope.cli.main import main
from actinscope.errors import BundleError, GoldenMismatch, UsageError
from actinscope.predict import Predictor
from actinscope.runs import training_provenance
from helpers.bundles import (
    CLASSES,
    KERNEL,
    bundle_info,
    fitted_preprocess,
    grey_image,
    make_bundle,
    rules,
    write_network,
    zip_bundle,
)
from helpers.ensembles import (
    OTHER_KERNEL,
    answers,
    make_run,
    other_bundle,
    other_preprocess,
    write_study,
)

Shown = pytest.CaptureFixture[str]


@pytest.fixture
def members(tmp_path: Path) -> list[Bundle]:
    return [make_bundle(tmp_path / "first"), other_bundle(tmp_path / "second")]


def save(folder: Path, members: list[Bundle], seen: TrainingHashes | None = None) -> Bundle:
    return save_ensemble(
        folder, members, training_hashes=seen or TrainingHashes(), version="0", created="now"
    )


@pytest.fixture
def ensemble(tmp_path: Path, members: list[Bundle]) -> Bundle:
    return save(tmp_path / "both", members)


@pytest.mark.parametrize("backend", ["openvino", "onnxruntime"])
def test_it_answers_with_the_mean_of_its_members(ensemble: Bundle, backend: str) -> None:
    pictures = [grey_image(seed) for seed in range(20, 27)]
    output = Predictor(ensemble, backend=backend).predict_images(pictures)
    first = answers(np.stack([fitted_preprocess(pictures).apply(p) for p in pictures]), KERNEL)
    second = answers(np.stack([other_preprocess().apply(p) for p in pictures]), OTHER_KERNEL)
    assert np.abs(first - second).max() > 0.1
    np.testing.assert_allclose(output.probabilities, (first + second) / 2, atol=1e-6)
    assert output.embedding is None
    assert output.class_maps is None


@pytest.mark.parametrize("backend", ["openvino", "onnxruntime"])
def test_members_are_calibrated_before_they_are_averaged(tmp_path: Path, backend: str) -> None:
    first = make_bundle(tmp_path / "first")
    first = store_reliability(first, rules((), ood=None, temperature=2.0), None)
    both = save(tmp_path / "both", [first, other_bundle(tmp_path / "second")])
    pictures = [grey_image(seed) for seed in range(20, 27)]
    sure = answers(np.stack([fitted_preprocess(pictures).apply(p) for p in pictures]), KERNEL)
    halved = np.sqrt(sure)  # logits divided by 2
    halved /= halved.sum(axis=1, keepdims=True)
    other = answers(np.stack([other_preprocess().apply(p) for p in pictures]), OTHER_KERNEL)
    predictor = Predictor(both, backend=backend)
    output = predictor.predict_images(pictures)
    np.testing.assert_allclose(output.probabilities, (halved + other) / 2, atol=1e-6)
    assert np.abs(halved - sure).max() > 0.05
    assert verify_bundle(both).images > 0
    judged = predictor.rules(output)
    np.testing.assert_array_equal(judged.probabilities, output.probabilities)
    assert judged.in_set is None and judged.abstained is None and judged.unfamiliar is None


def test_an_ensemble_has_no_rules_of_its_own(ensemble: Bundle) -> None:
    info = ensemble.info.model_dump() | {"reliability": rules((), ood=None)}
    with pytest.raises(ValueError, match="no rules of its own"):
        BundleInfo.model_validate(info)


def test_members_stay_as_they_were_delivered(ensemble: Bundle, members: list[Bundle]) -> None:
    for number, member in enumerate(members):
        folder = ensemble.path / "members" / f"{number:02d}"
        for name in ("bundle.json", "model.onnx", "golden.npz"):
            assert (folder / name).read_bytes() == (member.path / name).read_bytes()
    assert [one.digest for one in ensemble.info.members] == [one.digest for one in members]
    assert json.loads((ensemble.path / "bundle.json").read_text())["format_version"] == 3
    assert json.loads((members[0].path / "bundle.json").read_text())["format_version"] == 1


@pytest.mark.parametrize("zipped", [False, True])
def test_it_can_be_moved_and_proves_itself(ensemble: Bundle, tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / "moved.zip"
    if zipped:
        zip_bundle(ensemble.path, path)
    else:
        path = shutil.copytree(ensemble.path, tmp_path / "moved")
    again = load_bundle(path)
    assert again.digest == ensemble.digest
    assert len(again.members) == 2
    checked = verify_bundle(again)
    assert checked.images == 6


def test_golden_images_come_from_all_members(ensemble: Bundle, members: list[Bundle]) -> None:
    names = [image.path.name for image in ensemble.golden().images]
    assert names == ["0.tif", "10.tif", "1.tif", "11.tif", "2.tif", "12.tif"]
    assert members[0].golden().images[0].path.name == "0.tif"


def hashes_made_good(folder: Path) -> None:
    """Write the hash of golden.npz as it is now into bundle.json."""
    text = json.loads((folder / "bundle.json").read_text())
    golden = (folder / "golden.npz").read_bytes()
    text["files"]["golden.npz"] = hashlib.sha256(golden).hexdigest()
    (folder / "bundle.json").write_text(json.dumps(text))


def test_a_wrong_mean_is_found(ensemble: Bundle) -> None:
    with np.load(ensemble.path / "golden.npz", allow_pickle=False) as stored:
        arrays = dict(stored)
    arrays["probabilities"][3, 1] += 0.01
    np.savez(ensemble.path / "golden.npz", **arrays)
    hashes_made_good(ensemble.path)
    with pytest.raises(GoldenMismatch, match=r"image 3: the float32 probability of 'flat'"):
        verify_bundle(ensemble.path)


def swap_members(folder: Path) -> None:
    (folder / "members" / "00").rename(folder / "aside")
    (folder / "members" / "01").rename(folder / "members" / "00")
    (folder / "aside").rename(folder / "members" / "01")


def change_network(folder: Path) -> None:
    shutil.copy(folder / "members/00/model.onnx", folder / "members/01/model.onnx")


def lose_member(folder: Path) -> None:
    shutil.rmtree(folder / "members" / "01")


def lose_file(folder: Path) -> None:
    (folder / "members" / "01" / "golden.npz").unlink()


def add_member(folder: Path) -> None:
    shutil.copytree(folder / "members" / "00", folder / "members" / "02")


def change_seen(folder: Path) -> None:
    (folder / "seen.json").write_text("{}")


def lose_seen(folder: Path) -> None:
    (folder / "seen.json").unlink()


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (swap_members, "not the one that the ensemble was made of"),
        (change_network, "not the one that was saved"),
        (lose_member, "names 2 members, there are 1"),
        (lose_file, "members/01/golden.npz is missing"),
        (add_member, "names 2 members, there are 3"),
        (change_seen, "not the one that was saved"),
        (lose_seen, r"seen\.json is missing"),
    ],
)
def test_damage_is_found(ensemble: Bundle, harm: Callable[[Path], None], message: str) -> None:
    harm(ensemble.path)
    with pytest.raises(BundleError, match=message):
        load_bundle(ensemble.path)


def test_members_in_a_bundle_that_names_none(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "plain")
    shutil.copytree(bundle.path, tmp_path / "copy")
    shutil.move(tmp_path / "copy", bundle.path / "members" / "00")
    with pytest.raises(BundleError, match="names 0 members, there are 1"):
        load_bundle(bundle.path)


def test_other_classes_are_refused(tmp_path: Path) -> None:
    swapped = (CLASSES[1], CLASSES[0], CLASSES[2])
    pair = [make_bundle(tmp_path / "a"), other_bundle(tmp_path / "b", classes=swapped)]
    with pytest.raises(BundleError, match="has the classes flat, bundled, round"):
        save(tmp_path / "both", pair)
    assert not (tmp_path / "both").exists()


def test_other_crops_are_refused(tmp_path: Path) -> None:
    pair = [make_bundle(tmp_path / "a", crop_size=64), other_bundle(tmp_path / "b", crop_size=96)]
    with pytest.raises(BundleError, match="crops of 96 pixels against 64"):
        save(tmp_path / "both", pair)


def test_members_for_other_images_are_refused(tmp_path: Path) -> None:
    images = [grey_image(seed, dtype="uint8") for seed in range(4)]
    preprocess = fitted_preprocess(images)
    inputs = np.stack([preprocess.apply(image) for image in images])
    narrow = save_bundle(
        tmp_path / "narrow",
        onnx_path=write_network(tmp_path / "narrow.onnx"),
        info=bundle_info(preprocess),
        golden_images=images,
        golden_inputs=inputs,
        golden_outputs={"probabilities": answers(inputs, KERNEL).astype(np.float32)},
    )
    with pytest.raises(BundleError, match="does not take the images of the other members"):
        save(tmp_path / "both", [make_bundle(tmp_path / "wide"), narrow])


def test_an_ensemble_is_no_member(ensemble: Bundle, members: list[Bundle], tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="is an ensemble itself"):
        save(tmp_path / "more", [members[0], ensemble])


def test_one_or_twice_the_same_is_no_ensemble(members: list[Bundle], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="an ensemble of 1"):
        save(tmp_path / "one", members[:1])
    with pytest.raises(UsageError, match="is the same bundle as"):
        save(tmp_path / "same", [members[0], members[1], load_bundle(members[0].path)])


def test_an_ensemble_has_no_int8(ensemble: Bundle) -> None:
    with pytest.raises(UsageError, match="an ensemble computes in float32"):
        Predictor(ensemble, precision="int8")


def test_whatever_holds_for_a_member_is_told_of_the_ensemble(tmp_path: Path) -> None:
    pair = [
        make_bundle(tmp_path / "a", notices=("one",), group="field"),
        other_bundle(tmp_path / "b", notices=("one", "two"), synthetic=True, group="slide"),
    ]
    info = save(tmp_path / "both", pair).info
    assert info.notices == ("one", "two")
    assert info.synthetic
    assert not info.random_weights
    assert info.group is None
    assert info.network.title.startswith("Ensemble of 2 networks, mean of their probabilities")


# The command, and evaluating honestly


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    images = write_study(tmp_path / "images")
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    return [
        make_run(tmp_path / "one", make_bundle, images, [0, 1, 2]),
        make_run(tmp_path / "two", other_bundle, images, [2, 4]),
    ]


def evaluate(bundle: Path, tmp_path: Path) -> int:
    images = tmp_path / "images"
    study = [str(images), "--manifest", str(images / "study.csv"), "--group", "s"]
    return main(["evaluate", str(bundle), *study, "-o", str(tmp_path / "result")])


def test_what_trained_any_member_is_left_out(
    runs: list[Path], tmp_path: Path, capsys: Shown
) -> None:
    both = tmp_path / "both"
    assert main(["bundle", "join", *map(str, runs), "-o", str(both)]) == 0
    shown = capsys.readouterr().out
    assert "mean of the probabilities of 2 networks for bundled, flat, round" in shown
    assert "4 images are known to have trained them" in shown
    assert "note" not in shown
    assert main(["bundle", "verify", str(both)]) == 0
    assert evaluate(both, tmp_path) == 0
    told = capsys.readouterr().err
    assert "the model was trained on 4 of the 12 images" in told
    # Images 3 and 5 share a slide with 2 and 4, which trained a member.
    assert "2 of the 8 images come from a s of which other images trained the model" in told
    with (tmp_path / "result" / "predictions.csv").open(newline="") as stream:
        left = [row["path"] for row in csv.DictReader(stream)]
    assert left == [f"{number}.tif" for number in (3, *range(5, 12))]
    report = (tmp_path / "result" / "report.html").read_text("utf-8")
    assert "Ensemble of 2 networks, mean of their probabilities: Tiny, Tiny" in report
    assert "The images that it was trained on were left out" in report


def test_a_member_away_from_its_run_is_told(
    runs: list[Path], tmp_path: Path, capsys: Shown
) -> None:
    away = shutil.copytree(runs[1] / "bundle", tmp_path / "away")
    both = tmp_path / "both"
    assert main(["bundle", "join", str(runs[0]), str(away), "-o", str(both)]) == 0
    assert f"what trained {away} is not known" in capsys.readouterr().out
    assert evaluate(both, tmp_path) == 0
    report = (tmp_path / "result" / "report.html").read_text("utf-8")
    assert "what trained Tiny is not known here" in report
    assert "the model was trained on 3 of the 12 images" in capsys.readouterr().err


def test_groups_are_carried_without_their_names(runs: list[Path], tmp_path: Path) -> None:
    main(["bundle", "join", *map(str, runs), "-o", str(tmp_path / "both")])
    seen = load_bundle(tmp_path / "both").training_hashes
    assert seen is not None
    assert set(seen.groups) == {"s"}
    assert set(seen.groups["s"]) == {group_digest("s", slide) for slide in ("0", "1", "2")}
    assert str(tmp_path) not in (tmp_path / "both" / "bundle.json").read_text()


def test_units_of_a_run_and_of_an_ensemble(runs: list[Path], tmp_path: Path) -> None:
    """Slides 0 and 1 trained the first run; the ensemble has met 2 besides, by its hashes."""
    slides = [("0",), ("1",), ("2",), ("5",), ("",)]
    alone = training_provenance(load_bundle(runs[0] / "bundle"))
    assert alone.units(("s",), slides) == {("0",), ("1",)}
    assert alone.units(("s",), [("00",), ("S 1",), ("05",)]) == {("00",), ("S 1",)}
    wells = [("0", "bundled"), ("0", "round"), ("5", "bundled")]
    assert alone.units(("s", "label"), wells) == {("0", "bundled")}
    main(["bundle", "join", *map(str, runs), "-o", str(tmp_path / "both")])
    both = training_provenance(load_bundle(tmp_path / "both"))
    assert both.units(("s",), slides) == {("0",), ("1",), ("2",)}
    assert both.units(("s",), [("2.0",), ("05",)]) == {("2.0",)}
    assert both.complete
    away = shutil.copytree(runs[0] / "bundle", tmp_path / "away")
    assert not training_provenance(load_bundle(away)).complete


def test_predict_writes_one_row_an_image(runs: list[Path], tmp_path: Path) -> None:
    main(["bundle", "join", *map(str, runs), "-o", str(tmp_path / "both")])
    target = tmp_path / "out.csv"
    images = tmp_path / "images"
    assert main(["predict", str(tmp_path / "both"), str(images), "-o", str(target)]) == 0
    with target.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 12
    pictures = [grey_image(int(Path(row["path"]).stem)) for row in rows]
    given = Predictor(load_bundle(tmp_path / "both")).predict_images(pictures).probabilities
    for row, probabilities in zip(rows, given, strict=True):
        told = [float(row[f"probability_{name}"]) for name in CLASSES]
        assert told == pytest.approx(probabilities, abs=1e-5)


def test_the_command_refuses_a_folder_in_use(runs: list[Path], capsys: Shown) -> None:
    assert main(["bundle", "join", *map(str, runs), "-o", str(runs[0])]) == 2
    assert "is not empty" in capsys.readouterr().err
