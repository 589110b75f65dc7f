"""Fetching one weights file: to a temporary file, hash checked, then moved."""

from __future__ import annotations

import hashlib
import http.client
import queue
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from actinscope.errors import OutputError, WeightsCorrupt
from actinscope.files import atomic_path
from actinscope.networks.weight_sources import KerasDownload

_PIECE = 1 << 16
_MAX_BYTES = 1 << 30


@dataclass(frozen=True)
class Patience:
    """When to give up on a server.

    Attributes:
        window_seconds: every span of this length must bring ``window_bytes``, otherwise
            the download counts as impossible. The first span begins before the name of
            the server is looked up.
        window_bytes: see above; the end of the file always counts as enough.
    """

    window_seconds: float = 8.0
    window_bytes: int = 256 * 1024


class DownloadError(Exception):
    """Why a download did not succeed, in words for the user; never leaves this room."""


def fetch(source: KerasDownload, target: Path, *, patience: Patience | None = None) -> None:
    """Download ``source`` to ``target``; on any failure ``target`` is left as it was.

    A server that cannot be found, does not answer, hangs or trickles is given up after
    one window of ``patience``; a slow but steady download goes on.

    Raises:
        DownloadError: the file could not be had.
        WeightsCorrupt: what arrived does not have the right hash.
        OutputError: ``target`` cannot be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot be made ({error.strerror})", where=target.parent) from error
    if source.digest is None:
        raise DownloadError("there is no hash to check it with")
    digest = new_digest(source.digest)
    pieces = _Stream(source.url, patience or Patience()).pieces()
    with atomic_path(target) as temporary, closing(pieces):
        with temporary.open("wb") as stream:
            for piece in pieces:
                digest.update(piece)
                stream.write(piece)
        if digest.hexdigest() != source.digest:
            raise WeightsCorrupt(
                "the downloaded file does not have the right hash and was thrown away",
                where=source.url,
                remedy="Try again; behind a proxy, look whether it replaces downloads",
            )


def new_digest(expected: str) -> hashlib._Hash:
    """An MD5 or SHA-256 computation, chosen by the length of the expected digest."""
    return hashlib.md5(usedforsecurity=False) if len(expected) == 32 else hashlib.sha256()


class _Stream:
    """One download, read in a thread of its own.

    Time limits on sockets bound neither the look-up of the server's name nor a server that
    sends a byte now and then; waiting for a thread does.
    """

    def __init__(self, url: str, patience: Patience) -> None:
        self._url = url
        self._patience = patience
        self._queue: queue.Queue[bytes | DownloadError] = queue.Queue(maxsize=64)
        self._given_up = threading.Event()

    def pieces(self) -> Generator[bytes, None, None]:
        """All bytes of the file, in pieces; close it to give up."""
        threading.Thread(target=self._read, name="download", daemon=True).start()
        try:
            yield from self._collect()
        finally:
            self._given_up.set()

    def _collect(self) -> Iterator[bytes]:
        total = arrived = 0
        deadline = time.monotonic() + self._patience.window_seconds
        while True:
            try:
                piece = self._queue.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise DownloadError(
                    f"only {arrived} bytes arrived in {self._patience.window_seconds:g} seconds"
                ) from None
            if isinstance(piece, DownloadError):
                raise piece
            if not piece:
                return
            yield piece
            total, arrived = total + len(piece), arrived + len(piece)
            if total > _MAX_BYTES:
                raise DownloadError("the server sends more than any weights file holds")
            if arrived >= self._patience.window_bytes:
                arrived, deadline = 0, time.monotonic() + self._patience.window_seconds

    def _read(self) -> None:
        try:
            # The address comes from the registry, never from a user's file.
            with urllib.request.urlopen(
                self._url, timeout=self._patience.window_seconds
            ) as response:
                expected = response.headers.get("Content-Length", "")
                total = 0
                while piece := response.read1(_PIECE):
                    total += len(piece)
                    self._put(piece)
                if expected.isdecimal() and total != int(expected):
                    raise DownloadError("the connection broke before the end of the file")
            self._put(b"")
        except DownloadError as failure:
            self._put(failure)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._put(DownloadError(_reason(error)))

    def _put(self, item: bytes | DownloadError) -> None:
        while not self._given_up.is_set():
            try:
                self._queue.put(item, timeout=0.2)
            except queue.Full:
                continue
            return


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"the server answered {error.code}"
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    text = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
    return f"no connection: {text}"
