"""The page of a search: what was tried, what it gave, how sure one can be of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from actinscope.files import write_text_atomic
from actinscope.names import RunFile
from actinscope.report import text
from actinscope.report.drawing import save_figures, side_by_side
from actinscope.report.frame import render
from actinscope.report.tuning_content import TrialLine, TuningContent, short
from actinscope.report.tuning_figures import tuning_charts
from actinscope.wording import signed

#: Figure -> heading and words under it.
_FIGURES = {
    "history": (
        "The trials in their order",
        "Each dot is a trial; lower is better. Hollow: stopped early. The stepped line is the best "
        "so far, the dashed one the base recipe. Where the band is drawn it is one standard "
        "deviation of the base recipe over the folds to either side: differences that are small "
        "beside it are small beside the noise of a single fold.",
    ),
    "slices": (
        "Each setting against the result",
        "Every panel shows all trials. Other settings vary as well, and the search looks most "
        "where it has found low values, so a cloud is no proof that the setting is the cause.",
    ),
}


def write_tuning_report(content: TuningContent, folder: Path) -> None:
    """Write ``report.html`` and ``figures/`` into ``folder``; the same content, the same bytes.

    Raises:
        OutputError: the folder cannot be made or written.
    """
    charts = tuning_charts(content)
    drawn = ((name, side_by_side(panels)) for name, panels in charts.items())
    save_figures(drawn, folder / "figures")
    page = render(
        "tuning.html",
        content,
        complete=sum(one.state == "complete" for one in content.trials),
        figures=[(*_FIGURES[name], panels) for name, panels in charts.items()],
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
