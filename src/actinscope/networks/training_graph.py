"""The trained layers as a TensorFlow graph that a CPU trains faster than Keras' own.

The arithmetic is that of the Keras layers, in an order that needs less time:

- A convolution of 1 x 1 is a matrix multiplication, for which the kernels are better.
- A frozen batch normalisation is folded into the convolution before it: two passes over
  the feature maps less, forward and backward.
- A batch normalisation that is trained uses the fused kernel; Keras writes it as a dozen
  operations.
- SiLU keeps its sigmoid for the backward pass instead of computing it again.
- The gradient of a depthwise kernel of 5 x 5 and more is computed as a depthwise
  convolution of the input with the output's gradient: TensorFlow's own kernel for it is
  several times slower.

Layers of any other kind, and operations that are no layers, are called as they are.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from actinscope.networks.backend import keras_backend

_SLOW_KERNEL = 5  # from this size on the native gradient of depthwise kernels is the slower one


def training_graph(
    inputs: Sequence[Any], operations: Sequence[Any], output: Any
) -> Callable[[Sequence[Any]], Any]:
    """A function from values of ``inputs`` to ``output``, in training mode, for TensorFlow.

    It takes float32 tensors in the order of ``inputs``; gradients flow through it to the
    trainable variables of the layers, and moving statistics are updated as Keras does.
    ``operations`` are Keras layers and other operations in topological order, for which
    :func:`is_plain` must hold; ``output`` is one Keras tensor, or a list of tensors.
    """
    keras = keras_backend()
    steps = _planned([one for one in operations if not isinstance(one, keras.layers.InputLayer)])

    def run(values: Sequence[Any]) -> Any:
        known = {id(tensor): value for tensor, value in zip(inputs, values, strict=True)}
        for layer, result, compute in steps:
            given = keras.tree.map_structure(lambda tensor: known[id(tensor)], layer.input)
            known[id(result)] = compute(given)
        return keras.tree.map_structure(lambda tensor: known[id(tensor)], output)

    return run


def is_plain(inputs: Sequence[Any], operations: Sequence[Any], output: Any) -> bool:
    """Whether ``operations``, one after the other, lead from ``inputs`` to ``output``.

    They do not where a layer is used twice or is a network of its own: then what Keras
    says of its input and output is not the whole truth, and the graph must not be used.
    """
    keras = keras_backend()
    known = {id(tensor) for tensor in inputs}
    for operation in operations:
        if not isinstance(operation, keras.layers.InputLayer):
            if not all(id(tensor) in known for tensor in keras.tree.flatten(operation.input)):
                return False
            known.update(id(tensor) for tensor in keras.tree.flatten(operation.output))
    return id(output) in known


def _planned(layers: Sequence[Any]) -> list[tuple[Any, Any, Callable[[Any], Any]]]:
    """Layers, each with the Keras tensor that it gives (with a norm folded in) and its function."""
    tree = keras_backend().tree
    readers: dict[int, list[Any]] = {}
    for layer in layers:
        for tensor in tree.flatten(layer.input):
            readers.setdefault(id(tensor), []).append(layer)
    steps = []
    folded: set[int] = set()
    for layer in layers:
        if id(layer) in folded:
            continue
        after = readers.get(id(layer.output), [])
        norm = after[0] if len(after) == 1 and _can_fold(layer, after[0]) else None
        if norm is not None:
            folded.add(id(norm))
        result = layer.output if norm is None else norm.output
        steps.append((layer, result, _computation(layer, norm)))
    return steps


def _computation(layer: Any, norm: Any) -> Callable[[Any], Any]:
    keras = keras_backend()
    if _is_pointwise(layer):
        return lambda x: _activated(layer, _pointwise(layer, norm, x))
    if _is_depthwise(layer):
        return lambda x: _activated(layer, _depthwise(layer, norm, x))
    if _is_norm(layer) and layer.trainable:
        return lambda x: _fused_norm(layer, x)
    if type(layer) is keras.layers.Activation:
        return lambda x: _activated(layer, x)
    if not isinstance(layer, keras.layers.Layer):  # with the constants that it was given
        return keras.Function(layer.input, layer.output)  # type: ignore[no-any-return]
    return _as_keras(layer)


def _as_keras(layer: Any) -> Callable[[Any], Any]:
    if "training" in inspect.signature(layer.call).parameters:
        return lambda x: layer(x, training=True)
    return layer  # type: ignore[no-any-return]


def _is_pointwise(layer: Any) -> bool:
    return (
        type(layer) is keras_backend().layers.Conv2D
        and (*layer.kernel_size, *layer.strides, layer.groups) == (1, 1, 1, 1, 1)
        and layer.data_format == "channels_last"
    )


def _is_depthwise(layer: Any) -> bool:
    return (
        type(layer) is keras_backend().layers.DepthwiseConv2D
        and tuple(layer.dilation_rate) == (1, 1)
        and layer.depth_multiplier == 1
        and layer.strides[0] == layer.strides[1]
        and layer.data_format == "channels_last"
    )


def _is_norm(layer: Any) -> bool:
    return (
        type(layer) is keras_backend().layers.BatchNormalization
        and layer.axis in (-1, 3)
        and layer.center
        and layer.scale
        and len(layer.output.shape) == 4
        and not layer.synchronized
    )


def _can_fold(layer: Any, norm: Any) -> bool:
    linear = getattr(layer, "activation", None) is keras_backend().activations.linear
    convolution = _is_pointwise(layer) or _is_depthwise(layer)
    return convolution and linear and _is_norm(norm) and not norm.trainable


def _scale_and_shift(layer: Any, norm: Any) -> tuple[Any, Any]:
    """What the frozen ``norm`` does to a channel, and the bias with the layer's own in it."""
    import tensorflow as tf

    bias = layer.bias.value if layer.use_bias else None
    if norm is None:
        return None, bias
    scale = norm.gamma.value * tf.math.rsqrt(norm.moving_variance.value + norm.epsilon)
    shift = norm.beta.value - norm.moving_mean.value * scale
    return scale, shift if bias is None else shift + bias * scale


