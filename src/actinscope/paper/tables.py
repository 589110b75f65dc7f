"""Tables I to IV in the paper's layout: the published rows, and below them those of your cells."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from actinscope.paper.networks import PlannedNetwork
from actinscope.paper.protocols import HONEST, Protocol
from actinscope.paper.published import PUBLISHED, SETTINGS, PublishedNetwork
from actinscope.paper.results import UNSEEN, UNSEEN_PLAIN, ProtocolResult
from actinscope.report import PaperCell, PaperRow, PaperTable
from actinscope.training import Recipe
from actinscope.wording import round_percent

_METRICS = ("accuracy", "precision_weighted", "recall_weighted", "f1_weighted")
_PUBLISHED = "the paper, other images"
RANDOM = "RANDOM WEIGHTS"

_Cells = tuple[PaperCell, ...]


@dataclass(frozen=True, eq=False)
class NetworkResults:
    """A planned network and what it did under each protocol (nothing where it has no weights)."""

    planned: PlannedNetwork
    results: Mapping[str, ProtocolResult]

    @property
    def title(self) -> str:
        """The name in tables and figures; it tells of random weights."""
        return title_of(self.planned)


def title_of(planned: PlannedNetwork) -> str:
    """The name of a network wherever a result of it is shown."""
    return f"{planned.title} ({RANDOM})" if planned.random else planned.title


def table_i(
    recipe: Recipe, networks: Sequence[PlannedNetwork], ours: Mapping[str, str]
) -> PaperTable:
    """Hyperparameters; ``ours`` overrides what the recipe says, by the name of the line."""
    used = {**_recipe_words(recipe, networks), **ours}
    rows = tuple(
        PaperRow(what, place, (PaperCell(value), PaperCell(used[what])))
        for what, (value, place) in SETTINGS.items()
    )
    return PaperTable(
        "table_1",
        "Table I",
        "Hyperparameters: what the paper states, and what these runs used.",
        ("the paper", "these runs"),
        rows,
        heads=("setting", "stated in"),
    )


def table_ii(networks: Sequence[NetworkResults], protocols: Sequence[Protocol]) -> PaperTable:
    """Accuracy and precision on the training and the validation part."""

    def own(result: ProtocolResult, _: Protocol) -> dict[str, _Cells]:
        parts = ("train", "validation")
        return {"": tuple(cell for part in parts for cell in _measured(result, part)[:2])}

    return PaperTable(
        "table_2",
        "Table II",
        "Accuracy and precision (weighted by class size) on the training and validation parts.",
        (
            "training accuracy",
            "training precision",
            "validation accuracy",
            "validation precision",
        ),
        _rows(
            networks,
            protocols,
            lambda one: [printed.text for printed in (*one.training, *one.validation)],
            own,
        ),
        in_percent=False,
    )


def table_iii(networks: Sequence[NetworkResults], protocols: Sequence[Protocol]) -> PaperTable:
    """Test figures: each protocol on its own test part, and the same network on unseen groups."""

    def own(result: ProtocolResult, protocol: Protocol) -> dict[str, _Cells]:
        unseen = "; asked about unseen groups"
        found = {"": _measured(result, "test")}
        if protocol.augment_first:
            found[f"{unseen}, copies"] = _measured(result, UNSEEN)
        return found | {unseen: _measured(result, UNSEEN_PLAIN)}

    return PaperTable(
        "table_3",
        "Table III",
        "Test figures in per cent; precision, recall and F1 are weighted by class size, as the "
        "paper's must be.",
        ("accuracy", "precision", "recall", "F1"),
        _rows(networks, protocols, lambda one: [printed.text for printed in one.test], own),
    )


def table_iv(networks: Sequence[NetworkResults], protocols: Sequence[Protocol]) -> PaperTable:
    """Accuracy on the test part and the epochs that it took."""

    def own(result: ProtocolResult, _: Protocol) -> dict[str, _Cells]:
        return {"": (_measured(result, "test")[0], PaperCell(str(result.epochs)))}

    return PaperTable(
        "table_4",
        "Table IV",
        "Test accuracy in per cent and the number of epochs of the training.",
        ("accuracy", "epochs"),
        _rows(networks, protocols, lambda one: one.accuracy_and_epochs, own),
    )


def _rows(
    networks: Sequence[NetworkResults],
    protocols: Sequence[Protocol],
    printed: Callable[[PublishedNetwork], Sequence[str]],
    own: Callable[[ProtocolResult, Protocol], Mapping[str, _Cells]],
) -> tuple[PaperRow, ...]:
    """The paper's row of each network, then those of your cells; other networks of the paper last.

    Args:
        printed: the cells of a network's row in the paper; none where it has no row.
        own: what a protocol gave: addition to the name of the source -> cells.
    """
    published = {
        name: PaperRow(one.title, _PUBLISHED, tuple(map(PaperCell, texts)), published=True)
        for name, one in PUBLISHED.items()
        if (texts := printed(one))
    }
    rows: list[PaperRow] = []
    for network in networks:
        # Never under a name that tells of ours: random weights are not the paper's.
        rows += [row for row in (published.pop(network.planned.name, None),) if row is not None]
        if network.planned.problem:
            note = f"Not trained. {network.planned.problem}"
            rows.append(PaperRow(network.title, "your cells", note=note))
        rows += [
            PaperRow(network.title, f"your cells, {protocol.title}{what}", cells)
            for protocol in protocols
            if (result := network.results.get(protocol.name)) is not None
            for what, cells in own(result, protocol).items()
        ]
    return (*rows, *published.values())


def _measured(result: ProtocolResult, part: str) -> _Cells:
    metrics = result.evaluations[part].metrics
    return tuple(PaperCell(estimate=metrics[name]) for name in _METRICS)


def _recipe_words(recipe: Recipe, networks: Sequence[PlannedNetwork]) -> dict[str, str]:
    training, augmentation, split = recipe.training, recipe.augmentation, recipe.split
    used = [one for one in networks if one.network is not None]
    low, high = augmentation.zoom_range
    flips = [
        word
        for word, on in (
            ("sideways", augmentation.horizontal_flip),
            ("upside down", augmentation.vertical_flip),
        )
        if on
    ]
    kept = "lowest validation loss" if training.keep == "best" else "last epoch"
    return {
        "augmentation": (
            f"flip {' and '.join(flips) or 'none'}, rotation up to "
            f"{augmentation.rotation_degrees:g} degrees, shifts up to "
            f"{round_percent(augmentation.width_shift)} and "
            f"{round_percent(augmentation.height_shift)}, shear up to "
            f"{augmentation.shear_degrees:g} degrees, zoom {low:g} to {high:g}"
        ),
        "split": (
            f"{round_percent(split.train)} training, {round_percent(split.validation)} validation, "
            f"{round_percent(split.test)} test, in the order that the protocol says; some of the "
            f"groups held out beforehand (protocol {HONEST.name} and the others alike)"
        ),
        "network": "; ".join(
            f"{title_of(one)}: {one.network.weights.description}" for one in used if one.network
        ),
        "epochs": _epochs(used),
        "batch size": str(training.batch_size),
        "loss": "categorical cross-entropy"
        + (f", label smoothing {training.label_smoothing:g}" if training.label_smoothing else "")
        + (", classes weighted" if training.class_weights == "balanced" else ""),
        "initial learning rate": f"{training.learning_rate:g}, {training.schedule}",
        "optimiser": "Adam",
        "model selection": kept,
    }


def _epochs(networks: Sequence[PlannedNetwork]) -> str:
    by_count: dict[int, list[str]] = {}
    for one in networks:
        by_count.setdefault(one.recipe.training.epochs, []).append(one.title)
    if len(by_count) == 1:
        return f"{next(iter(by_count))} for every network"
    return "; ".join(f"{count} for {', '.join(names)}" for count, names in by_count.items())
