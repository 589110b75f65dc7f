"""Writing a trained network as ONNX, so that it runs without a training framework."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from actinscope.errors import BundleError
from actinscope.files import atomic_path
from actinscope.networks.backend import backend_name, keras_backend
from actinscope.networks.registry import NetworkEntry

INPUT_NAME = "image"
PROBABILITIES = "probabilities"
EMBEDDING = "embedding"
CLASS_MAPS = "class_maps"
OPSET = 15


def export_onnx(
    model: Any, entry: NetworkEntry, path: Path, *, embedding_only: bool = False
) -> None:
    """Write the inference graph of ``model`` to ``path``.

    The graph's input is ``image`` (N, S, S, C) float32 in the network's range, for any N.
    Its outputs, all float32:

    - ``probabilities`` (N, K): the softmax.
    - ``embedding`` (N, D): output of ``entry.embedding_layer``, for pooled networks the
      mean of the last feature map over its positions.
    - ``class_maps`` (N, h, w, K), only where ``entry.has_class_maps``: the last feature
      map times the kernel of the head, WITHOUT the head's bias. For every class the mean
      of the map over its h x w positions plus the bias is the logit, and softmax of the
      logits is ``probabilities`` (Zhou et al. 2016, class activation mapping).

    With ``embedding_only`` the graph ends there: something else names the class.

    Raises:
        BundleError: Keras does not run on TensorFlow, or the converter failed.
        OutputError: ``path`` cannot be written.
    """
    if backend_name() != "tensorflow":
        raise BundleError(
            f"models are written as ONNX with Keras on TensorFlow, not on {backend_name()}",
            where="KERAS_BACKEND",
            remedy="Set KERAS_BACKEND=tensorflow, load the checkpoint and export again",
        )
    graph = embedding_model(model, entry) if embedding_only else inference_model(model, entry)
    with atomic_path(path) as temporary:
        with _quiet():
            _convert(graph, temporary)
        _check_names(temporary, expected=list(graph.output))


def inference_model(model: Any, entry: NetworkEntry) -> Any:
    """Keras model with the outputs of the ONNX graph as a dictionary, sharing ``model``'s weights.

    Outputs and shapes are those that `export_onnx` describes.
    """
    keras = keras_backend()
    outputs = {
        PROBABILITIES: model.output,
        EMBEDDING: model.get_layer(entry.embedding_layer).output,
    }
    if entry.has_class_maps:
        head = model.get_layer(entry.head_layers[-1])
        features = model.get_layer(entry.feature_layer).output
        positions = keras.layers.Conv2D(head.units, 1, use_bias=False, name=CLASS_MAPS)
        outputs[CLASS_MAPS] = positions(features)
        positions.kernel.assign(keras.ops.expand_dims(head.kernel, (0, 1)))
    return keras.Model(model.input, outputs, name=model.name)


def embedding_model(model: Any, entry: NetworkEntry) -> Any:
    """Keras model with the output ``embedding`` alone, as a dictionary."""
    outputs = {EMBEDDING: model.get_layer(entry.embedding_layer).output}
    return keras_backend().Model(model.input, outputs, name=model.name)


def _convert(graph: Any, path: Path) -> None:
    # By the converter's own interface: Keras' export walks the whole object graph of the
    # model first, which takes as long as the conversion.
    import tensorflow as tf
    import tf2onnx

    def infer(image: Any) -> Any:
        return graph(image, training=False)

    shape = (None, *graph.input.shape[1:])
    signature = (tf.TensorSpec(shape, tf.float32, name=INPUT_NAME),)
    traced = tf.function(infer, input_signature=signature, autograph=False)
    try:
        tf2onnx.convert.from_function(
            traced, input_signature=signature, opset=OPSET, output_path=str(path)
        )
    except (ValueError, TypeError, RuntimeError, NotImplementedError) as error:
        raise BundleError(
            f"the network cannot be written as ONNX ({error})", where=graph.name
        ) from error


def _check_names(path: Path, *, expected: list[str]) -> None:
    import onnx

    graph = onnx.load(path).graph
    inputs = [value.name for value in graph.input]
    outputs = [value.name for value in graph.output]
    if inputs != [INPUT_NAME] or sorted(outputs) != sorted(expected):
        raise BundleError(
            f"the converter named the tensors {inputs} and {outputs}, "
            f"not {[INPUT_NAME]} and {expected}",
            where=path.name,
        )


@contextmanager
def _quiet() -> Iterator[None]:
    # The converters announce their progress and warn about each other's deprecations.
    loggers = [logging.getLogger(name) for name in ("tf2onnx", "tensorflow", "absl")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