def _pointwise(layer: Any, norm: Any, x: Any) -> Any:
    """(N, h, w, C) to (N, h, w, D)."""
    import tensorflow as tf

    channels, filters = layer.kernel.shape[2:]
    scale, bias = _scale_and_shift(layer, norm)
    kernel = tf.reshape(layer.kernel.value, (channels, filters))
    kernel = kernel if scale is None else kernel * scale
    flat = tf.matmul(tf.reshape(x, (-1, channels)), kernel)
    flat = flat if bias is None else tf.nn.bias_add(flat, bias)
    return tf.reshape(flat, (-1, *x.shape[1:3], filters))


def _depthwise(layer: Any, norm: Any, x: Any) -> Any:
    """(N, h, w, C) to (N, h', w', C)."""
    import tensorflow as tf

    scale, bias = _scale_and_shift(layer, norm)
    kernel = layer.kernel.value
    kernel = kernel if scale is None else kernel * scale[:, None]
    stride, padding = layer.strides[0], layer.padding.upper()
    if stride == 1 and min(layer.kernel_size) >= _SLOW_KERNEL:
        y = _depthwise_with_fast_gradient(x, kernel, padding)
    else:
        y = tf.nn.depthwise_conv2d(x, kernel, (1, stride, stride, 1), padding)
    return y if bias is None else tf.nn.bias_add(y, bias)


def _depthwise_with_fast_gradient(x: Any, kernel: Any, padding: str) -> Any:
    import tensorflow as tf

    strides = (1, 1, 1, 1)

    def convolve(x: Any, kernel: Any) -> Any:
        def gradient(upstream: Any) -> tuple[Any, Any]:
            to_input = tf.nn.depthwise_conv2d_backprop_input(
                tf.shape(x), kernel, upstream, strides, padding
            )
            return to_input, _depthwise_kernel_gradient(x, upstream, kernel.shape, padding)

        return tf.nn.depthwise_conv2d(x, kernel, strides, padding), gradient

    return tf.custom_gradient(convolve)(x, kernel)


def _depthwise_kernel_gradient(x: Any, upstream: Any, shape: Any, padding: str) -> Any:
    """dL/dK[i, j, c] = sum over n, y, x of x[n, y + i, x + j, c] upstream[n, y, x, c].

    That is a depthwise convolution of ``x`` with ``upstream`` as its kernel, in which every
    image and channel is a channel of its own.
    """
    import tensorflow as tf

    height, width, channels, _ = shape
    if padding == "SAME":  # stride 1: the odd pixel of padding comes last
        rows, columns = height - 1, width - 1
        edges = [[rows // 2, rows - rows // 2], [columns // 2, columns - columns // 2]]
        x = tf.pad(x, [[0, 0], *edges, [0, 0]])

    def images_as_channels(maps: Any) -> Any:  # (N, h, w, C) to (h, w, N C)
        return tf.reshape(tf.transpose(maps, (1, 2, 0, 3)), (*maps.shape[1:3], -1))

    found = tf.nn.depthwise_conv2d(
        images_as_channels(x)[None],
        images_as_channels(upstream)[..., None],
        (1, 1, 1, 1),
        "VALID",
    )
    per_image = tf.reshape(found, (height, width, -1, channels))
    return tf.reduce_sum(per_image, axis=2)[..., None]


def _fused_norm(layer: Any, x: Any) -> Any:
    import tensorflow as tf

    y, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=x,
        scale=layer.gamma.value,
        offset=layer.beta.value,
        mean=tf.zeros([0]),
        variance=tf.zeros([0]),
        epsilon=layer.epsilon,
        is_training=True,
    )
    # The kernel gives the sample's variance, Keras keeps the population's.
    count = tf.cast(tf.size(x) / x.shape[-1], tf.float32)
    variance = variance * (count - 1.0) / count
    for moving, batch in ((layer.moving_mean, mean), (layer.moving_variance, variance)):
        moving.assign(moving.value * layer.momentum + batch * (1.0 - layer.momentum))
    return y


def _activated(layer: Any, x: Any) -> Any:
    activations = keras_backend().activations
    activation = getattr(layer, "activation", None)
    if activation is None or activation is activations.linear:
        return x
    return _silu(x) if activation is activations.silu else activation(x)


def _silu(x: Any) -> Any:
    import tensorflow as tf

    def silu(x: Any) -> Any:
        sigmoid = tf.sigmoid(x)

        def gradient(upstream: Any) -> Any:
            return upstream * sigmoid + x * tf.raw_ops.SigmoidGrad(y=sigmoid, dy=upstream)

        return x * sigmoid, gradient

    return tf.custom_gradient(silu)(x)
