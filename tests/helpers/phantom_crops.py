"""Synthetic single cells as files of their own: what most tests and benchmarks train on."""

from __future__ import annotations

import csv
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import tifffile

from actinscope.phantoms.write import NOTE, write_phantom_study, write_tiff


def write_phantom_crops(
    folder: Path,
    *,
    fields_per_class: int = 12,
    cells_per_field: int = 6,
    difficulty: float = 0.5,
    seed: int,
    crop_size: int = 128,
) -> Path:
    """Write the cells of a phantom study of 512 x 512 fields; return the path of ``groups.csv``.

    Written are ``cells/PHENOTYPE/fieldNN_cellMM.tif`` (uint16, ``crop_size`` pixels square,
    centred on the cell, reflected beyond the border of the field) and ``groups.csv`` (path,
    label, field, slide).
    """
    rows = ["path,label,field,slide"]
    with TemporaryDirectory() as drawn:
        study = write_phantom_study(
            Path(drawn) / "study",
            fields_per_class=fields_per_class,
            cells_per_field=cells_per_field,
            difficulty=difficulty,
            seed=seed,
        )
        with study.open(encoding="utf-8", newline="") as stream:
            fields = list(csv.DictReader(stream))
        for row in fields:
            mask = tifffile.imread(study.parent / row["mask"])
            field = np.pad(tifffile.imread(study.parent / row["path"]), crop_size, mode="reflect")
            stem = Path(row["path"]).stem.replace("_", "")
            for value in range(1, int(mask.max()) + 1):
                top, left = (
                    int(axis.mean() + 0.5) + crop_size - crop_size // 2
                    for axis in np.nonzero(mask == value)
                )
                name = f"cells/{row['label']}/{stem}_cell{value:02d}.tif"
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                crop = field[top : top + crop_size, left : left + crop_size]
                write_tiff(folder / name, np.ascontiguousarray(crop), NOTE)
                rows.append(f"{name},{row['label']},{row['field']},{row['slide']}")
    table = folder / "groups.csv"
    table.write_text("\n".join(rows) + "\n", encoding="utf-8", newline="")
    return table
