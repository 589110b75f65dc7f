"""Rules in a bundle: stored, read back, refused, replayed, applied to files."""

from __future__ import annotations

import csv
import io
import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from actinscope.bundle import (
    AbstainRule,
    NetworkOutput,
    SetRule,
    calibrated,
    load_bundle,
    store_reliability,
    verify_bundle,
)
from actinscope.errors import BundleError, GoldenMismatch
from actinscope.predict import DecisionRules, PredictOptions, predict_files
from actinscope.predict.decision import DECISION_COLUMNS, set_text
from helpers.bundles import (
    CLASSES,
    SIZE,
    by_hand,
    grey_image,
    make_bundle,
    references,
    rules,
    set_hash,
    unfamiliarity,
    with_early_features,
    zip_bundle,
)
from helpers.predictions import read_written, set_members


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle") / "bundle"
    bundle = with_early_features(folder)
    store_reliability(bundle, rules(unfamiliarity(bundle)), references())
    return folder


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "bundle"))


def test_round_trip_by_folder_and_zip(folder: Path, tmp_path: Path) -> None:
    zip_bundle(folder, tmp_path / "bundle.zip")
    for place in (folder, tmp_path / "bundle.zip"):
        bundle = load_bundle(place)
        assert bundle.info.format_version == 3
        assert bundle.reliability("float32") == rules(unfamiliarity(bundle))
        found = bundle.references()
        assert found is not None
        np.testing.assert_array_equal(found.rows, references().rows)


def test_a_bundle_without_rules_is_as_before(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "plain")
    text = (tmp_path / "plain" / "bundle.json").read_text()
    assert json.loads(text)["format_version"] == 1
    assert "reliability" not in text
    assert bundle.references() is None and bundle.reliability("float32") is None
    (tmp_path / "plain" / "familiar.npz").write_bytes(b"rubbish that nobody describes")
    assert load_bundle(tmp_path / "plain").references() is None


def test_verify_replays_the_unfamiliarity(folder: Path) -> None:
    result = verify_bundle(folder, backend="onnxruntime")
    assert result.unfamiliarity_difference is not None
    assert result.unfamiliarity_difference < 1e-3
    info = json.loads((folder / "bundle.json").read_text())
    info["reliability"]["familiar"]["golden"][2] += 0.5
    (folder / "bundle.json").write_text(json.dumps(info))
    with pytest.raises(GoldenMismatch, match="golden image 2: the unfamiliarity"):
        verify_bundle(folder, backend="onnxruntime")


def packed(**arrays: Any) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, allow_pickle=False, **arrays)
    return stream.getvalue()


GOOD = {"centre": np.zeros(1, "f4"), "spread": np.ones(1, "f4"), "rows": np.zeros((5, 1), "f2")}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"no zip at all", "not a zip file"),
        (packed(**(GOOD | {"rows": np.zeros((4, 1), "f2")})), r"\(4, 1\), not 5 images"),
        (packed(**(GOOD | {"rows": np.zeros((5, 1), "i8")})), "not 5 images"),
        (packed(**(GOOD | {"spread": np.zeros(1, "f4")})), "or no spread"),
        (packed(**(GOOD | {"centre": np.full(1, np.nan, "f4")})), "no numbers"),
        (packed(**(GOOD | {"centre": np.zeros(2, "f4")})), "do not fit each other"),
        (packed(centre=GOOD["centre"], rows=GOOD["rows"]), "'spread' is missing"),
    ],
)
def test_damaged_features_are_refused(folder: Path, data: bytes, message: str) -> None:
    (folder / "familiar.npz").write_bytes(data)
    set_hash(folder, "familiar.npz")
    with pytest.raises(BundleError, match=message):
        load_bundle(folder).references()


def test_a_pickle_is_refused(folder: Path) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        inner = io.BytesIO()
        np.save(inner, np.array([{"code": 1}], dtype=object), allow_pickle=True)
        for name in GOOD:
            archive.writestr(f"{name}.npy", inner.getvalue())
    (folder / "familiar.npz").write_bytes(stream.getvalue())
    set_hash(folder, "familiar.npz")
    with pytest.raises(BundleError, match="does not begin as NumPy writes it"):
        load_bundle(folder).references()


def test_changed_or_missing_features_are_refused(folder: Path) -> None:
    (folder / "familiar.npz").write_bytes(packed(**GOOD))
    with pytest.raises(BundleError, match="SHA-256 differs"):
        load_bundle(folder)
    (folder / "familiar.npz").unlink()
    with pytest.raises(BundleError, match=r"familiar\.npz is missing"):
        load_bundle(folder)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("temperature",), 0, "greater than 0"),
        (("sets", "thresholds"), [0.5, 0.5], "do not fit the classes"),
        (("familiar", "golden"), [0.5], "does not fit the golden images"),
        (("abstain", "target"), None, "a target belongs to"),
        (("unheard_of",), 1, "Extra inputs"),
    ],
)
def test_broken_rules_are_refused(
    folder: Path, path: tuple[str, ...], value: object, message: str
) -> None:
    info = json.loads((folder / "bundle.json").read_text())
    target = info["reliability"]
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value
    (folder / "bundle.json").write_text(json.dumps(info))
    with pytest.raises(BundleError, match=message):
        load_bundle(folder)


def test_rules_without_their_features_are_not_stored(folder: Path) -> None:
    bundle = load_bundle(folder)
    with pytest.raises(ValueError, match="belong together"):
        store_reliability(bundle, rules(unfamiliarity(bundle)), None)


