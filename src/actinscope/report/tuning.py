"""The page of a search: what was tried, what it gave, how sure one can be of it."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from actinscope.files import make_folder, write_text_atomic
from actinscope.report import text
from actinscope.wording import signed

if TYPE_CHECKING:
    from actinscope.evidence import Estimate

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


@dataclass(frozen=True)
class TrialLine:
    """One trial of the table.

    Attributes:
        state: ``complete``, ``pruned`` or ``diverged``.
        values: dimension -> what was tried.
        objective: mean log loss; of broken off trials as far as they came, else NaN.
        fold_losses: log loss of each finished fold.
        accuracy: mean over the finished folds, 0..1, or NaN.
        seconds: it took.
        is_best: it is the one that was chosen.
        difference: of the log loss to the base recipe, over the same images; None for the base
            and for broken off trials.
    """

    number: int
    state: str
    values: Mapping[str, object]
    objective: float
    fold_losses: tuple[float, ...]
    accuracy: float
    seconds: float
    is_best: bool = False
    difference: Estimate | None = None


@dataclass(frozen=True)
class TuningContent:
    """Everything that the page of a search says. All strings may hold anything.

    Attributes:
        tone: "good" where the best trial stands out, else "caution".
        dimensions: name -> ("linear" or "log" and both ends, or "choices" and all of them).
        trials: the first is the base recipe.
        importances: dimension -> share; empty where it is not known.
        folds: number of folds; 1 is the validation part.
        base_spread: standard deviation of the base recipe over the folds; NaN if not known.
        best_recipe: as TOML.
        final: the command that gives the test figure.
    """

    title: str
    question: str
    sentence: str
    tone: str
    reasons: tuple[str, ...]
    notices: tuple[str, ...]
    dimensions: Mapping[str, tuple[str, tuple[object, ...]]]
    trials: tuple[TrialLine, ...]
    importances: Mapping[str, float]
    folds: int
    base_spread: float
    best_recipe: str
    final: str
    command: str = ""
    created: str = ""
    version: str = ""


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
    from actinscope.report.page import environment, frame

    view = {
        "c": content,
        "text": text,
        "complete": sum(one.state == "complete" for one in content.trials),
        "figures": [(*_FIGURES[name], _svg_uri(path)) for name, path in figures.items()],
        "importances": [(name, text.percent(share)) for name, share in content.importances.items()],
        "names": list(content.dimensions),
        "rows": [_row(content, one) for one in content.trials],
        **frame("page.css"),
    }
    return environment().get_template("tuning.html").render(view)


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


def short(value: object) -> str:
    """A setting's value for a table or an axis."""
    if isinstance(value, float) and math.isfinite(value):
        return f"{value:.3g}"
    return text.plain(value)


def _svg_uri(path: Path) -> Markup:
    code = base64.b64encode(path.read_bytes()).decode("ascii")
    return Markup("data:image/svg+xml;base64,{}").format(Markup(code))
