"""Writing a trained network as ONNX, so that it runs without a training framework."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from actinscope.errors import BundleError
from actinscope.files import atomic_path
from actinscope.networks.backend import backend_name, keras_backend
from actinscope.networks.entry import NetworkEntry
from actinscope.networks.head import embedding_of, mapped_features

INPUT_NAME = "image"
PROBABILITIES = "probabilities"
EMBEDDING = "embedding"
CLASS_MAPS = "class_maps"
EARLY_FEATURES = "early_features"
#: Side of the input over the side of the map that the early features are the mean of.
_EARLY_STRIDE = 8
OPSET = 15
_NO_COPIES = "TF2ONNX_CATCH_ERRORS"


def export_onnx(
    model: Any, entry: NetworkEntry, path: Path, *, embedding_only: bool = False
) -> None:
    """Write the inference graph of ``model`` to ``path``.

    The graph's input is ``image`` (N, S, S, C) float32 in the network's range, for any N.
    Its outputs, all float32:

    - ``probabilities`` (N, K): the softmax.
    - ``embedding`` (N, D): what the last layer reads, for pooled networks the mean of the
      last feature map over its positions.
    - ``class_maps`` (N, h, w, K), only where the last layer reads that mean: the last feature
      map times the kernel of the head, WITHOUT the head's bias. For every class the mean
      of the map over its h x w positions plus the bias is the logit, and softmax of the
      logits is ``probabilities`` (Zhou et al. 2016, class activation mapping).
    - ``early_features`` (N, E): the mean over its positions of the last map with an eighth of
      the input's side, where the network has one. Training leaves it nearly or wholly as
      it is, so it still tells what the classes have in common from everything else.

    With ``embedding_only`` it gives ``embedding`` and ``early_features`` alone: something else
    names the class.

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
    graph = embedding_model(model) if embedding_only else inference_model(model)
    with atomic_path(path) as temporary:
        with _quiet():
            _convert(graph, entry.title, temporary)
        _check_graph(temporary, expected=list(graph.output))


def inference_model(model: Any) -> Any:
    """Keras model with the outputs of the ONNX graph as a dictionary, sharing ``model``'s weights.

    Outputs and shapes are those that `export_onnx` describes.
    """
    keras = keras_backend()
    outputs = {PROBABILITIES: model.output, EMBEDDING: embedding_of(model)}
    if (features := mapped_features(model)) is not None:
        head = model.layers[-1]
        positions = keras.layers.Conv2D(head.units, 1, use_bias=False, name=CLASS_MAPS)
        outputs[CLASS_MAPS] = positions(features)
        positions.kernel.assign(keras.ops.expand_dims(head.kernel, (0, 1)))
    outputs |= _early_features(model)
    return keras.Model(model.input, outputs, name=model.name)


def embedding_model(model: Any) -> Any:
    """Keras model with the outputs ``embedding`` and ``early_features``, as a dictionary."""
    outputs = {EMBEDDING: embedding_of(model)} | _early_features(model)
    return keras_backend().Model(model.input, outputs, name=model.name)


def _early_features(model: Any) -> dict[str, Any]:
    """The output of that name; nothing where no map has an eighth of the side, rounded up."""
    side = -(-int(model.input.shape[1]) // _EARLY_STRIDE)
    for layer in reversed(model.layers):
        shape = getattr(layer.output, "shape", ())
        if len(shape) == 4 and tuple(shape[1:3]) == (side, side):
            pooled = keras_backend().layers.GlobalAveragePooling2D(name=EARLY_FEATURES)
            return {EARLY_FEATURES: pooled(layer.output)}
    return {}


def _convert(graph: Any, title: str, path: Path) -> None:
    # By the converter's own interface: Keras' export walks the whole object graph of the
    # model first, which takes as long as the conversion.
    import tensorflow as tf
    import tf2onnx

    def infer(image: Any) -> Any:
        return graph(image, training=False)

    shape = (None, *graph.input.shape[1:])
    signature = (tf.TensorSpec(shape, tf.float32, name=INPUT_NAME),)
    traced = tf.function(infer, input_signature=signature, autograph=False)
    convert = partial(
        tf2onnx.convert.from_function,
        traced,
        input_signature=signature,
        opset=OPSET,
        output_path=str(path),
    )
    try:
        # Set, it does not copy graph and weights before each pass, to go back should the pass fail:
        # a third of its time. But a pass does fail on MobileNetV3.
        os.environ[_NO_COPIES] = "FALSE"
        try:
            convert()
        except Exception:
            del os.environ[_NO_COPIES]
            convert()
    except (ValueError, TypeError, RuntimeError, NotImplementedError) as error:
        raise BundleError(
            f"the network cannot be written as ONNX ({error})", where=title
        ) from error


def _check_graph(path: Path, *, expected: list[str]) -> None:
    import onnx

    graph = onnx.load(path).graph
    inputs = [value.name for value in graph.input]
    outputs = [value.name for value in graph.output]
    # The converter leaves operations that it does not know as they are.
    foreign = sorted({node.op_type for node in graph.node if not onnx.defs.has(node.op_type)})
    if foreign:
        raise BundleError(
            f"the network has operations that ONNX does not know: {', '.join(foreign)}",
            where=path.name,
        )
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
