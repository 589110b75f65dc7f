"""Which pairs of images may be copies: nearest keypoints first, small pictures for the rest.

All pairs of keypoints of a large study are too many. The descriptors are sorted into cells
around randomly chosen ones, each into its two nearest cells, and only those in one cell are
compared: the time grows with the number of images, not with its square. The same is done with
small pictures of the images that have few keypoints. A copy that falls into other cells than
its original is missed; in a study with few descriptors all of them are in one cell.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from actinscope.study import SIDE, Thumbnail, mirrored_descriptors

_DIMENSIONS = 40  # principal components of the descriptors that are compared
_FARTHEST = 110.0  # distance of descriptors; copies mostly lie below 50
_CELL = 600  # descriptors in one cell, about
_NEIGHBOURS = 3  # nearest keypoints of other images that are compared
_GUESSES = 6  # of each image, the nearest first
_MOST_ROWS = 4_000_000  # guesses in memory before all but the best are dropped
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


def guess_copies(sketches: Sequence[Thumbnail], *, seed: int = 0) -> list[Guess]:
    """Pairs that deserve a close look; the most promising of each image."""
    guesses = _by_keypoints(sketches, np.random.default_rng([seed, 17]))
    return guesses + _by_picture(sketches, np.random.default_rng([seed, 19]))


def _by_keypoints(sketches: Sequence[Thumbnail], rng: np.random.Generator) -> list[Guess]:
    points = np.concatenate([one.points for one in sketches])
    if len(points) < 2:
        return []
    owners = np.repeat(np.arange(len(sketches)), [len(one.points) for one in sketches])
    plain = np.concatenate([one.descriptors for one in sketches])
    spaces = _principal(plain)
    centres = spaces[0][rng.permutation(len(plain))[: max(1, len(plain) // _CELL)]]
    homes = [_nearest_cells(space, centres) for space in spaces]
    members = [_members(home, len(centres)) for home in homes]
    found = _Found(owners)
    for mirrored in (False, True):
        for cell in range(len(centres)):
            asked, there = members[mirrored][cell], members[0][cell]
            near = _pairs_in_cell(
                spaces[mirrored][asked], owners[asked], spaces[0][there], owners[there]
            )
            for distance, a, b in near:
                found.add(distance, asked[a], there[b], mirrored)
    rows = found.best()
    return [
        Guess(int(owners[a]), int(owners[b]), _placing(points[a], points[b], bool(mirrored)))
        for a, b, mirrored in rows[["first", "second", "mirrored"]].tolist()
    ]


_ROW = np.dtype([("distance", "f4"), ("first", "i4"), ("second", "i4"), ("mirrored", "?")])


class _Found:
    """Pairs of keypoints; the best two of the few best pairs of each image are kept.

    Rows are dropped on the way. No pair of images is lost by it: its rank among those of an image
    can only become worse. A second row may be, where the first came only later.
    """

    def __init__(self, owners: NDArray[np.intp]) -> None:
        self._owners = owners
        self._kept = np.zeros(0, _ROW)
        self._new: list[NDArray[np.void]] = []
        self._waiting = 0

    def add(
        self,
        distance: NDArray[np.float32],
        first: NDArray[np.intp],
        second: NDArray[np.intp],
        mirrored: bool,
    ) -> None:
        """Take in pairs of keypoints by their numbers, at most ``_MOST_ROWS`` before sorting."""
        rows = np.zeros(len(distance), _ROW)
        swap = self._owners[first] > self._owners[second]
        rows["distance"] = distance
        rows["first"] = np.where(swap, second, first)
        rows["second"] = np.where(swap, first, second)
        rows["mirrored"] = mirrored
        self._new.append(rows)
        self._waiting += len(rows)
        if self._waiting > _MOST_ROWS:
            self.best()

    def best(self) -> NDArray[np.void]:
        """The nearest two rows of each pair of images that is among the best of one of them."""
        rows = np.concatenate([self._kept, *self._new])
        pair = self._owners[rows["first"]] * (self._owners.max() + 1) + self._owners[rows["second"]]
        order = np.lexsort(
            (rows["mirrored"], rows["second"], rows["first"], rows["distance"], pair)
        )
        rows, pair = rows[order], pair[order]
        starts = np.flatnonzero(np.r_[True, pair[1:] != pair[:-1]][: len(pair)])
        # The nearest row of each pair of images decides which pairs are kept.
        heads = rows[starts]
        wanted = _among_the_best(
            self._owners[heads["first"]], self._owners[heads["second"]], heads["distance"]
        )
        seconds = starts + 1
        has_two = np.diff(np.r_[starts, len(rows)]) > 1
        chosen = np.sort(np.r_[starts[wanted], seconds[wanted & has_two]])
        self._kept, self._new, self._waiting = rows[chosen], [], 0
        return self._kept


def _among_the_best(
    first: NDArray[np.intp], second: NDArray[np.intp], distance: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """(P,) pairs that are among the ``_GUESSES`` nearest of one of their two images."""
    image = np.r_[first, second]
    order = np.lexsort((np.r_[distance, distance], image))
    starts = np.flatnonzero(np.r_[True, np.diff(image[order]) != 0][: len(order)])
    lengths = np.diff(np.r_[starts, len(order)])
    rank = np.empty(len(order), np.intp)
    rank[order] = np.arange(len(order)) - np.repeat(starts, lengths)
    wanted: NDArray[np.bool_] = rank.reshape(2, -1).min(axis=0) < _GUESSES
    return wanted


def _principal(descriptors: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Descriptors, and those of the mirror images, in the main directions of the first."""
    sample = descriptors[:: max(1, len(descriptors) // 20_000)].astype(np.float32)
    mean = sample.mean(axis=0)
    _, directions = np.linalg.eigh((sample - mean).T @ (sample - mean))
    main = directions[:, -_DIMENSIONS:].astype(np.float32)
    plain, mirrored = (
        np.concatenate(
            [
                (turn(descriptors[start : start + _ROWS]).astype(np.float32) - mean) @ main
                for start in range(0, len(descriptors), _ROWS)
            ]
        )
        for turn in (np.asarray, mirrored_descriptors)
    )
    return plain, mirrored


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
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.intp], NDArray[np.intp]]]:
    """(distances squared, rows asked, rows there) of the nearest keypoints of other images."""
    if not len(there):
        return
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
            yield np.maximum(least[near], 0.0), start + near, nearest[near]
            distances[rows, nearest] = np.inf


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


