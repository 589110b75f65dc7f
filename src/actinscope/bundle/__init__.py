"""The delivered model: a folder or zip that runs, and proves itself, without a framework."""

from __future__ import annotations

from actinscope.bundle.ensemble import save_ensemble
from actinscope.bundle.info import INT8_FILE, Bf16Check, BundleInfo, NetworkSummary
from actinscope.bundle.int8 import (
    MEASURED,
    Int8Part,
    Int8Summary,
    StoredEstimate,
    cost_sentence,
    int8_note,
    too_costly,
)
from actinscope.bundle.load import Bundle, load_bundle, read_bundle_info
from actinscope.bundle.ood import ReferenceFeatures, neighbour_distances, reference_features
from actinscope.bundle.output import (
    EARLY_FEATURES,
    EMBEDDING,
    NetworkOutput,
    calibrated,
    mean_of_views,
    stack_outputs,
)
from actinscope.bundle.provenance import TrainingHashes, group_digest
from actinscope.bundle.quantize import quantize_network
from actinscope.bundle.reliability import AbstainBy, AbstainRule, OodRule, Reliability, SetRule
from actinscope.bundle.session import joint_output, open_sessions
from actinscope.bundle.store import (
    save_bundle,
    store_answered_views,
    store_bf16,
    store_int8,
    store_metrics,
    store_reliability,
)
from actinscope.bundle.verify import check_golden, verify_bundle

__all__ = [
    "EARLY_FEATURES",
    "EMBEDDING",
    "INT8_FILE",
    "MEASURED",
    "AbstainBy",
    "AbstainRule",
    "Bf16Check",
    "Bundle",
    "BundleInfo",
    "Int8Part",
    "Int8Summary",
    "NetworkOutput",
    "NetworkSummary",
    "OodRule",
    "ReferenceFeatures",
    "Reliability",
    "SetRule",
    "StoredEstimate",
    "TrainingHashes",
    "calibrated",
    "check_golden",
    "cost_sentence",
    "group_digest",
    "int8_note",
    "joint_output",
    "load_bundle",
    "mean_of_views",
    "neighbour_distances",
    "open_sessions",
    "quantize_network",
    "read_bundle_info",
    "reference_features",
    "save_bundle",
    "save_ensemble",
    "stack_outputs",
    "store_answered_views",
    "store_bf16",
    "store_int8",
    "store_metrics",
    "store_reliability",
    "too_costly",
    "verify_bundle",
]
