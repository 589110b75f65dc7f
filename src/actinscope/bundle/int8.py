"""What bundle.json says about the 8-bit copy of the network, and the sentence made of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from pydantic import Field, model_validator

from actinscope.bundle.reliability import Reliability, StoredModel
from actinscope.names import Precision
from actinscope.wording import percent, points, round_percent

PRECISIONS: tuple[str, ...] = get_args(Precision)

#: The part of :attr:`Int8Summary.parts` that holds validation and test together.
MEASURED = "validation and test"
_VALIDATION = "validation"
#: Points of accuracy that INT8 may lose on validation and test together.
MOST_POINTS_LOST = 2.0
#: Share of the answers that INT8 may change there. Answers can change without a loss, in both
#: directions; a network with many of those is another one than the one that was judged.
MOST_CHANGED = 0.05


class StoredEstimate(StoredModel):
    """A metric with its 95 % interval; None where there is none."""

    value: float | None
    low: float | None = None
    high: float | None = None


class Int8Part(StoredModel):
    """INT8 against float32 on the same images of one part.

    Attributes:
        images: how many.
        accuracy_float32, accuracy_int8: shares of correct predictions.
        balanced_accuracy_float32, balanced_accuracy_int8: mean recall of the classes.
        difference: accuracy of INT8 minus that of float32, image by image.
        difference_method: how the interval of the difference was made.
        changed: images for which INT8 names another class.
        only_float32_right, only_int8_right: images that only one of them names correctly.
        mcnemar_p: exact two-sided p of these two counts.
        largest_probability_difference: of any image and class.
    """

    images: int = Field(ge=1)
    accuracy_float32: StoredEstimate
    accuracy_int8: StoredEstimate
    balanced_accuracy_float32: StoredEstimate
    balanced_accuracy_int8: StoredEstimate
    difference: StoredEstimate
    difference_method: str
    changed: int = Field(ge=0)
    only_float32_right: int = Field(ge=0)
    only_int8_right: int = Field(ge=0)
    mcnemar_p: float
    largest_probability_difference: float

    @property
    def points(self) -> float:
        """Accuracy gained (lost, where negative) in points of a hundred."""
        return 100.0 * (self.only_int8_right - self.only_float32_right) / self.images


class Int8Summary(StoredModel):
    """What the 8-bit copy costs and gains; without it a bundle offers no INT8.

    Attributes:
        calibration_images: training images that the ranges of the layers were taken from.
        seed: of their choice and of the intervals.
        parts: ``validation``, ``test`` and both together; ``validation`` alone where the model
            was trained on all images and none was left to test it.
        speed_ratio: time of float32 over time of INT8, taken in turns on one machine.
        backend: the runtime that all of it was measured with.
        golden_probabilities: (n, K), what INT8 gives for the golden images.
        warning: why it was stored although it costs too much; else empty.
        reliability: as that of the bundle, fitted on the outputs of INT8; None where the
            bundle has none.
    """

    calibration_images: int = Field(ge=1)
    seed: int
    parts: dict[str, Int8Part]
    speed_ratio: float
    backend: str
    golden_probabilities: tuple[tuple[float, ...], ...] = Field(min_length=1)
    warning: str = ""
    reliability: Reliability | None = None

    @model_validator(mode="after")
    def _complete(self) -> Int8Summary:
        if MEASURED not in self.parts and set(self.parts) != {_VALIDATION}:
            raise ValueError(f"INT8 was not measured on {MEASURED} together")
        if len({len(row) for row in self.golden_probabilities}) != 1:
            raise ValueError("the golden probabilities of INT8 have rows of different length")
        return self

    @property
    def judged_on(self) -> str:
        """The part that decides whether INT8 costs too much: all images that were measured."""
        return _judged_on(self.parts)


def _judged_on(parts: Mapping[str, Int8Part]) -> str:
    return MEASURED if MEASURED in parts else _VALIDATION


def cost_sentence(part: Int8Part, where: str) -> str:
    """What INT8 costs, with interval: ``INT8: accuracy 93.7 % against 95.2 % ...``."""
    both = [
        "unknown" if one.value is None else percent(one.value)
        for one in (part.accuracy_int8, part.accuracy_float32)
    ]
    changed = "1 answer changes" if part.changed == 1 else f"{part.changed} answers change"
    return (
        f"INT8: accuracy {both[0]} against {both[1]} of float32 on {part.images} {where} images "
        f"(difference {points(part.points / 100)} points{_interval(part.difference)}; {changed})"
    )


def int8_note(summary: Int8Summary) -> str:
    """The sentence that stands beside every prediction made with INT8."""
    where = "test" if "test" in summary.parts else summary.judged_on
    warning = f". WARNING: {summary.warning}" if summary.warning else ""
    return f"{cost_sentence(summary.parts[where], where)}{warning}"


def too_costly(parts: Mapping[str, Int8Part]) -> str:
    """Why INT8 should not be used, or nothing: judged on all images that were measured.

    A single image is no reason, however large a share of a small part it is.
    """
    where = _judged_on(parts)
    part = parts[where]
    reasons = []
    lost = part.only_float32_right - part.only_int8_right
    if lost > 1 and part.points < -MOST_POINTS_LOST:
        reasons.append(
            f"the accuracy falls by {-part.points:.1f} points (at most {MOST_POINTS_LOST:g})"
        )
    if part.changed > 1 and part.changed > MOST_CHANGED * part.images:
        reasons.append(
            f"{percent(part.changed / part.images)} of the answers change (at most "
            f"{round_percent(MOST_CHANGED)})"
        )
    if not reasons:
        return ""
    return f"INT8 costs too much: on {part.images} {where} images {' and '.join(reasons)}"


def _interval(estimate: StoredEstimate) -> str:
    if estimate.low is None or estimate.high is None:
        return ", no interval"
    return f", {points(estimate.low)} to {points(estimate.high)}"
