"""The backbones: what there is, their pretrained weights, building, freezing, exporting.

With training/ the only room that knows Keras, which is imported when it is first needed.
"""

from actinscope.networks.backend import (
    backend_name,
    import_in_background,
    keras_backend,
    one_of_many_networks,
)
from actinscope.networks.blocks import (
    block_ends,
    freeze_points,
)
from actinscope.networks.build import (
    build_imagenet_classifier,
    build_network,
)
from actinscope.networks.cut import (
    CutNetwork,
    crossing_tensors,
    cut_network,
)
from actinscope.networks.device import (
    as_float32,
    dtype_policy,
    has_gpu,
)
from actinscope.networks.download import (
    Patience,
)
from actinscope.networks.entry import (
    NetworkEntry,
)
from actinscope.networks.export import (
    EMBEDDING,
    PROBABILITIES,
    embedding_model,
    export_onnx,
    inference_model,
)
from actinscope.networks.freeze import (
    freeze,
    freeze_batch_norm,
    trained_layers,
)
from actinscope.networks.frozen import (
    FrozenLayers,
)
from actinscope.networks.head import (
    Head,
    HeadKind,
    embedding_of,
    settle_head,
)
from actinscope.networks.registry import (
    REGISTRY,
    network_entry,
)
from actinscope.networks.sources import (
    KerasDownload,
    PackageFile,
)
from actinscope.networks.training_graph import (
    is_plain,
    training_graph,
)
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
    "CutNetwork",
    "FrozenLayers",
    "Head",
    "HeadKind",
    "KerasDownload",
    "NetworkEntry",
    "PackageFile",
    "Patience",
    "ResolvedWeights",
    "as_float32",
    "backend_name",
    "block_ends",
    "build_imagenet_classifier",
    "build_network",
    "crossing_tensors",
    "cut_network",
    "default_network",
    "default_sentence",
    "dtype_policy",
    "embedding_model",
    "embedding_of",
    "export_onnx",
    "freeze",
    "freeze_batch_norm",
    "freeze_points",
    "has_gpu",
    "import_in_background",
    "inference_model",
    "is_plain",
    "keras_backend",
    "network_entry",
    "one_of_many_networks",
    "place_of_weights",
    "resolve_weights",
    "settle_head",
    "trained_layers",
    "training_graph",
    "weights_at_hand",
]
