"""Reading, refusing and writing manifests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actinscope.errors import ManifestError, SettingsError, StudyError
from actinscope.requests import StudySource
from actinscope.study import Manifest, list_study, read_manifest, write_manifest
from actinscope.study.expand_fields import automatic_crop_size

NAMES = ("wt/a.tif", "wt/b.tif", "ko/a.tif", "ko/b.tif")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    for name in NAMES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(folder / name, np.zeros((4, 4), np.uint8))
    return folder


def write(data: Path, text: str | bytes, name: str = "m.csv") -> Path:
    path = data / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def facts(manifest: Manifest) -> list[tuple[object, ...]]:
    return [
        (r.path, r.name, r.label, dict(r.groups), r.part, r.object_id, r.region, r.pixel_hash)
        for r in manifest.records
    ]


def scanned(folder: Path, **options: object) -> Manifest:
    return list_study(StudySource(folder, **options))  # type: ignore[arg-type]


PLAIN = "path,label,plate\nwt/a.tif,WT,p1\nwt/b.tif,WT,p2\nko/a.tif,KO,p1\nko/b.tif,KO,p2\n"


def test_plain_manifest(data: Path) -> None:
    manifest = read_manifest(write(data, PLAIN), None, group="plate")
    assert manifest.classes == ("KO", "WT")
    assert manifest.group_columns == ("plate",)
    assert [r.name for r in manifest.records] == list(NAMES)
    assert manifest.records[0].path == data / "wt/a.tif"
    assert [manifest.group_of(r) for r in manifest.records] == ["p1", "p2", "p1", "p2"]
    assert manifest.crop_size is None


@pytest.mark.parametrize(
    "edit",
    [
        lambda t: b"\xef\xbb\xbf" + t.encode(),
        lambda t: t.replace(",", ";").encode(),
        lambda t: t.replace(",", "\t").encode("utf-16"),
        lambda t: ("sep=;\r\n" + t.replace(",", ";").replace("\n", "\r\n")).encode(),
        lambda t: t.replace("\n", "\r\n").encode(),
        lambda t: t.replace("\n", "\r").encode(),
        lambda t: t.replace("\n", ",,\n").encode() + b",,,,\n,,,,\n\n",
        lambda t: t.replace("path,label,plate", " Path , LABEL,plate ").encode(),
        lambda t: t.replace("wt/", "wt\\").encode(),
        lambda t: t.replace("\n", "\n\n").encode(),
    ],
    ids=["bom", "semicolon", "utf16", "sep", "crlf", "cr", "trailing", "spaces", "back", "blank"],
)
def test_spreadsheet_quirks_do_not_matter(data: Path, edit: object) -> None:
    plain = read_manifest(write(data, PLAIN), None, group="plate")
    odd = read_manifest(write(data, edit(PLAIN), "odd.csv"), None, group="plate")  # type: ignore[operator]
    assert facts(odd) == facts(plain)


def test_paths_are_looked_for_in_data_then_beside_the_csv(data: Path, tmp_path: Path) -> None:
    other = tmp_path / "lists"
    other.mkdir()
    tifffile.imwrite(other / "c.tif", np.zeros((4, 4), np.uint8))
    text = f"path,label\nwt/a.tif,WT\nc.tif,KO\n{data / 'ko' / 'a.tif'},KO\n./ko/../ko/b.tif,KO\n"
    manifest = read_manifest(write(other, text), data)
    outside = (other / "c.tif").as_posix()
    assert [r.name for r in manifest.records] == ["wt/a.tif", outside, "ko/a.tif", "ko/b.tif"]


def test_decomposed_letters_are_one_label(data: Path) -> None:
    text = "path,label\nwt/a.tif,Gr\u00f6\u00dfe\nwt/b.tif, Gro\u0308\u00dfe \nko/a.tif,x\n"
    assert read_manifest(write(data, text), None).classes == ("Gr\u00f6\u00dfe", "x")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("path,label\n", "no row below"),
        ("file,label\nwt/a.tif,x\n", r"no column path\. .*found: file, label"),
        ("file,class\nwt/a.tif,x\n", "no column path and no column label"),
        ("path,label,label\nwt/a.tif,x,y\n", "column 'label' is there more than once"),
        ("path,label\nwt/a.tif,x\nwt/b.tif,  \n", "1 of 2 rows have no label: line 3. Fill"),
        ("path,label\n,x\n", "line 2 has no path"),
        ("path,label\nwt/a.tif,a\x07b\n", r"line 2: the label holds .*U\+0007"),
        ("path,label\nwt/a.tif,a\u202eb\n", r"U\+202E"),
        ("path,label\nwt/a.tif,x,oops\n", "line 2 has 3 cells but there are 2 columns"),
        ("path,label,\nwt/a.tif,x,oops\n", "line 2 has a value in column 3, which has no name"),
        ('path,label\n"wt/a.tif,x\n', "line 2 is not valid CSV"),
        ("path,label\nwt/a.tif,x\nwt/b.tif,x\nwt/a.tif,y\n", r"wt/a.tif \(lines 2, 4\)"),
        ("path,label\nwt/a.tif,x\n./wt/a.tif,y\n", r"wt/a.tif \(lines 2, 3\)"),
        ("path,label\n\nq.tif,x\nwt,y\nr.tif,y\n", "3 of the files .*line 3 'q.tif', line 4 'wt'"),
        ("path,label,part\nwt/a.tif,x,tests\n", "line 2: the part is 'tests'"),
        ("path,label,part\nwt/a.tif,x,test\nwt/b.tif,x,\n", "1 of 2 rows have no part: line 3"),
        ("path,label,sha256\nwt/a.tif,x,abc\n", "line 2: sha256"),
        ("path,label,object\nwt/a.tif,x,1\n", "no columns y and x"),
        ("path,label,y\nwt/a.tif,x,1\n", "column y but no column x"),
        ("path,label,y,x,height\nwt/a.tif,x,1,1,8\n", "column height but no column width"),
        ("path,label,y,x\nwt/a.tif,x,1,1\n", "no height and width. Give the size"),
        ("path,label,y,x,height,width\nwt/a.tif,x,1,nan,8,8\n", "line 2: x is 'nan'"),
        ("path,label,y,x,height,width\nwt/a.tif,x,1,1,8,0\n", "line 2: width is 0"),
        ("path,label,y,x,height,width\nwt/a.tif,x,1,,8,8\n", "line 2: x is ''"),
        ("path,label,mask,objects\nwt/a.tif,x,wt/b.tif,wt/b.tif\n", "contradict each other"),
        ("path,label,mask\nwt/a.tif,x,\n", "line 2 has no mask"),
    ],
)
def test_what_is_refused(data: Path, text: str, message: str) -> None:
    with pytest.raises(ManifestError, match=message):
        read_manifest(write(data, text), None)


def test_latin1_is_refused_with_the_line(data: Path) -> None:
    with pytest.raises(ManifestError, match=r"line 2 is not UTF-8 .*CSV UTF-8"):
        read_manifest(write(data, "path,label\nwt/a.tif,Gr\u00f6\n".encode("latin-1")), None)


def test_missing_file_and_missing_folder(data: Path) -> None:
    with pytest.raises(ManifestError, match="cannot be read"):
        read_manifest(data / "none.csv", None)
    with pytest.raises(ManifestError, match="the data folder is not there"):
        read_manifest(write(data, PLAIN), data / "none")


def test_group_column(data: Path) -> None:
    with pytest.raises(ManifestError, match=r"Did you mean 'plate'.*can be the group: plate"):
        read_manifest(write(data, PLAIN), None, group="plat")
    holes = PLAIN.replace("p1", "")
    with pytest.raises(ManifestError, match=r"2 rows have no value .*'plate': line 2, line 4"):
        read_manifest(write(data, holes), None, group="plate")
    assert read_manifest(write(data, holes), None).group is None  # not chosen, may be empty
    named = read_manifest(write(data, PLAIN.replace("plate", "group")), None)
    assert named.group == "group"
    assert read_manifest(write(data, PLAIN), None, group="none").group is None


def test_no_group_means_one_group_a_record(data: Path) -> None:
    manifest = read_manifest(write(data, PLAIN), None)
    assert len({manifest.group_of(r) for r in manifest.records}) == 4


def test_comments_over_several_lines_are_no_trouble(data: Path) -> None:
    text = 'path,label,comment\nwt/a.tif,x,"first\nsecond"\nnone.tif,y,\n'
    with pytest.raises(ManifestError, match=r"line 4 'none.tif'"):
        read_manifest(write(data, text), None)


@pytest.fixture
def fields(tmp_path: Path) -> Path:
    """Two fields of one name with masks: boxes of 10 x 20 and 12 x 8, and 20 x 20."""
    folder = tmp_path / "fields"
    first, second = np.zeros((64, 96), np.uint16), np.zeros((64, 96), np.uint16)
    first[10:20, 30:50] = 7
    first[40:52, 60:68] = 300
    second[20:40, 20:40] = 1
    for label, mask in (("wt", first), ("ko", second)):
        (folder / label).mkdir(parents=True)
        (folder / "masks" / label).mkdir(parents=True)
        tifffile.imwrite(folder / label / "f1.tif", mask + 100)
        tifffile.imwrite(folder / "masks" / label / "f1.tif", mask)
    write(
        folder,
        "path,label,mask,cells\nwt/f1.tif,wt,masks/wt/f1.tif,2\nko/f1.tif,ko,masks/ko/f1.tif,1\n",
    )
    return folder


def test_automatic_crop_size() -> None:
    assert automatic_crop_size([64] * 50) == 80  # 64 * 1.25
    assert automatic_crop_size([65] * 50) == 88  # 81.25 rounded up
    assert automatic_crop_size([3]) == 16
    assert automatic_crop_size([64] * 99 + [1000]) == 80  # one clump does not matter


def test_masks_become_cells(fields: Path) -> None:
    manifest = read_manifest(fields / "m.csv", None)
    assert [r.key for r in manifest.records] == [
        ("wt/f1.tif", "7"),
        ("wt/f1.tif", "300"),
        ("ko/f1.tif", "1"),
    ]
    # Longer sides 20, 12, 20: 95th percentile 20, times 1.25 is 25, rounded up to 32.
    assert manifest.crop_size == 32
    region = manifest.records[0].region
    assert region is not None
    assert (region.y, region.x, region.height, region.width) == (14.5, 39.5, 32, 32)
    assert manifest.group == "field"
    assert [manifest.group_of(r) for r in manifest.records] == ["wt/f1", "wt/f1", "ko/f1"]
    assert read_manifest(fields / "m.csv", None, crop_size=24).crop_size == 24
    assert read_manifest(fields / "m.csv", None, group="cells").group == "cells"


def test_fields_are_not_decoded_to_learn_their_size(
    fields: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[str] = []
    decode = tifffile.TiffPageSeries.asarray

    def counted(series: tifffile.TiffPageSeries, **options: Any) -> Any:
        path = Path(series.parent.filehandle.path)
        decoded.append(path.relative_to(fields).as_posix())
        return decode(series, **options)

    monkeypatch.setattr(tifffile.TiffPageSeries, "asarray", counted)
    assert len(read_manifest(fields / "m.csv", None).records) == 3
    assert decoded == ["masks/wt/f1.tif", "masks/ko/f1.tif"]


def test_cells_go_round_trip(fields: Path) -> None:
    manifest = read_manifest(fields / "m.csv", None)
    write_manifest(manifest, fields / "again.csv")
    again = read_manifest(fields / "again.csv", None)
    assert facts(again) == facts(manifest)
    assert (again.crop_size, again.group, again.group_columns) == (32, "field", ("cells", "field"))
    header = (fields / "again.csv").read_text(encoding="utf-8").splitlines()[0]
    assert header == "path,label,cells,field,object,y,x,height,width"


def test_mask_of_another_size_is_refused(fields: Path) -> None:
    tifffile.imwrite(fields / "masks/ko/f1.tif", np.eye(64, 95, dtype=np.uint16))
    with pytest.raises(ManifestError, match=r"line 3: the mask is 64 x 95 pixels.*64 x 96"):
        read_manifest(fields / "m.csv", None)


def test_broken_or_empty_masks(fields: Path) -> None:
    tifffile.imwrite(fields / "masks/ko/f1.tif", np.zeros((64, 96), np.uint16))
    manifest = read_manifest(fields / "m.csv", None)
    assert any("1 fields have no object: ko/f1.tif" in note for note in manifest.notes)
    (fields / "masks/ko/f1.tif").write_bytes(b"no image")
    with pytest.raises(ManifestError, match="line 3"):
        read_manifest(fields / "m.csv", None)


def test_positions_in_the_manifest(data: Path) -> None:
    text = "path;label;y;x\nwt/a.tif;x;1,5;2\nwt/a.tif;x;3;2\nko/a.tif;y;3;2\n"
    manifest = read_manifest(write(data, text), None, crop_size=16)
    assert [r.object_id for r in manifest.records] == ["y1.5-x2", "y3-x2", "y3-x2"]
    assert manifest.crop_size == 16
    with pytest.raises(ManifestError, match=r"wt/a.tif object y3-x2 \(lines 3, 4\)"):
        read_manifest(write(data, text.replace("ko/a.tif", "wt/a.tif")), None, crop_size=16)


def test_objects_table(fields: Path) -> None:
    write(fields, "path,label,objects\nwt/f1.tif,wt,o.csv\nko/f1.tif,ko,p.csv\n", "t.csv")
    write(fields, "path,object,y,x,height,width\nwt/f1.tif,1,10,12,20,20\n", "o.csv")
    write(fields, "path,object,y,x,height,width\nko/f1.tif,5,30,40,20,20\n", "p.csv")
    manifest = read_manifest(fields / "t.csv", None)
    assert [(r.name, r.object_id, r.region.y) for r in manifest.records if r.region] == [
        ("wt/f1.tif", "1", 10.0),
        ("ko/f1.tif", "5", 30.0),
    ]
    assert manifest.crop_size == 32
    write(fields, "path,label,objects\nwt/f1.tif,wt,p.csv\n", "t.csv")
    with pytest.raises(ManifestError, match=r"line 2: the table has no objects of f1.tif|ko/f1"):
        read_manifest(fields / "t.csv", None)


def test_crop_size_that_would_do_nothing(data: Path) -> None:
    with pytest.raises(SettingsError, match="does not say where cells are"):
        read_manifest(write(data, PLAIN), None, crop_size=64)
    with pytest.raises(SettingsError, match="crop_size is 0"):
        read_manifest(write(data, PLAIN), None, crop_size=0)


def test_whole_images_go_round_trip(data: Path, tmp_path: Path) -> None:
    text = (
        "path,label,plate,part,sha256\n"
        f'wt/a.tif,"a, ""b""",p1,Train,{"A" * 64}\n'
        f"ko/a.tif,=1+1,,val,{'0' * 64}\n"
    )
    manifest = read_manifest(write(data, text), None)
    write_manifest(manifest, tmp_path / "out.csv")
    assert facts(read_manifest(tmp_path / "out.csv", data)) == facts(manifest)
    assert [r.part for r in manifest.records] == ["train", "validation"]


