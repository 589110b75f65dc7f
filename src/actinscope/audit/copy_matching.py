"""Images that show the same piece of the world twice, however changed on the way.

Candidates (:mod:`actinscope.audit.copy_candidates`) are laid on each other, the fit is made
exact (enhanced correlation coefficient; Evangelidis and Psarakis, IEEE TPAMI 30, 2008), and they
are compared where they overlap, in two ways. All cells of a kind resemble each other in shape;
only copies agree in the grain of their texture, and leave nearly nothing unexplained when one is
predicted from the grey values of the other.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from actinscope.audit.copy_candidates import Guess, guess_copies
from actinscope.study import SIDE, Thumbnail
from actinscope.wording import whole_percent

LEAST_AGREEMENT = 1.09
"""From here on two images count as copies; `benchmarks/audit_duplicates.py` chose it."""

_FINE = (0.7, 2.0, 4.0)  # sigmas: finest and coarsest structure, neighbourhood of its contrast
_COARSE = (1.0, 3.0, 5.0)
_LEAST_OVERLAP = 0.3  # of the picture
_WORTH_FITTING = 0.3  # correlation before the fit
_RESIDUAL_WEIGHT = 0.15  # of each power of ten that the unexplained share is smaller
_LEAST_RESIDUAL = 1e-4  # less than rounding to 256 grey levels leaves
_DEGREE = 3  # of the polynomial between grey values: brightness, contrast, gamma
_BORDER = 2  # pixels that filters have spoilt
_THREADS = 2
_BEYOND_DOUBT = 1.35  # agreement that images of different cells do not reach
_MARGIN = 0.2  # above the median agreement with other candidates
_NO_AGREEMENT = 0.5  # of candidates that do not fit at all
_LEAST_OTHERS = 3
_LARGE = 0.7  # overlap from which on no more is asked
_SMALL_OVERLAP = 0.8  # more agreement for a pair without overlap


@dataclass(frozen=True)
class NearPair:
    """Two images that show the same.

    Attributes:
        first, second: their numbers, the smaller first.
        agreement: correlation of their fine structure where they overlap (-1..1), plus 0.15
            for each power of ten by which the share of one image's variance that the other
            does not explain is below 1; at most 1.6.
        overlap: share of the picture that they have in common, 0..1.
        how: what lies between them in words: "turned by 90°, mirrored".
    """

    first: int
    second: int
    agreement: float
    overlap: float
    how: str


def near_duplicates(
    sketches: Sequence[Thumbnail],
    *,
    least: float = LEAST_AGREEMENT,
    known: int = 0,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[NearPair, ...]:
    """All pairs of images that are found to be copies, the surest first.

    Args:
        sketches: of all images.
        least: agreement from which on a pair counts.
        known: the first images that are not compared among each other.
        seed: of the order in which keypoints are sorted.
        progress: called with (done, total) candidates.
    """
    guesses = [
        one for one in guess_copies(sketches, seed=seed) if max(one.first, one.second) >= known
    ]
    best: dict[tuple[int, int], NearPair] = {}
    refused: set[tuple[int, int]] = set()
    looks = _Looks(sketches)
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="copies") as pool:
        results = pool.map(looks.compare, guesses)
        for done, (guess, found) in enumerate(zip(guesses, results, strict=True), start=1):
            key = (min(guess.first, guess.second), max(guess.first, guess.second))
            if found is None:
                refused.add(key)
            elif key not in best or best[key].agreement < found.agreement:
                best[key] = found
            if progress is not None and (done % 256 == 0 or done == len(guesses)):
                progress(done, len(guesses))
    usual = _Usual(best.values(), refused - best.keys())
    found_out = [one for one in best.values() if _enough(one, least) and usual.stands_out(one)]
    return tuple(sorted(found_out, key=lambda one: (-one.agreement, one.first, one.second)))


def _enough(pair: NearPair, least: float) -> bool:
    """More is asked of pairs that overlap little: chance does more on fewer pixels."""
    return pair.agreement >= least + _SMALL_OVERLAP * max(0.0, _LARGE - pair.overlap)


class _Usual:
    """How well each image agrees with the other candidates: smooth round cells with many."""

    def __init__(self, pairs: Iterable[NearPair], refused: Iterable[tuple[int, int]]) -> None:
        self._agreements: dict[int, list[float]] = {}
        for one in pairs:
            for number in (one.first, one.second):
                self._agreements.setdefault(number, []).append(one.agreement)
        for pair in refused:
            for number in pair:
                self._agreements.setdefault(number, []).append(_NO_AGREEMENT)

    def stands_out(self, pair: NearPair) -> bool:
        """Its agreement is beyond doubt, or clearly above what both images reach with others."""
        if pair.agreement >= _BEYOND_DOUBT:
            return True
        return all(
            pair.agreement - self._with_others(number, pair.agreement) >= _MARGIN
            for number in (pair.first, pair.second)
        )

    def _with_others(self, number: int, own: float) -> float:
        others = list(self._agreements[number])
        others.remove(own)
        others += [_NO_AGREEMENT] * (_LEAST_OTHERS - len(others))
        return float(np.median(others))


def sets_of(pairs: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Pairs joined to sets: numbers that are linked, each set sorted, the largest first."""
    parent: dict[int, int] = {}

    def root(number: int) -> int:
        while parent.setdefault(number, number) != number:
            number = parent[number]
        return number

    for a, b in pairs:
        first, second = sorted((root(a), root(b)))
        parent[second] = first
    joined: dict[int, list[int]] = {}
    for number in sorted(parent):
        joined.setdefault(root(number), []).append(number)
    return sorted(joined.values(), key=lambda members: (-len(members), members))


