"""Adam in one pass over each variable."""

from __future__ import annotations

from typing import Any

from actinscope.networks import backend_name, keras_backend


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
