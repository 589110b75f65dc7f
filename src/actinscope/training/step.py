"""One step of the optimiser: through a graph made for training on a CPU, or through Keras.

Both compute the same: the mean over the batch of the weighted cross-entropy (and, where it
is asked for, how well the classes lie apart), its gradient, one step of Adam. A test holds
them together.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actinscope.networks import (
    PartitionedNetwork,
    backend_name,
    has_gpu,
    is_plain,
    keras_backend,
    training_graph,
)
from actinscope.training.losses import class_structure, structure_loss, structure_tensor
from actinscope.training.recipe import TrainingSettings


class TrainingStep:
    """Trains the layers of a network that are not frozen, batch by batch.

    Args:
        model: the whole Keras network.
        cut: where it was cut; its tail is trained.
        whole: whether batches are images for the whole network instead of activations.
        settings: of the training.

    Attributes:
        trained: the Keras model that the batches are for.
        in_graph: whether the steps are taken by :func:`training_graph`.
    """

    def __init__(
        self, model: Any, cut: PartitionedNetwork, *, whole: bool, settings: TrainingSettings
    ) -> None:
        keras = keras_backend()
        self.model = model
        self.trained = model if whole else cut.tail
        self._loss = keras.losses.CategoricalCrossentropy(label_smoothing=settings.label_smoothing)
        optimizer = make_adam(settings.learning_rate)
        if any(layer.compute_dtype == "float16" for layer in model.layers):
            # Small gradients would vanish in float16. Keras reads the policy of the model
            # only, which a part that was cut from it does not have.
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
        self._settings = settings
        self._embedding = None
        if settings.loss == "class_structure":
            self._embedding = structure_tensor(model, cut.layers)
        inputs = list(model.inputs) if whole else list(cut.crossing)
        self._by_keras = self._compiled(inputs, optimizer)
        self.optimizer = self._by_keras.optimizer
        self.optimizer.build(self.trained.trainable_variables)
        self._tail = cut.tail
        border = cut.crossing[0] if len(cut.crossing) == 1 else list(cut.crossing)
        head_input = model.layers[-1].input
        # Where nothing but the last layer is trained there is nothing between the two.
        self._to_head = None
        if border is not head_input:
            self._to_head = keras.Model(border, head_input, name="to_head")
        operations = model.operations if whole else cut.operations
        self.in_graph = (
            backend_name() == "tensorflow"
            and not has_gpu()
            and not self.trained.losses  # penalties on weights: Keras adds them up
            and is_plain(inputs, operations, model.output)
            and all(layer.compute_dtype in (None, "float32") for layer in model.layers)
        )
        self._head_start = settings.head_start == "logistic"
        self._traced: Future[None] | None = None
        self._graphs: dict[str, Any] = {}
        if backend_name() == "tensorflow":
            parts = [part for part in (self._tail, self._to_head) if part is not None]
            self._graphs = {part.name: _inference_graph(part) for part in parts}
        if self.in_graph:
            # Activations come in float16; images for the whole network in float32.
            self._run = self._graph_step(
                inputs, operations, model.output, "float32" if whole else "float16"
            )

    def _compiled(self, inputs: Sequence[Any], optimizer: Any) -> Any:
        """The model that Keras trains; with the class structure it also gives the embedding."""
        model, losses = self.trained, [self._loss]
        if self._embedding is not None:
            given = inputs[0] if len(inputs) == 1 else list(inputs)
            model = keras_backend().Model(given, [self.model.output, self._embedding])
            losses.append(structure_loss(self._settings.structure_margin))
        model.compile(
            optimizer=optimizer,
            loss=losses if len(losses) > 1 else losses[0],
            loss_weights=None if len(losses) == 1 else [1.0, self._settings.structure_weight],
            metrics=["accuracy"] if len(losses) == 1 else [["accuracy"], []],
            jit_compile=False,
            auto_scale_loss=False,
        )
        return model

    def trace_ahead(self) -> None:
        """Have the graphs traced, which takes seconds of one core, while others do their work."""
        if self.in_graph:
            pool = ThreadPoolExecutor(1, "actinscope-trace")
            self._traced = pool.submit(self._trace)
            pool.shutdown(wait=False)

    def _trace(self) -> None:
        graphs = [self._run, self._graphs[self._tail.name]]
        if self._head_start and self._to_head is not None:
            graphs.append(self._graphs[self._to_head.name])
        for graph in graphs:
            graph.get_concrete_function()

    def _await_trace(self) -> None:
        if self._traced is not None:
            traced, self._traced = self._traced, None
            traced.result()

    @property
    def variables(self) -> list[Any]:
        """All that a step changes or depends on, for the checkpoint."""
        return [*self.trained.variables, *self.optimizer.variables]

    def __call__(
        self,
        batch: Sequence[NDArray[Any]],
        targets: NDArray[np.float32],
        weights: NDArray[np.float32],
        rate: float,
    ) -> tuple[float, float]:
        """Take a step and return loss and accuracy of the batch before it.

        Args:
            batch: one array (B, ...) for each input.
            targets: (B, K) one-hot.
            weights: (B,) of the images.
            rate: Adam's step size.
        """
        self._await_trace()
        self.optimizer.learning_rate = rate
        if self.in_graph:
            loss, accuracy = self._run(list(batch), targets, weights)
            return float(loss), float(accuracy)
        arrays = [array.astype(np.float32) for array in batch]
        # Some versions of Keras start again with every batch, others do not: always start again.
        self._by_keras.reset_metrics()
        structured = self._embedding is not None
        logs = self._by_keras.train_on_batch(
            arrays[0] if len(arrays) == 1 else arrays,
            [targets, targets] if structured else targets,
            # The structure is of the whole batch: weights of images belong to the other loss.
            sample_weight=[weights, np.ones_like(weights)] if structured else weights,
            return_dict=True,
        )
        (accuracy,) = (value for name, value in logs.items() if name.endswith("accuracy"))
        return float(logs["loss"]), float(accuracy)

    def probabilities(self, batch: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
        """(B, K) in inference mode, for one array (B, ...) for each tensor that crosses the cut."""
        return self._computed(self._tail, batch)

    def features(self, batch: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
        """(B, D) what the last layer is given, for the same batch."""
        if self._to_head is None:
            return np.asarray(batch[0], np.float32)
        return self._computed(self._to_head, batch)

    def _computed(self, part: Any, batch: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
        self._await_trace()
        if part.name in self._graphs:
            return np.asarray(self._graphs[part.name](list(batch)), np.float32)
        arrays = [array.astype(np.float32) for array in batch]
        given = arrays[0] if len(arrays) == 1 else arrays
        return np.asarray(part.predict_on_batch(given), np.float32)

    def _graph_step(
        self, inputs: Sequence[Any], operations: Sequence[Any], output: Any, kind: str
    ) -> Any:
        import tensorflow as tf

        structured, settings = self._embedding is not None, self._settings
        forward = training_graph(
            inputs, operations, [output, self._embedding] if structured else output
        )
        variables = self.trained.trainable_variables
        optimizer, loss_of = self.optimizer, self._loss

        def step(batch: Any, targets: Any, weights: Any) -> Any:
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch([variable.value for variable in variables])
                given = [tf.cast(array, tf.float32) for array in batch]
                answers, embedding = forward(given) if structured else (forward(given), None)
                loss = loss_of(targets, answers, sample_weight=weights)
                if structured:
                    structure = class_structure(embedding, targets, settings.structure_margin)
                    loss += settings.structure_weight * structure
            gradients = tape.gradient(loss, [variable.value for variable in variables])
            optimizer.apply(gradients, variables)
            right = tf.equal(tf.argmax(answers, axis=1), tf.argmax(targets, axis=1))
            return loss, tf.reduce_mean(tf.cast(right, tf.float32))

        batch = [tf.TensorSpec((None, *tensor.shape[1:]), kind) for tensor in inputs]
        targets = tf.TensorSpec((None, output.shape[-1]), tf.float32)
        signature = (batch, targets, tf.TensorSpec((None,), tf.float32))
        return tf.function(step, input_signature=signature, autograph=False)


def _inference_graph(part: Any) -> Any:
    # Keras would trace its own function again for the smaller last batch.
    import tensorflow as tf

    signature = ([tf.TensorSpec((None, *one.shape[1:]), tf.float16) for one in part.inputs],)

    def infer(batch: Any) -> Any:
        given = [tf.cast(array, tf.float32) for array in batch]
        return part(given[0] if len(given) == 1 else given, training=False)

    return tf.function(infer, input_signature=signature, autograph=False)


def make_adam(learning_rate: float) -> Any:
    """Keras' Adam (Kingma and Ba 2015) with its defaults; on TensorFlow with a fused update.

    Keras writes the update as ten operations for each variable, each a pass over memory;
    TensorFlow has one kernel for it, with the same formula.
    """
    if backend_name() == "tensorflow":
        return _fused_adam()(learning_rate=learning_rate)
    return keras_backend().optimizers.Adam(learning_rate=learning_rate)


def _fused_adam() -> Any:
    import tensorflow as tf

    class FusedAdam(keras_backend().optimizers.Adam):  # type: ignore[misc]
        """Adam whose ``update_step`` is TensorFlow's kernel."""

        def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
            """Change ``variable`` and its two moments for a dense gradient."""
            place = self._get_variable_index(variable)
            steps = tf.cast(self.iterations.value + 1, variable.dtype)
            tf.raw_ops.ResourceApplyAdam(
                var=variable.handle,
                m=self._momentums[place].value.handle,
                v=self._velocities[place].value.handle,
                beta1_power=tf.pow(tf.cast(self.beta_1, variable.dtype), steps),
                beta2_power=tf.pow(tf.cast(self.beta_2, variable.dtype), steps),
                lr=tf.cast(learning_rate, variable.dtype),
                beta1=tf.cast(self.beta_1, variable.dtype),
                beta2=tf.cast(self.beta_2, variable.dtype),
                epsilon=tf.cast(self.epsilon, variable.dtype),
                grad=gradient,
            )

    return FusedAdam
