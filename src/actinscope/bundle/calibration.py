"""Dividing logits by a temperature, which makes probabilities mean what they say."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_SMALLEST = 1e-45  # a softmax in float32 gives nothing smaller but 0


def calibrated(probabilities: NDArray[np.floating], temperature: float) -> NDArray[np.float64]:
    """Probabilities (N, K) after dividing their logits by ``temperature``.

    Logarithms of a softmax are its logits but for a constant, which the next softmax takes
    away. The class of highest probability stays the same.

    Source: Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural networks",
    ICML 2017.
    """
    logits = np.log(np.maximum(np.asarray(probabilities, dtype=np.float64), _SMALLEST))
    scaled = logits / temperature
    scaled -= scaled.max(axis=1, keepdims=True, initial=-np.inf)
    weights = np.exp(scaled)
    result: NDArray[np.float64] = weights / weights.sum(axis=1, keepdims=True)
    return result
