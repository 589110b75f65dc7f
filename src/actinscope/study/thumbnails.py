"""A small picture and a few keypoints of each image: what copies are searched in.

The picture is 64 x 64, stretched between its own percentiles, so that brightness and
contrast, bit depth and scale of the file no longer matter. The keypoints are SIFT's
(Lowe, Distinctive image features from scale-invariant keypoints, IJCV 60, 2004): a turned,
shifted or recompressed copy has nearly the same descriptors at the corresponding places.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actinscope.errors import StudyError
from actinscope.files import atomic_path

SIDE = 64
"""Height and width of a thumbnail's picture in pixels."""

_KEYPOINTS = 16
_LOW, _HIGH = 0.5, 99.5  # percentiles of an image that become 0 and 255
_CONTRAST = 0.004  # of SIFT: cells are smooth, its default would find few points
_EDGES = 20.0
_local = threading.local()
#: A thumbnail in a file: the hash of the image's pixels, and the picture; keypoints follow from it.
_STORED = np.dtype([("pixels", "u1", 32), ("picture", "u1", (SIDE, SIDE))])


@dataclass(frozen=True, eq=False)
class Thumbnail:
    """What is kept of one image for comparing it with all others (about 6 kB).

    Attributes:
        picture: (64, 64) uint8, the mean of the channels, each stretched by itself.
        points: (P, 4) float32: x, y, diameter (pixels of the picture), angle (degrees).
        descriptors: (P, 128) uint8.
    """

    picture: NDArray[np.uint8]
    points: NDArray[np.float32]
    descriptors: NDArray[np.uint8]


def thumbnail_of(pixels: NDArray[Any]) -> Thumbnail:
    """The thumbnail of an image (C, Y, X) of any numeric type."""
    return _described(small_picture(pixels))


def _described(picture: NDArray[np.uint8]) -> Thumbnail:
    found, descriptors = _sift().detectAndCompute(picture, None)
    if descriptors is None:
        return Thumbnail(picture, np.zeros((0, 4), np.float32), np.zeros((0, 128), np.uint8))
    # Points of one strength may come in any number: the strongest few are kept.
    places = [(point.pt[0], point.pt[1], point.size, point.angle) for point in found[:_KEYPOINTS]]
    return Thumbnail(
        picture, np.asarray(places, np.float32), descriptors[:_KEYPOINTS].round().astype(np.uint8)
    )


def write_thumbnails(path: Path, thumbnails: Mapping[str, Thumbnail]) -> None:
    """Keep the pictures of images (about 4 kB each) by the hashes of their pixels.

    Raises:
        OutputError: the file cannot be written.
    """
    rows = np.zeros(len(thumbnails), _STORED)
    for place, (pixels, one) in enumerate(thumbnails.items()):
        rows[place] = (np.frombuffer(bytes.fromhex(pixels), np.uint8), one.picture)
    with atomic_path(path) as temporary:
        temporary.write_bytes(rows.tobytes())


def read_thumbnails(path: Path, hashes: Collection[str]) -> dict[str, Thumbnail]:
    """Those of a file for which there is a hash in ``hashes``, by their hash.

    Raises:
        StudyError: the file is damaged.
    """
    size = path.stat().st_size
    if not size or size % _STORED.itemsize:
        raise StudyError(
            "is cut short or damaged", where=path, remedy="Delete it, or copy the run again"
        )
    rows = np.memmap(path, _STORED, mode="r")
    names = (row.tobytes().hex() for row in rows["pixels"])
    return {
        name: _described(np.array(rows["picture"][place]))
        for place, name in enumerate(names)
        if name in hashes
    }


def small_picture(pixels: NDArray[Any], side: int = SIDE) -> NDArray[np.uint8]:
    """(C, Y, X) as one grey picture (side, side) uint8, each channel stretched by itself."""
    import cv2

    height, width = pixels.shape[1:]
    shrinks = min(height, width) > side
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    total = np.zeros((side, side), np.float32)
    for channel in pixels:
        plane = np.nan_to_num(channel.astype(np.float32), posinf=0.0, neginf=0.0)
        small = cv2.resize(plane, (side, side), interpolation=method)
        low, high = np.percentile(small, (_LOW, _HIGH))
        total += np.clip((small - low) / max(float(high - low), 1e-12), 0.0, 1.0)
    grey: NDArray[np.uint8] = np.round(total * (255.0 / len(pixels))).astype(np.uint8)
    return grey


def mirrored_descriptors(descriptors: NDArray[Any]) -> NDArray[Any]:
    """The (P, 128) descriptors that the mirror image would have.

    A descriptor holds 4 x 4 places with 8 directions each, in the frame of its keypoint:
    mirroring turns the order of the rows and the sense of the directions around.
    """
    cells = descriptors.reshape(-1, 4, 4, 8)[:, ::-1]
    return cells[..., [0, 7, 6, 5, 4, 3, 2, 1]].reshape(-1, 128)


def _sift() -> Any:
    """One detector for each thread: it keeps its buffers."""
    if not hasattr(_local, "sift"):
        import cv2

        _local.sift = cv2.SIFT.create(
            nfeatures=_KEYPOINTS, contrastThreshold=_CONTRAST, edgeThreshold=_EDGES
        )
    return _local.sift
