"""Explaining a trained network on its test images: maps of the evidence, and of the features."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from actinscope.cells import MaskReader
from actinscope.errors import BundleError
from actinscope.evaluation import typical_examples
from actinscope.explain.attention import (
    Attention,
    attention_inside,
    attention_sentence,
    judge_attention,
)
from actinscope.explain.class_activation import contrast_map, heat_map
from actinscope.explain.saliency import (
    ACTIVATION,
    MaskedCell,
    Method,
    SaliencySource,
    inside_of,
    occlusion_maps,
    outputs_of,
)
from actinscope.explain.sanity_checks import MapSimilarity, SanityStep, map_similarity
from actinscope.explain.weight_randomization import randomized_networks
from actinscope.predict import Predictor
from actinscope.progress import Progress
from actinscope.runs import EvaluatedPredictions

#: Test images that attention rests on at most, drawn at random.
MOST_IMAGES = 200
#: Of these, images that the maps of shuffled networks are compared on.
SANITY_IMAGES = 24
#: The same where each map takes many predictions: images, images of them, places a side.
OCCLUDED, OCCLUDED_SANITY, COARSE = 6, 3, 8
#: Points of a map of the features.
MOST_TRAINING_POINTS, MOST_TEST_POINTS = 600, 300
_FEWEST_POINTS = 4

Maps = list[NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class FeatureMap:
    """The plane in which the training images differ most (principal component analysis).

    Test images are laid onto it and do not shape it; without training images it is theirs.

    Attributes:
        points: (N, 2) float64, the training images, then the test images.
        explained: share of the fitted images' variance along each axis.
        training: rows of the training part; empty where it is not known.
        test: rows of the test part.
        thinned: images were left out at random.
    """

    points: NDArray[np.float64]
    explained: tuple[float, float]
    training: NDArray[np.int64]
    test: NDArray[np.int64]
    thinned: bool


@dataclass(frozen=True, eq=False)
class Explanation:
    """What the network uses of the images, as far as it was found out.

    Attributes:
        method: how the maps were made.
        images: how many test images the attention rests on.
        attention: the share of the evidence inside the cells; None where no image has one.
        sanity: maps of networks with shuffled weights against those of the network.
        unlike: for comparison: maps of the network for two different images.
        features: a map of the features; None where there are too few images, or all are alike.
    """

    method: Method
    images: int
    attention: Attention | None
    sanity: tuple[SanityStep, ...]
    unlike: MapSimilarity | None
    features: FeatureMap | None


def explain(saliency: SaliencySource, *, seed: int, progress: Progress) -> Explanation:
    """Explain a network on (at most 200) images of a part.

    Raises:
        ImageError: an image that could be predicted can no longer be read.
    """
    by_maps = saliency.method == ACTIVATION
    rows = _some(saliency.part, MOST_IMAGES if by_maps else OCCLUDED, seed)
    progress.phase("Explaining", len(rows) + 2)
    gathered = _gather(saliency, rows, progress)
    clusters = saliency.part.clusters
    attention = judge_attention(
        gathered.shares,
        gathered.areas,
        clusters and [clusters[row] for row in rows],
        cells_from=gathered.cells_from,
        seed=seed,
    )
    predicted = saliency.part.output.probabilities.argmax(axis=1)
    sanity, unlike = _sanity(saliency, gathered, predicted[rows], seed)
    progress.advance(1)
    found = Explanation(
        method=saliency.method,
        images=len(rows),
        attention=attention,
        sanity=sanity,
        unlike=unlike,
        features=_features(saliency, seed),
    )
    progress.advance(1)
    return found


def _some(part: EvaluatedPredictions, most: int, seed: int) -> NDArray[np.int64]:
    """All rows of the part, or ``most`` of them at random, in turn of classes and groups."""
    by_class = typical_examples(part.labels, part.groups, seed=seed, n=most)
    turns = [list(indices) for indices in by_class.values()]
    chosen: list[int] = []
    for turn in range(max(len(one) for one in turns)):
        chosen += [int(one[turn]) for one in turns if turn < len(one)]
    return np.array(chosen[:most], dtype=np.int64)


@dataclass(frozen=True, eq=False)
class _Gathered:
    """What one pass over the images leaves."""

    shares: NDArray[np.float64]
    areas: NDArray[np.float64]
    cells_from: str
    maps: Maps = field(repr=False)
    scaled_images: list[NDArray[np.float32]] = field(repr=False)


def _gather(saliency: SaliencySource, rows: NDArray[np.int64], progress: Progress) -> _Gathered:
    """One pass over the images: their maps, and how much of each lies inside the cell."""
    masks = MaskReader()
    compared = SANITY_IMAGES if saliency.method == ACTIVATION else OCCLUDED_SANITY
    shares, areas, origins = np.empty(len(rows)), np.empty(len(rows)), Counter[str]()
    all_maps: Maps = []
    scaled_images = []
    for place, row in enumerate(rows):
        record = saliency.part.records[row]
        scaled = saliency.images.of(record)
        predicted = int(saliency.part.output.probabilities[row].argmax())
        maps = (
            saliency.maps(int(row), scaled)
            if saliency.method == ACTIVATION
            else occlusion_maps(saliency.predictor, scaled, predicted, positions=COARSE)
        )
        cell = MaskedCell(record.mask, record.object_id, record.region)
        inside, origin = inside_of(cell, scaled, saliency.images.preprocess, masks)
        heat = heat_map(maps, predicted, size=(inside.shape[0], inside.shape[1]))
        shares[place], areas[place] = attention_inside(heat, inside), inside.mean()
        origins[origin] += 1
        all_maps.append(maps)
        if place < compared:
            scaled_images.append(scaled)
        progress.advance(1)
    cells_from = ", and ".join(
        name if len(origins) == 1 else f"{name} ({count} images)"
        for name, count in origins.most_common()
    )
    return _Gathered(shares, areas, cells_from, all_maps, scaled_images)


def _sanity(
    saliency: SaliencySource, gathered: _Gathered, predicted: NDArray[np.int64], seed: int
) -> tuple[tuple[SanityStep, ...], MapSimilarity | None]:
    """Maps of networks with shuffled weights, and of other images, against the true ones."""
    scaled_images = gathered.scaled_images
    true = [contrast_map(gathered.maps[n], int(predicted[n])) for n in range(len(scaled_images))]
    try:
        networks = randomized_networks(saliency.predictor.bundle, seed=seed)
    except BundleError:
        return (), None  # a model without layers, such as trees on features
    steps = []
    for network in networks:
        predictor = Predictor(network.bundle, backend=saliency.predictor.backend, changed=True)
        if saliency.method == ACTIVATION:
            outputs = outputs_of(predictor, scaled_images)
            maps = [one.class_maps[0] for one in outputs if one.class_maps is not None]
        else:
            maps = [
                occlusion_maps(predictor, scaled, int(predicted[n]), positions=COARSE)
                for n, scaled in enumerate(scaled_images)
            ]
        other = [_contrast(one, int(predicted[n])) for n, one in enumerate(maps)]
        steps.append(SanityStep(network.shuffled, map_similarity(true, other)))
    unlike = map_similarity(true, [*true[1:], *true[:1]]) if len(true) > 1 else None
    return tuple(steps), unlike


def _contrast(maps: NDArray[np.float32], k: int) -> NDArray[np.float32]:
    """As `contrast_map`; a shuffled network may compute values that are not finite."""
    return contrast_map(maps, k) if np.isfinite(maps).all() else np.zeros(
        maps.shape[:2], np.float32
    )  # fmt: skip


def _features(saliency: SaliencySource, seed: int) -> FeatureMap | None:
    """The map of the features of training and test images, or of test images alone."""
    from sklearn.decomposition import PCA

    asked = saliency.part.output.embedding
    known = None if saliency.training is None else saliency.training.output.embedding
    if asked is None:
        return None
    rng = np.random.default_rng([seed, 10])
    test = np.sort(rng.permutation(len(asked))[:MOST_TEST_POINTS])
    training = np.zeros(0, np.int64)
    if known is not None:
        training = np.sort(rng.permutation(len(known))[:MOST_TRAINING_POINTS])
    rows = asked[test] if known is None else np.concatenate([known[training], asked[test]])
    fitted = rows[: len(training) or len(rows)].astype(np.float64)
    if len(fitted) < _FEWEST_POINTS or fitted.shape[1] < 2 or not np.ptp(fitted, axis=0).any():
        return None
    thinned = len(test) < len(asked) or (known is not None and len(training) < len(known))
    plane = PCA(2, svd_solver="full").fit(fitted)
    first, second = plane.explained_variance_ratio_
    points = plane.transform(rows.astype(np.float64))
    return FeatureMap(points, (float(first), float(second)), training, test, thinned)


def attention_warnings(found: Explanation) -> tuple[str, ...]:
    """A sentence for the verdict where the network is not shown to look at the cells."""
    if found.attention is None or not found.attention.is_doubtful:
        return ()
    return (
        "The network is not shown to look at the cells more than at the rest of the image: "
        + attention_sentence(found.attention),
    )
