"""The program as a process: on a terminal of 80 columns, with its output closed or full."""

from __future__ import annotations

import os
import re
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

PROGRAM = [sys.executable, "-m", "actinscope.cli.main"]
RECIPE = """\
base = "scratch"
audit = false
controls = false
explanation = false

[network]
name = "small-cnn"
input_size = 32

[training]
epochs = 2
batch_size = 8
warmup_epochs = 0
"""
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs sh, /dev/full and pty")


def draw(folder: Path) -> None:
    """24 PNG images of two classes, of which the library that reads them complains."""
    rng = np.random.default_rng(0)
    # A colour profile that is none: libpng, which reads colours of 16 bits, says so on its own.
    profile = b"iCCP" + b"none\0\0" + zlib.compress(b"none")
    chunk = struct.pack(">I", len(profile) - 4) + profile + struct.pack(">I", zlib.crc32(profile))
    y, x = np.mgrid[:32, :32]
    for number in range(24):
        label, stripes = (("left", x), ("right", y))[number % 2]
        pixels = (100 * (stripes // 4 % 2) + rng.integers(0, 100, (32, 32))).astype(np.uint16)
        png = cv2.imencode(".png", np.dstack([pixels] * 3))[1].tobytes()
        (folder / label).mkdir(parents=True, exist_ok=True)
        (folder / label / f"{number}.png").write_bytes(png[:33] + chunk + png[33:])


def shell(redirection: str, *words: object) -> subprocess.CompletedProcess[str]:
    """Run ``actinscope WORDS`` with a redirection such as ``>&-`` behind it."""
    return subprocess.run(
        ["sh", "-c", f'"$@" {redirection}', "sh", *PROGRAM, *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
    )


def on_a_terminal(*words: object) -> str:
    """What ``actinscope WORDS`` sends to a terminal of 80 columns; it must end with 0."""
    import fcntl
    import pty
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    with subprocess.Popen(
        [*PROGRAM, *map(str, words)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", "TF_CPP_MIN_LOG_LEVEL": "0"},
    ) as child:
        os.close(theirs)
        sent = b""
        while True:
            try:
                sent += os.read(ours, 4096)
            except OSError:  # the other end is closed
                break
    os.close(ours)
    assert child.returncode == 0, sent.decode()
    return sent.decode()


def rows(sent: str) -> list[str]:
    """The rows as they were drawn, also those of a bar that was drawn over later."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", sent)
    return [
        row.rstrip() for row in re.split(r"[\r\n]+|\x1b\[[?0-9;]*[A-Za-z]", plain) if row.strip()
    ]


def foreign(rows: list[str]) -> list[str]:
    others = (
        r"PNG warning|tensorflow|\bTF_|cuda|onednn|openvino|absl|\[ (INFO|WARNING)|\.(cc|cpp|py):"
    )
    return [row for row in rows if re.search(others, row, re.IGNORECASE)]


def test_only_our_own_lines_come_to_the_screen(tmp_path: Path) -> None:
    """TensorFlow, libpng and others have much to say of a training and of these images."""
    draw(tmp_path / "images")
    (tmp_path / "small.toml").write_text(RECIPE)
    images, run = tmp_path / "images", tmp_path / "run"
    train = ("train", images, "--recipe", tmp_path / "small.toml", "--folds", 1, "-o", run)
    drawn = rows(on_a_terminal(*train))
    assert foreign(drawn) == []
    assert drawn[0].startswith("Small CNN is trained from scratch")
    bars = [row for row in drawn if " left " in row]
    assert any(row.startswith("Training") for row in bars)
    assert max(map(len, bars)) <= 80

    # The run is taken for its bundle.
    predict = ("predict", run, images, "--quiet", "-o", tmp_path / "predictions.csv")
    drawn = rows(on_a_terminal(*predict))
    assert foreign(drawn) == []
    assert any(row.startswith("24 named, 0 unfamiliar") for row in drawn)
    done = shell("", *predict, "--debug")
    assert "PNG warning: iCCP" in done.stderr  # or else there was nothing to hide


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_an_output_that_is_closed_is_no_error(closed: str) -> None:
    done = shell(closed, "recipe", "show")
    assert (done.returncode, done.stderr) == (0, "")
    assert ("[training]" in done.stdout) == (closed == "2>&-")


def test_an_output_that_is_full_is_named_as_what_it_is() -> None:
    done = shell("> /dev/full", "recipe", "show")
    assert done.returncode == 7
    assert done.stderr == (
        "actinscope: standard output: takes nothing more (No space left on device). All files "
        "were written; only these lines are lost.\n"
    )
