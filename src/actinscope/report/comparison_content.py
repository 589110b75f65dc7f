"""What the page of a comparison shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from actinscope.report.content import Page

if TYPE_CHECKING:
    from actinscope.evaluation import Comparison, Verdict


@dataclass(frozen=True)
class RunAnswer:
    """What one run says about one image.

    Attributes:
        run: its name.
        predicted: the class with the highest probability.
        probability: of it, 0..1.
        probability_of_label: probability of the true class, 0..1.
    """

    run: str
    predicted: str
    probability: float
    probability_of_label: float


@dataclass(frozen=True, eq=False)
class ContestedImage:
    """An image that runs predict differently, or that all of them get wrong.

    Attributes:
        name: file name as the manifest writes it.
        object_id: name of the object within the file; empty for whole images.
        label: the true class.
        group: name of its group; empty where there is none.
        answers: one a run, in the order of the runs.
        pixels: uint8, (H, W) or (H, W, 3), as the network sees it; None where there is no
            picture of it.
    """

    name: str
    object_id: str
    label: str
    group: str
    answers: tuple[RunAnswer, ...]
    pixels: NDArray[np.uint8] | None = None

    @property
    def right(self) -> int:
        """How many runs are correct."""
        return sum(answer.predicted == self.label for answer in self.answers)

    @property
    def different(self) -> int:
        """How many different answers there are."""
        return len({answer.predicted for answer in self.answers})


@dataclass(frozen=True)
class ComparedRun:
    """One of the runs, for people.

    Attributes:
        name: as it is called throughout the report.
        network: its network; empty where it is not known.
        images_for_one_point: images after which the interval of its accuracy would be no
            wider than one point to either side.
    """

    name: str
    network: str
    images_for_one_point: int


@dataclass(frozen=True, eq=False)
class ComparisonContent:
    """Everything that the report of a comparison says.

    Attributes:
        verdict: the sentence to read first.
        comparison: all metrics.
        runs: in the order of ``comparison.names``.
        sentences: one for each of ``comparison.pairs``.
        contested: images that runs predict differently, the most contested first.
        all_wrong: images that every run gets wrong.
        differing: (name, one value a run) of the settings in which the runs differ.
        pictures: sentence on how the pictures were made, or why there are none.
        lost: (why, how many) of the images that were left out.
        notes: what was decided on the way.
    """

    page: Page
    verdict: Verdict
    comparison: Comparison
    runs: tuple[ComparedRun, ...]
    sentences: tuple[str, ...]
    contested: tuple[ContestedImage, ...]
    all_wrong: tuple[ContestedImage, ...]
    differing: tuple[tuple[str, tuple[str, ...]], ...] = ()
    group: str | None = None
    pictures: str = ""
    lost: tuple[tuple[str, int], ...] = ()
    notes: tuple[str, ...] = ()
