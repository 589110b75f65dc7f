"""What the report of the paper's experiment says: plain values, filled in by the caller."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from actinscope.report.content import CellPicture, Page

if TYPE_CHECKING:
    from actinscope.evaluation import Estimate, Evaluation, Verdict


@dataclass(frozen=True)
class PaperCell:
    """One field of a table: words, or a share 0..1 with its interval."""

    text: str = ""
    estimate: Estimate | None = None


@dataclass(frozen=True)
class PaperRow:
    """One row of a table.

    Attributes:
        name: what the row is about, such as a network; rows of one name stand together.
        source: whose numbers: the paper's, or those of a protocol on the reader's cells.
        cells: one a column.
        published: the numbers are the paper's, for other images.
        note: stands instead of the cells where there are none.
    """

    name: str
    source: str
    cells: tuple[PaperCell, ...] = ()
    published: bool = False
    note: str = ""


@dataclass(frozen=True)
class PaperTable:
    """A table in the paper's layout, with published and own rows below one another.

    Attributes:
        key: name of its files, such as ``table_3``.
        title: such as ``Table III``.
        caption: what it shows.
        columns: names of the cells' columns, after ``name`` and ``source``.
        heads: names of the first two columns.
        in_percent: whether shares are written in per cent, as the paper does in some tables.
    """

    key: str
    title: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[PaperRow, ...]
    heads: tuple[str, str] = ("network", "numbers of")
    in_percent: bool = True


@dataclass(frozen=True, eq=False)
class ProtocolFigures:
    """Figures 4 and 5 under one protocol.

    Attributes:
        curves: (network, history as in the report of a run) of one run of each network.
        matrices: (network, evaluation of its own test part).
    """

    key: str
    title: str
    curves: tuple[tuple[str, Mapping[str, list[float]]], ...]
    matrices: tuple[tuple[str, Evaluation], ...]


@dataclass(frozen=True)
class LeakRow:
    """One network under one protocol: what its test part says, and what new groups say."""

    network: str
    protocol: str
    own: Estimate
    unseen: Estimate
    optimism: Estimate
    by_repeat: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class LeakStep:
    """By how much one protocol is more optimistic than the next: what one mistake costs."""

    network: str
    what: str
    difference: Estimate


@dataclass(frozen=True)
class RunLink:
    """The report of one run, as an address relative to this report."""

    network: str
    protocol: str
    repeat: int
    address: str


@dataclass(frozen=True, eq=False)
class PaperContent:
    """Everything that the report of the experiment says.

    Attributes:
        doubts: (claim, what follows on recomputing) of doubtful points of the published numbers.
    """

    page: Page
    verdict: Verdict
    tables: tuple[PaperTable, ...]
    figures: tuple[ProtocolFigures, ...]
    examples: Mapping[str, tuple[CellPicture, ...]]
    leak: tuple[LeakRow, ...]
    steps: tuple[LeakStep, ...]
    leak_note: str
    doubts: tuple[tuple[str, str], ...]
    not_stated: tuple[str, ...]
    links: tuple[RunLink, ...]
