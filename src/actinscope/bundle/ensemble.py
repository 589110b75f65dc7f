"""Several bundles as one that gives the mean of their probabilities.

The members lie in it as they were delivered, byte for byte, each with its own preprocessing
and golden images. Nothing is fitted: the plain mean needs no images to be decided on. Every
member is calibrated with its own temperature first, where it has one. Rules for prediction sets,
abstaining and what is unfamiliar would have to be fitted to the mean, so an ensemble stores none:
where all members have rules, ``actinscope.predict.votes`` lets them vote.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

import numpy as np

from actinscope.bundle.archive import read_bundle_files
from actinscope.bundle.golden import pack_golden
from actinscope.bundle.info import (
    GOLDEN_FILE,
    HASHES_FILE,
    INFO_FILE,
    MOST_MEMBERS,
    BundleInfo,
    Member,
    NetworkSummary,
    member_folder,
)
from actinscope.bundle.load import Bundle, require_member
from actinscope.bundle.output import PROBABILITIES, NetworkOutput
from actinscope.bundle.provenance import TrainingHashes
from actinscope.bundle.session import joint_output, open_sessions
from actinscope.bundle.store import write_bundle
from actinscope.errors import BundleError, ImageError, UsageError
from actinscope.images import Image

_GOLDEN_IMAGES = 6


def save_ensemble(
    folder: Path,
    members: Sequence[Bundle],
    *,
    training_hashes: TrainingHashes,
    version: str,
    created: str,
) -> Bundle:
    """Write a bundle that averages the probabilities of ``members``; all of it or nothing.

    Args:
        folder: does not exist, is empty, or holds a bundle.
        members: two or more bundles with the same classes in the same order.
        training_hashes: which images trained them.
        version, created: of actinscope, and when, ISO 8601 in UTC.

    Raises:
        UsageError: too few or too many members, or one of them twice.
        BundleError: they do not belong together.
        OutputError: ``folder`` cannot be written or holds something else.
    """
    _require_several(members)
    info = _described(members, version=version, created=created)
    for member in members:
        require_member(member, info)
    images = _golden_images(members)
    outputs = _answers(members, images)
    inputs = np.stack([info.preprocess.apply(image) for image in images])
    mean = {PROBABILITIES: joint_output(members, outputs).probabilities}
    golden, entries = pack_golden(images, inputs, mean)
    own = {GOLDEN_FILE: golden, HASHES_FILE: training_hashes.as_json()}
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in own.items()}
    files = own | {
        f"{member_folder(number)}/{name}": data
        for number, member in enumerate(members)
        for name, data in read_bundle_files(member.path).items()
    }
    files[INFO_FILE] = info.model_copy(update={"golden": entries, "files": hashes}).as_json()
    return write_bundle(Path(folder), files)


def _require_several(members: Sequence[Bundle]) -> None:
    if not 2 <= len(members) <= MOST_MEMBERS:
        raise UsageError(
            f"an ensemble of {len(members)} was asked for",
            remedy=f"Name from 2 to {MOST_MEMBERS} bundles",
        )
    by_digest: dict[str, Bundle] = {}
    for member in members:
        if (other := by_digest.setdefault(member.digest, member)) is not member:
            raise UsageError(
                f"is the same bundle as {other.path}",
                where=member.path,
                remedy="Name every bundle once",
            )


def _described(members: Sequence[Bundle], *, version: str, created: str) -> BundleInfo:
    infos = [member.info for member in members]
    titles, first = [info.network.title for info in infos], infos[0]
    return BundleInfo(
        actinscope_version=version,
        created=created,
        classes=first.classes,
        network=NetworkSummary(
            name="ensemble",
            title=f"Ensemble of {len(members)} networks, mean of their probabilities: "
            + ", ".join(titles),
            licence="; ".join(dict.fromkeys(info.network.licence for info in infos)),
            weights=" ".join(dict.fromkeys(info.network.weights for info in infos)),
        ),
        preprocess=first.preprocess,
        read_options=first.read_options,
        crop_size=first.crop_size,
        appearance=first.appearance,
        group=first.group if len({info.group for info in infos}) == 1 else None,
        synthetic=any(info.synthetic for info in infos),
        random_weights=any(info.random_weights for info in infos),
        notices=tuple(dict.fromkeys(notice for info in infos for notice in info.notices)),
        training={f"member {number + 1}": title for number, title in enumerate(titles)},
        members=tuple(
            Member(title=title, digest=member.digest)
            for title, member in zip(titles, members, strict=True)
        ),
    )


def _golden_images(members: Sequence[Bundle]) -> list[Image]:
    """Some golden images of the members, each member in turn, none twice."""
    chosen: dict[bytes, Image] = {}
    for turn in zip_longest(*(member.golden().images for member in members)):
        for image in turn:
            if image is not None and len(chosen) < _GOLDEN_IMAGES:
                pixels = np.ascontiguousarray(image.pixels)
                chosen.setdefault(hashlib.sha256(pixels.data).digest(), image)
    return list(chosen.values())


def _answers(members: Sequence[Bundle], images: Sequence[Image]) -> list[NetworkOutput]:
    outputs = []
    for member in members:
        try:
            inputs = np.stack([member.info.preprocess.apply(image) for image in images])
        except ImageError as error:
            raise BundleError(
                f"does not take the images of the other members ({error.what})",
                where=member.path,
                remedy="Train the members on images of the same channels and bit depth",
            ) from error
        (session,) = open_sessions(member)
        outputs.append(session.run(inputs))
    return outputs