def test_scanned_folder_goes_round_trip(data: Path) -> None:
    manifest = scanned(data, group_pattern=r"^(\w)")
    write_manifest(manifest, data / "out.csv")
    again = read_manifest(data / "out.csv", data)
    assert facts(again) == facts(manifest)
    assert again.group == manifest.group == "group"


_wild_cells = st.one_of(
    st.sampled_from(
        [*NAMES, "path", "label", "x", "y", "mask", "part", "train", ".", "..", "1e999"]
    ),
    st.text(max_size=8),
)
_wild_csv = st.one_of(
    st.binary(max_size=200),
    st.lists(st.lists(_wild_cells, max_size=5), max_size=5).map(
        lambda rows: "\n".join(",".join(row) for row in rows).encode("utf-8", "surrogatepass")
    ),
    st.lists(st.lists(_wild_cells, min_size=2, max_size=4), max_size=4).map(
        lambda rows: "\n".join(["path,label,y,x", *(",".join(row) for row in rows)]).encode(
            "utf-8", "surrogatepass"
        )
    ),
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=_wild_csv)
def test_any_bytes_give_a_manifest_or_an_error_of_ours(data: Path, content: bytes) -> None:
    try:
        manifest = read_manifest(write(data, content, "wild.csv"), None)
    except StudyError:
        return
    assert manifest.records
    assert all(record.label and record.path.exists() for record in manifest.records)


