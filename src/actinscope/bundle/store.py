"""Writing a bundle as a whole, and adding to it what is measured later."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actinscope.bundle.golden import pack_golden
from actinscope.bundle.info import (
    FEATURES_FILE,
    GOLDEN_FILE,
    INFO_FILE,
    INT8_FILE,
    MODEL_FILE,
    TREES_FILE,
    Bf16Check,
    BundleInfo,
)
from actinscope.bundle.int8 import Int8Summary
from actinscope.bundle.load import Bundle, load_bundle
from actinscope.bundle.model_check import check_model
from actinscope.bundle.ood import ReferenceFeatures, pack_reference_features
from actinscope.bundle.output import PROBABILITIES
from actinscope.bundle.reliability import Reliability
from actinscope.files import atomic_path, replace_folder
from actinscope.images import Image


def save_bundle(
    folder: Path,
    *,
    onnx_path: Path,
    info: BundleInfo,
    golden_images: Sequence[Image],
    golden_inputs: NDArray[np.float32],
    golden_outputs: Mapping[str, NDArray[np.float32]],
    trees: bytes | None = None,
) -> Bundle:
    """Write a bundle to ``folder``, all of it or nothing; an older bundle is replaced.

    Args:
        folder: does not exist, is empty, or holds a bundle.
        onnx_path: the exported network.
        info: ``files`` and ``golden`` are filled in here; without ``int8`` and
            ``reliability``, which are measured later.
        golden_images: n raw images.
        golden_inputs: (n, S, S, C), what the preprocessing makes of them.
        golden_outputs: what the training framework made of that: ``probabilities`` (n, K), and
            the network's other outputs by name.
        trees: the bytes of trees.onnx, where ``info.head`` is ``boosted_trees``.

    Raises:
        ValueError: the parts do not fit each other.
        OutputError: ``folder`` cannot be written or holds something else.
    """
    count, given = len(golden_images), golden_outputs[PROBABILITIES].shape
    if not count or given != (count, len(info.classes)) or len(golden_inputs) != count:
        raise ValueError(
            f"{count} golden images, inputs of shape {golden_inputs.shape} and probabilities of "
            f"shape {given} do not fit {len(info.classes)} classes"
        )
    golden, entries = pack_golden(golden_images, golden_inputs, golden_outputs)
    files = {MODEL_FILE: Path(onnx_path).read_bytes(), GOLDEN_FILE: golden}
    if trees is not None:
        files[TREES_FILE] = trees
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    empty = {"int8": None, "reliability": None}
    complete = info.model_copy(update=empty | {"golden": entries, "files": hashes})
    files[INFO_FILE] = complete.as_json()
    return write_bundle(Path(folder), files)


def write_bundle(folder: Path, files: Mapping[str, bytes]) -> Bundle:
    """Put the files of a bundle in place together, once they can be read again.

    Raises:
        BundleError: they are no bundle.
        OutputError: ``folder`` cannot be written or holds something else.
    """

    def check(staging: Path) -> Bundle:
        bundle = load_bundle(staging)
        bundle.golden()
        return bundle

    written = replace_folder(folder, files, check, mark=INFO_FILE, what="bundle")
    return replace(written, path=folder)


def store_metrics(bundle: Bundle, metrics: Mapping[str, Any]) -> Bundle:
    """Write the metrics of the test part into a bundle folder's bundle.json; the rest stays.

    Raises:
        OutputError: bundle.json cannot be written.
    """
    return _store_info(bundle, bundle.info.model_copy(update={"metrics": dict(metrics)}))


def store_answered_views(bundle: Bundle, answered: int) -> Bundle:
    """Write into a bundle folder over how many of its views the answer is averaged.

    Raises:
        OutputError: bundle.json cannot be written.
    """
    return _store_info(bundle, bundle.info.model_copy(update={"answered": answered}))


def store_bf16(bundle: Bundle, check: Bf16Check) -> Bundle:
    """Write into a bundle folder what bfloat16 changes.

    Raises:
        OutputError: bundle.json cannot be written.
    """
    return _store_info(bundle, bundle.info.model_copy(update={"bf16": check}))


def store_int8(bundle: Bundle, model: bytes, summary: Int8Summary) -> Bundle:
    """Put an INT8 network and what was measured of it into a bundle folder.

    Raises:
        BundleError: ``model`` is no network for this bundle.
        ValueError: ``summary`` is of another.
        OutputError: the folder cannot be written.
    """
    where = bundle.path / INT8_FILE
    check_model(model, bundle.info, where=where)
    shape = np.shape(summary.golden_probabilities)
    if shape != (len(bundle.info.golden), len(bundle.info.classes)):
        raise ValueError(f"probabilities of shape {shape} do not fit the golden images and classes")
    # A bundle that describes the file must hold it: it is announced last, withdrawn first.
    kept = {name: value for name, value in bundle.info.files.items() if name != INT8_FILE}
    if bundle.info.int8 is not None:
        _store_info(bundle, bundle.info.model_copy(update={"int8": None, "files": kept}))
    with atomic_path(where) as temporary:
        temporary.write_bytes(model)
    files = kept | {INT8_FILE: hashlib.sha256(model).hexdigest()}
    changed = bundle.info.model_copy(update={"int8": summary, "files": files})
    return replace(_store_info(bundle, changed), int8_model=model)


def store_reliability(
    bundle: Bundle, rules: Reliability, references: ReferenceFeatures | None
) -> Bundle:
    """Put rules, and the features of training images that they rest on, into a bundle folder.

    An INT8 network loses its own rules, which were fitted with others.

    Raises:
        ValueError: the rules and ``references`` do not fit each other or the bundle.
        OutputError: the folder cannot be written.
    """
    where = bundle.path / FEATURES_FILE
    if (references is None) != (rules.ood is None):
        raise ValueError("an out-of-distribution rule and its features belong together")
    kept = {name: value for name, value in bundle.info.files.items() if name != FEATURES_FILE}
    int8 = bundle.info.int8 and bundle.info.int8.model_copy(update={"reliability": None})
    changes: dict[str, Any] = {"int8": int8, "reliability": None, "files": kept}
    if bundle.info.reliability is not None:  # announced last, withdrawn first, as for INT8
        _store_info(bundle, bundle.info.model_copy(update=changes))
    data = None if references is None else pack_reference_features(references)
    if data is not None:
        with atomic_path(where) as temporary:
            temporary.write_bytes(data)
        changes["files"] = kept | {FEATURES_FILE: hashlib.sha256(data).hexdigest()}
    changed = BundleInfo.model_validate(
        bundle.info.model_copy(update=changes | {"reliability": rules}).model_dump()
    )
    return replace(_store_info(bundle, changed), _features=data)


def _store_info(bundle: Bundle, info: BundleInfo) -> Bundle:
    data = info.as_json()
    with atomic_path(bundle.path / INFO_FILE) as temporary:
        temporary.write_bytes(data)
    return replace(bundle, info=info, digest=hashlib.sha256(data).hexdigest())
