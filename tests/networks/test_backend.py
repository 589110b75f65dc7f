"""Many networks in one process: no advice on the screen, and nothing left behind."""

from __future__ import annotations

import logging

import pytest

from actinscope.networks import one_of_many_networks

ADVICE = "5 out of the last 5 calls to f triggered tf.function retracing. Tracing is expensive"


def test_advice_on_retracing_is_kept_back_inside_only(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("tensorflow")
    filters = list(logger.filters)
    with caplog.at_level(logging.WARNING, logger="tensorflow"):
        # What the library's logger does with the record is decided before any handler sees it.
        with one_of_many_networks():
            assert not logger.filter(logger.makeRecord("tensorflow", 30, "", 0, ADVICE, (), None))
            assert logger.filter(logger.makeRecord("tensorflow", 30, "", 0, "other", (), None))
        assert logger.filter(logger.makeRecord("tensorflow", 30, "", 0, ADVICE, (), None))
    assert logger.filters == filters


def test_the_filter_goes_also_when_training_fails() -> None:
    logger = logging.getLogger("tensorflow")
    filters = list(logger.filters)
    with pytest.raises(ValueError, match="stop"), one_of_many_networks():
        raise ValueError("stop")
    assert logger.filters == filters