def test_real_fields_with_masks(shared_data: Path) -> None:
    manifest = read_manifest(shared_data / "mef_actin" / "fields.csv", None)
    assert len(manifest.records) == 40
    assert len({manifest.group_of(record) for record in manifest.records}) == 6
    assert manifest.crop_size is not None
    assert manifest.crop_size % 8 == 0


# As people bring them


def test_a_manifest_is_kept_in_a_workbook_and_edited_there(data: Path, tmp_path: Path) -> None:
    text = "path,label,plate,well\nwt/a.tif,wild type,01,1E5\nko/a.tif,=ko,02,1E6\n"
    manifest = read_manifest(write(data, text), None)
    write_manifest(manifest, data / "study.xlsx")
    again = read_manifest(data / "study.xlsx", None)
    assert facts(again) == facts(manifest)


def test_thresholded_masks_are_told_apart_and_said(fields: Path) -> None:
    before = read_manifest(fields / "m.csv", None)
    for path in (fields / "masks").rglob("*.tif"):
        tifffile.imwrite(path, (tifffile.imread(path) > 0) * np.uint8(255))
    manifest = read_manifest(fields / "m.csv", None)
    assert {(r.name, r.region) for r in manifest.records} == {
        (r.name, r.region) for r in before.records
    }
    assert any("1 of 2 masks give all cells one value" in note for note in manifest.notes)


def test_cells_that_hang_together_over_the_whole_field_are_refused(fields: Path) -> None:
    for path in (fields / "masks").rglob("*.tif"):
        mask = np.zeros((64, 96), np.uint8)
        mask[2:6, 2:6] = mask[10:20, 5:92] = 255
        tifffile.imwrite(path, mask)
    with pytest.raises(ManifestError, match=r"need crops of \d+ pixels, the largest field has 96"):
        read_manifest(fields / "m.csv", None)
    assert read_manifest(fields / "m.csv", None, crop_size=32).crop_size == 32


def test_paths_with_backslashes_and_umlauts_from_windows(data: Path) -> None:
    (data / "wt" / "a.tif").rename(data / "wt" / "Zähler µ.tif")
    written = "path;label\r\nwt\\Zähler µ.tif;x\r\nko\\a.tif;y\r\n".encode("utf-16")
    (data / "m.csv").write_bytes(written)
    names = [record.name for record in read_manifest(data / "m.csv", None).records]
    assert names == ["wt/Zähler µ.tif", "ko/a.tif"]
