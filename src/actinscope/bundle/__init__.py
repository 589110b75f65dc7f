"""The delivered model: a folder or zip that runs, and proves itself, without a framework."""

from __future__ import annotations

from actinscope.bundle.archive import (
    zip_bundle,
)
from actinscope.bundle.calibration import (
    calibrated,
)
from actinscope.bundle.ensemble import (
    save_ensemble,
)
from actinscope.bundle.familiar import (
    References,
    neighbour_distances,
    references_of,
)
from actinscope.bundle.golden import (
    Golden,
)
from actinscope.bundle.info import (
    FAMILIAR_FILE,
    FORMAT_VERSION,
    GOLDEN_FILE,
    INFO_FILE,
    INT8_FILE,
    MODEL_FILE,
    MOST_MEMBERS,
    TREES_FILE,
    BundleInfo,
    GoldenImage,
    NetworkSummary,
)
from actinscope.bundle.int8 import (
    MEASURED,
    PRECISIONS,
    Figure,
    Int8Part,
    Int8Summary,
    cost_sentence,
    int8_note,
    too_costly,
)
from actinscope.bundle.load import (
    Bundle,
    load_bundle,
    read_bundle_info,
)
from actinscope.bundle.opening import (
    joint_output,
    open_sessions,
)
from actinscope.bundle.output import (
    NetworkOutput,
    stack_outputs,
)
from actinscope.bundle.quantize import (
    quantize_network,
)
from actinscope.bundle.reliability import (
    ABSTAIN_BY,
    AbstainBy,
    AbstainRule,
    FamiliarRule,
    Reliability,
    SetRule,
)
from actinscope.bundle.seen import (
    Seen,
    group_digest,
)
from actinscope.bundle.session import (
    BACKENDS,
    InferenceSession,
)
from actinscope.bundle.shuffle import (
    ShuffledNetwork,
    shuffled_networks,
)
from actinscope.bundle.store import (
    save_bundle,
    store_int8,
    store_metrics,
    store_reliability,
)
from actinscope.bundle.verify import (
    INPUT_TOLERANCE,
    INT8_TOLERANCE,
    PROBABILITY_TOLERANCE,
    TREES_TOLERANCE,
    Verification,
    verify_bundle,
)

__all__ = [
    "ABSTAIN_BY",
    "BACKENDS",
    "FAMILIAR_FILE",
    "FORMAT_VERSION",
    "GOLDEN_FILE",
    "INFO_FILE",
    "INPUT_TOLERANCE",
    "INT8_FILE",
    "INT8_TOLERANCE",
    "MEASURED",
    "MODEL_FILE",
    "MOST_MEMBERS",
    "PRECISIONS",
    "PROBABILITY_TOLERANCE",
    "TREES_FILE",
    "TREES_TOLERANCE",
    "AbstainBy",
    "AbstainRule",
    "Bundle",
    "BundleInfo",
    "FamiliarRule",
    "Figure",
    "Golden",
    "GoldenImage",
    "InferenceSession",
    "Int8Part",
    "Int8Summary",
    "NetworkOutput",
    "NetworkSummary",
    "References",
    "Reliability",
    "Seen",
    "SetRule",
    "ShuffledNetwork",
    "Verification",
    "calibrated",
    "cost_sentence",
    "group_digest",
    "int8_note",
    "joint_output",
    "load_bundle",
    "neighbour_distances",
    "open_sessions",
    "quantize_network",
    "read_bundle_info",
    "references_of",
    "save_bundle",
    "save_ensemble",
    "shuffled_networks",
    "stack_outputs",
    "store_int8",
    "store_metrics",
    "store_reliability",
    "too_costly",
    "verify_bundle",
    "zip_bundle",
]
