"""Proving that a bundle still gives what it gave when it was trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actinscope.bundle.golden import Golden
from actinscope.bundle.info import FEATURES_FILE, GOLDEN_FILE, INT8_FILE
from actinscope.bundle.load import Bundle, load_bundle
from actinscope.bundle.ood import neighbour_distances
from actinscope.bundle.output import NetworkOutput
from actinscope.bundle.session import InferenceSession, joint_output, open_sessions
from actinscope.errors import GoldenMismatch

#: Largest difference of a probability between frameworks and machines: float32 sums in
#: another order differ by some 1e-6, a wrong layer, weight or input by far more.
PROBABILITY_TOLERANCE = 1e-3
#: The same for INT8: a rounding to the next of 256 steps in one layer moves many in the layers
#: behind it. OpenVINO and ONNX Runtime were seen 0.03 apart.
INT8_TOLERANCE = 0.1
#: The same for boosted trees: a feature that lies within rounding of a threshold takes another
#: branch, which moves a probability by what one tree can say.
TREES_TOLERANCE = 0.05
#: The same for the network's input, as a fraction of its largest value (or of 1).
INPUT_TOLERANCE = 1e-4
#: The same for the unfamiliarity, which is 1 at its threshold.
UNFAMILIARITY_TOLERANCE = 1e-2


@dataclass(frozen=True)
class Verification:
    """How closely a bundle repeats its golden outputs.

    Attributes:
        images: how many golden images were replayed.
        input_difference, input_tolerance: largest absolute difference of a preprocessed value,
            and what is allowed.
        probability_difference, probability_tolerance: the same of a probability.
        worst_image, worst_class: golden image (from 0) and class of that difference.
        backend: the runtime that was used.
        int8_difference: largest absolute difference of a probability of the INT8 network,
            at most ``INT8_TOLERANCE``; None where the bundle has none.
        unfamiliarity_difference: largest absolute difference of the unfamiliarity, at most
            ``UNFAMILIARITY_TOLERANCE``; None where the bundle has no rule for it. Of an
            ensemble that of any member, on the member's own golden images.
    """

    images: int
    input_difference: float
    input_tolerance: float
    probability_difference: float
    probability_tolerance: float
    worst_image: int
    worst_class: str
    backend: str
    int8_difference: float | None = None
    unfamiliarity_difference: float | None = None

    @property
    def ok(self) -> bool:
        """Both differences are within their tolerance."""
        return (
            self.input_difference <= self.input_tolerance
            and self.probability_difference <= self.probability_tolerance
        )


def verify_bundle(
    path: Path | Bundle, *, backend: str = "auto", tolerance: float | None = None
) -> Verification:
    """Replay the golden images: raw pixels, preprocessing, network, probabilities.

    Of an ensemble every member is verified on its own golden images, then their mean on those
    of the ensemble. ``tolerance`` is what a probability may differ by, where None that of
    float32 networks or of trees.

    Raises:
        BundleError: the bundle cannot be loaded.
        GoldenMismatch: it gives something else than it did; says how much and where.
    """
    bundle = path if isinstance(path, Bundle) else load_bundle(path)
    for member in bundle.members:
        verify_bundle(member, backend=backend, tolerance=tolerance)
    if tolerance is None:
        trees = any(one.info.head == "boosted_trees" for one in bundle.networks)
        tolerance = TREES_TOLERANCE if trees else PROBABILITY_TOLERANCE
    golden = bundle.golden()
    inputs = [_inputs(one, golden) for one in bundle.networks]
    input_difference, input_tolerance = _compare_inputs(inputs[0], golden.inputs, bundle)
    sessions = open_sessions(bundle, backend=backend)
    output = _replay(sessions, bundle, inputs)
    worst, image, column = _compare_probabilities(
        output, golden.probabilities, tolerance, bundle, f"float32, computed by {_used(sessions)}"
    )
    int8_difference = None
    if bundle.info.int8 is not None:
        coarse = open_sessions(bundle, precision="int8", backend=backend)
        int8_difference, *_ = _compare_probabilities(
            _replay(coarse, bundle, inputs),
            np.array(bundle.info.int8.golden_probabilities),
            INT8_TOLERANCE,
            bundle,
            f"int8, computed by {_used(coarse)}",
        )
    return Verification(
        images=len(golden.images),
        input_difference=input_difference,
        input_tolerance=input_tolerance,
        probability_difference=worst,
        probability_tolerance=tolerance,
        worst_image=image,
        worst_class=bundle.info.classes[column],
        backend=_used(sessions),
        int8_difference=int8_difference,
        unfamiliarity_difference=(
            _replay_members(bundle, sessions)
            if bundle.members
            else _replay_unfamiliarity(bundle, output.early_features)
        ),
    )


def _replay(
    sessions: Sequence[InferenceSession], bundle: Bundle, inputs: Sequence[NDArray[np.float32]]
) -> NetworkOutput:
    outputs = [session.run(batch) for session, batch in zip(sessions, inputs, strict=True)]
    return joint_output(bundle.networks, outputs)


def _used(sessions: Sequence[InferenceSession]) -> str:
    return " and ".join(sorted({session.backend for session in sessions}))


def _compare_probabilities(
    output: NetworkOutput, stored: NDArray[Any], tolerance: float, bundle: Bundle, how: str
) -> tuple[float, int, int]:
    """The largest difference, its image and its class; raises where it is too large.

    ``how`` begins with the precision.
    """
    given, precision = output.probabilities, how.partition(",")[0]
    differences = _differences(given, stored, f"{precision} probabilities", bundle)
    image, column = _worst(differences)
    if not differences[image, column] <= tolerance:
        raise GoldenMismatch(
            f"golden image {image} has probability {given[image, column]:.6f} of "
            f"{bundle.info.classes[column]!r}, stored is {stored[image, column]:.6f}; at most "
            f"{tolerance:g} apart is allowed ({how})",
            where=bundle.path / (GOLDEN_FILE if precision == "float32" else INT8_FILE),
            remedy="Do not use the bundle on this computer; copy it again",
        )
    return float(differences[image, column]), image, column


def _inputs(network: Bundle, golden: Golden) -> NDArray[np.float32]:
    return np.stack([network.info.preprocess.apply(image) for image in golden.images])


def _replay_members(bundle: Bundle, sessions: Sequence[InferenceSession]) -> float | None:
    """As :func:`_replay_unfamiliarity`, of the members that have a rule; the largest of them."""
    pairs = zip(bundle.members, sessions, strict=True)
    differences = [
        _replay_unfamiliarity(one, session.run(_inputs(one, one.golden())).early_features)
        for one, session in pairs
        if one.references() is not None
    ]
    return max((one for one in differences if one is not None), default=None)


def _replay_unfamiliarity(bundle: Bundle, features: NDArray[np.float32] | None) -> float | None:
    """Largest difference of a golden image's unfamiliarity; raises where it is too large."""
    rules, references = bundle.info.reliability, bundle.references()
    if rules is None or rules.ood is None or references is None:
        return None
    if features is None or features.shape[1] != len(references.centre):
        raise GoldenMismatch(
            "the network does not give the early features that are stored of training images",
            where=bundle.path / FEATURES_FILE,
            remedy="Copy the bundle again",
        )
    rule = rules.ood
    distances = neighbour_distances(references.scaled(features), references, rule.neighbours)
    differences = np.abs(distances / rule.threshold - np.array(rule.golden))
    image = int(differences.argmax())
    if not differences[image] <= UNFAMILIARITY_TOLERANCE:
        raise GoldenMismatch(
            f"golden image {image} has the unfamiliarity {distances[image] / rule.threshold:.4f}, "
            f"stored is {rule.golden[image]:.4f}; at most {UNFAMILIARITY_TOLERANCE:g} apart is "
            "allowed",
            where=bundle.path / FEATURES_FILE,
            remedy="Do not use the bundle on this computer; copy it again",
        )
    return float(differences[image])


