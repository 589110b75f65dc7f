"""Objects from label masks and from tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from actinscope.cells import CellObject, name_in_table, objects_from_table
from actinscope.cells.objects import objects_from_mask
from actinscope.errors import ImageUnreadable, ManifestError
from actinscope.workbook import workbook_bytes


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "uint32", "int64"])
def test_centroids_and_boxes_of_labels_with_gaps(dtype):
    mask = np.zeros((8, 10), dtype=dtype)
    mask[1:3, 2:5] = 7  # rows 1-2, columns 2-4
    mask[5, 0] = 3  # two pieces of one object
    mask[7, 4] = 3
    assert objects_from_mask(mask) == (
        CellObject("3", 6.0, 2.0, 3, 5),
        CellObject("7", 1.5, 3.0, 2, 3),
    )


def test_labels_may_be_huge_and_masks_boolean_or_empty():
    mask = np.zeros((4, 4), np.uint32)
    mask[0, 0], mask[3, 3] = 2**32 - 1, 1
    assert [cell.object_id for cell in objects_from_mask(mask)] == ["1", "4294967295"]
    assert objects_from_mask(mask > 0) == (CellObject("1", 1.5, 1.5, 4, 4),)
    assert objects_from_mask(np.zeros((4, 4), int)) == ()


@pytest.mark.parametrize(
    ("mask", "match"),
    [
        (np.zeros((4, 4)), "whole numbers"),
        (np.zeros((2, 4, 4), int), r"\(2, 4, 4\)"),
        (np.array([[0, -1]]), "negative labels"),
    ],
)
def test_what_is_no_mask(mask, match):
    with pytest.raises(ImageUnreadable, match=match):
        objects_from_mask(mask)


@given(
    mask=hnp.arrays(np.uint16, hnp.array_shapes(min_dims=2, max_dims=2), elements=st.integers(0, 4))
)
def test_objects_agree_with_their_definition(mask):
    found = objects_from_mask(mask)
    assert [int(cell.object_id) for cell in found] == sorted(set(mask.ravel().tolist()) - {0})
    for cell in found:
        rows, columns = np.nonzero(mask == int(cell.object_id))
        assert cell.y == pytest.approx(rows.mean())
        assert cell.x == pytest.approx(columns.mean())
        assert (cell.height, cell.width) == (np.ptp(rows) + 1, np.ptp(columns) + 1)


def table(tmp_path, text, name="objects.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_plain_tables(tmp_path):
    path = table(
        tmp_path,
        "\ufeffpath,object,y,x,height,width\na/f1.tif,4,10.5,20,30,40\na/f1.tif,9,1,2,3,4\nf2.tif,4,0,0,1,1\n",
    )
    assert objects_from_table(path) == {
        "a/f1.tif": (CellObject("4", 10.5, 20, 30, 40), CellObject("9", 1, 2, 3, 4)),
        "f2.tif": (CellObject("4", 0, 0, 1, 1),),
    }
    path = table(tmp_path, "path,label,y,x\nf.tif,wild_type,1,2\nf.tif,wild_type,3,4\n")
    assert [cell.object_id for cell in objects_from_table(path)["f.tif"]] == ["1", "2"]
    path = table(tmp_path, "Filename,X,Y\nf.tif,1,2\n\nf.tif,3,4\n")
    assert objects_from_table(path) == {
        "f.tif": (CellObject("1", 2, 1, 0, 0), CellObject("2", 4, 3, 0, 0))
    }


HEADER = (
    "ImageNumber,ObjectNumber,FileName_Actin,FileName_DNA,AreaShape_Center_X,AreaShape_Center_Y,"
    "AreaShape_BoundingBoxMinimum_X,AreaShape_BoundingBoxMaximum_X,"
    "AreaShape_BoundingBoxMinimum_Y,AreaShape_BoundingBoxMaximum_Y,Location_Center_X,Location_Center_Y"
)


def test_cellprofiler_objects_with_file_names(tmp_path):
    path = table(
        tmp_path,
        f"{HEADER}\n1,1,f_actin.tif,f_dna.tif,12.5,7.25,10,16,5,9,99,98\n1,2,f_actin.tif,f_dna.tif,nan,nan,nan,nan,nan,nan,nan,nan\n",
    )
    expected = (CellObject("1", 7.25, 12.5, 4, 6),)
    assert objects_from_table(path) == {"f_actin.tif": expected, "f_dna.tif": expected}


def test_cellprofiler_with_a_row_of_object_names_and_prefixes(tmp_path):
    path = table(
        tmp_path,
        "Image,Image,Cells,Cells,Cells\nImageNumber,FileName_Actin,Number_Object_Number,Location_Center_X,Location_Center_Y\n1,f.tif,8,3,4\n",
    )
    assert objects_from_table(path) == {"f.tif": (CellObject("8", 4, 3, 0, 0),)}
    path = table(
        tmp_path,
        "Image_FileName_Actin,ObjectNumber,Cells_Location_Center_X,Cells_Location_Center_Y\nf.tif,6,3,4\n",
    )
    assert objects_from_table(path) == {"f.tif": (CellObject("6", 4, 3, 0, 0),)}


def test_cellprofiler_file_names_come_from_the_image_table_beside(tmp_path):
    path = table(
        tmp_path,
        "ImageNumber,ObjectNumber,Location_Center_X,Location_Center_Y\n2,1,3,4\n1,1,5,6\n",
        "MyExpt_Cells.csv",
    )
    with pytest.raises(ManifestError, match=r"no file names, and 0 files \*Image\.csv"):
        objects_from_table(path)
    table(tmp_path, "ImageNumber,FileName_Actin\n1,a.tif\n2,b.tif\n", "MyExpt_Image.csv")
    assert objects_from_table(path) == {
        "b.tif": (CellObject("1", 4, 3, 0, 0),),
        "a.tif": (CellObject("1", 6, 5, 0, 0),),
    }


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "is empty"),
        ("path,z\na,1\n", "no columns for x and y"),
        ("x,y\n1,2\n", "no columns for the image file"),
        ("path,x,y\na,1\n", r"line 2: the row has 2 cells, the header 3"),
        ("path,x,y\na,1,two\n", r"line 2: 'two' is not a number"),
        ("path,x,y\n,1,2\n", "no file name"),
        ("path,x,y\na,1,inf\n", "impossible"),
        ("path,id,x,y\na,1,1,2\na,1,3,4\n", r"line 3: object 1 of a comes twice"),
    ],
)
def test_broken_tables(tmp_path, text, match):
    with pytest.raises(ManifestError, match=match):
        objects_from_table(table(tmp_path, text))


FOLDERS = "ImageNumber,ObjectNumber,FileName_DNA,PathName_DNA,Location_Center_X,Location_Center_Y"


def test_cellprofiler_with_the_same_file_names_in_several_folders(tmp_path):
    path = table(
        tmp_path,
        f"{FOLDERS}\n1,1,f.tif,D:\\exp\\plate1,3,4\n2,1,f.tif,D:\\exp\\plate2,5,6\n",
    )
    found = objects_from_table(path)
    assert found == {
        "D:/exp/plate1/f.tif": (CellObject("1", 4, 3, 0, 0),),
        "D:/exp/plate2/f.tif": (CellObject("1", 6, 5, 0, 0),),
    }
    assert name_in_table(found, tmp_path / "plate2/f.tif", [Path("f.tif")]) == "D:/exp/plate2/f.tif"
    with pytest.raises(ManifestError, match=r"several images called f\.tif, and no folder of them"):
        name_in_table(found, tmp_path / "images/f.tif", [Path("f.tif")])
    assert name_in_table(found, tmp_path / "plate2/g.tif", [Path("g.tif")]) is None


def test_a_path_that_somebody_wrote_is_the_end_of_the_files_path(tmp_path):
    found = objects_from_table(table(tmp_path, "path,y,x\na\\f.tif,1,2\nb/f.tif,3,4\n"))
    assert name_in_table(found, tmp_path / "study/a/f.tif", [Path("f.tif")]) == "a/f.tif"
    assert name_in_table(found, tmp_path / "study/c/f.tif", [Path("f.tif")]) is None


def test_two_images_of_one_name_without_their_folders_are_refused(tmp_path):
    path = table(
        tmp_path,
        "ImageNumber,ObjectNumber,FileName_DNA,Location_Center_X,Location_Center_Y\n"
        "1,1,f.tif,3,4\n2,2,f.tif,5,6\n",
    )
    with pytest.raises(ManifestError, match=r"images 1 and 2 are both called f.tif.*PathName_\*"):
        objects_from_table(path)


def test_object_tables_saved_again_by_a_german_spreadsheet(tmp_path):
    expected = {"f.tif": (CellObject("1", 10.5, 20.25, 30, 40),)}
    german = "path;object;y;x;height;width\nf.tif;1;10,5;20,25;30;40\n"
    assert objects_from_table(table(tmp_path, german)) == expected
    profiler = f"{HEADER.replace(',', ';')}\n1;1;f.tif;;20,25;10,5;0;40;0;30;1,5;2\n"
    assert objects_from_table(table(tmp_path, profiler)) == expected
    with pytest.raises(ManifestError, match="cannot both be the decimal sign"):
        objects_from_table(table(tmp_path, german.replace("20,25", "20.25")))
    rows = [["path", "object", "y", "x", "height", "width", "note"]]
    rows.append(["f.tif", "1", "10.5", "20.25", "30", "40"])
    (tmp_path / "o.xlsx").write_bytes(workbook_bytes(rows))
    assert objects_from_table(tmp_path / "o.xlsx") == expected


def test_tables_that_cannot_be_read(tmp_path):
    with pytest.raises(ManifestError, match="cannot be read"):
        objects_from_table(tmp_path / "none.csv")
    path = tmp_path / "latin.csv"
    path.write_bytes("path,x,y\nZähler.tif,1,2\n".encode("latin-1"))
    with pytest.raises(ManifestError, match="UTF-8"):
        objects_from_table(path)
