"""Abstaining: what accuracy is had where only the surest images are answered.

The *risk-coverage curve* orders the images by confidence and gives, for every share answered,
the share of wrong answers among them (El-Yaniv and Wiener, J. Machine Learning Research 11: 1605,
2010); AURC is its mean, the smaller the better (Geifman, Uziel and El-Yaniv, ICLR 2019).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from actinscope.bundle import AbstainBy, AbstainRule
from actinscope.wording import round_percent

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class AnsweredCurve:
    """Accuracy of the answered images for every share that is answered.

    Attributes:
        answered: (M,) share of the images, ascending to 1. Images of one confidence are
            answered together or not at all.
        accuracy: (M,) share of right answers among them.
        confidence: (M,) lowest confidence that is answered.
    """

    answered: Floats
    accuracy: Floats
    confidence: Floats


def answered_curve(confidence: NDArray[np.floating], right: NDArray[np.bool_]) -> AnsweredCurve:
    """The curve of N images, of which ``right`` were classified correctly."""
    sure = np.asarray(confidence, dtype=np.float64)
    order = np.argsort(-sure, kind="stable")
    hits = np.cumsum(np.asarray(right)[order])
    ends = np.flatnonzero(np.append(np.diff(sure[order]) != 0, True))
    return AnsweredCurve(
        answered=(ends + 1) / len(sure),
        accuracy=hits[ends] / (ends + 1),
        confidence=sure[order][ends],
    )


def fit_abstention(
    by: AbstainBy,
    target: float | None,
    *,
    labels: NDArray[np.integer],
    probabilities: NDArray[np.floating],
) -> AbstainRule:
    """When to abstain, chosen on the N images of the validation part.

    Args:
        by: see :class:`~actinscope.bundle.AbstainRule`.
        target: accuracy of the answered, or share to be answered.
        labels: (N,) class indices.
        probabilities: (N, K), calibrated.
    """
    if by in ("set", "never"):
        return AbstainRule(by=by)
    assert target is not None
    chances = np.asarray(probabilities, dtype=np.float64)
    curve = answered_curve(chances.max(axis=1), chances.argmax(axis=1) == labels)
    if by == "share":
        # The fewest images that reach the share: never fewer answers than were asked for.
        place = int(np.argmax(curve.answered >= target - 1e-9))
        return AbstainRule(by=by, target=target, confidence=float(curve.confidence[place]))
    enough = np.flatnonzero(curve.accuracy >= target - 1e-9)
    if not len(enough):
        return AbstainRule(
            by=by,
            target=target,
            note=f"nothing is abstained from: however few images are answered, fewer than "
            f"{round_percent(target)} of the answers on the validation part are right",
        )
    return AbstainRule(by=by, target=target, confidence=float(curve.confidence[enough[-1]]))
