"""A bundle in memory, and reading one with every check there is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from actinscope.bundle.archive import (
    bundle_within,
    read_bundle_file,
    read_bundle_files,
    reading,
)
from actinscope.bundle.golden import Golden, unpack_golden
from actinscope.bundle.info import (
    FEATURES_FILE,
    FORMAT_VERSION,
    GOLDEN_FILE,
    HASHES_FILE,
    INFO_FILE,
    INT8_FILE,
    MODEL_FILE,
    TREES_FILE,
    BundleInfo,
    member_folder,
)
from actinscope.bundle.int8 import PRECISIONS
from actinscope.bundle.model_check import check_model, check_trees
from actinscope.bundle.ood import ReferenceFeatures, unpack_reference_features
from actinscope.bundle.provenance import TrainingHashes, read_training_hashes
from actinscope.bundle.reliability import Reliability
from actinscope.errors import BundleError, UsageError


@dataclass(frozen=True, eq=False)
class Bundle:
    """A delivered model, checked and in memory.

    Attributes:
        path: the folder or zip it came from.
        info: the contract (bundle.json).
        digest: SHA-256 of bundle.json, which names the hashes of the other files:
            two bundles with one digest give the same predictions.
        model: the bytes of model.onnx; empty for an ensemble, which has ``members``.
        int8_model: the bytes of model_int8.onnx, None where ``info.int8`` is None.
        members: the bundles whose probabilities an ensemble averages, else none.
        trees: the bytes of trees.onnx, None where ``info.head`` is not ``boosted_trees``.
        training_hashes: which images trained the members; None but for an ensemble.
    """

    path: Path
    info: BundleInfo
    digest: str
    model: bytes = field(repr=False)
    _golden: bytes = field(repr=False)
    int8_model: bytes | None = field(default=None, repr=False)
    members: tuple[Bundle, ...] = ()
    trees: bytes | None = field(default=None, repr=False)
    training_hashes: TrainingHashes | None = field(default=None, repr=False)
    _features: bytes | None = field(default=None, repr=False)

    @property
    def networks(self) -> tuple[Bundle, ...]:
        """The bundles with one network each: the members, or the bundle itself."""
        return self.members or (self,)

    def golden(self) -> Golden:
        """The golden images and outputs; the inputs of an ensemble are its first member's.

        Raises:
            BundleError: golden.npz does not hold what bundle.json announces.
        """
        return unpack_golden(self._golden, self.info.golden, where=self.path / GOLDEN_FILE)

    def reliability(self, precision: str) -> Reliability | None:
        """The rules for the outputs of the network that computes with ``precision``."""
        int8 = self.info.int8
        if precision == "int8" and int8 is not None and int8.reliability is not None:
            return int8.reliability
        return self.info.reliability

    def references(self) -> ReferenceFeatures | None:
        """Early features of training images; None where the bundle has no rule for them.

        Raises:
            BundleError: familiar.npz does not hold what bundle.json announces.
        """
        rules = self.info.reliability
        if rules is None or rules.ood is None or self._features is None:
            return None
        return unpack_reference_features(
            self._features, rules.ood.references, where=self.path / FEATURES_FILE
        )

    def network(self, precision: str) -> bytes:
        """The ONNX file that computes with ``precision``; that of float32 serves bf16 too.

        Raises:
            UsageError: there is no such precision, or the bundle offers none.
        """
        if precision not in PRECISIONS:
            raise UsageError(
                f"there is no precision {precision!r}",
                remedy=f"Choose one of {', '.join(PRECISIONS)}",
            )
        if precision != "int8":
            return self.model
        if self.members:
            raise UsageError(
                "an ensemble computes in float32",
                where=self.path,
                remedy="Leave the precision at float32, or use one of its members alone",
            )
        if self.int8_model is None:
            raise UsageError(
                "the bundle holds no INT8 network with measured accuracy",
                where=self.path,
                remedy="Make one with `actinscope bundle quantize RUN IMAGES` in the run that the "
                "bundle comes from, or leave the precision at float32",
            )
        return self.int8_model


def load_bundle(path: Path) -> Bundle:
    """Read the bundle in the folder or zip ``path``, or of the run there, and check all of it.

    Raises:
        BundleError: nothing there, files missing, changed since they were saved, of a
            newer version, a network that is not self-contained, or members that do not
            belong together; it names the file.
    """
    path = bundle_within(Path(path))
    with reading("this bundle cannot be read", path):
        return _checked(read_bundle_files(path), path)


def read_bundle_info(folder: Path) -> BundleInfo:
    """Read bundle.json alone: what the bundle in ``folder`` says, not whether it is intact.

    Raises:
        BundleError: the file is missing, oversized or no bundle.json.
    """
    path = Path(folder)
    return _parse_info(read_bundle_file(path, INFO_FILE), path / INFO_FILE)


def _checked(files: Mapping[str, bytes], path: Path) -> Bundle:
    """A bundle from its files by name; those of members begin with their folder."""
    own = {name: data for name, data in files.items() if "/" not in name}
    info = _parse_info(own[INFO_FILE], path / INFO_FILE)
    announced = {
        INT8_FILE: info.int8 is not None,  # else its cost was not measured
        FEATURES_FILE: info.reliability is not None and info.reliability.ood is not None,
        TREES_FILE: info.head == "boosted_trees",
    }
    for name in (INT8_FILE, FEATURES_FILE):
        if not announced[name]:
            own.pop(name, None)  # written, but the run was stopped before it was announced
    for name in (*info.files, *(name for name, there in announced.items() if there)):
        if name not in own:
            raise BundleError(
                f"{name} is missing, which bundle.json describes",
                where=path,
                remedy="Copy the whole bundle again",
            )
    for name in own.keys() - {INFO_FILE}:
        if hashlib.sha256(own[name]).hexdigest() != info.files.get(name):
            raise BundleError(
                "the file is not the one that was saved (its SHA-256 differs from bundle.json)",
                where=path / name,
                remedy="Copy the whole bundle again",
            )
    trees = own.get(TREES_FILE) if announced[TREES_FILE] else None
    for name in own.keys() & {MODEL_FILE, INT8_FILE}:
        check_model(own[name], info, where=path / name)
    if trees is not None:
        check_trees(trees, where=path / TREES_FILE, classes=len(info.classes))
    return Bundle(
        path=path,
        info=info,
        digest=hashlib.sha256(own[INFO_FILE]).hexdigest(),
        model=own.get(MODEL_FILE, b""),
        _golden=own[GOLDEN_FILE],
        int8_model=own.get(INT8_FILE),
        trees=trees,
        _features=own.get(FEATURES_FILE),
        members=_members(files, info, path),
        training_hashes=None
        if HASHES_FILE not in own
        else read_training_hashes(own[HASHES_FILE], where=path / HASHES_FILE),
    )


def _members(files: Mapping[str, bytes], info: BundleInfo, path: Path) -> tuple[Bundle, ...]:
    """The members of an ensemble, each checked; they must be those that were put together."""
    folders = [member_folder(number) for number in range(len(info.members))]
    present = {name.rpartition("/")[0] for name in files} - {""}
    if present != set(folders):
        raise BundleError(
            f"bundle.json names {len(folders)} members, there are {len(present)}",
            where=path,
            remedy="Copy the whole bundle again",
        )
    members = []
    for folder, described in zip(folders, info.members, strict=True):
        inside = [name for name in files if name.startswith(f"{folder}/")]
        own = {name.removeprefix(f"{folder}/"): files[name] for name in inside}
        member = _checked(own, path / folder)
        if member.digest != described.digest:
            raise BundleError(
                "the member is not the one that the ensemble was made of",
                where=path / folder,
                remedy="Copy the whole bundle again",
            )
        members.append(member)
    for member in members:
        require_member(member, info)
    if members and members[0].info.preprocess != info.preprocess:
        raise BundleError(
            "bundle.json prepares images in another way than its first member",
            where=path,
            remedy="Copy the whole bundle again",
        )
    return tuple(members)


def require_member(member: Bundle, info: BundleInfo) -> None:
    """Refuse a bundle as the member of an ensemble that answers as ``info`` says.

    Raises:
        BundleError: it is an ensemble itself, has other classes or another order of them,
            or takes its images from the files in another way.
    """
    ours = member.info
    if ours.members:
        raise BundleError(
            "is an ensemble itself", where=member.path, remedy="Name its members one by one"
        )
    if ours.classes != info.classes:
        raise BundleError(
            f"has the classes {', '.join(ours.classes)}, the first member has "
            f"{', '.join(info.classes)}",
            where=member.path,
            remedy="The members must name the same classes in the same order",
        )
    if (ours.crop_size, ours.read_options) != (info.crop_size, info.read_options):
        raise BundleError(
            "reads its images in another way than the first member (crops of "
            f"{ours.crop_size or 'no'} pixels against {info.crop_size or 'no'}, or other planes)",
            where=member.path,
            remedy="Train the members with the same --crop-size and the same reading options",
        )


def _parse_info(data: bytes, where: Path) -> BundleInfo:
    with reading("this is no bundle.json", where):
        version: Any = json.loads(data.decode("utf-8"))["format_version"]
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise BundleError(
            f"the bundle has format {version}, this actinscope reads up to {FORMAT_VERSION}",
            where=where,
            remedy="Update actinscope",
        )
    with reading("cannot be used", where, "Copy the bundle again, or update actinscope"):
        return BundleInfo.model_validate_json(data)