class _Looks:
    """Compares candidates; keeps the filtered pictures of the images in use."""

    def __init__(self, sketches: Sequence[Thumbnail]) -> None:
        self._sketches = sketches
        self.structure = lru_cache(maxsize=4096)(self._structure)

    def _structure(self, number: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        picture = self._sketches[number].picture.astype(np.float32)
        return _filtered(picture, *_FINE), _filtered(picture, *_COARSE)

    def compare(self, guess: Guess) -> NearPair | None:
        """The pair with its agreement, or None where the images do not fit at all."""
        fine, coarse = zip(self.structure(guess.first), self.structure(guess.second), strict=True)
        before, _ = correlation(*coarse, guess.placing)
        if before < _WORTH_FITTING:
            return None
        placing = _fitted(fine, guess.placing)
        values = [correlation(*both, placing) for both in (fine, coarse)]
        if values[0][0] < correlation(*fine, guess.placing)[0]:
            placing = guess.placing
            values = [correlation(*both, placing) for both in (fine, coarse)]
        one, other = (self._sketches[n].picture for n in (guess.first, guess.second))
        agreement = (values[0][0] + values[1][0]) / 2 - _RESIDUAL_WEIGHT * math.log10(
            max(_LEAST_RESIDUAL, unexplained(one, other, placing))
        )
        first, second = sorted((guess.first, guess.second))
        return NearPair(first, second, agreement, values[0][1], in_words(placing))


def _filtered(
    picture: NDArray[np.float32], fine: float, coarse: float, around: float
) -> NDArray[np.float32]:
    """Structure between two scales, divided by its local contrast."""
    import cv2

    band = cv2.GaussianBlur(picture, (0, 0), fine) - cv2.GaussianBlur(picture, (0, 0), coarse)
    contrast = np.sqrt(cv2.GaussianBlur(band * band, (0, 0), around))
    # One grey level keeps the rounding of a blank background from counting as structure.
    even: NDArray[np.float32] = band / (contrast + 1.0)
    return even


def correlation(
    first: NDArray[np.float32], second: NDArray[np.float32], placing: NDArray[np.float64]
) -> tuple[float, float]:
    """(correlation, overlap) of ``first`` laid on ``second``; (-1, share) where they hardly do."""
    import cv2

    laid = cv2.warpAffine(first, placing[:2], (SIDE, SIDE), flags=cv2.INTER_LINEAR)
    common = _common(placing)
    pixels = np.count_nonzero(common)
    share = float(min(1.0, pixels / (SIDE - 2 * _BORDER) ** 2))
    if share < _LEAST_OVERLAP:
        return -1.0, share
    a, b = laid[common], second[common]
    a, b = a - a.mean(), b - b.mean()
    scale = math.sqrt(float(a @ a) * float(b @ b))
    return (float(a @ b) / scale if scale > 0 else -1.0), share


def unexplained(
    first: NDArray[np.uint8], second: NDArray[np.uint8], placing: NDArray[np.float64]
) -> float:
    """Share of the variance, 0..1, of one picture that a curve of the other's grey values leaves.

    The larger share of both directions, over the pixels that they have in common.
    """
    import cv2

    one, other = (
        cv2.GaussianBlur(p.astype(np.float32) / 255, (0, 0), 0.7) for p in (first, second)
    )
    laid = cv2.warpAffine(one, placing[:2], (SIDE, SIDE), flags=cv2.INTER_LINEAR)
    common = _common(placing)
    x, y = laid[common].astype(np.float64), other[common].astype(np.float64)
    return max(_left_over(x, y), _left_over(y, x)) if len(x) > _DEGREE else 1.0


def _left_over(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    powers = np.vander(x, _DEGREE + 1)
    # The ridge keeps a curve over few grey values from bending wildly.
    ridge = 1e-4 * np.eye(_DEGREE + 1)
    curve = np.linalg.solve(powers.T @ powers + ridge, powers.T @ y)
    variance = float(y.var())
    return min(1.0, float((y - powers @ curve).var()) / variance) if variance > 0 else 1.0


def _common(placing: NDArray[np.float64]) -> NDArray[np.bool_]:
    import cv2

    laid = cv2.warpAffine(_inner(), placing[:2], (SIDE, SIDE), flags=cv2.INTER_NEAREST)
    common: NDArray[np.bool_] = (laid > 0) & (_inner() > 0)
    return common


@lru_cache(maxsize=1)
def _inner() -> NDArray[np.uint8]:
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[_BORDER:-_BORDER, _BORDER:-_BORDER] = 1
    return mask


def _fitted(
    pictures: Sequence[NDArray[np.float32]], placing: NDArray[np.float64]
) -> NDArray[np.float64]:
    """``placing`` made exact by small turns and shifts; itself where that fails."""
    import cv2

    first, second = pictures
    mirrored = np.linalg.det(placing[:2, :2]) < 0
    flip = np.eye(3)
    if mirrored:
        flip[0] = (-1.0, 0.0, SIDE - 1.0)
        first = np.ascontiguousarray(first[:, ::-1])
    back = np.linalg.inv(placing @ flip)[:2].astype(np.float32)  # flip is its own inverse
    criteria = (cv2.TERM_CRITERIA_COUNT + cv2.TERM_CRITERIA_EPS, 15, 1e-3)
    try:
        _, back = cv2.findTransformECC(second, first, back, cv2.MOTION_EUCLIDEAN, criteria, None, 1)
    except cv2.error:  # it raises where the pictures share too little
        return placing
    return np.linalg.inv(np.vstack([back, [0.0, 0.0, 1.0]]).astype(np.float64)) @ flip


def in_words(placing: NDArray[np.float64]) -> str:
    """What ``placing`` does to an image, for people."""
    linear = placing[:2, :2]
    mirrored = np.linalg.det(linear) < 0
    if mirrored:  # upside down is mirrored and turned by 180 degrees
        linear = linear @ np.diag([-1.0, 1.0])
    angle = abs(math.degrees(math.atan2(linear[1, 0], linear[0, 0])))
    middle = np.array([(SIDE - 1) / 2, (SIDE - 1) / 2, 1.0])
    shift = float(np.hypot(*(placing @ middle - middle)[:2])) / SIDE
    pieces = itertools.compress(
        ("mirrored", f"turned by {angle:.0f}°", f"shifted by {whole_percent(shift)} % of its side"),
        (mirrored, angle >= 2, shift >= 0.03),
    )
    return ", ".join(pieces) or "same place and direction"
