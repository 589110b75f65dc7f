"""Running the layers that never change: once for an image, as fast as the machine can.

On a CPU OpenVINO computes them two to three times faster than Keras; the graph is handed
over in memory, without a detour through a file. Where OpenVINO is missing or refuses the
graph, where Keras runs on another backend, and on a GPU, Keras computes them.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actinscope.errors import TrainingError
from actinscope.networks.backend import backend_name, keras_backend
from actinscope.networks.device import GPU_BATCH, has_gpu, in_fitting_batches
from actinscope.runtimes import OpenVinoEngine, import_openvino, usable_cores

_KERAS_BATCH = 32


class FrozenLayers:
    """Computes chosen tensors of a network in inference mode, with the weights it has now.

    Safe to use from several threads, one at a time. Later changes of the network's weights
    do not reach it where OpenVINO runs.


    Attributes:
        engine: ``openvino``, ``keras``, or ``none`` where the images themselves are asked for.
        fallback: why it is Keras although OpenVINO was tried; else empty.
    """

    def __init__(self, model: Any, tensors: Sequence[Any]) -> None:
        self._keras = keras_backend().Model(model.input, list(tensors), name="frozen")
        self._openvino: OpenVinoEngine | None = None
        self._lock = threading.Lock()
        self.fallback = ""
        self.engine = "none"
        self._untouched = all(tensor is model.input for tensor in tensors)
        if self._untouched:  # nothing is frozen
            return
        if backend_name() == "tensorflow" and not has_gpu():
            try:
                self._openvino = OpenVinoEngine(_converted(self._keras), usable_cores())
            except Exception as error:  # its converter's errors have no other base
                reason = next(iter(str(error).splitlines()), type(error).__name__)
                self.fallback = f"OpenVINO does not take the frozen layers ({reason})"
        self.engine = "keras" if self._openvino is None else "openvino"

    def __call__(self, images: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """One float32 array (N, ...) for each tensor, for images (N, S, S, C), N > 0.

        Raises:
            TrainingError: an image has a pixel that is not finite.
        """
        # Checked here: a ReLU may turn NaN into 0 unnoticed.
        if not np.isfinite(images.sum(dtype=np.float64)):
            bad = [place for place, image in enumerate(images) if not np.isfinite(image).all()]
            raise TrainingError(
                f"image {bad[0]} of a batch of {len(images)} has pixels that are infinite or no "
                "numbers",
                remedy="Leave the image out, or export it again",
            )
        if self._untouched:
            return [np.ascontiguousarray(images, dtype=np.float32)]
        with self._lock:
            if self._openvino is not None:
                return self._openvino.run(np.ascontiguousarray(images, dtype=np.float32))
            batch = GPU_BATCH if has_gpu() else _KERAS_BATCH
            parts = in_fitting_batches(self._predict, images, batch)
        return [np.concatenate(tensor) for tensor in zip(*parts, strict=True)]

    def _predict(self, images: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        outputs = self._keras.predict_on_batch(images)
        listed = outputs if isinstance(outputs, (list, tuple)) else [outputs]
        return [np.asarray(output, dtype=np.float32) for output in listed]


def _converted(model: Any) -> Any:
    """``model`` as an ``openvino.Model`` for one image at a time."""
    import tensorflow as tf

    openvino = import_openvino()
    shape = (1, *model.inputs[0].shape[1:])

    def forward(image: Any) -> Any:
        return model(image, training=False)

    traced = tf.function(forward, autograph=False).get_concrete_function(
        tf.TensorSpec(shape, tf.float32)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the converter's own deprecations
        converted = openvino.convert_model(traced)
    # Functions with a gradient of their own (SiLU) leave their inner tensors as outputs behind.
    wanted = converted.outputs[: len(model.outputs)]
    return openvino.Model(wanted, converted.get_parameters(), "frozen")
