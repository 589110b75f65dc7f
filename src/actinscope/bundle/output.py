"""The outputs of networks for images: named, stacked, cut and calibrated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from actinscope.preprocess import turned_back

#: Input and outputs of model.onnx.
INPUT = "image"
PROBABILITIES = "probabilities"
EMBEDDING = "embedding"
CLASS_MAPS = "class_maps"
EARLY_FEATURES = "early_features"

_Number = TypeVar("_Number", np.float32, np.float64)
_SMALLEST = 1e-45  # a softmax in float32 gives nothing smaller but 0


@dataclass(frozen=True, eq=False)
class NetworkOutput:
    """The outputs of a network, or of the networks of an ensemble, for N images.

    Attributes:
        probabilities: (N, K) float64, rows sum to 1 up to float32 rounding. Of a network
            as it gives them; of an ensemble the mean of its members' calibrated ones.
        embedding: (N, D) float32, the features before the classifier, or None.
        class_maps: (N, h, w, K) float32, the class evidence at each place, or None.
        early_features: (N, E) float32, means of a map of an early layer, or None.
        members: of an ensemble what each member says, without embedding and class maps;
            else empty, as also where an ensemble was given no image.
    """

    probabilities: NDArray[np.float64]
    embedding: NDArray[np.float32] | None
    class_maps: NDArray[np.float32] | None
    early_features: NDArray[np.float32] | None = None
    members: tuple[NetworkOutput, ...] = ()

    def __len__(self) -> int:
        return len(self.probabilities)

    @property
    def uncalibrated(self) -> NDArray[np.float64]:
        """(N, K) as the network gives them; of an ensemble the plain mean of these."""
        if not self.members:
            return self.probabilities
        return np.asarray(np.mean([one.probabilities for one in self.members], axis=0))

    def rows(self, chosen: NDArray[np.bool_]) -> NetworkOutput:
        """The outputs of the images for which ``chosen`` (N,) is true."""
        arrays = (self.embedding, self.class_maps, self.early_features)
        embedding, maps, early = (None if one is None else one[chosen] for one in arrays)
        members = tuple(one.rows(chosen) for one in self.members)
        return NetworkOutput(self.probabilities[chosen], embedding, maps, early, members)


def stack_outputs(
    outputs: Sequence[NetworkOutput], *, classes: int, good: NDArray[np.bool_] | None = None
) -> NetworkOutput:
    """The outputs of several batches, one behind the other.

    Args:
        outputs: of the same bundle; those of no image are passed over.
        classes: K, for where there is no output at all.
        good: (N,) where it is true the outputs belong, in order; the other rows become NaN.
            None: there are no other rows.
    """
    filled = [output for output in outputs if len(output)]
    if not filled:
        rows = 0 if good is None else len(good)
        return NetworkOutput(np.full((rows, classes), np.nan), None, None)
    return NetworkOutput(
        _stacked([output.probabilities for output in filled], good),
        _stacked_if_any([output.embedding for output in filled], good),
        _stacked_if_any([output.class_maps for output in filled], good),
        _stacked_if_any([output.early_features for output in filled], good),
        members=tuple(
            stack_outputs(parts, classes=classes, good=good)
            for parts in zip(*(output.members for output in filled), strict=True)
        ),
    )


def mean_of_views(outputs: Sequence[NetworkOutput], views: Sequence[int]) -> NetworkOutput:
    """One answer of what a network says of several views (``preprocess.turned``) of N images.

    The logits are averaged, and so are features and, turned back, class maps: what holds between
    them for one view holds for the mean.
    """
    if len(outputs) == 1:
        return outputs[0]
    logits = np.mean([_logits(one.probabilities) for one in outputs], axis=0)
    maps = [
        turned_back(one.class_maps, view)
        for one, view in zip(outputs, views, strict=True)
        if one.class_maps is not None
    ]
    return NetworkOutput(
        _softmax(logits),
        _mean([one.embedding for one in outputs]),
        _mean(maps),
        _mean([one.early_features for one in outputs]),
    )


def _mean(arrays: Sequence[NDArray[np.float32] | None]) -> NDArray[np.float32] | None:
    given = [one for one in arrays if one is not None]
    return np.asarray(np.mean(given, axis=0), np.float32) if given else None


def _stacked_if_any(
    parts: Sequence[NDArray[np.float32] | None], good: NDArray[np.bool_] | None
) -> NDArray[np.float32] | None:
    # A network has an output for every image or for none.
    arrays = [part for part in parts if part is not None]
    return _stacked(arrays, good) if arrays else None


def _stacked(
    arrays: Sequence[NDArray[_Number]], good: NDArray[np.bool_] | None
) -> NDArray[_Number]:
    if good is None:
        return np.concatenate(arrays)
    spread = np.full((len(good), *arrays[0].shape[1:]), np.nan, dtype=arrays[0].dtype)
    ends = np.cumsum([len(array) for array in arrays])
    # Each batch goes straight to its rows: class maps are large, and one copy of them is enough.
    for rows, array in zip(np.split(np.flatnonzero(good), ends), arrays, strict=False):
        spread[rows] = array
    return spread


def calibrated(probabilities: NDArray[np.floating], temperature: float) -> NDArray[np.float64]:
    """Probabilities (N, K) after dividing their logits by ``temperature``.

    Logarithms of a softmax are its logits but for a constant, which the next softmax takes
    away. The class of highest probability stays the same.

    Source: Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural networks",
    ICML 2017.
    """
    return _softmax(_logits(probabilities) / temperature)


def _logits(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """Logits of a softmax, but for a constant."""
    return np.log(np.maximum(np.asarray(probabilities, dtype=np.float64), _SMALLEST))


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    weights = np.exp(logits - logits.max(axis=1, keepdims=True, initial=-np.inf))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))
