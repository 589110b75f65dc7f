"""The delivered model: a folder or zip that runs, and proves itself, without a framework."""

from __future__ import annotations

from actinscope.bundle.archive import zip_bundle
from actinscope.bundle.golden import Golden
from actinscope.bundle.info import (
    FORMAT_VERSION,
    GOLDEN_FILE,
    INFO_FILE,
    MODEL_FILE,
    BundleInfo,
    GoldenImage,
    NetworkSummary,
)
from actinscope.bundle.session import BACKENDS, InferenceSession, NetworkOutput
from actinscope.bundle.store import Bundle, load_bundle, save_bundle, store_metrics
from actinscope.bundle.verify import (
    INPUT_TOLERANCE,
    PROBABILITY_TOLERANCE,
    Verification,
    verify_bundle,
)

__all__ = [
    "BACKENDS",
    "FORMAT_VERSION",
    "GOLDEN_FILE",
    "INFO_FILE",
    "INPUT_TOLERANCE",
    "MODEL_FILE",
    "PROBABILITY_TOLERANCE",
    "Bundle",
    "BundleInfo",
    "Golden",
    "GoldenImage",
    "InferenceSession",
    "NetworkOutput",
    "NetworkSummary",
    "Verification",
    "load_bundle",
    "save_bundle",
    "store_metrics",
    "verify_bundle",
    "zip_bundle",
]
