"""Predicting files into a CSV: rows, columns, crops, resuming, refusing."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import pytest
import tifffile

from actinscope.bundle import Bundle
from actinscope.cells import CropReader
from actinscope.errors import ManifestError, OutputError, UsageError
from actinscope.images import Region
from actinscope.predict import Predictor, predict_files, predict_records, read_predictions
from actinscope.study import Record
from helpers.bundles import CLASSES, by_hand, grey_image, make_bundle
from helpers.predictions import expected, plain, read_written, write_image


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return make_bundle(tmp_path_factory.mktemp("bundle") / "bundle")


@pytest.fixture(scope="module")
def field_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return make_bundle(tmp_path_factory.mktemp("bundle") / "bundle", crop_size=10)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(1, 12):
        write_image(folder / f"cell{number}.tif", number)
    return folder


def test_a_mistyped_folder_leaves_an_earlier_result_alone(
    bundle: Bundle, images: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out.csv"
    predict_files(bundle, [images], output, options=plain())
    before = output.read_bytes()
    with pytest.raises(UsageError, match="imagse: there is no such file or folder"):
        predict_files(bundle, [tmp_path / "imagse"], output, options=plain())
    assert output.read_bytes() == before


def test_one_row_per_image_in_natural_order(bundle: Bundle, images: Path, tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    summary = predict_files(
        bundle,
        [images],
        tmp_path / "out.csv",
        options=plain(progress=lambda done, total: calls.append((done, total))),
    )
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as stream:
        header, *rows = csv.reader(stream)
    probabilities = [f"probability_{name}" for name in CLASSES]
    assert header == ["path", "object", "y", "x", "predicted", *probabilities, "error"]
    paths = [images / f"cell{number}.tif" for number in range(1, 12)]
    assert [row[0] for row in rows] == [path.as_posix() for path in paths]
    right = expected(bundle, paths)
    assert [row[4] for row in rows] == [CLASSES[column] for column in right.argmax(axis=1)]
    np.testing.assert_allclose([[float(c) for c in row[5:8]] for row in rows], right, atol=2e-6)
    assert {row[8] for row in rows} == {""}
    assert (summary.done, summary.failed, summary.resumed) == (11, 0, 0)
    assert calls == [(0, 11), (4, 11), (8, 11), (11, 11)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images", "out.csv"]


def test_names_stay_as_given(
    bundle: Bundle, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_image(Path('=1+1,"odd".tif'), 1)
    given = [Path('=1+1,"odd".tif'), Path("images/cell3.tif"), Path("images")]
    predict_files(bundle, given, Path("out.csv"), options=plain())
    found = read_written(Path("out.csv"))
    assert found.paths[:3] == ('=1+1,"odd".tif', "images/cell3.tif", "images/cell1.tif")
    assert len(found) == 12  # cell3 once


def test_rows_are_what_was_predicted(bundle: Bundle, images: Path, tmp_path: Path) -> None:
    (images / "cell4.tif").write_bytes(b"")
    summary = predict_files(bundle, [images], tmp_path / "out.csv", options=plain())
    found = read_written(tmp_path / "out.csv")
    assert found.classes == CLASSES
    assert np.isnan(found.probabilities[3]).all()
    assert found.predicted[3] == ""
    assert found.errors[3]
    assert summary.problems == ((found.paths[3], found.errors[3]),)
    assert (summary.done, summary.failed) == (10, 1)
    good = [place for place in range(11) if place != 3]
    np.testing.assert_allclose(found.probabilities[good].sum(axis=1), 1, atol=3e-6)
    assert np.isnan(found.centres).all()


def test_read_predictions_leaves_out_what_failed(
    bundle: Bundle, images: Path, tmp_path: Path
) -> None:
    (images / "cell4.tif").write_bytes(b"")
    predict_files(bundle, [images], tmp_path / "out.csv", options=plain())
    found, written = read_predictions(tmp_path / "out.csv"), read_written(tmp_path / "out.csv")
    assert (found.classes, found.failed, found.unfamiliar) == (CLASSES, 1, 0)
    good = [place for place in range(11) if place != 3]
    assert [row.get("path") for row in found.rows] == [written.paths[place] for place in good]
    np.testing.assert_allclose(found.probabilities, written.probabilities[good])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("path,label\na,b\n", "not a predictions table"),
        ("path,probability_a\na,1\n", "not a predictions table"),
        ("object,probability_a,probability_b\n1,0.5,0.5\n", "no column path"),
        ("path,probability_a,probability_b\na,1\n", "line 2: a probability is not a number"),
        ("path,probability_a,probability_b\na,high,1\n", "line 2: a probability is not a number"),
        ("path,probability_a,probability_b,error\na,,,broken\n", "no row holds a prediction"),
    ],
)
def test_read_predictions_refuses(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "p.csv").write_text(text)
    with pytest.raises(ManifestError, match=message):
        read_predictions(tmp_path / "p.csv")


# Fields of view


def square_mask() -> np.ndarray:
    mask = np.zeros((40, 50), np.uint16)
    mask[5:10, 5:10] = 1  # centre 7, 7
    mask[20:31, 30:41] = 7  # centre 25, 35
    return mask


@pytest.fixture
def fields(tmp_path: Path) -> Path:
    for number, group in enumerate(("a", "b")):
        rng = np.random.default_rng(number)
        pixels = rng.integers(0, 60000, (40, 50), dtype=np.uint16)
        for folder, data in (("fields", pixels), ("masks", square_mask())):
            path = tmp_path / folder / group / "1.tif"
            path.parent.mkdir(parents=True)
            tifffile.imwrite(path, data)
    return tmp_path / "fields"


def test_masks_give_one_row_per_object(field_bundle: Bundle, fields: Path, tmp_path: Path) -> None:
    options = plain(masks=tmp_path / "masks")
    predict_files(field_bundle, [fields], tmp_path / "out.csv", options=options)
    found = read_written(tmp_path / "out.csv")
    assert found.objects == ("1", "7", "1", "7")
    np.testing.assert_array_equal(found.centres, [[7, 7], [25, 35]] * 2)
    reader = CropReader()
    crops = [
        reader.read(fields / group / "1.tif", Region(y, x, 10, 10))
        for group in "ab"
        for y, x in ((7, 7), (25, 35))
    ]
    inputs = np.stack([field_bundle.info.preprocess.apply(crop) for crop in crops])
    np.testing.assert_allclose(found.probabilities, by_hand(inputs), atol=2e-6)


def test_mask_problems_are_rows(field_bundle: Bundle, fields: Path, tmp_path: Path) -> None:
    masks = tmp_path / "masks"
    (masks / "b" / "1.tif").unlink()
    write_image(fields / "c" / "2.tif", 2)
    tifffile.imwrite(masks / "2.tif", np.eye(13, 12, dtype=np.uint8))  # other size
    write_image(fields / "d.tif", 2)
    tifffile.imwrite(masks / "d.png", np.zeros((12, 12), np.uint8))  # no object
    write_image(fields / "e.tif", 2)
    (masks / "e.tif").write_bytes(b"")
    summary = predict_files(
        field_bundle, [fields], tmp_path / "out.csv", options=plain(masks=masks)
    )
    found = read_written(tmp_path / "out.csv")
    messages = dict(zip(found.paths, found.errors, strict=True))
    assert summary.failed == 4 and summary.done == 2
    names = {Path(name).relative_to(fields).as_posix(): text for name, text in messages.items()}
    assert "there is one mask" in names["b/1.tif"]
    assert "the field has 12 x 12 pixels, its mask 13 x 12" in names["c/2.tif"]
    assert "there are no objects in its mask" in names["d.tif"]
    assert names["e.tif"].startswith("its mask: ")


def test_one_mask_for_one_field(field_bundle: Bundle, fields: Path, tmp_path: Path) -> None:
    mask = tmp_path / "masks" / "a" / "1.tif"
    output = tmp_path / "out.csv"
    one = predict_files(field_bundle, [fields / "a"], output, options=plain(masks=mask))
    assert one.done == 2
    with pytest.raises(UsageError, match="one mask cannot belong to 2 fields"):
        predict_files(field_bundle, [fields], output, options=plain(masks=mask))


def test_objects_table(field_bundle: Bundle, fields: Path, tmp_path: Path) -> None:
    table = tmp_path / "objects.csv"
    table.write_text("path,object,y,x\na/1.tif,p,7,7\na/1.tif,q,25,35\n")
    predict_files(field_bundle, [fields], tmp_path / "t.csv", options=plain(objects=table))
    predict_files(
        field_bundle,
        [fields / "a"],
        tmp_path / "m.csv",
        options=plain(masks=tmp_path / "masks" / "a"),
    )
    by_table, by_mask = read_written(tmp_path / "t.csv"), read_written(tmp_path / "m.csv")
    assert by_table.objects == ("p", "q", "")
    assert "does not name this file" in by_table.errors[2]
    np.testing.assert_array_equal(by_table.probabilities[:2], by_mask.probabilities)


def test_crop_size(bundle: Bundle, field_bundle: Bundle, fields: Path, tmp_path: Path) -> None:
    output, masks = tmp_path / "out.csv", tmp_path / "masks"
    with pytest.raises(UsageError, match=r"trained on ready crops.*crop_size"):
        predict_files(bundle, [fields], output, options=plain(masks=masks))
    assert predict_files(bundle, [fields], output, options=plain(masks=masks, crop_size=10)).done
    changed = predict_files(
        field_bundle, [fields], output, options=plain(masks=masks, crop_size=12)
    )
    assert changed.notes == ("crops have 12 pixels a side, those of the training 10",)
    with pytest.raises(UsageError, match="nothing that says where the cells are"):
        predict_files(bundle, [fields], output, options=plain(crop_size=10))
    with pytest.raises(UsageError, match="masks and an objects table"):
        predict_files(bundle, [fields], output, options=plain(masks=masks, objects=masks))
    whole = predict_files(field_bundle, [fields], output, options=plain())
    assert "each image is taken for one such crop" in whole.notes[0]


def test_manifest_columns_are_copied(bundle: Bundle, images: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("path,label,plate\nimages/cell1.tif,wt,P1\nimages/cell3.tif,ko,P2\n")
    summary = predict_files(
        bundle, [images], tmp_path / "out.csv", options=plain(manifest=manifest)
    )
    found = read_written(tmp_path / "out.csv")
    assert found.groups["plate"][:4] == ("P1", "", "P2", "")
    assert found.groups["label"][:4] == ("wt", "", "ko", "")
    assert summary.notes == ("9 of 11 rows are not named in manifest.csv",)
    manifest.write_text("path,predicted\nimages/cell1.tif,x\n")
    with pytest.raises(ManifestError, match=r"a name that predictions\.csv uses itself"):
        predict_files(bundle, [images], tmp_path / "out.csv", options=plain(manifest=manifest))
    manifest.write_text("path,plate\nimages/cell1.tif,x\nimages/cell1.tif,y\n")
    with pytest.raises(ManifestError, match="line 3 contradicts"):
        predict_files(bundle, [images], tmp_path / "out.csv", options=plain(manifest=manifest))


def test_one_donor_in_two_spellings_is_one_level(
    bundle: Bundle, images: Path, tmp_path: Path
) -> None:
    manifest = tmp_path / "manifest.csv"
    rows = "images/cell1.tif,01\nimages/cell2.tif,NA\nimages/cell3.tif,1\nimages/cell4.tif,1\n"
    manifest.write_text(f"path,donor\n{rows}")
    out = tmp_path / "out.csv"
    summary = predict_files(bundle, [images], out, options=plain(manifest=manifest))
    assert set(read_written(out).groups["donor"]) == {"1", ""}
    assert summary.notes[-1] == (
        "donor: '01' and '1' are taken as one. Where they differ, give --as-written"
    )
    options = plain(manifest=manifest, as_written=True)
    predict_files(bundle, [images], out, options=options)
    assert set(read_written(out).groups["donor"]) == {"01", "1", "NA", ""}


def test_files_that_are_no_images_are_counted(bundle: Bundle, images: Path, tmp_path: Path) -> None:
    (images / "phone.mov").write_bytes(b"RIFF\0\0\0\0AVI LIST")
    summary = predict_files(bundle, [images], tmp_path / "out.csv", options=plain())
    assert summary.notes == ("1 file left out (this is an AVI or WAV file): phone.mov",)


@pytest.mark.parametrize("separator", ["/", "\\"])
def test_manifest_paths_may_be_relative_to_the_folder_of_images(
    bundle: Bundle, images: Path, tmp_path: Path, separator: str
) -> None:
    write_image(images / "wt" / "cell99.tif", 99)
    manifest = tmp_path / "study.csv"
    manifest.write_text(f"path,plate\nwt{separator}cell99.tif,P1\ncell1.tif,P2\n")
    out = tmp_path / "out.csv"
    predict_files(bundle, [images], out, options=plain(manifest=manifest))
    found = read_written(out)
    plates = {
        Path(name).name: p for name, p in zip(found.paths, found.groups["plate"], strict=True)
    }
    assert {name: plate for name, plate in plates.items() if plate} == {
        "cell99.tif": "P1",
        "cell1.tif": "P2",
    }


# Where it is written


def test_only_a_table_of_predictions_is_replaced(
    bundle: Bundle, images: Path, tmp_path: Path
) -> None:
    manifest = tmp_path / "study.csv"
    manifest.write_text("path,plate\nimages/cell1.tif,P1\n")
    for target, message in (
        (manifest, "is not a predictions table"),
        (images / "cell1.tif", "is no name of a table"),
    ):
        before = target.read_bytes()
        with pytest.raises(UsageError, match=message):
            predict_files(bundle, [images], target, options=plain(manifest=manifest))
        assert target.read_bytes() == before
    for _ in range(2):
        predict_files(bundle, [images], tmp_path / "out.csv", options=plain())


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_line_ends_in_names(bundle: Bundle, tmp_path: Path) -> None:
    names = ["a\nb.tif", "a\rb.tif", "a\r\nb.tif"]
    for name in names:
        write_image(tmp_path / "images" / name, 1)
    out = tmp_path / "out.csv"
    predict_files(bundle, [tmp_path / "images"], out, options=plain())
    assert sorted(Path(path).name for path in read_written(out).paths) == sorted(names)


def test_output_is_checked_before_anything_is_computed(
    bundle: Bundle, images: Path, tmp_path: Path
) -> None:
    for target, message in (
        (tmp_path, "this is a folder"),
        (tmp_path / "none" / "out.csv", "does not exist"),
    ):
        with pytest.raises(OutputError, match=message):
            predict_files(bundle, [images], target, options=plain())


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder nobody can write to")
def test_unwritable_folder(bundle: Bundle, images: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        predict_files(bundle, [images], Path("/proc/self/out.csv"), options=plain())


def test_full_disk_is_known_early(
    bundle: Bundle, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("Usage", (), {"free": 100})
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    with pytest.raises(OutputError, match=r"the disk has 100 bytes left, [1-9].* are needed"):
        predict_files(bundle, [images], tmp_path / "out.csv", options=plain())


def test_no_images(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no images to predict"):
        predict_files(bundle, [tmp_path / "empty"], tmp_path / "out.csv", options=plain())


# From memory, and for evaluation


@pytest.mark.parametrize("backend", ["openvino", "onnxruntime"])
def test_predict_images(bundle: Bundle, backend: str) -> None:
    predictor = Predictor(bundle, backend=backend)
    pictures = [grey_image(seed) for seed in range(5)]
    output = predictor.predict_images(pictures)
    inputs = np.stack([bundle.info.preprocess.apply(picture) for picture in pictures])
    np.testing.assert_allclose(output.probabilities, by_hand(inputs), atol=1e-6)
    np.testing.assert_array_equal(
        predictor.predict_inputs([inputs]).probabilities, output.probabilities
    )
    assert predictor.classes == CLASSES
    assert predictor.predict_images([]).probabilities.shape == (0, 3)


def test_predict_records(bundle: Bundle, images: Path) -> None:
    (images / "cell2.tif").write_bytes(b"broken")
    paths = [images / f"cell{number}.tif" for number in (1, 2, 3, 4, 5)]
    records = [Record(path, path.name, "a") for path in paths]
    records.append(Record(paths[2], "crop", "a", region=Region(5, 5, 6, 6), object_id="1"))
    predictor = Predictor(bundle, backend="onnxruntime")
    calls: list[tuple[int, int]] = []
    result = predict_records(
        predictor,
        records,
        CropReader(),
        batch_size=2,
        progress=lambda done, total: calls.append((done, total)),
    )
    assert calls == [(2, 6), (4, 6), (6, 6)]
    assert result.ok.tolist() == [True, False, True, True, True, True]
    assert np.isnan(result.output.probabilities[1]).all()
    good = [paths[place] for place in (0, 2, 3, 4)]
    np.testing.assert_allclose(
        result.output.probabilities[[0, 2, 3, 4]], expected(bundle, good), atol=1e-6
    )
    assert result.output.embedding is not None and result.output.embedding.shape == (6, 3)
    assert result.output.class_maps is not None and result.output.class_maps.shape == (6, 8, 8, 3)
    crop = CropReader().read(paths[2], Region(5, 5, 6, 6))
    np.testing.assert_array_equal(
        result.output.probabilities[5], predictor.predict_images([crop]).probabilities[0]
    )


def test_predict_no_records(bundle: Bundle) -> None:
    result = predict_records(Predictor(bundle, backend="onnxruntime"), [], CropReader())
    assert result.output.probabilities.shape == (0, 3)
    assert result.errors == ()
