"""Step size of the optimiser as a function of training progress."""

from __future__ import annotations

import math

from actinscope.training.recipe import TrainingSettings


def learning_rate_at(settings: TrainingSettings, progress: float) -> float:
    """Adam's step size after ``progress`` epochs (fractions count).

    Linear warm-up from zero over ``warmup_epochs``, then constant or half a cosine
    down to zero at ``epochs`` (Loshchilov and Hutter 2017, without restarts).
    """
    peak = settings.learning_rate
    if settings.warmup_epochs and progress < settings.warmup_epochs:
        return peak * progress / settings.warmup_epochs
    if settings.schedule == "constant":
        return peak
    span = settings.epochs - settings.warmup_epochs
    done = min(1.0, (progress - settings.warmup_epochs) / span) if span > 0 else 1.0
    return peak * 0.5 * (1.0 + math.cos(math.pi * done))
