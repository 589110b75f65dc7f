"""The sessions of a bundle, one for each of its networks, and what they say together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from actinscope.bundle.calibration import calibrated
from actinscope.bundle.load import Bundle
from actinscope.bundle.output import NetworkOutput
from actinscope.bundle.session import InferenceSession


def open_sessions(
    bundle: Bundle, *, precision: str = "float32", backend: str = "auto"
) -> tuple[InferenceSession, ...]:
    """A session for each of ``bundle.networks``, with its trees where it has some.

    Raises:
        BundleError: no runtime can load a network.
        UsageError: an unknown backend, or a precision that the bundle does not offer.
    """
    bundle.network(precision)  # an ensemble offers less than its members do
    return tuple(
        InferenceSession(
            one.network(precision), trees=one.trees, backend=backend, where=str(one.path)
        )
        for one in bundle.networks
    )


def joint_output(networks: Sequence[Bundle], outputs: Sequence[NetworkOutput]) -> NetworkOutput:
    """What the networks of a bundle say of the same N images.

    One network alone speaks for itself: its output stays as it is. Of several the
    probabilities are averaged after each has been calibrated with its own temperature, where
    it has one, so that a network that is too sure does not outvote the others. They have no
    embedding and no class maps in common: both are None, and those of the members are not kept.
    """
    if len(networks) == 1:
        return outputs[0]
    pairs = zip(networks, outputs, strict=True)
    return NetworkOutput(
        np.mean([_calibrated(network, output) for network, output in pairs], axis=0),
        None,
        None,
        members=tuple(replace(output, embedding=None, class_maps=None) for output in outputs),
    )


def _calibrated(network: Bundle, output: NetworkOutput) -> NDArray[np.float64]:
    rules = network.info.reliability
    if rules is None:
        return output.probabilities
    return calibrated(output.probabilities, rules.temperature)
