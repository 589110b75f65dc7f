"""Gathering what the report of the experiment says. Computes by ``evidence``, draws nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from actinscope.bundle import read_bundle_info
from actinscope.cells import CropReader
from actinscope.evaluation import Estimate, evaluation_to_json, typical_examples
from actinscope.files import write_json_atomic
from actinscope.names import RunFile
from actinscope.paper.conclusions import conclude, notices_of
from actinscope.paper.copies import COPY_OF
from actinscope.paper.doubts import all_doubts
from actinscope.paper.networks import PlannedNetwork
from actinscope.paper.protocols import BY_IMAGE, HONEST, PUBLISHED, Protocol, Repeat
from actinscope.paper.published import CITATION, NOT_STATED
from actinscope.paper.results import UNSEEN, ProtocolResult, read_result, run_folder, step_between
from actinscope.paper.tables import NetworkResults, table_i, table_ii, table_iii, table_iv
from actinscope.predict import ScaledImages
from actinscope.preprocess import Preprocess
from actinscope.progress import Progress
from actinscope.report import (
    CellPicture,
    LeakRow,
    LeakStep,
    Page,
    PaperContent,
    PaperTable,
    ProtocolFigures,
    RunLink,
    displayed,
    write_paper_pages,
)
from actinscope.requests import PaperRequest
from actinscope.runs import RunContext, labels_of
from actinscope.study import Fingerprints
from actinscope.training import read_recipe

_EXAMPLES = 6


@dataclass(frozen=True, eq=False)
class Experiment:
    """What was run, as far as the report tells it."""

    request: PaperRequest
    study: Fingerprints
    networks: tuple[PlannedNetwork, ...]
    protocols: tuple[Protocol, ...]
    repeats: tuple[Repeat, ...]

    @property
    def group(self) -> str | None:
        """What is kept together, in the singular; None where every image stands alone."""
        return self.study.manifest.group


def write_paper_report(experiment: Experiment, progress: Progress) -> str:
    """Write tables, figures, ``results.json`` and ``report.html``; returns the verdict's sentence.

    Everything is read from what the runs wrote.
    """
    progress.phase("Gathering results", len(experiment.networks))
    networks = []
    for planned in experiment.networks:
        networks.append(NetworkResults(planned, _results(experiment, planned)))
        progress.advance()
    content = _content(experiment, networks)
    write_json_atomic(experiment.request.output / "results.json", _as_json(networks, content))
    write_paper_pages(content, experiment.request.output)
    return content.verdict.sentence


def _results(experiment: Experiment, planned: PlannedNetwork) -> dict[str, ProtocolResult]:
    if planned.network is None:
        return {}
    return {
        protocol.name: read_result(
            [
                run_folder(experiment.request.output, planned.name, protocol.name, repeat.number)
                for repeat in experiment.repeats
            ],
            classes=experiment.study.manifest.classes,
            cluster=experiment.group or COPY_OF,
            seed=experiment.request.recipe.seed,
        )
        for protocol in experiment.protocols
    }


def _content(experiment: Experiment, networks: Sequence[NetworkResults]) -> PaperContent:
    leak = _leak(networks, experiment.protocols)
    steps = _steps(networks)
    return PaperContent(
        page=Page(
            title="The paper's experiment on your cells",
            question=_question(experiment),
            notices=notices_of(networks),
            settings={
                "experiment": {
                    "repeats": len(experiment.repeats),
                    "images made of each image": experiment.request.copies,
                    "protocols": [one.name for one in experiment.protocols],
                },
                **experiment.request.recipe.model_dump(mode="json"),
            },
            file_problems=experiment.study.unreadable,
            **vars(RunContext.now(experiment.request.command)),
        ),
        verdict=conclude(experiment.group, len(experiment.repeats), networks),
        tables=_tables(experiment, networks),
        figures=tuple(_figures(networks, protocol) for protocol in experiment.protocols),
        examples=_examples(experiment, networks),
        leak=leak,
        steps=steps,
        leak_note=_leak_note(experiment, leak),
        doubts=all_doubts(),
        not_stated=NOT_STATED,
        links=_links(experiment, networks),
    )


def _tables(experiment: Experiment, networks: Sequence[NetworkResults]) -> tuple[PaperTable, ...]:
    protocols = experiment.protocols
    sizes, frozen = [], []
    for network in networks:
        for result in list(network.results.values())[:1]:
            used = read_recipe(result.folders[0] / RunFile.RECIPE).network
            sizes.append(f"{used.input_size} x {used.input_size} for {network.title}")
            frozen.append(f"{network.title}: first {used.frozen_layers} frozen")
    ours = {
        "input": f"{'; '.join(dict.fromkeys(sizes))}. {_preprocess(networks).description}",
        "layers": f"{'; '.join(frozen)}; last layer {len(experiment.study.manifest.classes)} "
        "neurons, softmax",
    }
    return (
        table_i(experiment.request.recipe, experiment.networks, ours),
        table_ii(networks, protocols),
        table_iii(networks, protocols),
        table_iv(networks, protocols),
    )


def _preprocess(networks: Sequence[NetworkResults]) -> Preprocess:
    """That of the first run, as all take the same images."""
    first = next(result.folders[0] for one in networks for result in one.results.values())
    return read_bundle_info(first / RunFile.BUNDLE).preprocess


def _figures(networks: Sequence[NetworkResults], protocol: Protocol) -> ProtocolFigures:
    found = [(one.title, one.results[protocol.name]) for one in networks if one.results]
    return ProtocolFigures(
        key=protocol.name,
        title=protocol.title,
        curves=tuple((title, result.histories[0]) for title, result in found),
        matrices=tuple((title, result.evaluations["test"]) for title, result in found),
    )


def _examples(
    experiment: Experiment, networks: Sequence[NetworkResults]
) -> dict[str, tuple[CellPicture, ...]]:
    """Figure 1: a few cells of each class, drawn at random."""
    manifest = experiment.study.manifest
    images = ScaledImages(_preprocess(networks), CropReader(experiment.request.recipe.images))
    groups = [manifest.group_of(record) for record in manifest.records]
    labels = labels_of(manifest.records, manifest.classes)
    chosen = typical_examples(
        labels, groups if manifest.group else None, seed=experiment.request.recipe.seed, n=_EXAMPLES
    )
    found = {}
    for k, indices in chosen.items():
        name = manifest.classes[k]
        cells = []
        for index in indices:
            record = manifest.records[int(index)]
            scaled = images.of(record)
            group = manifest.group_of(record) if manifest.group else ""
            cells.append(CellPicture(record.name, name, name, {}, displayed(scaled), group=group))
        found[name] = tuple(cells)
    return found


def _leak(networks: Sequence[NetworkResults], protocols: Sequence[Protocol]) -> tuple[LeakRow, ...]:
    return tuple(
        LeakRow(
            network=network.title,
            protocol=protocol.title,
            own=result.evaluations["test"].metrics["accuracy"],
            unseen=result.evaluations[UNSEEN].metrics["accuracy"],
            optimism=result.optimism,
            by_repeat=result.by_repeat,
        )
        for network in networks
        for protocol in protocols
        if (result := network.results.get(protocol.name)) is not None
    )


def _steps(networks: Sequence[NetworkResults]) -> tuple[LeakStep, ...]:
    """What each mistake costs: the optimism with it minus the optimism without it."""
    steps = []
    for network in networks:
        of = network.results
        middle = of.get(BY_IMAGE.name, of.get(HONEST.name))
        pairs = (
            ("augmenting before dividing", of.get(PUBLISHED.name), middle),
            ("dividing without regard to groups", of.get(BY_IMAGE.name), of.get(HONEST.name)),
        )
        steps += [
            LeakStep(network.title, what, step_between(first, second))
            for what, first, second in pairs
            if first is not None and second is not None
        ]
    return tuple(steps)


def _leak_note(experiment: Experiment, leak: Sequence[LeakRow]) -> str:
    unit, count = experiment.group or "image", len(experiment.repeats)
    return (
        f"In {'the one repeat' if count == 1 else f'each of {count} repeats'} one part in "
        f"{experiment.repeats[0].folds} of the images was held out by {unit}; each protocol had "
        "the rest, and its network was then asked about the held-out part, in the form that its "
        "own test part has: augmented copies under the published protocol, images as they are "
        "under the others. "
        f"Intervals (95 %) go by {unit} over all repeats together, so they tell what other "
        "samples would give, not what other seeds would. Dots are the single repeats."
        + ("" if leak else " No network was trained.")
    )


def _question(experiment: Experiment) -> str:
    manifest = experiment.study.manifest
    names = ", ".join(manifest.classes)
    return (
        f"What does the experiment of {CITATION} give on {len(manifest.records)} images of "
        f"{len(manifest.classes)} classes ({names}), and how much of its result is owed to the "
        "order in which images are multiplied and divided?"
    )


def _links(experiment: Experiment, networks: Sequence[NetworkResults]) -> tuple[RunLink, ...]:
    titles = {one.name: one.title for one in experiment.protocols}
    return tuple(
        RunLink(
            network.title,
            titles[name],
            number,
            (folder / RunFile.REPORT).relative_to(experiment.request.output).as_posix(),
        )
        for network in networks
        for name, result in network.results.items()
        for number, folder in enumerate(result.folders, start=1)
    )


def _as_json(networks: Sequence[NetworkResults], content: PaperContent) -> dict[str, object]:
    return {
        "verdict": content.verdict.sentence,
        "networks": {
            one.planned.name: {
                "random_weights": one.planned.random,
                "not_trained_because": one.planned.problem or None,
                "protocols": {
                    name: {
                        **{
                            part: evaluation_to_json(evaluation)
                            for part, evaluation in result.evaluations.items()
                        },
                        "optimism": _estimate(result.optimism),
                        "own_and_unseen_accuracy_by_repeat": result.by_repeat,
                    }
                    for name, result in one.results.items()
                },
            }
            for one in networks
        },
        "steps": [
            {"network": step.network, "what": step.what, **_estimate(step.difference)}
            for step in content.steps
        ],
    }


def _estimate(one: Estimate) -> dict[str, float | str]:
    return {"value": one.value, "low": one.low, "high": one.high, "method": one.method}
