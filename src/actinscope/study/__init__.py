"""Which images, which label, which group: scan, manifest, fingerprints and the split."""

from __future__ import annotations

from actinscope.study.audit import (
    FileProblem,
    Fingerprints,
    fingerprint,
    hash_of_pixels,
)
from actinscope.study.copy_search import (
    NearPair,
    near_duplicates,
    sets_of,
)
from actinscope.study.folds import (
    grouped_folds,
    train_and_validation,
)
from actinscope.study.manifest import (
    read_manifest,
    write_manifest,
)
from actinscope.study.objects import (
    automatic_crop_size,
)
from actinscope.study.observe import (
    CORNER,
    MEASURES,
    Observation,
)
from actinscope.study.parts import (
    Split,
    split,
)
from actinscope.study.patches import (
    PatchSettings,
    patches_of_fields,
)
from actinscope.study.records import (
    PARTS,
    TEST,
    TRAIN,
    VALIDATION,
    Manifest,
    Record,
)
from actinscope.study.scan import (
    scan_folder,
)
from actinscope.study.sketches import (
    small_picture,
)
from actinscope.study.summary import (
    StudySummary,
    summarise,
)
from actinscope.study.units import (
    find_units,
)

__all__ = [
    "CORNER",
    "MEASURES",
    "PARTS",
    "TEST",
    "TRAIN",
    "VALIDATION",
    "FileProblem",
    "Fingerprints",
    "Manifest",
    "NearPair",
    "Observation",
    "PatchSettings",
    "Record",
    "Split",
    "StudySummary",
    "automatic_crop_size",
    "find_units",
    "fingerprint",
    "grouped_folds",
    "hash_of_pixels",
    "near_duplicates",
    "patches_of_fields",
    "read_manifest",
    "scan_folder",
    "sets_of",
    "small_picture",
    "split",
    "summarise",
    "train_and_validation",
    "write_manifest",
]
