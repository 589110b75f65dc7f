"""The backbones: what there is, their pretrained weights, building, freezing, exporting.

With training/ the only room that knows Keras, which is imported when it is first needed.
"""

from __future__ import annotations

from actinscope.networks.backend import (
    backend_name,
    import_in_background,
    keras_backend,
    one_of_many_networks,
    require_framework,
)
from actinscope.networks.build import build_network
from actinscope.networks.device import as_float32, has_gpu
from actinscope.networks.entry import KerasApplication, NetworkEntry
from actinscope.networks.export import (
    EMBEDDING,
    PROBABILITIES,
    embedding_model,
    export_onnx,
    inference_model,
)
from actinscope.networks.freeze import freeze, freeze_batch_norm, freeze_points
from actinscope.networks.frozen_inference import FrozenLayers
from actinscope.networks.head import Head, embedding_of, settle_head
from actinscope.networks.partition import PartitionedNetwork, partition_network
from actinscope.networks.registry import REGISTRY, network_entry
from actinscope.networks.stage_graph import StageGraph, has_stage_graph
from actinscope.networks.training_graph import is_plain, training_graph
from actinscope.networks.weight_sources import KerasDownload
from actinscope.networks.weights import (
    PAPER_NETWORK,
    ResolvedWeights,
    default_network,
    default_sentence,
    place_of_weights,
    resolve_weights,
    weights_at_hand,
)

__all__ = [
    "EMBEDDING",
    "PAPER_NETWORK",
    "PROBABILITIES",
    "REGISTRY",
    "FrozenLayers",
    "Head",
    "KerasApplication",
    "KerasDownload",
    "NetworkEntry",
    "PartitionedNetwork",
    "ResolvedWeights",
    "StageGraph",
    "as_float32",
    "backend_name",
    "build_network",
    "default_network",
    "default_sentence",
    "embedding_model",
    "embedding_of",
    "export_onnx",
    "freeze",
    "freeze_batch_norm",
    "freeze_points",
    "has_gpu",
    "has_stage_graph",
    "import_in_background",
    "inference_model",
    "is_plain",
    "keras_backend",
    "network_entry",
    "one_of_many_networks",
    "partition_network",
    "place_of_weights",
    "require_framework",
    "resolve_weights",
    "settle_head",
    "training_graph",
    "weights_at_hand",
]
