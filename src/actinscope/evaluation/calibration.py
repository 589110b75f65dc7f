"""Calibration: whether what is said to be 80 % sure is right in 80 % of images.

- One *temperature* divides all logits; it is the most probable one, seen the validation part
  (after Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural networks", ICML 2017).
- *Reliability diagram*: bins of equal numbers of images by confidence (the highest
  probability), the share of right answers against the mean confidence (DeGroot and Fienberg,
  The Statistician 32: 12, 1983; Niculescu-Mizil and Caruana, ICML 2005).
- *ECE*, expected calibration error: sum over bins of n_b / n |share right - mean confidence|
  (Naeini, Cooper and Hauskrecht, AAAI 2015), with bins of equal width or of equal numbers. It is
  above 0 for a perfectly calibrated model too, the more so the fewer images there are.
- The *debiased* error takes that away: the root of the sum over bins of
  n_b / n [(share right - mean confidence)^2 - share right (1 - share right) / (n_b - 1)], 0 where
  the sum is negative (Kumar, Liang and Ma, "Verified uncertainty calibration", NeurIPS 2019).
- *Brier score*: mean of the sum over classes of (probability - truth)^2, 0..2 (Brier, Monthly
  Weather Review 78: 1, 1950). *Log loss*: mean of -ln(probability of the class).

All figures are computed on weights, so that value and bootstrap come from the same lines. The
bins of the sample serve all its resamples. (scikit-learn and netcal compute one sample at a
time, and no debiased error.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from actinscope.bundle import calibrated

Floats = NDArray[np.float64]

#: The temperature is looked for between these: beyond, probabilities are all the same or 0 and 1.
TEMPERATURES = (0.25, 8.0)
#: Fewer validation images than this leave the temperature at 1.
FEWEST_IMAGES = 10
_SPREAD = 0.5  # networks mostly need temperatures from 0.5 to 3
_MOST_BINS = 10
_IMAGES_PER_BIN = 10
_SMALLEST = np.finfo(np.float64).eps

CALIBRATION_METRICS = (
    "ece_equal_mass",
    "ece_equal_width",
    "calibration_error_debiased",
    "brier",
    "log_loss",
)


@dataclass(frozen=True)
class Temperature:
    """A temperature, and what must be known of it; ``note`` is empty where there is nothing."""

    value: float
    note: str = ""


@dataclass(frozen=True)
class Bin:
    """One bin of a reliability diagram: which images (N,), and their mean confidence."""

    images: NDArray[np.bool_]
    confidence: float


def fit_temperature(
    labels: NDArray[np.integer], probabilities: NDArray[np.floating]
) -> Temperature:
    """The most probable temperature within ``TEMPERATURES``, by a bounded search.

    Before any image is seen its logarithm has a normal distribution about 0 with the standard
    deviation ``_SPREAD``: a few dozen images that are all named right would otherwise make the
    model certain of everything. Of hundreds of images it is that of smallest log loss.

    Args:
        labels: (N,) class indices.
        probabilities: (N, K) as the network gives them.
    """
    from scipy.optimize import minimize_scalar

    truth, chances = np.asarray(labels), np.asarray(probabilities, dtype=np.float64)
    if len(truth) < FEWEST_IMAGES:
        return Temperature(
            1.0,
            f"the probabilities are not calibrated: the validation part has {len(truth)} images, "
            f"{FEWEST_IMAGES} are needed",
        )

    def loss(logarithm: float) -> float:
        scaled = calibrated(chances, float(np.exp(logarithm)))
        return float(_losses(truth, scaled).sum()) + 0.5 * (logarithm / _SPREAD) ** 2

    low, high = np.log(TEMPERATURES)
    found = float(
        minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-5}).x
    )
    # The search never ends on a bound itself; the log loss may well be smallest there.
    found = min((low, found, high), key=loss)
    value = round(float(np.exp(found)), 6)
    if value <= TEMPERATURES[0]:
        return Temperature(
            value,
            f"the temperature was stopped at its lower bound {TEMPERATURES[0]:g}: the validation "
            "part is separated too well to say how sure the model may be",
        )
    if value >= TEMPERATURES[1]:
        return Temperature(
            value,
            f"the temperature was stopped at its upper bound {TEMPERATURES[1]:g}: on the "
            "validation part the probabilities say next to nothing",
        )
    return Temperature(value)


def bins_of(confidence: Floats, *, equal_width: bool = False) -> tuple[Bin, ...]:
    """Bins of the N images by confidence; at least 10 images each on average, at most 10 bins."""
    count = max(1, min(_MOST_BINS, len(confidence) // _IMAGES_PER_BIN))
    if equal_width:
        place = np.minimum((confidence * count).astype(int), count - 1)
    else:
        place = np.empty(len(confidence), dtype=int)
        order = np.argsort(confidence, kind="stable")
        for number, part in enumerate(np.array_split(order, count)):
            place[part] = number
    masks = [place == number for number in range(count)]
    return tuple(Bin(mask, float(confidence[mask].mean())) for mask in masks if mask.any())


def calibration_figures(
    labels: NDArray[np.integer],
    probabilities: NDArray[np.floating],
    weights: Floats | None = None,
) -> dict[str, Floats]:
    """``CALIBRATION_METRICS`` -> (B,) values.

    Args:
        labels: (N,) class indices.
        probabilities: (N, K).
        weights: (N, B) how often each image counts; None for once.
    """
    truth, chances = np.asarray(labels), np.asarray(probabilities, dtype=np.float64)
    times = np.ones((len(truth), 1)) if weights is None else weights
    confidence = chances.max(axis=1)
    right = (chances.argmax(axis=1) == truth).astype(np.float64)
    total = times.sum(axis=0)
    mass = _sums(bins_of(confidence), times, confidence, right)
    width = _sums(bins_of(confidence, equal_width=True), times, confidence, right)
    squares = ((chances - np.eye(chances.shape[1])[truth]) ** 2).sum(axis=1)
    return {
        "ece_equal_mass": _ece(*mass, total),
        "ece_equal_width": _ece(*width, total),
        "calibration_error_debiased": _debiased(*mass, total),
        "brier": squares @ times / total,
        "log_loss": _losses(truth, chances) @ times / total,
    }


def _losses(labels: NDArray[np.integer], probabilities: Floats) -> Floats:
    of_label = probabilities[np.arange(len(labels)), labels]
    losses: Floats = -np.log(np.clip(of_label, _SMALLEST, 1 - _SMALLEST))
    return losses


def _sums(
    bins: tuple[Bin, ...], times: Floats, confidence: Floats, right: Floats
) -> tuple[Floats, Floats, Floats]:
    """(bins, B) images, sum of confidences and right answers of each bin and resample."""
    member = np.array([one.images for one in bins], dtype=np.float64)
    return member @ times, (member * confidence) @ times, (member * right) @ times


def _ece(images: Floats, confidence: Floats, right: Floats, total: Floats) -> Floats:
    gaps: Floats = np.abs(right - confidence).sum(axis=0) / total
    return gaps


def _debiased(images: Floats, confidence: Floats, right: Floats, total: Floats) -> Floats:
    n = np.maximum(images, 1e-12)
    share = right / n
    noise = share * (1 - share) / np.maximum(n - 1, 1)
    squares = (images / total) * (((right - confidence) / n) ** 2 - noise)
    root: Floats = np.sqrt(np.maximum(squares.sum(axis=0), 0.0))
    return root
