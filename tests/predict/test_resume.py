"""Predictions that were cut off go on, and end with the same bytes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from actinscope.bundle import Bundle
from actinscope.errors import UsageError
from actinscope.predict import predict_files
from helpers.bundles import make_bundle
from helpers.predictions import expected, plain, read_written, write_image


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return make_bundle(tmp_path_factory.mktemp("bundle") / "bundle")


@pytest.fixture(scope="module")
def field_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return make_bundle(tmp_path_factory.mktemp("bundle") / "bundle", crop_size=10)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for number in range(1, 12):
        write_image(tmp_path / "images" / f"cell{number}.tif", number)
    return tmp_path / "images"


def cut(bundle: Bundle, images: Path, output: Path, *, after: int) -> Path:
    def stop(done: int, total: int) -> None:
        if done >= after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predict_files(bundle, [images], output, options=plain(progress=stop))
    return Path(f"{output}.partial")


def test_a_cut_run_goes_on(bundle: Bundle, images: Path, tmp_path: Path) -> None:
    (images / "cell2.tif").write_bytes(b"broken")
    predict_files(bundle, [images], tmp_path / "whole.csv", options=plain())
    whole = (tmp_path / "whole.csv").read_bytes()
    output = tmp_path / "out.csv"
    partial = cut(bundle, images, output, after=8)
    assert whole.startswith(partial.read_bytes())
    assert not output.exists()
    summary = predict_files(bundle, [images], output, options=plain())
    assert (summary.resumed, summary.done, summary.failed) == (8, 10, 1)
    assert len(summary.problems) == 1  # of a row that the first run wrote
    assert output.read_bytes() == whole
    assert not partial.exists() and not Path(f"{partial}.json").exists()


def test_a_file_that_another_process_writes_is_left_alone(
    bundle: Bundle, images: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out.csv"
    held: list[bytes] = []

    def intrude(done: int, total: int) -> None:
        if done >= 4 and not held:
            held.append(Path(f"{output}.partial").read_bytes())
            with pytest.raises(UsageError, match="another prediction is writing"):
                predict_files(bundle, [images], output, options=plain(batch_size=5))
            assert Path(f"{output}.partial").read_bytes() == held[0]

    predict_files(bundle, [images], output, options=plain(progress=intrude))
    assert held
    predict_files(bundle, [images], tmp_path / "whole.csv", options=plain())
    assert output.read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_a_tail_torn_anywhere_is_dropped(bundle: Bundle, images: Path, tmp_path: Path) -> None:
    predict_files(bundle, [images], tmp_path / "whole.csv", options=plain())
    whole = (tmp_path / "whole.csv").read_bytes()
    output = tmp_path / "out.csv"
    partial = cut(bundle, images, output, after=4)
    sidecar = Path(f"{partial}.json").read_text()
    ends = [place + 1 for place, byte in enumerate(whole) if byte == 10]
    for size in [0, 5, *ends[:10:3], ends[4] + 7, ends[5] - 1, ends[8] + 1, len(whole)]:
        partial.write_bytes(whole[:size])
        Path(f"{partial}.json").write_text(sidecar)
        summary = predict_files(bundle, [images], output, options=plain())
        rows = sum(end <= size for end in ends) - 1
        assert summary.resumed == (11 if rows == 11 else max(rows, 0) // 4 * 4)
        assert output.read_bytes() == whole
    partial.write_bytes(whole[: ends[4]] + b"\0" * 300)
    Path(f"{partial}.json").write_text(sidecar)
    assert predict_files(bundle, [images], output, options=plain()).resumed == 4
    assert output.read_bytes() == whole


def test_other_inputs_start_anew(bundle: Bundle, images: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.csv"
    partial = cut(bundle, images, output, after=8)
    write_image(images / "cell1.tif", 99)
    os.utime(images / "cell1.tif", (1, 1))
    summary = predict_files(bundle, [images], output, options=plain())
    assert summary.resumed == 0
    assert "everything is predicted again" in summary.notes[0]
    paths = [images / f"cell{number}.tif" for number in range(1, 12)]
    found = read_written(output)
    np.testing.assert_allclose(found.probabilities, expected(bundle, paths), atol=2e-6)
    assert not partial.exists()


def test_another_bundle_starts_anew(
    bundle: Bundle, field_bundle: Bundle, images: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out.csv"
    partial = cut(bundle, images, output, after=8)
    assert json.loads(Path(f"{partial}.json").read_text())["fingerprint"]
    assert predict_files(field_bundle, [images], output, options=plain()).resumed == 0
    partial = cut(bundle, images, output, after=8)
    Path(f"{partial}.json").unlink()
    assert predict_files(bundle, [images], output, options=plain()).resumed == 0


_SCRIPT = """
    import os, signal, sys
    from pathlib import Path
    from actinscope.bundle import load_bundle
    from actinscope.predict import PredictOptions, predict_files
    bundle, images, output, limit = sys.argv[1:]
    def progress(done, total):
        if done >= int(limit):
            os.kill(os.getpid(), signal.SIGKILL)
    options = PredictOptions(batch_size=4, progress=progress)
    predict_files(load_bundle(Path(bundle)), [Path(images)], Path(output), options=options)
    heavy = {name.split(".")[0] for name in sys.modules}
    print(sorted(heavy & {"tensorflow", "keras", "matplotlib", "torch", "sklearn", "jinja2"}))
"""


def run_script(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(_SCRIPT), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_killed_run_gives_the_same_bytes(bundle: Bundle, images: Path, tmp_path: Path) -> None:
    killed = run_script(bundle.path, images, tmp_path / "out.csv", 8)
    assert killed.returncode == -signal.SIGKILL
    with (tmp_path / "out.csv.partial").open("ab") as stream:
        stream.write(b"images/cell9.ti")  # half a row, as a power cut leaves it
    resumed = run_script(bundle.path, images, tmp_path / "out.csv", 1000)
    assert resumed.returncode == 0, resumed.stderr
    assert resumed.stdout.strip() == "[]", "predicting must not load a training framework"
    unbroken = run_script(bundle.path, images, tmp_path / "whole.csv", 1000)
    assert unbroken.returncode == 0, unbroken.stderr
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
