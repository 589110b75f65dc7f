"""The sessions of a bundle: one for each of its networks."""

from __future__ import annotations

from actinscope.bundle.load import Bundle
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
