"""Synthetic fields: what is drawn, how difficulty grades it, and what must tell nothing."""

from __future__ import annotations

from dataclasses import astuple
from functools import cache

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from actinscope.errors import SettingsError
from actinscope.phantoms.field import PhantomField, render_field
from actinscope.phantoms.optics import draw_slide
from actinscope.phantoms.traits import PHENOTYPES, PIXEL_SIZE_UM, PROTOTYPES, draw_field_traits

_SHAPE = (320, 320)


def _field(
    phenotype: str, seed: int, difficulty: float = 0.5, cells: int = 6, index: int = 0
) -> PhantomField:
    rng = np.random.default_rng([seed, PHENOTYPES.index(phenotype), index])
    return render_field(phenotype, shape=_SHAPE, cells=cells, difficulty=difficulty, rng=rng)


def test_names_of_the_phenotypes() -> None:
    assert PHENOTYPES == ("epithelial", "clustered", "elongated")


@pytest.mark.parametrize("difficulty", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("phenotype", PHENOTYPES)
def test_pixels_look_like_camera_counts(phenotype: str, difficulty: float) -> None:
    field = _field(phenotype, 1, difficulty)
    assert field.phenotype == phenotype
    assert field.pixel_size_um == PIXEL_SIZE_UM
    assert field.pixels.dtype == np.uint16
    assert field.pixels.shape == field.mask.shape == _SHAPE
    background = np.median(field.pixels[field.mask == 0])
    cells = field.pixels[field.mask > 0].mean()
    assert 200 < np.percentile(field.pixels, 1) < background < 800
    assert 200 < cells - background < 3000
    assert 1000 < field.pixels.max() < 20_000
    assert (field.pixels == 65535).mean() < 0.01


@settings(max_examples=12)
@given(
    phenotype=st.sampled_from(PHENOTYPES),
    seed=st.integers(0, 2**32),
    cells=st.integers(1, 6),
    difficulty=st.floats(0, 1),
)
def test_mask_has_each_cell_once_in_one_piece(
    phenotype: str, seed: int, cells: int, difficulty: float
) -> None:
    mask = _field(phenotype, seed, difficulty, cells).mask
    assert mask.dtype == np.uint16
    assert list(np.unique(mask)) == list(range(cells + 1))
    for value in range(1, cells + 1):
        pieces, _ = cv2.connectedComponents((mask == value).astype(np.uint8), connectivity=4)
        assert pieces == 2  # background and one piece
        diameter = 2 * np.sqrt((mask == value).sum() / np.pi) * PIXEL_SIZE_UM
        assert 12 < diameter < 40


def test_a_crowded_field_is_drawn_too() -> None:
    rng = np.random.default_rng(4)
    field = render_field("elongated", shape=(512, 512), cells=21, difficulty=0.2, rng=rng)
    assert field.mask.max() == 21


def test_same_generator_state_same_field() -> None:
    first, second = _field("clustered", 3), _field("clustered", 3)
    np.testing.assert_array_equal(first.pixels, second.pixels)
    np.testing.assert_array_equal(first.mask, second.mask)


def test_fields_differ() -> None:
    first, second = _field("clustered", 3), _field("clustered", 3, index=1)
    assert (first.pixels != second.pixels).mean() > 0.5
    assert (first.mask != second.mask).any()


def test_slide_sets_offset_background_and_staining() -> None:
    slides = [draw_slide(1.0, rng=np.random.default_rng(seed)) for seed in range(20)]
    bright = max(slides, key=lambda slide: slide.staining)
    faint = min(slides, key=lambda slide: slide.staining)
    signal = []
    for slide in (bright, faint):
        rng = np.random.default_rng(0)
        field = render_field("clustered", shape=_SHAPE, difficulty=1.0, rng=rng, slide=slide)
        inside, outside = field.pixels[field.mask > 0], field.pixels[field.mask == 0]
        signal.append(inside.mean() - np.median(outside))
    assert signal[0] / signal[1] == pytest.approx(bright.staining / faint.staining, rel=0.15)


def test_difficulty_0_keeps_the_prototype_and_1_leaves_no_difference() -> None:
    def centre(phenotype: str, difficulty: float) -> NDArray[np.float64]:
        rng = np.random.default_rng(5)
        return draw_field_traits(phenotype, difficulty, rng=rng).centre

    hardest = [centre(phenotype, 1.0) for phenotype in PHENOTYPES]
    np.testing.assert_allclose(hardest[0], hardest[1], atol=1e-12)
    np.testing.assert_allclose(hardest[0], hardest[2], atol=1e-12)
    table = np.array([astuple(traits) for traits in PROTOTYPES.values()])
    for own, phenotype in zip(table, PHENOTYPES, strict=True):
        assert (np.abs(centre(phenotype, 0.0) - own) <= 0.25 * table.std(axis=0) + 1e-12).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"phenotype": "round"}, "no synthetic phenotype 'round'.*epithelial"),
        ({"difficulty": 1.5}, "difficulty 1.5 is not in 0 to 1"),
        ({"difficulty": float("nan")}, "difficulty nan"),
        ({"cells": 0}, "too few"),
        ({"cells": 24}, "do not fit in 512 x 512 pixels.*at most 21"),
        ({"shape": (100, 512)}, "too small"),
    ],
)
def test_impossible_requests_are_refused(changes: dict[str, object], message: str) -> None:
    request: dict[str, object] = {"phenotype": "epithelial", "difficulty": 0.5, "cells": 3}
    request |= changes
    phenotype = str(request.pop("phenotype"))
    with pytest.raises(SettingsError, match=message):
        render_field(phenotype, rng=np.random.default_rng(0), **request)  # type: ignore[arg-type]


