"""How far from the training images is too far: the threshold, from images that are familiar."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from actinscope.bundle import OodRule, ReferenceFeatures, neighbour_distances
from actinscope.wording import round_percent

#: The distance is that to the fifth nearest training image: one odd training image makes
#: nothing familiar, and small studies have that many of each kind.
NEIGHBOURS = 5
#: Fewer training images do not show what is familiar.
FEWEST_REFERENCES = 20


def fit_ood_threshold(
    references: ReferenceFeatures,
    validation: NDArray[np.floating],
    *,
    training_groups: Sequence[str] | None,
    share: float,
    golden: NDArray[np.floating],
    validation_only: bool = False,
) -> OodRule | None:
    """The distance that the share ``share`` of familiar images exceeds.

    Familiar images are those of the validation part, and those of the training part seen from
    the training images of *other* groups: the early layers have learned little or nothing from
    them. The threshold is the ceil((n + 1)(1 - share))-th of their n distances, at most the last.

    Args:
        references: of M training images.
        validation: (N, E) early features of the validation part.
        training_groups: of the M training images; None where no groups are known: every
            image is then one. No validation image may be of one of them.
        share: share of familiar images that may be flagged, 0..1.
        golden: (n, E) early features of the golden images.
        validation_only: leave out the training images, as their features come from a network
            that computes a little differently.

    Returns:
        None where there are too few training images.
    """
    count = len(references.rows)
    if count < FEWEST_REFERENCES:
        return None
    rows = references.scaled(validation)
    beside = neighbour_distances(rows, references, NEIGHBOURS)
    among = np.zeros(0) if validation_only else _among(references, training_groups)
    distances = np.sort(np.concatenate([among[np.isfinite(among)], beside]))
    rank = int(np.ceil((len(distances) + 1) * (1 - share) - 1e-9))
    threshold = float(max(distances[min(rank, len(distances)) - 1], 1e-6))
    scores = neighbour_distances(references.scaled(golden), references, NEIGHBOURS) / threshold
    note = ""
    if rank > len(distances):
        note = (
            f"{len(distances)} images show what is familiar, {int(np.ceil(1 / share)) - 1} are "
            f"needed for {round_percent(share)}: the threshold is the largest distance among them"
        )
    return OodRule(
        neighbours=NEIGHBOURS,
        threshold=threshold,
        share=share,
        references=count,
        images=len(distances),
        golden=tuple(round(float(score), 6) for score in scores),
        note=note,
    )


def _among(references: ReferenceFeatures, groups: Sequence[str] | None) -> NDArray[np.float64]:
    """(M,) distance of each training image to those of other groups."""
    names = np.arange(len(references.rows)) if groups is None else np.asarray(groups, np.str_)
    apart = names[:, None] != names[None, :]
    return neighbour_distances(references.rows, references, NEIGHBOURS, apart=apart)
