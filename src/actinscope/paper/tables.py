"""Tables I to IV in the paper's layout: the published rows, and below them those of your cells."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from actinscope.evaluation import Estimate
from actinscope.paper.networks import PlannedNetwork
from actinscope.paper.protocols import HONEST, Protocol
from actinscope.paper.published import TABLE_I, TABLE_II, TABLE_III, TABLE_IV
from actinscope.paper.results import UNSEEN, UNSEEN_PLAIN, ProtocolResult
from actinscope.report import PaperCell, PaperRow, PaperTable
from actinscope.training import Recipe

_METRICS = ("accuracy", "precision_weighted", "recall_weighted", "f1_weighted")
_PUBLISHED = "the paper, other images"
RANDOM = "RANDOM WEIGHTS"

# Network -> its name in the paper, and the cells of its row.
_Published = dict[str, tuple[str, tuple[PaperCell, ...]]]


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
    told = {**_recipe_words(recipe, networks), **ours}
    rows = tuple(
        PaperRow(one.what, one.place, (PaperCell(one.value), PaperCell(told[one.what])))
        for one in TABLE_I
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
    published: _Published = {}
    for row in TABLE_II:  # the training row of a network comes before the validation row
        before = published.get(row.network, (row.title, ()))[1]
        printed = (PaperCell(row.accuracy.text), PaperCell(row.precision.text))
        published[row.network] = (row.title, (*before, *printed))

    def own(result: ProtocolResult) -> tuple[PaperCell, ...]:
        return tuple(
            PaperCell(estimate=result.evaluations[part].metrics[metric])
            for part in ("train", "validation")
            for metric in _METRICS[:2]
        )

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
        _rows(networks, protocols, published, own),
        in_percent=False,
    )


def table_iii(networks: Sequence[NetworkResults], protocols: Sequence[Protocol]) -> PaperTable:
    """Test figures: each protocol on its own test part, and the same network on unseen groups."""
    published: _Published = {
        row.network: (
            row.title,
            tuple(PaperCell(one.text) for one in (row.accuracy, row.precision, row.recall, row.f1)),
        )
        for row in TABLE_III
    }
    rows = _rows(
        networks, protocols, published, lambda result: _tested(result, "test"), unseen=True
    )
    return PaperTable(
        "table_3",
        "Table III",
        "Test figures in per cent; precision, recall and F1 are weighted by class size, as the "
        "paper's must be.",
        ("accuracy", "precision", "recall", "F1"),
        rows,
    )


def table_iv(networks: Sequence[NetworkResults], protocols: Sequence[Protocol]) -> PaperTable:
    """Accuracy on the test part and the epochs that it took."""
    rows: list[PaperRow] = []
    published: _Published = {
        row.network: (row.title, (PaperCell(row.accuracy.text), PaperCell(str(row.epochs))))
        for row in TABLE_IV
    }
    for network in networks:
        rows += _printed(published, network.planned.name)
        rows += _untrained(network)
        for protocol in protocols:
            result = network.results.get(protocol.name)
            if result is not None:
                accuracy = result.evaluations["test"].metrics["accuracy"]
                cells = (PaperCell(estimate=accuracy), PaperCell(str(result.epochs)))
                rows.append(PaperRow(network.title, _yours(protocol), cells))
    rows += _not_chosen(published, networks)
    return PaperTable(
        "table_4",
        "Table IV",
        "Test accuracy in per cent and the number of epochs of the training.",
        ("accuracy", "epochs"),
        tuple(rows),
    )


def _rows(
    networks: Sequence[NetworkResults],
    protocols: Sequence[Protocol],
    published: _Published,
    own: Callable[[ProtocolResult], tuple[PaperCell, ...]],
    *,
    unseen: bool = False,
) -> tuple[PaperRow, ...]:
    rows: list[PaperRow] = []
    for network in networks:
        rows += _printed(published, network.planned.name)
        rows += _untrained(network)
        for protocol in protocols:
            result = network.results.get(protocol.name)
            if result is None:
                continue
            rows.append(PaperRow(network.title, _yours(protocol), own(result)))
            if unseen:
                source = f"{_yours(protocol)}; asked about unseen groups"
                if protocol.augment_first:
                    cells = _tested(result, UNSEEN)
                    rows.append(PaperRow(network.title, f"{source}, copies", cells))
                cells = _tested(result, UNSEEN_PLAIN)
                rows.append(PaperRow(network.title, source, cells))
    return (*rows, *_not_chosen(published, networks))


def _printed(published: _Published, name: str) -> list[PaperRow]:
    """The paper's row of a network, where it has one; never under a name that tells of ours."""
    if name not in published:
        return []
    title, cells = published[name]
    return [PaperRow(title, _PUBLISHED, cells, published=True)]


def _not_chosen(published: _Published, networks: Sequence[NetworkResults]) -> list[PaperRow]:
    """The paper's rows of networks that were not asked for."""
    chosen = {network.planned.name for network in networks}
    return [row for name in published if name not in chosen for row in _printed(published, name)]


def _tested(result: ProtocolResult, part: str) -> tuple[PaperCell, ...]:
    metrics: Mapping[str, Estimate] = result.evaluations[part].metrics
    return tuple(PaperCell(estimate=metrics[name]) for name in _METRICS)


def _yours(protocol: Protocol) -> str:
    return f"your cells, {protocol.title}"


def _untrained(network: NetworkResults) -> list[PaperRow]:
    if not network.planned.problem:
        return []
    note = f"Not trained. {network.planned.problem}"
    return [PaperRow(network.title, "your cells", note=note)]


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
            f"{100 * augmentation.width_shift:g} and {100 * augmentation.height_shift:g} %, shear "
            f"up to {augmentation.shear_degrees:g} degrees, zoom {low:g} to {high:g}"
        ),
        "split": (
            f"{100 * split.train:g} % training, {100 * split.validation:g} % validation, "
            f"{100 * split.test:g} % test, in the order that the protocol says; some of the "
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