# Below: what a plain classifier learns from the phantoms.


def _balanced_accuracy(features: NDArray, labels: list[int], groups: list[int]) -> float:
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import balanced_accuracy_score
    from sklearn.model_selection import GroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits

    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    with threadpool_limits(1):  # threads only get in each other's way in so small a task
        guess = cross_val_predict(model, features, labels, groups=groups, cv=GroupKFold(5))
    return float(balanced_accuracy_score(labels, guess))


def _cell_features(field: PhantomField) -> list[list[float]]:
    """A few hand-made features of each cell; none is its brightness or its area."""
    background = np.median(field.pixels[field.mask == 0])
    rows = []
    for value in range(1, int(field.mask.max()) + 1):
        mask = field.mask == value
        light = (field.pixels[mask] - background) / (field.pixels[mask].mean() - background)
        depth = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5)[mask]
        spread = np.linalg.eigvalsh(np.cov(*np.nonzero(mask)))
        others = ((field.mask > 0) & ~mask).astype(np.uint8)
        contact = (cv2.dilate(others, np.ones((7, 7), np.uint8)) > 0)[mask]
        rows.append(
            [
                float(np.log(spread[1] / spread[0])),
                float(light.std()),
                float(light[depth < 4].mean()),
                float(light[depth > 10].std()),
                float(contact.mean()),
                float(light[contact].mean()) if contact.any() else 0.0,
                float(np.percentile(light, 99)),
            ]
        )
    return rows


@cache
def _study(difficulty: float, fields: int) -> list[tuple[int, PhantomField]]:
    counts = np.random.default_rng(17).integers(4, 7, (len(PHENOTYPES), fields))
    return [
        (kind, _field(phenotype, 23, difficulty, int(counts[kind, index]), index))
        for kind, phenotype in enumerate(PHENOTYPES)
        for index in range(fields)
    ]


def test_difficulty_is_graded() -> None:
    scores = []
    for difficulty in (0.0, 0.5, 1.0):
        features: list[list[float]] = []
        labels: list[int] = []
        groups: list[int] = []
        for group, (kind, field) in enumerate(_study(difficulty, 10 if difficulty == 0 else 6)):
            rows = _cell_features(field)
            features += rows
            labels += [kind] * len(rows)
            groups += [group] * len(rows)
        scores.append(_balanced_accuracy(np.array(features), labels, groups))
    easy, middle, hard = scores
    assert easy > 0.93
    assert 0.5 < middle < easy - 0.05
    assert hard < 0.48 < middle


def test_brightness_count_and_area_tell_nothing() -> None:
    study = _study(0.0, 10)  # where the phenotypes differ most
    kinds = [kind for kind, _ in study]
    nuisance = np.array(
        [[f.pixels.mean(), f.mask.max(), (f.mask > 0).mean()] for _, f in study], dtype=float
    )
    each = list(range(len(study)))
    # 30 fields, chance 1/3: the standard error of the accuracy is 0.09.
    assert _balanced_accuracy(nuisance[:, :1], kinds, each) < 0.52
    assert _balanced_accuracy(nuisance[:, 1:2], kinds, each) < 0.52
    assert _balanced_accuracy(nuisance, kinds, each) < 0.52
    areas = [np.bincount(field.mask.ravel())[1:] for _, field in study]
    cell_kinds = [kind for (kind, _), area in zip(study, areas, strict=True) for _ in area]
    cell_groups = [group for group, area in enumerate(areas) for _ in area]
    area_column = np.concatenate(areas)[:, None].astype(float)
    assert _balanced_accuracy(area_column, cell_kinds, cell_groups) < 0.45