def _compare_inputs(
    given: NDArray[np.float32], stored: NDArray[np.float32], bundle: Bundle
) -> tuple[float, float]:
    """Largest difference and what is allowed; raises where it is more."""
    differences = _differences(given, stored, "network input", bundle)
    allowed = INPUT_TOLERANCE * max(1.0, float(np.abs(stored).max(initial=0.0)))
    worst = _worst(differences)
    if not differences[worst] <= allowed:
        raise GoldenMismatch(
            f"preprocessing golden image {worst[0]} gives {given[worst]:.6g} at (row, column, "
            f"channel) {worst[1:]}, stored is {stored[worst]:.6g}; at most {allowed:.2g} apart "
            "is allowed",
            where=bundle.path / GOLDEN_FILE,
            remedy="Use the version of actinscope that is named in bundle.json",
        )
    return float(differences[worst]), allowed


def _worst(differences: NDArray[np.float64]) -> tuple[int, ...]:
    return tuple(map(int, np.unravel_index(int(differences.argmax()), differences.shape)))


def _differences(
    given: NDArray[Any], stored: NDArray[Any], what: str, bundle: Bundle
) -> NDArray[np.float64]:
    if given.shape != stored.shape:
        raise GoldenMismatch(
            f"the {what} has the shape {given.shape}, stored is {stored.shape}",
            where=bundle.path / GOLDEN_FILE,
            remedy="Copy the bundle again, or use the version of actinscope in bundle.json",
        )
    differences = np.abs(given.astype(np.float64) - stored.astype(np.float64))
    # A value that is not a number differs from everything.
    return np.where(np.isfinite(differences), differences, np.inf)
