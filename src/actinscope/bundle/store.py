"""Writing a bundle as a whole, and reading one back with every check there is."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from actinscope.bundle.archive import read_bundle_files, read_info_file
from actinscope.bundle.golden import Golden, pack_golden, unpack_golden
from actinscope.bundle.info import (
    FORMAT_VERSION,
    GOLDEN_FILE,
    INFO_FILE,
    INT8_FILE,
    MODEL_FILE,
    BundleInfo,
)
from actinscope.bundle.int8 import PRECISIONS, Int8Summary
from actinscope.bundle.model_check import check_model
from actinscope.errors import BundleError, OutputError, UsageError
from actinscope.files import atomic_path
from actinscope.images import Image


@dataclass(frozen=True, eq=False)
class Bundle:
    """A delivered model, checked and in memory.

    Attributes:
        path: the folder or zip it came from.
        info: the contract (bundle.json).
        digest: SHA-256 of bundle.json, which names the hashes of the other files:
            two bundles with one digest give the same predictions.
        model: the bytes of model.onnx.
        int8_model: the bytes of model_int8.onnx, None where ``info.int8`` is None.
    """

    path: Path
    info: BundleInfo
    digest: str
    model: bytes = field(repr=False)
    _golden: bytes = field(repr=False)
    int8_model: bytes | None = field(default=None, repr=False)

    def golden(self) -> Golden:
        """The golden images and outputs.

        Raises:
            BundleError: golden.npz does not hold what bundle.json announces.
        """
        return unpack_golden(self._golden, self.info.golden, where=self.path / GOLDEN_FILE)

    def network(self, precision: str) -> bytes:
        """The ONNX file that computes with ``precision``: ``float32`` or ``int8``.

        Raises:
            UsageError: there is no such precision, or the bundle offers none.
        """
        if precision not in PRECISIONS:
            raise UsageError(
                f"there is no precision {precision!r}",
                remedy=f"Choose one of {', '.join(PRECISIONS)}",
            )
        if precision == "float32":
            return self.model
        if self.int8_model is None:
            raise UsageError(
                "the bundle holds no INT8 network with measured accuracy",
                where=self.path,
                remedy="Make one with `actinscope quantize RUN IMAGES` in the run that the bundle "
                "comes from, or leave the precision at float32",
            )
        return self.int8_model


def load_bundle(path: Path) -> Bundle:
    """Read the bundle in the folder or zip ``path`` and check all that can be checked.

    Raises:
        BundleError: nothing there, files missing, changed since they were saved, of a
            newer version, or a network that is not self-contained; it names the file.
    """
    path = Path(path)
    files = read_bundle_files(path)
    info = _parse_info(files[INFO_FILE], path / INFO_FILE)
    if info.int8 is None:
        files.pop(INT8_FILE, None)  # nobody measured what it costs, so nobody may use it
    elif INT8_FILE not in files:
        raise BundleError(
            f"{INT8_FILE} is missing, which bundle.json describes",
            where=path,
            remedy="Copy the whole bundle again",
        )
    for name in files.keys() - {INFO_FILE}:
        if hashlib.sha256(files[name]).hexdigest() != info.files.get(name):
            raise BundleError(
                "the file is not the one that was saved (its SHA-256 differs from bundle.json)",
                where=path / name,
                remedy="Copy the whole bundle again",
            )
    for name in files.keys() & {MODEL_FILE, INT8_FILE}:
        check_model(files[name], where=path / name, classes=len(info.classes))
    return Bundle(
        path=path,
        info=info,
        digest=hashlib.sha256(files[INFO_FILE]).hexdigest(),
        model=files[MODEL_FILE],
        _golden=files[GOLDEN_FILE],
        int8_model=files.get(INT8_FILE),
    )


def read_bundle_info(folder: Path) -> BundleInfo:
    """Read bundle.json alone: what the bundle in ``folder`` says, not whether it is intact.

    Raises:
        BundleError: the file is missing, oversized or no bundle.json.
    """
    path = Path(folder)
    return _parse_info(read_info_file(path), path / INFO_FILE)


def _parse_info(data: bytes, where: Path) -> BundleInfo:
    try:
        value: Any = json.loads(data.decode("utf-8"))
        version = value["format_version"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BundleError(
            "this is no bundle.json", where=where, remedy="Copy the bundle again"
        ) from error
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise BundleError(
            f"the bundle has format {version}, this actinscope reads up to {FORMAT_VERSION}",
            where=where,
            remedy="Update actinscope",
        )
    try:
        return BundleInfo.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise BundleError(
            f"{place}: {first['msg']}",
            where=where,
            remedy="Copy the bundle again, or update actinscope",
        ) from error


def save_bundle(
    folder: Path,
    *,
    onnx_path: Path,
    info: BundleInfo,
    golden_images: Sequence[Image],
    golden_inputs: NDArray[np.float32],
    golden_probabilities: NDArray[np.float32],
) -> Bundle:
    """Write a bundle to ``folder``, all of it or nothing; an older bundle is replaced.

    Args:
        folder: does not exist, is empty, or holds a bundle.
        onnx_path: the exported network.
        info: ``files`` and ``golden`` are filled in here; without ``int8``, which is
            measured later (:func:`store_int8`).
        golden_images: n raw images.
        golden_inputs: (n, S, S, C), what the preprocessing makes of them.
        golden_probabilities: (n, K), what the training framework made of that.

    Raises:
        BundleError: the parts do not fit each other.
        OutputError: ``folder`` cannot be written or holds something else.
    """
    folder = Path(folder)
    _check_parts(info, golden_images, golden_inputs, golden_probabilities)
    _refuse_foreign_folder(folder)
    golden, entries = pack_golden(golden_images, golden_inputs, golden_probabilities)
    files = {MODEL_FILE: Path(onnx_path).read_bytes(), GOLDEN_FILE: golden}
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    complete = info.model_copy(update={"int8": None, "golden": entries, "files": hashes})
    files[INFO_FILE] = complete.as_json()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".partial-{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise _unwritable(folder, error) from error
    try:
        for name, data in files.items():
            _write_flushed(staging / name, data)
        bundle = load_bundle(staging)  # never put in place what could not be read again
        bundle.golden()
        _move_into_place(staging, folder)
    except OSError as error:
        raise _unwritable(folder, error) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return replace(bundle, path=folder)


def store_metrics(bundle: Bundle, metrics: Mapping[str, Any]) -> Bundle:
    """Write the figures of the test part into a bundle folder's bundle.json; the rest stays.

    Raises:
        OutputError: bundle.json cannot be written.
    """
    return _store_info(bundle, bundle.info.model_copy(update={"metrics": dict(metrics)}))


def store_int8(bundle: Bundle, model: bytes, summary: Int8Summary) -> Bundle:
    """Put an INT8 network and what was measured of it into a bundle folder.

    Raises:
        BundleError: ``model`` is no network for this bundle, or ``summary`` is of another.
        OutputError: the folder cannot be written.
    """
    where = bundle.path / INT8_FILE
    check_model(model, where=where, classes=len(bundle.info.classes))
    shape = np.shape(summary.golden_probabilities)
    if shape != (len(bundle.info.golden), len(bundle.info.classes)):
        raise BundleError(
            f"probabilities of shape {shape} do not fit the golden images and classes",
            where=where,
        )
    # A bundle that describes the file must hold it: it is announced last, withdrawn first.
    kept = {name: value for name, value in bundle.info.files.items() if name != INT8_FILE}
    if bundle.info.int8 is not None:
        _store_info(bundle, bundle.info.model_copy(update={"int8": None, "files": kept}))
    with atomic_path(where) as temporary:
        temporary.write_bytes(model)
    files = kept | {INT8_FILE: hashlib.sha256(model).hexdigest()}
    told = bundle.info.model_copy(update={"int8": summary, "files": files})
    return replace(_store_info(bundle, told), int8_model=model)


def _store_info(bundle: Bundle, info: BundleInfo) -> Bundle:
    data = info.as_json()
    with atomic_path(bundle.path / INFO_FILE) as temporary:
        temporary.write_bytes(data)
    return replace(bundle, info=info, digest=hashlib.sha256(data).hexdigest())


def _check_parts(
    info: BundleInfo,
    images: Sequence[Image],
    inputs: NDArray[np.float32],
    probabilities: NDArray[np.float32],
) -> None:
    shape = (len(images), len(info.classes))
    if not images or probabilities.shape != shape or len(inputs) != len(images):
        raise BundleError(
            f"{len(images)} golden images, inputs of shape {inputs.shape} and probabilities of "
            f"shape {probabilities.shape} do not fit {len(info.classes)} classes",
            where=GOLDEN_FILE,
            remedy="Give one input and one row of probabilities for each of one or more images",
        )


def _refuse_foreign_folder(folder: Path) -> None:
    # Replacing means deleting; only a bundle or an empty folder may be deleted.
    foreign = folder.exists() and not (
        folder.is_dir() and ((folder / INFO_FILE).is_file() or not any(folder.iterdir()))
    )
    if foreign:
        raise OutputError(
            "there is something here that is not a bundle",
            where=folder,
            remedy="Name a folder that does not exist yet",
        )


def _write_flushed(path: Path, data: bytes) -> None:
    with path.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def _move_into_place(staging: Path, folder: Path) -> None:
    staging.chmod(0o777 & ~_umask())  # mkdtemp makes folders that only their owner can enter
    if not folder.exists():
        staging.replace(folder)
        return
    # A folder cannot be exchanged for another in one step on every system; the old one
    # is moved aside first and put back if the second step fails.
    aside = Path(tempfile.mkdtemp(prefix=f".old-{folder.name}-", dir=folder.parent))
    try:
        folder.replace(aside / "bundle")
        try:
            staging.replace(folder)
        except OSError:
            (aside / "bundle").replace(folder)
            raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _unwritable(folder: Path, error: OSError) -> OutputError:
    return OutputError(
        f"the bundle cannot be written ({error.strerror})",
        where=folder,
        remedy="Check that the folder is writable and has space left",
    )
