"""``actinscope recipe networks``: what there is and how to get its weights."""

from __future__ import annotations

from pathlib import Path

import pytest

from actinscope.cli.main import main
from actinscope.networks import REGISTRY


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))


def test_all_networks_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipe", "networks"]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = {line.split()[0]: line for line in lines[1 : len(REGISTRY) + 1]}
    assert list(rows) == list(REGISTRY)
    assert rows["inception-v3"].split()[1:4] == ["299", "313", "229"]
    assert "from the internet" in rows["vgg16"]
    assert "a file that you name" in rows["mobilenet-v2"]
    assert "trained from scratch" in rows["small-cnn"]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("vgg16", "blue first"),
        ("vgg16", "fully connected 256, 256, then softmax; dropout 0.5; class activation maps: no"),
        ("nasnet-mobile", "https://storage.googleapis.com/tensorflow/keras-applications/nasnet/"),
        ("mobilenet-v2", "publishes no hash"),
        ("small-cnn", "weights: none"),
    ],
)
def test_one_network_is_told(name: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipe", "networks", name]) == 0
    assert told in capsys.readouterr().out


def test_an_unknown_network_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipe", "networks", "vgg17"]) == 2
    assert "Did you mean 'vgg1" in capsys.readouterr().err