def _by_picture(sketches: Sequence[Thumbnail], rng: np.random.Generator) -> list[Guess]:
    """The two most alike images of each image with few keypoints, under all eight symmetries."""
    few = np.array([n for n, one in enumerate(sketches) if len(one.points) < _FEW_POINTS], np.intp)
    if not len(few) or len(sketches) < 2:
        return []
    tiny = np.stack([_tiny(one.picture) for one in sketches])  # (N, 12, 12)
    everything = tiny.reshape(len(tiny), -1)
    centres = everything[rng.permutation(len(tiny))[: max(1, len(tiny) // _CELL)]]
    there = _members(_nearest_cells(everything, centres), len(centres))
    best = _Top(len(few))
    for symmetry in range(8):
        turned = _turned(tiny[few], symmetry).reshape(len(few), -1)
        asked = _members(_nearest_cells(turned, centres), len(centres))
        for ours, theirs in zip(asked, there, strict=True):
            for start in range(0, len(ours) if len(theirs) else 0, _ROWS):
                rows = ours[start : start + _ROWS]
                alike = turned[rows] @ everything[theirs].T
                alike[few[rows][:, None] == theirs[None]] = -np.inf
                best.update(rows, alike, theirs, symmetry)
    return [
        Guess(int(few[row]), int(best.other[row, place]), _symmetry(int(best.how[row, place])))
        for row in range(len(few))
        for place in range(2)
        if best.other[row, place] >= 0
    ]


class _Top:
    """The two best different partners of each row so far, and under which symmetry.

    ``alike`` (R, 2) float32; ``other``, ``how`` (R, 2), -1 where there is none yet.
    """

    def __init__(self, rows: int) -> None:
        self.alike = np.full((rows, 2), -np.inf, np.float32)
        self.other = np.full((rows, 2), -1, np.intp)
        self.how = np.full((rows, 2), -1, np.intp)

    def update(
        self,
        rows: NDArray[np.intp],
        alike: NDArray[np.float32],
        others: NDArray[np.intp],
        symmetry: int,
    ) -> None:
        """``alike`` (B, M) of ``rows`` (B,) with ``others`` (M,); it is overwritten."""
        at = np.arange(len(rows))
        for _ in range(2):
            place = alike.argmax(axis=1)
            self._insert(rows, alike[at, place], others[place], symmetry)
            alike[at, place] = -np.inf

    def _insert(
        self,
        rows: NDArray[np.intp],
        alike: NDArray[np.float32],
        other: NDArray[np.intp],
        symmetry: int,
    ) -> None:
        known = self.other[rows] == other[:, None]  # (B, 2)
        # A partner that is known is replaced by itself, another one takes the last place.
        place = np.where(known[:, 0], 0, 1)
        better = alike > self.alike[rows, place]
        rows, place = rows[better], place[better]
        self.alike[rows, place] = alike[better]
        self.other[rows, place] = other[better]
        self.how[rows, place] = symmetry
        swap = rows[self.alike[rows, 1] > self.alike[rows, 0]]
        for values in (self.alike, self.other, self.how):
            values[swap] = values[swap, ::-1]


def _tiny(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    import cv2

    small = cv2.resize(picture.astype(np.float32), (_TINY, _TINY), interpolation=cv2.INTER_AREA)
    small -= small.mean()
    scaled: NDArray[np.float32] = small / max(float(np.linalg.norm(small)), 1e-6)
    return scaled


def _turned(pictures: NDArray[np.float32], number: int) -> NDArray[np.float32]:
    """(B, S, S) under one of the eight symmetries of the square, :func:`_symmetry` ``number``."""
    mirrored = pictures[:, :, ::-1] if number >= 4 else pictures
    return np.rot90(mirrored, number % 4, axes=(1, 2))


def _symmetry(number: int) -> NDArray[np.float64]:
    """(3, 3) on x, y, 1: ``number // 4`` mirrors left to right, then quarter turns."""
    last = SIDE - 1.0
    flip = np.array([[-1.0, 0.0, last], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    quarter = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, last], [0.0, 0.0, 1.0]])  # as np.rot90
    placing: NDArray[np.float64] = np.linalg.matrix_power(quarter, number % 4)
    return placing @ flip if number >= 4 else placing
