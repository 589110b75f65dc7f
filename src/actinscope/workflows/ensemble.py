"""The whole job of ``actinscope bundle join``: several delivered models as one."""

from __future__ import annotations

from actinscope import __version__
from actinscope.bundle import load_bundle, save_ensemble, verify_bundle
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
        members = [load_bundle(place) for place in request.members]
        seen = training_hashes([one.path.absolute().parent for one in members])
        bundle = save_ensemble(
            folder, members, training_hashes=seen, version=__version__, created=now_utc()
        )
        verify_bundle(bundle)
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
