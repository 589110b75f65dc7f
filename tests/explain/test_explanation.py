"""Explaining a network on its test images, and what the report makes of it."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import tifffile

from actinscope.cells import MaskReader
from actinscope.evaluation import Conditions, Estimate, verdict
from actinscope.explain import (
    ACTIVATION,
    OCCLUSION,
    Explanation,
    MaskedCell,
    SaliencySource,
    SanityStep,
    attention_warnings,
    explain,
    heat_map,
    inside_of,
)
from actinscope.explain.sanity_checks import MapSimilarity
from actinscope.images import Region
from actinscope.progress import Silent
from actinscope.report import explanation_findings, explanation_shown, neighbour_words
from actinscope.report.charts import feature_charts
from actinscope.report.content import ExplanationShown
from actinscope.report.drawing import save_figures, sheet
from actinscope.report.figures import report_figures
from actinscope.report.report_page import render_report
from actinscope.study import read_manifest
from actinscope.workflows.report import Pictures
from helpers.explained_runs import READER, cell_pixels, toy_saliency
from helpers.pages import Page
from helpers.report_content import HOSTILE, make_content


@pytest.fixture(scope="module")
def saliency(tmp_path_factory: pytest.TempPathFactory) -> SaliencySource:
    return toy_saliency(tmp_path_factory.mktemp("maps"))


@pytest.fixture(scope="module")
def found(saliency: SaliencySource) -> Explanation:
    return explain(saliency, seed=0, progress=Silent())


@pytest.fixture(scope="module")
def dense(tmp_path_factory: pytest.TempPathFactory) -> SaliencySource:
    return toy_saliency(tmp_path_factory.mktemp("dense"), maps=False)


def pictures_of(saliency: SaliencySource) -> Pictures:
    return Pictures(saliency.part, saliency.images.of, saliency)


def shown_of(found: Explanation, saliency: SaliencySource) -> ExplanationShown:
    shown = explanation_shown(found, saliency, group="slide")
    assert shown is not None
    return shown


def test_attention_is_that_of_the_maps(saliency: SaliencySource, found: Explanation) -> None:
    """By hand: the mean over the images of the map in the bright cell over the whole map."""
    assert found.method == ACTIVATION
    preprocess = saliency.predictor.bundle.info.preprocess
    shares = []
    for row, record in enumerate(saliency.part.records):
        scaled = preprocess.to_scaled(READER.read(record.path))
        inside, origin = inside_of(MaskedCell(None, "", None), scaled, preprocess, MaskReader())
        assert "no mask" in origin
        k = int(saliency.part.output.probabilities[row].argmax())
        heat = heat_map(saliency.maps(row, scaled), k, size=(8, 8))
        if heat.any():
            shares.append(heat[inside].sum() / heat.sum())
    assert found.attention is not None
    assert found.attention.inside.value == pytest.approx(np.mean(shares))
    assert found.attention.images == len(shares)
    assert found.attention.images + found.attention.left_out == found.images == 12


def test_the_head_is_shuffled_for_the_sanity_test(found: Explanation) -> None:
    """The tiny network is nothing but a head."""
    assert [step.shuffled for step in found.sanity] == ["the head"]
    assert found.sanity[0].similarity.images > 0


def test_test_images_are_laid_onto_the_plane_of_the_training_images(
    saliency: SaliencySource, found: Explanation
) -> None:
    """By hand: the two main directions of the training images' features, up to their sign."""
    assert saliency.training is not None and found.features is not None
    known, asked = saliency.training.output.embedding, saliency.part.output.embedding
    assert known is not None and asked is not None
    _, spread, axes = np.linalg.svd(known - known.mean(axis=0), full_matrices=False)
    laid = (np.concatenate([known, asked]) - known.mean(axis=0)) @ axes[:2].T
    assert np.abs(found.features.points) == pytest.approx(np.abs(laid), abs=1e-4)
    assert found.features.explained == pytest.approx(spread[:2] ** 2 / (spread**2).sum(), abs=1e-4)
    assert not found.features.thinned


def test_neighbours_come_with_their_group(saliency: SaliencySource) -> None:
    assert saliency.training is not None and saliency.part.groups is not None
    embedding = saliency.training.output.embedding
    own = saliency.part.output.embedding
    assert embedding is not None and own is not None
    near = saliency.neighbours(0)
    cosines = (embedding @ own[0]) / np.linalg.norm(embedding, axis=1) / np.linalg.norm(own[0])
    assert [one.distance for one in near] == pytest.approx(sorted(1 - cosines)[:3], abs=1e-6)
    group = saliency.part.groups[0]
    assert [one.same_group for one in near] == [one.record.groups["slide"] == group for one in near]
    word = "same group, " if near[0].same_group else "other group, "
    assert neighbour_words(near[0]).startswith(f"{word}distance 0.")


def test_the_same_seed_gives_the_same_explanation(
    saliency: SaliencySource, found: Explanation
) -> None:
    again = explain(saliency, seed=0, progress=Silent())
    assert repr(again.attention) == repr(found.attention)  # may hold NaN, which equals nothing
    assert repr(again.sanity) == repr(found.sanity)


def test_a_network_without_maps_is_asked_by_occlusion(dense: SaliencySource) -> None:
    found = explain(dense, seed=0, progress=Silent())
    assert found.method == OCCLUSION
    assert found.images == 6
    shown = shown_of(found, dense)
    assert "Occlusion maps were made instead" in shown.method
    # The tiny network looks at the mean brightness: the bright cell is what counts.
    assert found.attention is not None
    assert found.attention.inside.value > found.attention.area.value
    right = pictures_of(dense).correct(0)
    with_maps = [picture.heat is not None for picture in right]
    assert with_maps == [number < 4 for number in range(len(right))]
    assert right[0].map_name == OCCLUSION


