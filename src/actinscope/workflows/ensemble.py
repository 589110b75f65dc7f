"""The whole job of ``actinscope bundle join``: several delivered models as one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from actinscope import __version__
from actinscope.bundle import Bundle, TrainingHashes, load_bundle, save_ensemble, verify_bundle
from actinscope.requests import JoinRequest
from actinscope.runs import now_utc, training_hashes, whole_results


def make_ensemble(request: JoinRequest) -> list[str]:
    """Write a bundle that gives the mean of the probabilities of several bundles.

    Returns:
        What should be known of it, as lines.

    Raises:
        UsageError: too few or too many, one twice, or the output is in use.
        BundleError: a member is no bundle, or they do not belong together.
        OutputError: the output cannot be written.
    """
    output = request.output
    with whole_results(output) as folder:
        bundle, members, seen = join_bundles(request.members, folder, created=now_utc())
    return [
        f"{output}: mean of the probabilities of {len(members)} networks for "
        f"{', '.join(bundle.info.classes)}",
        *(f"  {one.info.network.title}: {one.path}" for one in members),
        f"{len(seen.images)} images are known to have trained them; `evaluate` leaves these out",
        *(
            f"note: what trained {members[number].path} is not known, as it does not lie in its "
            "run: evaluate the ensemble on images that you know to be new"
            for number in seen.unknown
        ),
    ]


def join_bundles(
    places: Sequence[Path], output: Path, *, created: str, notices: Sequence[str] = ()
) -> tuple[Bundle, list[Bundle], TrainingHashes]:
    """Write and verify the ensemble of the bundles in ``places``, or of the runs there.

    A bundle that is in ``output`` already is replaced. ``created`` is ISO 8601 in UTC.

    Returns:
        The ensemble, its members, and which images trained them.
    """
    members = [load_bundle(place) for place in places]
    seen = training_hashes([one.path.absolute().parent for one in members])
    bundle = save_ensemble(
        output, members, training_hashes=seen, version=__version__, created=created, notices=notices
    )
    verify_bundle(bundle)
    return bundle, members, seen
