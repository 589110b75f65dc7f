"""What a network uses in one image: its class maps, or what covering places does."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from actinscope.bundle import NetworkOutput
from actinscope.cells import MaskReader
from actinscope.errors import ImageError
from actinscope.explain.control_features import cell_mask, reduced_planes
from actinscope.explain.occlusion import POSITIONS, occlude
from actinscope.images import Region
from actinscope.predict import Predictor, ScaledImages
from actinscope.preprocess import Preprocess
from actinscope.runs import EvaluatedPredictions
from actinscope.study import Record

Scaled = NDArray[np.float32]
Method = Literal["class activation map", "occlusion map"]
ACTIVATION: Method = "class activation map"
OCCLUSION: Method = "occlusion map"

MASKED = "the label mask"
BRIGHT = "brightness (Otsu's threshold), as there is no mask"

#: Nearest training images that are shown beside an error.
NEIGHBOURS = 3


def outputs_of(
    predictor: Predictor, scaled_images: Iterable[Scaled], *, probabilities_only: bool = False
) -> list[NetworkOutput]:
    """What the network gives for scaled images, several side by side, each predicted alone."""

    def one(scaled: Scaled) -> NetworkOutput:
        ready = predictor.prepare_scaled(scaled)
        return predictor.predict_input(ready, probabilities_only=probabilities_only)

    with ThreadPoolExecutor(predictor.side_by_side, "actinscope-explain") as pool:
        return list(pool.map(one, scaled_images))


def occlusion_maps(
    predictor: Predictor, scaled: Scaled, predicted: int, *, positions: int = POSITIONS
) -> NDArray[np.float32]:
    """(P, P, K) maps of one scaled image made by occlusion, in the form of class maps.

    The drop stands for the predicted class; the other classes' maps are such that the
    contrast of the predicted class is the drop in log odds.
    """
    places = min(positions, scaled.shape[0])  # no more than pixels

    def probabilities(variants: NDArray[np.float32]) -> NDArray[np.float64]:
        outputs = outputs_of(predictor, variants, probabilities_only=True)
        return np.stack([one.probabilities[0] for one in outputs])

    maps = np.zeros((places, places, len(predictor.classes)), dtype=np.float32)
    maps[:, :, predicted] = occlude(scaled, probabilities, predicted=predicted, positions=places)
    return maps


@dataclass(frozen=True)
class MaskedCell:
    """Where the mask of a cell is to be found."""

    mask: Path | None
    object_id: str
    region: Region | None


def inside_of(
    cell: MaskedCell, scaled: Scaled, preprocess: Preprocess, masks: MaskReader
) -> tuple[NDArray[np.bool_], str]:
    """(h, w) where a cell is, and what that was taken from.

    A mask that can no longer be read, or does not hold the cell, gives way to brightness, at
    128 pixels a side or fewer.
    """
    if cell.mask is not None and cell.region is not None:
        try:
            mask = masks.read(cell.mask, cell.object_id, cell.region)
        except ImageError:
            mask = np.zeros((1, 1), np.bool_)
        if mask.any():
            return preprocess.mask_to_scaled(mask), MASKED
    return cell_mask(reduced_planes(scaled)), BRIGHT


@dataclass(frozen=True)
class Neighbour:
    """A training image that the network takes for similar."""

    record: Record
    same_group: bool | None
    distance: float


@dataclass(frozen=True, eq=False)
class SaliencySource:
    """Maps and nearest training images of the images of one part, made when asked for.

    Attributes:
        predictor: the network.
        part: the images, with their outputs.
        training: the training images, None where they are not known.
        images: the scaled images of both.
    """

    predictor: Predictor
    part: EvaluatedPredictions
    training: EvaluatedPredictions | None
    images: ScaledImages

    @property
    def method(self) -> Method:
        """How the maps are made."""
        return OCCLUSION if self.part.output.class_maps is None else ACTIVATION

    def maps(self, index: int, scaled: Scaled) -> NDArray[np.float32]:
        """(h, w, K) maps of image ``index`` of the part."""
        if self.part.output.class_maps is not None:
            maps: NDArray[np.float32] = self.part.output.class_maps[index]
            return maps
        predicted = int(self.part.output.probabilities[index].argmax())
        return occlusion_maps(self.predictor, scaled, predicted)

    def neighbours(self, index: int) -> tuple[Neighbour, ...]:
        """The nearest training images of image ``index``; none where features are missing.

        The distance is 1 - cos of the features before the classifier: 0 for the same direction, 2
        for the opposite one.
        """
        from sklearn.metrics.pairwise import cosine_distances

        if self.training is None:
            return ()
        known, asked = self.training.output.embedding, self.part.output.embedding
        if known is None or asked is None:
            return ()
        distances = cosine_distances(asked[index : index + 1], known)[0]
        # Rounding must not decide between copies of one image.
        nearest = np.argsort(np.round(distances, 6), kind="stable")[:NEIGHBOURS]
        group = self.part.groups[index] if self.part.groups else None
        return tuple(
            Neighbour(
                self.training.records[row],
                None if group is None or self.training.groups is None
                else self.training.groups[row] == group,
                float(distances[row]),
            )
            for row in nearest
        )  # fmt: skip
