"""The public names: which they are, that they come quickly, and that their examples work."""

from __future__ import annotations

import doctest
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import actinscope
from actinscope import api
from helpers.bundles import CLASSES, grey_image, make_bundle
from helpers.phantom_crops import write_phantom_crops

DOCS = Path(actinscope.__file__).parents[2] / "docs"
FUNCTIONS = ("audit", "compare", "evaluate", "explain", "predict", "train")
NAMES = {
    *FUNCTIONS,
    "ActinscopeError",
    "AuditRequest",
    "CompareRequest",
    "EvaluateRequest",
    "ExplainRequest",
    "PredictRequest",
    "Recipe",
    "StudySource",
    "TrainRequest",
    "load_bundle",
    "load_recipe",
    "read_image",
}
RECIPE = """\
base = "scratch"
audit = false
controls = false
explanation = false
[network]
input_size = 32
[training]
epochs = 2
batch_size = 8
warmup_epochs = 0
"""


def test_these_are_the_public_names() -> None:
    assert set(api.__all__) == set(dir(api)) == NAMES
    assert all(hasattr(api, name) for name in NAMES)
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        api.trian  # noqa: B018


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_public_name_says_what_it_is(name: str) -> None:
    assert inspect.getdoc(getattr(api, name))


def test_the_examples_of_the_module_work() -> None:
    assert doctest.testmod(api).failed == 0


def test_importing_it_is_quick() -> None:
    code = "import sys, actinscope.api; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_bundle_predicts_without_a_command_line(tmp_path: Path) -> None:
    import tifffile

    bundle = make_bundle(tmp_path / "model").path
    image = tmp_path / "a.tif"
    tifffile.imwrite(image, grey_image(1).pixels[0])
    outcome = api.predict(api.PredictRequest(bundle, (image,), tmp_path / "predictions.csv"))
    assert (outcome.summary.done, outcome.summary.failed) == (1, 0)
    assert api.load_bundle(bundle).info.classes == CLASSES
    assert api.read_image(image).pixels.shape == grey_image(1).pixels.shape
    with pytest.raises(api.ActinscopeError, match="nowhere"):
        api.load_bundle(tmp_path / "nowhere")


@pytest.mark.slow
@pytest.mark.skipif(not DOCS.is_dir(), reason="installed without its documentation")
def test_the_examples_of_the_documentation_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_phantom_crops(
        tmp_path / "images",
        fields_per_class=6,
        cells_per_field=2,
        difficulty=0.0,
        seed=1,
        crop_size=32,
    )
    (tmp_path / "small.toml").write_text(RECIPE)
    monkeypatch.chdir(tmp_path)
    assert doctest.testfile(str(DOCS / "api.md"), module_relative=False).failed == 0
