"""The page of a search: what was tried, what it gave, how sure one can be of it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup

from actinscope.files import make_folder, write_text_atomic
from actinscope.report import text
from actinscope.report.frame import render
from actinscope.report.tuning_content import TrialLine, TuningContent, short
from actinscope.wording import signed

#: Figure -> heading and words under it.
_FIGURES = {
    "history": (
        "The trials in their order",
        "Each dot is a trial; lower is better. Hollow: broken off. The stepped line is the best so "
        "far, the dashed one the base recipe. Where the band is drawn it is one standard deviation "
        "of the base recipe over the folds to either side: differences that are small beside it "
        "are small beside the noise of a single fold.",
    ),
    "slices": (
        "Each setting against the result",
        "Every panel shows all trials. Other settings vary as well, and the search looks most "
        "where it has found low values, so a cloud is no proof that the setting is the cause.",
    ),
    "parallel": (
        "Settings together",
        "Each line is a complete trial, the darker the lower its log loss; orange is the base "
        "recipe.",
    ),
    "importances": (
        "What mattered",
        "Share of the differences between trials that each setting explains (fANOVA), over the "
        "complete trials. Few trials make these shares rough.",
    ),
}


def write_tuning_report(content: TuningContent, folder: Path) -> Path:
    """Write ``report.html`` and ``figures/`` into ``folder``; the same content, the same bytes.

    Raises:
        OutputError: the folder cannot be made or written.
    """
    from actinscope.report.tuning_figures import write_tuning_figures

    make_folder(folder / "figures")
    drawn = write_tuning_figures(content, folder / "figures")
    page = folder / "report.html"
    write_text_atomic(page, render_tuning(content, drawn))
    return page


def render_tuning(content: TuningContent, figures: Mapping[str, Path]) -> str:
    """The page as HTML; ``figures`` are SVG files that it takes in."""
    drawn = [
        (f"figure-{number}", *_FIGURES[name], _svg_uri(path))
        for number, (name, path) in enumerate(figures.items(), start=1)
    ]
    sections = (
        ("notices", "Before you rely on this", True),
        ("question", "What was asked", True),
        ("verdict", "The verdict", True),
        *((anchor, title, True) for anchor, title, _, _ in drawn),
        ("trials", "All trials", True),
        ("best", "The best recipe", True),
    )
    return render(
        "tuning.html",
        content,
        sections,
        complete=sum(one.state == "complete" for one in content.trials),
        figures=drawn,
        importances=[(name, text.percent(share)) for name, share in content.importances.items()],
        rows=[_row(content, one) for one in content.trials],
    )


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


def _svg_uri(path: Path) -> Markup:
    code = base64.b64encode(path.read_bytes()).decode("ascii")
    return Markup("data:image/svg+xml;base64,{}").format(Markup(code))
