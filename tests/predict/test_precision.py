"""Which precision a model computes in where nobody chose one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actinscope.bundle import Bf16Check, Bundle, verify
from actinscope.errors import UsageError
from actinscope.predict import Predictor, predictor
from actinscope.progress import Silent
from actinscope.runs import check_bf16
from helpers.bundles import make_bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return make_bundle(tmp_path_factory.mktemp("precision") / "bundle")


def checked(bundle: Bundle, changed: int | None) -> Bundle:
    check = None if changed is None else Bf16Check(images=40, changed=changed)
    return replace(bundle, info=bundle.info.model_copy(update={"bf16": check}))


@pytest.mark.parametrize(
    ("native", "changed", "expected"),
    [
        (True, 0, "bf16"),
        (True, 1, "float32"),  # an answer changed
        (True, None, "float32"),  # nobody looked
        (False, 0, "float32"),  # slower, not faster
    ],
)
def test_bfloat16_is_taken_only_where_it_is_native_and_changed_nothing(
    bundle: Bundle,
    native: bool,
    changed: int | None,
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(predictor, "has_native_bf16", lambda: native)
    assert Predictor(checked(bundle, changed)).precision == expected


def test_bfloat16_asked_for_where_it_is_not_native_is_refused(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predictor, "has_native_bf16", lambda: False)
    with pytest.raises(UsageError, match="no bfloat16 arithmetic"):
        Predictor(bundle, precision="bf16")


def test_answers_in_bfloat16_are_close_to_those_in_float32(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a processor without it OpenVINO computes in float32, and both are the same."""
    monkeypatch.setattr(predictor, "has_native_bf16", lambda: True)
    inputs = [bundle.golden().inputs]
    exact, coarse = (
        Predictor(bundle, precision=one).predict_inputs(inputs).probabilities
        for one in ("float32", "bf16")
    )
    np.testing.assert_allclose(coarse, exact, atol=0.05)


def test_what_was_seen_of_bfloat16_is_kept_in_the_bundle(tmp_path: Path) -> None:
    from actinscope.bundle import load_bundle, store_bf16

    made = make_bundle(tmp_path / "bundle")
    store_bf16(made, Bf16Check(images=7, changed=2))
    found = load_bundle(tmp_path / "bundle").info
    assert found.bf16 == Bf16Check(images=7, changed=2)
    assert found.format_version == 4


def test_on_onnx_runtime_nothing_is_called_bfloat16(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predictor, "has_native_bf16", lambda: True)
    assert Predictor(checked(bundle, 0), backend="onnxruntime").precision == "float32"
    with pytest.raises(UsageError, match="ONNX Runtime has no bfloat16"):
        Predictor(bundle, backend="onnxruntime", precision="bf16")


def test_a_model_that_bfloat16_changes_too_far_is_trained_without(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predictor, "has_native_bf16", lambda: True)
    monkeypatch.setattr(verify, "BF16_TOLERANCE", -1.0)
    nothing: Any = None
    assert check_bf16(Predictor(bundle), [], nothing, images=nothing, progress=Silent()) is None
