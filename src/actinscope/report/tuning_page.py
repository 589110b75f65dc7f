"""The page of a search: what was tried, what it gave, how sure one can be of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actinscope.files import write_text_atomic
from actinscope.names import RunFile
from actinscope.report import text
from actinscope.report.drawing import save_figures, side_by_side
from actinscope.report.frame import render
from actinscope.report.tuning_content import TrialLine, TuningContent, short
from actinscope.report.tuning_figures import history_chart
from actinscope.wording import signed

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def write_tuning_report(content: TuningContent, folder: Path) -> None:
    """Write ``report.html`` and ``figures/`` into ``folder``; the same content, the same bytes.

    Raises:
        OutputError: the folder cannot be made or written.
    """
    history = history_chart(content)

    def drawn() -> Iterator[tuple[str, Figure]]:
        yield "history", side_by_side([history])

    save_figures(drawn(), folder / "figures")
    page = render(
        "tuning.html",
        content,
        complete=sum(one.state == "complete" for one in content.trials),
        history=history,
        importances=[(name, text.percent(share)) for name, share in content.importances.items()],
        rows=[_row(content, one) for one in content.trials],
    )
    write_text_atomic(folder / RunFile.REPORT, page)


def _row(content: TuningContent, one: TrialLine) -> dict[str, Any]:
    difference = "base" if not one.number else ""
    if one.difference is not None:
        difference = signed(one.difference.value, 3)
        if one.difference.has_interval:
            ends = signed(one.difference.low, 3), signed(one.difference.high, 3)
            difference += f" ({ends[0]} to {ends[1]})"
    return {
        "number": one.number,
        "state": one.state,
        "best": one.is_best,
        "loss": text.number(one.objective, "log_loss"),
        "folds": ", ".join(f"{loss:.3f}" for loss in one.fold_losses),
        "difference": difference,
        "accuracy": text.percent(one.accuracy),
        "values": [short(one.values.get(name)) for name in content.dimensions],
        "seconds": f"{one.seconds:.0f}",
    }
