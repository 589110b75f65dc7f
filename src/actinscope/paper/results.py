"""What the runs of the experiment wrote, read back and put together over the repeats.

Answers of all repeats are pooled; their intervals go by group (by image where there is no
group), and copies of one image, or one image in several repeats, count as one group. So an
interval tells what other groups would give. It does not tell what another seed of the training
would give, except as far as the repeats differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from actinscope.errors import StudyError
from actinscope.evaluation import Estimate, Evaluation, evaluate, linear_contrast
from actinscope.names import RunFile
from actinscope.paper.copies import COPY
from actinscope.predict import PredictionsTable, read_predictions
from actinscope.runs import read_history

UNSEEN = "unseen"
"""Name of the held-out images among the parts, and of their folder in a run. They are of the
kind that the protocol's own test part is made of: copies, where that has copies."""

UNSEEN_PLAIN = "unseen_plain"
"""The held-out images as they are; the same as :data:`UNSEEN` where that has no copies."""

PARTS = ("train", "validation", "test", UNSEEN, UNSEEN_PLAIN)
_RESAMPLES = 1000


@dataclass(frozen=True, eq=False)
class ProtocolResult:
    """One network under one protocol.

    Attributes:
        evaluations: part (of :data:`PARTS`) -> metrics over all repeats.
        optimism: accuracy on the protocol's own test part minus that on images of unseen groups,
            of the same kind.
        by_repeat: (own test part, unseen groups) accuracy of each repeat.
        histories: one a repeat: column of ``history.csv`` -> values.
        folders: one run folder a repeat.
    """

    evaluations: Mapping[str, Evaluation]
    optimism: Estimate
    by_repeat: tuple[tuple[float, float], ...]
    histories: tuple[Mapping[str, list[float]], ...]
    folders: tuple[Path, ...]

    @property
    def epochs(self) -> int:
        """Epochs of the longest run."""
        return max(len(history["epoch"]) for history in self.histories)


def run_folder(output: Path, network: str, protocol: str, repeat: int) -> Path:
    """Folder of one run."""
    return output / "runs" / network / protocol / f"repeat_{repeat}"


def read_result(
    folders: Sequence[Path], *, classes: Sequence[str], cluster: str, seed: int
) -> ProtocolResult:
    """Read the runs of one network under one protocol and evaluate their predictions together.

    Args:
        folders: one a repeat.
        classes: all classes of the study.
        cluster: column of the predictions tables that the intervals go by.
        seed: of the resampling.

    Raises:
        StudyError: a table of a run is not as the run wrote it.
    """
    tables = {
        part: [_read_part(folder, part, classes, cluster) for folder in folders] for part in PARTS
    }
    evaluations = {part: _evaluate_pooled(tables[part], cluster, seed) for part in PARTS}
    accuracy = {part: evaluations[part].metrics["accuracy"] for part in ("test", UNSEEN)}
    pairs = zip(tables["test"], tables[UNSEEN], strict=True)
    return ProtocolResult(
        evaluations=evaluations,
        optimism=linear_contrast((1, -1), (accuracy["test"], accuracy[UNSEEN])),
        by_repeat=tuple((_accuracy(own), _accuracy(unseen)) for own, unseen in pairs),
        histories=tuple(map(read_history, folders)),
        folders=tuple(folders),
    )


def step_between(first: ProtocolResult, second: ProtocolResult) -> Estimate:
    """How much more optimistic the first protocol is than the second."""
    return linear_contrast(
        (1, -1, -1, 1),
        tuple(
            one.evaluations[part].metrics["accuracy"]
            for one in (first, second)
            for part in ("test", UNSEEN)
        ),
    )


def _read_part(folder: Path, part: str, classes: Sequence[str], cluster: str) -> PredictionsTable:
    held_out = part in (UNSEEN, UNSEEN_PLAIN)
    path = (folder / UNSEEN if held_out else folder) / RunFile.PREDICTIONS
    table = read_predictions(path, ("path", "part", "label", cluster), unfamiliar=True)
    table = table.having("part", UNSEEN if held_out else part)
    if part == UNSEEN_PLAIN:
        table = table.having(COPY, "0")
    if table.classes != tuple(classes) or not table.rows:
        raise StudyError(
            f"the classes are not those of the study, or no image is of the part {part!r}",
            where=path,
            remedy="Delete the folder of this run and repeat the command with --resume",
        )
    return table


def _accuracy(table: PredictionsTable) -> float:
    """Share of correct predictions, 0..1."""
    return float((table.probabilities.argmax(axis=1) == table.labels()).mean())


def _evaluate_pooled(tables: Sequence[PredictionsTable], cluster: str, seed: int) -> Evaluation:
    return evaluate(
        np.concatenate([one.labels() for one in tables]),
        np.concatenate([one.probabilities for one in tables]),
        classes=tables[0].classes,
        groups=[row.get(cluster) for one in tables for row in one.rows],
        seed=seed,
        resamples=_RESAMPLES,
    )
