"""A tiny network and bundle made by hand, for the tests of this and other rooms."""

from __future__ import annotations

import os

import numpy as np
import pytest

from helpers.bundles import (
    by_hand,
    fitted_preprocess,
    grey_image,
)

os.environ["ORT_DISABLE_TELEMETRY"] = "1"


def test_the_example_is_no_trivial_one() -> None:
    """All three classes win somewhere, so a mixed-up order would show."""
    images = [grey_image(seed) for seed in range(40)]
    preprocess = fitted_preprocess(images)
    probabilities = by_hand(np.stack([preprocess.apply(image) for image in images]))
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(40))
    assert len(set(probabilities.argmax(axis=1).tolist())) == 3
    assert probabilities.std(axis=0).min() > 0.01
