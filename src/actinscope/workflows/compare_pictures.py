"""Pictures of the images that runs disagree on, as the network of one run sees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from actinscope.bundle import BundleInfo
from actinscope.cells import CropReader
from actinscope.errors import ImageError, SettingsError
from actinscope.preprocess import Preprocess
from actinscope.progress import Progress
from actinscope.report import displayed
from actinscope.runs import ImageKey
from actinscope.study import Record, hash_of_pixels, read_manifest

_NO_GROUP = "none"


@dataclass(frozen=True, eq=False)
class Gallery:
    """Where pictures come from; empty where there are no images at hand.

    Attributes:
        run: name of the run whose preprocessing is used.
        preprocess: from image to network input; None makes no pictures.
        reader: reads the images.
        records: image -> record.
        hashes: image -> SHA-256 that its pixels must have; one that differs is not shown.
        why: sentence on why there are no pictures.
    """

    run: str = ""
    preprocess: Preprocess | None = None
    reader: CropReader | None = None
    records: Mapping[ImageKey, Record] = field(default_factory=dict)
    hashes: Mapping[ImageKey, str] = field(default_factory=dict)
    why: str = ""

    @property
    def sentence(self) -> str:
        """How the pictures were made, or why there are none."""
        if self.preprocess is None:
            return self.why
        return f"The pictures show the cells as the network of {self.run} gets them."

    def pictures(
        self, keys: Sequence[ImageKey], progress: Progress
    ) -> dict[ImageKey, NDArray[np.uint8]]:
        """Image -> uint8 (H, W) or (H, W, 3), of those that can be shown.

        What is missing, broken or not the image that was predicted is said and left out.
        """
        if self.preprocess is None or self.reader is None:
            return {}
        found: dict[ImageKey, NDArray[np.uint8]] = {}
        progress.phase("Making pictures", len(keys))
        for key in keys:
            record = self.records.get(key)
            if record is None:
                progress.say(f"no picture: {key[0]}: not among the images")
                continue
            try:
                image = self.reader.read(record.path, record.region)
                scaled = self.preprocess.to_scaled(image)
            except (ImageError, SettingsError) as error:
                progress.say(f"no picture: {record.title}: {error}")
                continue
            if self.hashes.get(key, "") in ("", hash_of_pixels(image.pixels)):
                found[key] = displayed(scaled)
            else:
                progress.say(f"no picture: {record.title}: the file has changed since the run")
            progress.advance(1)
        return found


def open_gallery(
    run: str,
    info: BundleInfo,
    manifest: Path,
    images: Path,
    hashes: Mapping[ImageKey, str],
) -> Gallery:
    """The gallery of a run, whose manifest names files below ``images``.

    Raises:
        ManifestError: an image of the manifest is not there, or the manifest is broken.
    """
    listed = read_manifest(manifest, images, group=_NO_GROUP, options=info.read_options)
    return Gallery(
        run=run,
        preprocess=info.preprocess,
        reader=CropReader(info.read_options),
        records={record.key: record for record in listed.records},
        hashes=hashes,
    )