def test_without_training_images_the_rest_is_explained(saliency: SaliencySource) -> None:
    alone = SaliencySource(saliency.predictor, saliency.part, None, saliency.images)
    found = explain(alone, seed=0, progress=Silent())
    assert alone.neighbours(0) == ()
    plane = shown_of(found, alone).features
    assert plane is not None and len(plane.points) == 12
    assert not plane.is_test.any()


def test_the_section_of_the_report(
    saliency: SaliencySource, found: Explanation, tmp_path: Path
) -> None:
    content = make_content(explanation=shown_of(found, saliency))
    page = Page(render_report(content))
    assert "What the network looks at" in page.text
    assert "Inside the cell, or outside?" in page.text
    shown = content.explanation.features
    assert shown is not None
    for chart in feature_charts(shown):  # coloured by class, and by group
        axes = sheet(85, 80).subplots()
        chart.draw(axes)
        fitted, tested = (len(points.get_offsets()) for points in axes.collections)
        assert (fitted, tested) == (12, 12)
    save_figures(report_figures(content), tmp_path)
    for name in ("features.png", "features.svg"):
        assert (tmp_path / name).stat().st_size > 0


def test_foreign_names_stay_names(saliency: SaliencySource, found: Explanation) -> None:
    shown = shown_of(found, saliency)
    names = (HOSTILE[0], HOSTILE[1], HOSTILE[5])
    assert shown.features is not None
    features = dataclasses.replace(shown.features, class_names=names)
    hostile = dataclasses.replace(shown, features=features)
    page = Page(render_report(make_content(explanation=hostile)))
    assert all("evil" not in one.get("src", "") for one in page.all("img"))
    assert len(page.all("script")) == 1


def test_many_groups_repeat_their_colours_and_say_so(
    saliency: SaliencySource, found: Explanation
) -> None:
    shown = shown_of(found, saliency)
    names = tuple(f"g{n}" for n in range(13))
    assert shown.features is not None
    crowded = dataclasses.replace(
        shown, features=dataclasses.replace(shown.features, group_names=names)
    )
    page = Page(render_report(make_content(explanation=crowded)))
    assert "13 values: colours repeat after twelve." in page.text


def test_attention_beside_the_cells_reaches_the_verdict(
    found: Explanation, saliency: SaliencySource
) -> None:
    assert found.attention is not None
    low = Estimate(0.1, 0.05, 0.2, 12, None, "by hand")
    ahead = Estimate(-0.3, -0.4, -0.2, 12, None, "by hand")
    attention = dataclasses.replace(found.attention, inside=low, ahead=ahead)
    bad = dataclasses.replace(found, attention=attention)
    (sentence,) = attention_warnings(bad)
    assert "not shown to look at the cells" in sentence
    judged = verdict(
        saliency.part.evaluation,
        Conditions(by_image=False, synthetic=False, random_weights=False),
        baseline=0.4,
        controls=attention_warnings(bad),
    )
    assert sentence in judged.reasons
    assert "outside of the cells" in explanation_findings(bad)[0].title
    assert attention_warnings(dataclasses.replace(found, attention=None)) == ()


def test_maps_that_do_not_change_are_a_finding(found: Explanation) -> None:
    alike = (SanityStep("all layers", MapSimilarity(0.9, 0.9, 5)),)
    bad = dataclasses.replace(found, attention=None, sanity=alike)
    (finding,) = explanation_findings(bad)
    assert finding.severity == "warning"
    assert "hardly depend on what was learned" in finding.title
    assert explanation_findings(None) == ()


def test_cells_of_fields_bring_their_mask(tmp_path: Path) -> None:
    """Two cells of one mask: the share of the crop that is the cell's own, by hand."""
    mask = np.zeros((40, 40), np.uint16)
    mask[4:12, 4:12] = 7
    mask[4:12, 12:18] = 9  # a neighbour within the crop
    tifffile.imwrite(tmp_path / "field.tif", np.arange(1600, dtype=np.uint16).reshape(40, 40))
    tifffile.imwrite(tmp_path / "mask.tif", mask)
    (tmp_path / "study.csv").write_text("path,label,mask\nfield.tif,a,mask.tif\n")
    manifest = read_manifest(tmp_path / "study.csv", tmp_path, crop_size=16)
    first = manifest.records[0]
    assert (first.object_id, first.mask) == ("7", tmp_path / "mask.tif")
    assert first.region is not None
    inside = MaskReader().read(tmp_path / "mask.tif", "7", first.region)
    assert inside.shape == (16, 16)
    assert inside.sum() == 64
    assert not MaskReader().read(tmp_path / "mask.tif", "no number", first.region).any()


def test_a_mask_that_is_gone_gives_way_to_brightness(
    saliency: SaliencySource, tmp_path: Path
) -> None:
    preprocess = saliency.predictor.bundle.info.preprocess
    scaled = (cell_pixels(1)[:8, :8, None] / 65535).astype(np.float32)
    cell = MaskedCell(tmp_path / "none.tif", "1", Region(4, 4, 8, 8))
    inside, origin = inside_of(cell, scaled, preprocess, MaskReader())
    assert "no mask" in origin
    assert 0 < inside.mean() < 1
    assert not math.isnan(float(inside.mean()))
