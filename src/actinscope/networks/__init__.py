"""The backbones: what there is, their pretrained weights, building, freezing, exporting.

With training/ the only room that knows Keras, which is imported when it is first needed.
"""

from actinscope.networks.backend import backend_name, import_in_background, keras_backend
from actinscope.networks.build import build_imagenet_classifier, build_network
from actinscope.networks.cut import CutNetwork, crossing_tensors, cut_network
from actinscope.networks.device import as_float32, dtype_policy, has_gpu
from actinscope.networks.download import Patience
from actinscope.networks.export import (
    EMBEDDING,
    PROBABILITIES,
    embedding_model,
    export_onnx,
    inference_model,
)
from actinscope.networks.freeze import freeze, freeze_batch_norm, trained_layers
from actinscope.networks.frozen import FrozenLayers
from actinscope.networks.registry import REGISTRY, NetworkEntry, network_entry
from actinscope.networks.sources import KerasDownload, PackageFile
from actinscope.networks.training_graph import training_graph
from actinscope.networks.weights import (
    PAPER_NETWORK,
    ResolvedWeights,
    default_network,
    resolve_weights,
    weights_at_hand,
)

__all__ = [
    "EMBEDDING",
    "PAPER_NETWORK",
    "PROBABILITIES",
    "REGISTRY",
    "CutNetwork",
    "FrozenLayers",
    "KerasDownload",
    "NetworkEntry",
    "PackageFile",
    "Patience",
    "ResolvedWeights",
    "as_float32",
    "backend_name",
    "build_imagenet_classifier",
    "build_network",
    "crossing_tensors",
    "cut_network",
    "default_network",
    "dtype_policy",
    "embedding_model",
    "export_onnx",
    "freeze",
    "freeze_batch_norm",
    "has_gpu",
    "import_in_background",
    "inference_model",
    "keras_backend",
    "network_entry",
    "resolve_weights",
    "trained_layers",
    "training_graph",
    "weights_at_hand",
]
