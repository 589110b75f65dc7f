"""Proving that a bundle still gives what it gave when it was trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actinscope.bundle.archive import reading
from actinscope.bundle.golden import Golden
from actinscope.bundle.info import FEATURES_FILE, GOLDEN_FILE, INT8_FILE
from actinscope.bundle.load import Bundle, load_bundle
from actinscope.bundle.ood import neighbour_distances
from actinscope.bundle.output import EMBEDDING, NetworkOutput
from actinscope.bundle.session import InferenceSession, joint_output, open_sessions
from actinscope.errors import GoldenMismatch

#: Largest difference of an output between frameworks and machines, as a fraction of its largest
#: value. Float32 sums in another order differ by 1e-5 at most (seven networks of the registry in
#: Keras, OpenVINO and ONNX Runtime); the weights of one layer times 1.001 by 1e-3.
OUTPUT_TOLERANCE = 2e-4
#: The same for INT8: a rounding to the next of 256 steps in one layer moves many in the layers
#: behind it. OpenVINO and ONNX Runtime were seen 0.03 apart.
INT8_TOLERANCE = 0.1
#: The same for bfloat16, whose numbers have 8 bits of precision: not measured, set wide.
BF16_TOLERANCE = 0.1
#: The same for boosted trees: a feature that lies within rounding of a threshold takes another
#: branch, which moves a probability by what one tree can say.
TREES_TOLERANCE = 0.05
#: The same for the network's input.
INPUT_TOLERANCE = 1e-4
#: The same for the unfamiliarity, which is 1 at its threshold.
UNFAMILIARITY_TOLERANCE = 1e-2
_SMALLEST = 1e-30  # probabilities below have no logarithm to compare


@dataclass(frozen=True)
class Verification:
    """How closely a bundle repeats its golden outputs; every difference is within its tolerance.

    Attributes:
        images: how many golden images were replayed.
        backend: the runtime that was used.
        input_difference: largest difference of a preprocessed value, as a fraction of the largest
            (or of 1).
        probability_difference: largest difference of a probability.
        output_difference: of the logarithm of a probability, a feature or a class map, as a
            fraction of the largest.
        int8_difference: of a probability of the INT8 network; None where the bundle has none.
        unfamiliarity_difference: of the unfamiliarity; None where the bundle has no rule for it.
            Of an ensemble that of any member, on the member's own golden images.
    """

    images: int
    backend: str
    input_difference: float
    probability_difference: float
    output_difference: float
    int8_difference: float | None = None
    unfamiliarity_difference: float | None = None


def verify_bundle(path: Path | Bundle, *, backend: str = "auto") -> Verification:
    """Check every file, then replay the golden images with each network, as `check_golden`.

    Raises:
        BundleError: the bundle cannot be loaded.
        GoldenMismatch: it gives something else than it did; says how much and where.
    """
    bundle = path if isinstance(path, Bundle) else load_bundle(path)
    found = check_golden(bundle, open_sessions(bundle, backend=backend))
    if bundle.info.int8 is None:
        return found
    coarse = open_sessions(bundle, precision="int8", backend=backend)
    int8 = check_golden(bundle, coarse, precision="int8")
    return replace(found, int8_difference=int8.probability_difference)


def check_golden(
    bundle: Bundle, sessions: Sequence[InferenceSession], *, precision: str = "float32"
) -> Verification:
    """Replay the golden images: raw pixels, preprocessing, network, all of its outputs.

    Of an ensemble every member is checked on its own golden images, then their mean on those
    of the ensemble.

    Args:
        bundle: with its golden images.
        sessions: its networks, as `open_sessions` gives them for ``precision``.
        precision: as of the sessions. Of ``int8`` only the probabilities are stored; those of
            ``bf16`` are compared with float32's.

    Raises:
        BundleError: the golden images cannot be used.
        GoldenMismatch: something else comes out than is stored.
    """
    members = [
        check_golden(member, (session,))
        for member, session in zip(bundle.members, sessions, strict=False)
    ]
    where = bundle.path / GOLDEN_FILE
    with reading("the golden images cannot be used", where):
        golden = bundle.golden()
        inputs = [
            np.stack([one.info.preprocess.apply(image) for image in golden.images])
            for one in bundle.networks
        ]
    as_before = _compare("network input", inputs[0], golden.inputs, INPUT_TOLERANCE, where=where)
    output = joint_output(
        bundle.networks,
        [session.run(batch) for session, batch in zip(sessions, inputs, strict=True)],
    )
    backend = " and ".join(sorted({session.backend for session in sessions}))
    coarse = bundle.info.int8 if precision == "int8" else None
    trees = any(one.trees is not None for one in bundle.networks)
    difference = _compare(
        f"{precision} probability",
        output.probabilities,
        golden.probabilities if coarse is None else np.array(coarse.golden_probabilities),
        _tolerance(precision, trees=trees),
        where=bundle.path / (INT8_FILE if coarse else GOLDEN_FILE),
        classes=bundle.info.classes,
    )
    unfamiliar = [member.unfamiliarity_difference for member in members]
    further = 0.0
    if precision == "float32":
        further = _compare_further(bundle, sessions, golden, output)
        unfamiliar.append(_compare_unfamiliarity(bundle, output.early_features))
    return Verification(
        images=len(golden.images),
        backend=backend,
        input_difference=as_before,
        probability_difference=difference,
        output_difference=further,
        unfamiliarity_difference=max((one for one in unfamiliar if one is not None), default=None),
    )


def _tolerance(precision: str, *, trees: bool) -> float:
    if precision in ("int8", "bf16"):
        return INT8_TOLERANCE if precision == "int8" else BF16_TOLERANCE
    return TREES_TOLERANCE if trees else OUTPUT_TOLERANCE


def _compare_further(
    bundle: Bundle, sessions: Sequence[InferenceSession], golden: Golden, output: NetworkOutput
) -> float:
    """Largest difference of what probabilities alone would not show: 0 where nothing is stored."""
    compare = partial(
        _compare, allowed=OUTPUT_TOLERANCE, where=bundle.path / GOLDEN_FILE, least=0.0
    )
    differences = [0.0]
    for name, stored in golden.outputs.items():
        given = getattr(output, name)
        differences.append(compare(name, np.zeros(0) if given is None else given, stored))
    if all(one.trees is None for one in bundle.networks):
        # Of a probability near 1 the others still show what moved it.
        logits = [
            np.log(np.maximum(one, _SMALLEST))
            for one in (output.probabilities, golden.probabilities)
        ]
        differences.append(compare("logarithm of the probability", *logits))
    elif EMBEDDING in golden.outputs:  # from the same features the trees take the same branches
        given = sessions[0].classify(golden.outputs[EMBEDDING])
        if given is not None:
            differences.append(compare("probability of the trees", given, golden.probabilities))
    return max(differences)


def _compare_unfamiliarity(bundle: Bundle, features: NDArray[np.float32] | None) -> float | None:
    rules, references = bundle.info.reliability, bundle.references()
    if rules is None or rules.ood is None or references is None:
        return None
    where = bundle.path / FEATURES_FILE
    if features is None or features.shape[1] != len(references.centre):
        raise GoldenMismatch(
            "the network does not give the early features that are stored of training images",
            where=where,
            remedy="Copy the bundle again",
        )
    rule = rules.ood
    distances = neighbour_distances(references.scaled(features), references, rule.neighbours)
    stored = np.array(rule.golden)
    given = distances / rule.threshold
    return _compare("unfamiliarity", given, stored, UNFAMILIARITY_TOLERANCE, where=where)


def _compare(
    what: str,
    given: NDArray[Any],
    stored: NDArray[Any],
    allowed: float,
    *,
    where: Path,
    least: float = 1.0,
    classes: Sequence[str] = (),
) -> float:
    """Largest difference as a fraction of the largest stored value, or of ``least``.

    Raises:
        GoldenMismatch: it is more than ``allowed``.
    """
    if given.shape != stored.shape:
        raise GoldenMismatch(
            f"the {what} has the shape {given.shape}, stored is {stored.shape}",
            where=where,
            remedy="Copy the bundle again, or use the version of actinscope in bundle.json",
        )
    scale = max(least, float(np.abs(stored).max()))
    differences = np.abs(given.astype(np.float64) - stored)
    # A value that is not a number differs from everything.
    differences = np.where(np.isfinite(differences), differences, np.inf)
    worst = np.unravel_index(int(differences.argmax()), differences.shape)
    if not differences[worst] <= allowed * scale < np.inf:
        image, *place = map(int, worst)
        at = f" of {classes[place[0]]!r}" if classes else f" at {tuple(place)}" if place else ""
        raise GoldenMismatch(
            f"golden image {image}: the {what}{at} is {given[worst]:.6g}, stored is "
            f"{stored[worst]:.6g}, and {allowed * scale:.1g} apart is allowed",
            where=where,
            remedy="Do not use the bundle on this computer; copy it again, or use the version of "
            "actinscope that is named in bundle.json",
        )
    return float(differences[worst]) / (scale or 1.0)
