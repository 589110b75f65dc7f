"""Which images, which label, which group: scan, manifest, fingerprints and the split."""

from __future__ import annotations

from actinscope.study.fingerprints import Fingerprints, fingerprint, hash_of_pixels
from actinscope.study.image_statistics import CORNER, MEASURES, ImageStatistics
from actinscope.study.keep_together import (
    copy_notes,
    find_keep_together_sets,
    first_of_copies,
    independent_images,
    joined_groups,
)
from actinscope.study.manifest import manifest_csv, read_manifest, write_manifest
from actinscope.study.patches import patches_of_fields
from actinscope.study.patterns import columns_of_names
from actinscope.study.records import (
    PARTS,
    RESERVED_COLUMNS,
    TEST,
    TRAIN,
    VALIDATION,
    Manifest,
    Record,
    is_missing,
    summarise,
    tidy,
)
from actinscope.study.scan import list_study
from actinscope.study.spelling import one_spelling, spelling_key, told_spellings
from actinscope.study.split import (
    Split,
    folds_for_size,
    grouped_folds,
    possible_folds,
    split,
    train_and_validation,
)
from actinscope.study.table import Row, read_table
from actinscope.study.thumbnails import (
    SIDE,
    Thumbnail,
    mirrored_descriptors,
    read_thumbnails,
    write_thumbnails,
)

__all__ = [
    "CORNER",
    "MEASURES",
    "PARTS",
    "RESERVED_COLUMNS",
    "SIDE",
    "TEST",
    "TRAIN",
    "VALIDATION",
    "Fingerprints",
    "ImageStatistics",
    "Manifest",
    "Record",
    "Row",
    "Split",
    "Thumbnail",
    "columns_of_names",
    "copy_notes",
    "find_keep_together_sets",
    "fingerprint",
    "first_of_copies",
    "folds_for_size",
    "grouped_folds",
    "hash_of_pixels",
    "independent_images",
    "is_missing",
    "joined_groups",
    "list_study",
    "manifest_csv",
    "mirrored_descriptors",
    "one_spelling",
    "patches_of_fields",
    "possible_folds",
    "read_manifest",
    "read_table",
    "read_thumbnails",
    "spelling_key",
    "split",
    "summarise",
    "tidy",
    "told_spellings",
    "train_and_validation",
    "write_manifest",
    "write_thumbnails",
]