def test_rules_can_be_replaced_by_fewer(folder: Path) -> None:
    bundle = load_bundle(folder)
    store_reliability(bundle, rules((), ood=None, temperature=1.5), None)
    again = load_bundle(folder)
    assert again.references() is None
    assert again.info.reliability is not None and again.info.reliability.temperature == 1.5
    assert verify_bundle(again, backend="onnxruntime").unfamiliarity_difference is None


# Applied to files


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Grey images of one brightness each, 0.0 to 0.9, and a broken one."""
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(10):
        pixels = np.full((SIZE, SIZE), round(65535 * number / 10), np.uint16)
        pixels[0, :2] += np.array([1, -1]).astype(np.uint16) if number else np.uint16([1, 0])
        tifffile.imwrite(folder / f"{number}.tif", pixels)
    (folder / "broken.tif").write_bytes(b"")
    return folder


def test_files_get_all_columns(folder: Path, images: Path, tmp_path: Path) -> None:
    options = PredictOptions(backend="onnxruntime", batch_size=3)
    summary = predict_files(load_bundle(folder), [images], tmp_path / "out.csv", options=options)
    assert "every prediction set holds round (3.0)" in summary.notes
    with (tmp_path / "out.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0])[-5:] == [*DECISION_COLUMNS, "error"]
    brightness = np.arange(10) / 10
    raw = by_hand(np.broadcast_to(brightness[:, None, None, None], (10, SIZE, SIZE, 3)))
    chances = calibrated(raw, 2.0)
    for number, row in enumerate(rows[:10]):
        given = [float(row[f"probability_{name}"]) for name in CLASSES]
        assert given == pytest.approx(chances[number], abs=1e-4)
        # Training images lie at 0.1 to 0.5; 0.0 and 0.6 are just at the threshold.
        distance = max(0.1 - brightness[number], brightness[number] - 0.5, 0)
        assert float(row["unfamiliarity"]) == pytest.approx(10 * distance, abs=0.01)
        if number in (0, 6):
            continue
        far = distance > 0.1
        assert row["unfamiliar"] == ("true" if far else "false")
        assert row["predicted"] == ("" if far else CLASSES[int(raw[number].argmax())])
        unsure = far or chances[number].max() < 0.5
        assert row["abstained"] == ("true" if unsure else "false")
        inside = chances[number] >= [0.25, 0.3, 0.0]
        expected = "" if far else "|".join(np.array(CLASSES)[inside])
        assert row["prediction_set"] == expected
    assert all(rows[10][name] == "" for name in DECISION_COLUMNS)
    assert rows[10]["error"]
    found = read_written(tmp_path / "out.csv")
    assert found.columns["unfamiliar"][9] == "true"
    assert set(DECISION_COLUMNS) <= set(found.columns)


def test_all_three_kinds_of_rows_occur(folder: Path, images: Path, tmp_path: Path) -> None:
    options = PredictOptions(backend="onnxruntime")
    predict_files(load_bundle(folder), [images], tmp_path / "out.csv", options=options)
    found = read_written(tmp_path / "out.csv").columns
    assert {"true", "false"} <= set(found["abstained"]) and "true" in found["unfamiliar"]
    assert len({len(set_members(cell)) for cell in found["prediction_set"]}) >= 2


@pytest.mark.parametrize("names", [("a|b", "c\\", "d"), ("|", "\\|", "x")])
def test_names_with_a_separator_come_back(names: tuple[str, ...]) -> None:
    for mask in ([True, True, True], [True, False, True], [False, False, False]):
        inside = np.array(mask)
        told = tuple(name for name, member in zip(names, mask, strict=True) if member)
        assert set_members(set_text(names, inside)) == told


def judged(rule: AbstainRule, thresholds: tuple[float | None, ...]) -> Any:
    sets = SetRule(
        coverage=0.9, per_class=False, thresholds=thresholds, images=20, effective=(20.0,)
    )
    judge = DecisionRules(rules((), ood=None, temperature=1.0, sets=sets, abstain=rule))
    rows = np.array([[0.9, 0.05, 0.05], [0.5, 0.4, 0.1], [0.4, 0.3, 0.3]])
    return judge(NetworkOutput(rows, None, None)).abstained


def test_abstaining_by_each_rule() -> None:
    by_set = AbstainRule(by="set")
    assert judged(by_set, (0.35,) * 3).tolist() == [False, True, False]
    # An empty set is no answer either.
    assert judged(by_set, (0.45,) * 3).tolist() == [False, False, True]
    assert judged(by_set, (None,) * 3) is None
    assert judged(AbstainRule(by="never"), (None,) * 3).tolist() == [False] * 3
    share = AbstainRule(by="share", target=0.5, confidence=0.5)
    assert judged(share, (None,) * 3).tolist() == [False, False, True]
    assert judged(AbstainRule(by="accuracy", target=0.99), (0.5,) * 3) is None


def test_a_network_without_the_features_is_refused(folder: Path) -> None:
    bundle = load_bundle(folder)
    judge = DecisionRules(bundle.info.reliability, bundle.references())
    with pytest.raises(BundleError, match="gives no 1 early features"):
        judge(NetworkOutput(np.full((1, 3), 1 / 3), None, None))


def test_the_example_images_are_not_all_alike(folder: Path) -> None:
    scores = unfamiliarity(load_bundle(folder))
    assert min(scores) < 1 and len(set(scores)) == 4
    assert grey_image(0).pixels.shape == (1, 12, 12)
