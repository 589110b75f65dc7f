"""Where a network's pretrained weights come from, as data."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class KerasDownload:
    """The file that ``keras.applications`` would download for ``include_top=False``.

    Attributes:
        url: full address of the file.
        file_name: name under which Keras caches it.
        digest: MD5 (32 hexadecimal digits) or SHA-256 (64), whichever Keras publishes; None
            where it publishes none: then the file is never fetched or taken by itself.
    """

    url: str
    file_name: str
    digest: str | None

    def local_path(self) -> Path:
        """Where Keras caches the file, whether it is there or not."""
        return keras_home() / "models" / self.file_name

    def present(self) -> bool:
        """Whether the cached file is there; its hash is checked when it is used."""
        return self.digest is not None and self.local_path().is_file()


@dataclass(frozen=True)
class PackageFile:
    """A weights file that an installed Python distribution carries."""

    distribution: str  # as pip calls it
    module: str  # its top-level module
    pattern: str  # glob pattern of the file inside the module's folder
    digest: str  # SHA-256

    def local_path(self) -> Path | None:
        """Path of the file, or None where the distribution is not installed."""
        # find_spec locates a top-level module without running any of its code.
        spec = importlib.util.find_spec(self.module)
        folders = (spec.submodule_search_locations or []) if spec else []
        found = (file for one in folders for file in sorted(Path(one).glob(self.pattern)))
        return next((file for file in found if file.is_file()), None)

    def present(self) -> bool:
        """Whether the file is there; its hash is checked when it is used."""
        return self.local_path() is not None


WeightsSource = KerasDownload | PackageFile


def keras_home() -> Path:
    """Keras' own folder (``KERAS_HOME``, else ``~/.keras``), found without importing Keras."""
    named = os.environ.get("KERAS_HOME")
    return Path(named) if named else Path.home() / ".keras"
