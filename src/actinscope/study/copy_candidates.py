"""Which pairs of images may be copies: nearest keypoints first, small pictures for the rest.

All pairs of keypoints of a large study are too many. The descriptors are sorted into cells
around randomly chosen ones, each into its two nearest cells, and only those in one cell are
compared: the time grows with the number of images, not with its square.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from actinscope.study.sketches import SIDE, Sketch, mirrored_descriptors

_DIMENSIONS = 40  # principal components of the descriptors that are compared
_FARTHEST = 110.0  # distance of descriptors; copies mostly lie below 50
_CELL = 600  # descriptors in one cell, about
_NEIGHBOURS = 3  # nearest keypoints of other images that are looked at
_GUESSES = 6  # of each image, the nearest first
_FEW_POINTS = 6  # images with fewer keypoints are compared as a whole, too
_TINY = 12  # side of the pictures that are then compared
_ROWS = 2048  # of a distance matrix at a time


@dataclass(frozen=True, eq=False)
class Guess:
    """Two images that may show the same, and how one would lie on the other.

    Attributes:
        first, second: their numbers.
        placing: (3, 3) maps x, y, 1 of the first picture to the second.
    """

    first: int
    second: int
    placing: NDArray[np.float64]


def guess_copies(sketches: Sequence[Sketch], *, seed: int = 0) -> list[Guess]:
    """Pairs that deserve a close look; the most promising of each image."""
    guesses = _by_keypoints(sketches, np.random.default_rng([seed, 17]))
    return guesses + _by_picture(sketches)


def _by_keypoints(sketches: Sequence[Sketch], rng: np.random.Generator) -> list[Guess]:
    points = np.concatenate([one.points for one in sketches])
    if len(points) < 2:
        return []
    owners = np.repeat(np.arange(len(sketches)), [len(one.points) for one in sketches])
    plain = np.concatenate([one.descriptors for one in sketches])
    spaces = _principal(plain)
    found: dict[tuple[int, int], list[tuple[float, int, int, bool]]] = {}
    centres = spaces[0][rng.permutation(len(plain))[: max(1, len(plain) // _CELL)]]
    homes = [_nearest_cells(space, centres) for space in spaces]
    members = [_members(home, len(centres)) for home in homes]
    for mirrored in (False, True):
        for cell in range(len(centres)):
            asked, there = members[mirrored][cell], members[0][cell]
            near = _pairs_in_cell(
                spaces[mirrored][asked], owners[asked], spaces[0][there], owners[there]
            )
            for distance, a, b in near:
                one, other = int(asked[a]), int(there[b])
                key = (int(owners[one]), int(owners[other]))
                found.setdefault(key, []).append((distance, one, other, mirrored))
    return [
        Guess(int(owners[a]), int(owners[b]), _placing(points[a], points[b], mirrored))
        for a, b, mirrored in _most_promising(found)
    ]


def _principal(descriptors: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Descriptors, and those of the mirror images, in the main directions of the first."""
    sample = descriptors[:: max(1, len(descriptors) // 20_000)].astype(np.float32)
    mean = sample.mean(axis=0)
    _, directions = np.linalg.eigh((sample - mean).T @ (sample - mean))
    main = directions[:, -_DIMENSIONS:].astype(np.float32)
    return (
        (descriptors.astype(np.float32) - mean) @ main,
        (mirrored_descriptors(descriptors).astype(np.float32) - mean) @ main,
    )


def _squared_distances(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    distances: NDArray[np.float32] = (a * a).sum(1)[:, None] + (b * b).sum(1)[None] - 2 * (a @ b.T)
    return distances


def _nearest_cells(space: NDArray[np.float32], centres: NDArray[np.float32]) -> NDArray[np.intp]:
    """(N, 2) the two nearest centres of each row, or (N, 1) where there is only one."""
    count = min(2, len(centres))
    parts = [
        np.argpartition(_squared_distances(space[start : start + _ROWS], centres), count - 1)[
            :, :count
        ]
        for start in range(0, len(space), _ROWS)
    ]
    return np.concatenate(parts)


def _members(homes: NDArray[np.intp], cells: int) -> list[NDArray[np.intp]]:
    rows = np.repeat(np.arange(len(homes)), homes.shape[1])
    order = np.argsort(homes.ravel(), kind="stable")
    ends = np.searchsorted(homes.ravel()[order], np.arange(cells + 1))
    return [rows[order[ends[cell] : ends[cell + 1]]] for cell in range(cells)]


def _pairs_in_cell(
    asked: NDArray[np.float32],
    asked_owner: NDArray[np.intp],
    there: NDArray[np.float32],
    there_owner: NDArray[np.intp],
) -> list[tuple[float, int, int]]:
    """(distance, row asked, row there) of the nearest keypoints of other images."""
    found: list[tuple[float, int, int]] = []
    if not len(there):
        return found
    for start in range(0, len(asked), _ROWS):
        distances = _squared_distances(asked[start : start + _ROWS], there)
        distances[asked_owner[start : start + _ROWS][:, None] == there_owner[None]] = np.inf
        rows = np.arange(len(distances))
        for _ in range(_NEIGHBOURS):
            nearest = distances.argmin(axis=1)
            least = distances[rows, nearest]
            near = np.flatnonzero(least < _FARTHEST**2)
            if not len(near):
                break
            found += [
                (float(max(0.0, least[row])), start + int(row), int(nearest[row])) for row in near
            ]
            distances[rows, nearest] = np.inf
    return found


def _most_promising(
    found: dict[tuple[int, int], list[tuple[float, int, int, bool]]],
) -> list[tuple[int, int, bool]]:
    """The best two guesses of each pair, for the few best pairs of each image."""
    ranked = sorted((min(guesses), len(guesses), pair) for pair, guesses in found.items())
    taken: dict[int, int] = {}
    chosen: list[tuple[int, int, bool]] = []
    seen: set[tuple[int, int]] = set()
    for _, _, pair in ranked:
        unordered = (min(pair), max(pair))
        if unordered in seen or min(taken.get(n, 0) for n in pair) >= _GUESSES:
            continue
        seen.add(unordered)
        for number in pair:
            taken[number] = taken.get(number, 0) + 1
        both = found[pair] + [(d, a, b, m) for d, b, a, m in found.get(pair[::-1], [])]
        chosen += [(a, b, mirrored) for _, a, b, mirrored in sorted(both)[:2]]
    return chosen


def _placing(
    first: NDArray[np.float32], second: NDArray[np.float32], mirrored: bool
) -> NDArray[np.float64]:
    """The similarity that lays one keypoint on the other, mirrored left to right first or not."""
    x, y, _, angle = map(float, first)
    to_x, to_y, _, to_angle = map(float, second)
    flip = np.eye(3)
    if mirrored:
        flip[0] = (-1.0, 0.0, SIDE - 1.0)
        x, angle = SIDE - 1.0 - x, 180.0 - angle
    turn = np.deg2rad(to_angle - angle)
    cos, sin = np.cos(turn), np.sin(turn)
    turned = np.array(
        [
            [cos, -sin, to_x - cos * x + sin * y],
            [sin, cos, to_y - sin * x - cos * y],
            [0.0, 0.0, 1.0],
        ]
    )
    return turned @ flip


def _by_picture(sketches: Sequence[Sketch]) -> list[Guess]:
    """The most alike image of each image with few keypoints, under all eight symmetries."""
    few = [number for number, one in enumerate(sketches) if len(one.points) < _FEW_POINTS]
    if not few or len(sketches) < 2:
        return []
    tiny = np.stack([_tiny(one.picture) for one in sketches])  # (N, 12, 12)
    everything = tiny.reshape(len(tiny), -1)
    guesses = []
    for start in range(0, len(few), _ROWS):
        some = np.asarray(few[start : start + _ROWS])
        alike = np.stack(
            [turned.reshape(len(some), -1) @ everything.T for turned in _eight(tiny[some])]
        )  # (8, B, N)
        alike[:, np.arange(len(some)), some] = -np.inf
        for row, number in enumerate(some):
            best = alike[:, row].max(axis=0)
            for other in np.argsort(-best)[:2]:
                symmetry = int(alike[:, row, other].argmax())
                guesses.append(Guess(int(number), int(other), _symmetry(symmetry)))
    return guesses


def _tiny(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    import cv2

    small = cv2.resize(picture.astype(np.float32), (_TINY, _TINY), interpolation=cv2.INTER_AREA)
    small -= small.mean()
    scaled: NDArray[np.float32] = small / max(float(np.linalg.norm(small)), 1e-6)
    return scaled


def _eight(pictures: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """(B, S, S) under the eight symmetries of the square; number n is :func:`_symmetry` n."""
    flipped = pictures[:, :, ::-1]
    return [np.rot90(one, k, axes=(1, 2)) for one in (pictures, flipped) for k in range(4)]


def _symmetry(number: int) -> NDArray[np.float64]:
    """(3, 3) on x, y, 1: ``number // 4`` mirrors left to right, then quarter turns."""
    last = SIDE - 1.0
    flip = np.array([[-1.0, 0.0, last], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    quarter = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, last], [0.0, 0.0, 1.0]])  # as np.rot90
    placing: NDArray[np.float64] = np.linalg.matrix_power(quarter, number % 4)
    return placing @ flip if number >= 4 else placing
