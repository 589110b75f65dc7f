"""Which images, which label, which group: scan, manifest, fingerprints and the split."""

from __future__ import annotations

from actinscope.study.audit import FileProblem, Fingerprints, fingerprint
from actinscope.study.folds import grouped_folds
from actinscope.study.manifest import read_manifest, write_manifest
from actinscope.study.objects import automatic_crop_size
from actinscope.study.parts import Split, split
from actinscope.study.patches import PatchSettings, patches_of_fields
from actinscope.study.records import PARTS, TEST, TRAIN, VALIDATION, Manifest, Record
from actinscope.study.scan import scan_folder
from actinscope.study.summary import StudySummary, summarise

__all__ = [
    "PARTS",
    "TEST",
    "TRAIN",
    "VALIDATION",
    "FileProblem",
    "Fingerprints",
    "Manifest",
    "PatchSettings",
    "Record",
    "Split",
    "StudySummary",
    "automatic_crop_size",
    "fingerprint",
    "grouped_folds",
    "patches_of_fields",
    "read_manifest",
    "scan_folder",
    "split",
    "summarise",
    "write_manifest",
]
