"""One answer of several views of an image."""

from __future__ import annotations

import numpy as np
import pytest

from actinscope.bundle import NetworkOutput, mean_of_views
from actinscope.preprocess import turned


def test_the_mean_is_that_of_the_logits() -> None:
    """Odds of 4 and of 1/9 have a geometric mean of 2/3: 0.4 against 0.6."""
    outputs = [
        NetworkOutput(np.array([[0.8, 0.2]]), None, None),
        NetworkOutput(np.array([[0.1, 0.9]]), None, None),
    ]
    np.testing.assert_allclose(mean_of_views(outputs, (0, 1)).probabilities, [[0.4, 0.6]])


def test_maps_are_turned_back_and_still_add_up_to_the_logits() -> None:
    rng = np.random.default_rng(0)
    views = (0, 5, 2, 7)
    upright = rng.normal(size=(4, 2, 3, 3, 2)).astype(np.float32)  # what each view shows, upright
    outputs = []
    for view, maps in zip(views, upright, strict=True):
        logits = maps.mean(axis=(1, 2), dtype=np.float64)
        powers = np.exp(logits)
        chances = powers / powers.sum(axis=1, keepdims=True)
        outputs.append(NetworkOutput(chances, maps[:, 0, 0], turned(maps, view)))

    found = mean_of_views(outputs, views)

    assert found.class_maps is not None and found.embedding is not None
    np.testing.assert_allclose(found.class_maps, upright.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(found.embedding, upright[:, :, 0, 0].mean(axis=0), atol=1e-6)
    logits = found.class_maps.mean(axis=(1, 2))
    ratio = np.log(found.probabilities[:, 0] / found.probabilities[:, 1])
    np.testing.assert_allclose(ratio, logits[:, 0] - logits[:, 1], atol=1e-5)


def test_a_single_view_stays_as_it_is() -> None:
    output = NetworkOutput(np.array([[0.8, 0.2]]), None, None)
    assert mean_of_views([output], (0,)) is output


def test_what_is_missing_in_the_outputs_is_missing_in_the_mean() -> None:
    output = NetworkOutput(np.array([[0.5, 0.5]]), None, None)
    assert mean_of_views([output, output], (0, 1)).embedding is None


@pytest.mark.parametrize("chances", [[[1.0, 0.0]], [[0.0, 1.0]]])
def test_a_view_that_is_certain_leaves_numbers(chances: list[list[float]]) -> None:
    outputs = [
        NetworkOutput(np.array(chances), None, None),
        NetworkOutput(np.array([[0.5, 0.5]]), None, None),
    ]
    assert np.isfinite(mean_of_views(outputs, (0, 1)).probabilities).all()
