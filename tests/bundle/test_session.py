"""Running the network: both runtimes, shapes, independence of neighbours, and no telemetry."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from actinscope.bundle.session import InferenceSession
from actinscope.errors import BundleError, UsageError
from helpers.bundles import BIAS, KERNEL, SIZE, by_hand, write_network

BACKENDS = ["openvino", "onnxruntime"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_network(tmp_path_factory.mktemp("net") / "tiny.onnx").read_bytes()


def batch(count: int) -> np.ndarray:
    rng = np.random.default_rng(count)
    return rng.random((count, SIZE, SIZE, 3), dtype=np.float32)


@pytest.mark.parametrize("backend", BACKENDS)
def test_outputs(model: bytes, backend: str) -> None:
    session = InferenceSession(model, backend=backend)
    inputs = batch(7)
    output = session.run(inputs)
    assert session.backend == backend
    assert output.probabilities.dtype == np.float64
    np.testing.assert_allclose(output.probabilities, by_hand(inputs), atol=1e-6)
    assert output.embedding is not None and output.embedding.dtype == np.float32
    np.testing.assert_allclose(output.embedding, inputs.mean(axis=(1, 2)), atol=1e-6)
    assert output.class_maps is not None
    assert output.class_maps.shape == (7, SIZE, SIZE, 3)
    # The mean of a class map plus the bias is the logit, so softmax of it is the answer.
    logits = output.class_maps.mean(axis=(1, 2)) + BIAS
    weights = np.exp(logits)
    np.testing.assert_allclose(
        weights / weights.sum(1, keepdims=True), output.probabilities, atol=1e-5
    )
    assert len(output) == 7


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_image_does_not_feel_its_neighbours(model: bytes, backend: str) -> None:
    session = InferenceSession(model, backend=backend)
    inputs = batch(9)
    together = session.run(inputs).probabilities
    for place in range(9):
        alone = session.run(inputs[place : place + 1]).probabilities
        np.testing.assert_array_equal(alone[0], together[place])


@pytest.mark.parametrize("backend", BACKENDS)
def test_empty_batch(model: bytes, backend: str) -> None:
    output = InferenceSession(model, backend=backend).run(batch(0))
    assert output.probabilities.shape == (0, 3)


@pytest.mark.parametrize("shape", [(2, 9, 8, 3), (2, 8, 8, 1), (8, 8, 3)])
def test_wrong_shape_is_refused(model: bytes, shape: tuple[int, ...]) -> None:
    session = InferenceSession(model, backend="onnxruntime")
    with pytest.raises(BundleError, match=r"takes images of shape \(8, 8, 3\)"):
        session.run(np.zeros(shape, np.float32))


def test_unknown_backend() -> None:
    with pytest.raises(UsageError, match="no backend 'tensorrt'"):
        InferenceSession(b"", backend="tensorrt")


@pytest.mark.parametrize("backend", ["auto", *BACKENDS])
def test_broken_network_is_a_bundle_error(backend: str) -> None:
    with pytest.raises(BundleError, match="does not load the network"):
        InferenceSession(b"nonsense", backend=backend)


def test_onnxruntime_takes_over_where_openvino_is_missing(
    model: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(BundleError, match="OpenVINO does not load"):
        InferenceSession(model, backend="openvino")
    session = InferenceSession(model)
    assert session.backend == "onnxruntime"
    assert "OpenVINO does not load the network" in session.fallback
    assert session.run(batch(1)).probabilities.shape == (1, 3)


def test_kernel_of_the_example_has_no_symmetry() -> None:
    assert np.abs(KERNEL - KERNEL.T).max() > 0


_SCRIPT = """
    import sys
    from pathlib import Path
    from actinscope.bundle.session import InferenceSession
    from actinscope.runtimes import import_quantization
    import numpy as np
    import_quantization()
    for backend in ("openvino", "onnxruntime"):
        session = InferenceSession(Path(sys.argv[1]).read_bytes(), backend=backend)
        session.run(np.zeros((2, 8, 8, 3), np.float32))
    started = [name for name in sys.modules if name.startswith("openvino_telemetry")]
    assert not started, started
    heavy = {name.split(".")[0] for name in sys.modules}
    assert not heavy & {"tensorflow", "keras", "matplotlib", "sklearn", "torch"}, heavy
"""


def test_no_runtime_calls_home(model: bytes, tmp_path: Path) -> None:
    """Both runtimes leave a client number in the home folder as soon as they report usage."""
    (tmp_path / "tiny.onnx").write_bytes(model)
    home = tmp_path / "home"
    home.mkdir()
    drop = {"ORT_DISABLE_TELEMETRY", "CI", "XDG_CACHE_HOME", "GITHUB_ACTIONS"}
    environment = {name: value for name, value in os.environ.items() if name not in drop}
    environment |= {"HOME": str(home), "USERPROFILE": str(home), "LOCALAPPDATA": str(home)}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(_SCRIPT), str(tmp_path / "tiny.onnx")],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert [path.name for path in home.rglob("*") if path.is_file()] == []
