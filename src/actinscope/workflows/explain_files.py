"""The whole job of ``actinscope explain``: where a delivered model finds evidence in new images."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from actinscope.bundle import load_bundle
from actinscope.cells import CropReader, MaskReader
from actinscope.explain import (
    ACTIVATION,
    MASKED,
    OCCLUSION,
    MaskedCell,
    Method,
    attention_inside,
    attention_sentence,
    heat_map,
    inside_of,
    judge_attention,
    occlusion_maps,
)
from actinscope.files import make_folder, write_csv
from actinscope.images import ReadOptions
from actinscope.predict import (
    PredictOptions,
    Predictor,
    Task,
    TaskReader,
    answer_cells,
    answer_header,
    message_of,
    plan_rows,
)
from actinscope.progress import Progress
from actinscope.report import (
    CellPicture,
    GalleryCard,
    GalleryContent,
    Page,
    displayed,
    write_gallery,
    write_map,
)
from actinscope.requests import ExplainRequest
from actinscope.runs import RunContext, whole
from actinscope.wording import counted, whole_percent

#: Cards in the gallery; all images are in the table and have their picture.
MOST_CARDS = 200
_MAPS = "maps"
_TABLE = "explanation.csv"
_OWN_COLUMNS = ("map", "inside_cell", "cell_area", "cell_from", "picture", "error")
_NAME = 60


@dataclass(frozen=True)
class ExplainOutcome:
    """What was written, what it says, and what could not be used."""

    folder: Path
    done: int
    sentence: str
    notes: tuple[str, ...]
    problems: tuple[tuple[str, str], ...]


@dataclass(frozen=True, eq=False)
class _Explained:
    """One image: what is answered, its picture with its map, the map's share inside the cell."""

    answer: dict[str, str]
    picture: CellPicture
    heat: NDArray[np.float32]
    inside: float
    area: float
    cells_from: str


@whole
def explain_files(request: ExplainRequest, progress: Progress) -> ExplainOutcome:
    """Write a picture for each image, a table and a gallery.

    Raises:
        UsageError: no images, options that contradict each other, or a folder in use.
        BundleError: the bundle is broken.
        OutputError: the folder cannot be written.
    """
    bundle = load_bundle(request.bundle)
    options = PredictOptions(
        masks=request.masks, crop_size=request.crop_size, read_options=request.options
    )
    plan = plan_rows(bundle, request.images, options)
    predictor = Predictor(bundle, precision=request.precision)
    explainer = _Explainer(predictor, _method(request, predictor), request.options)
    make_folder(request.output / _MAPS)
    progress.phase("Explaining", len(plan.tasks))
    results = _Results(request.output)
    for number, task in enumerate(plan.tasks, start=1):
        results.add(number, task, explainer.explained(task))
        progress.advance(1)
    sentence = results.sentence(by_field=request.masks is not None)
    notices = tuple(note for note in (*bundle.info.notices, predictor.cost) if note)
    header = ["path", "object", *explainer.answer, *_OWN_COLUMNS]
    write_csv(request.output / _TABLE, header, results.rows)
    classes, done = bundle.info.classes, len(results.shares)
    named = " or ".join(classes) if len(classes) <= 3 else f"{len(classes)} classes"
    content = GalleryContent(
        page=Page(
            title=f"{named}: what the network looks at",
            question=(
                f"Where in {counted(done, 'image')} does the model in {request.bundle.name} find "
                "evidence for its answers?"
            ),
            synthetic=bundle.info.synthetic,
            notices=notices,
            file_problems=tuple(results.problems),
            **vars(RunContext.now(request.command)),
        ),
        sentence=sentence,
        cards=tuple(results.cards),
        total=done,
    )
    write_gallery(content, request.output / "gallery.html")
    notes = (*notices, *plan.notes)
    return ExplainOutcome(request.output, done, sentence, notes, tuple(results.problems))


@dataclass(eq=False)
class _Results:
    """What was found so far; the pictures are on disk already."""

    folder: Path
    rows: list[dict[str, str]] = field(default_factory=list)
    cards: list[GalleryCard] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)
    areas: list[float] = field(default_factory=list)
    fields: list[str] = field(default_factory=list)
    origins: set[str] = field(default_factory=set)

    def add(self, number: int, task: Task, found: _Explained | str) -> None:
        """Write the picture of one image, or note why there is none."""
        if isinstance(found, str):
            title = f"{task.name} object {task.object_id}" if task.object_id else task.name
            self.problems.append((title, found))
            self.rows.append({"path": task.name, "object": task.object_id, "error": found})
            return
        name = _file_name(number, task)
        write_map(found.picture.pixels, found.heat, self.folder / _MAPS / name)
        self.rows.append(_row(task, found, f"{_MAPS}/{name}"))
        self.shares.append(found.inside)
        self.areas.append(found.area)
        self.fields.append(task.name)
        self.origins.add(found.cells_from)
        if len(self.cards) < MOST_CARDS:
            self.cards.append(_card(found))

    def sentence(self, *, by_field: bool) -> str:
        """How much of the evidence lies inside the cells; cells of one field are one group."""
        if not self.shares:
            return "No image could be explained."
        attention = judge_attention(
            np.array(self.shares, dtype=np.float64),
            np.array(self.areas, dtype=np.float64),
            self.fields if by_field else None,
            cells_from=" and ".join(sorted(self.origins)),
            seed=0,
        )
        return attention_sentence(attention) if attention else "No map could be laid on a cell."


def _method(request: ExplainRequest, predictor: Predictor) -> Method:
    preprocess = predictor.bundle.info.preprocess
    blank = np.zeros((preprocess.size, preprocess.size, len(preprocess.planes)), np.float32)
    has_maps = predictor.predict_input(predictor.prepare_scaled(blank)).class_maps is not None
    return ACTIVATION if has_maps and request.method == "auto" else OCCLUSION


class _Explainer:
    """Reads, predicts and explains one image after the other."""

    def __init__(self, predictor: Predictor, method: Method, options: ReadOptions | None) -> None:
        self.predictor = predictor
        self.method = method
        rules = predictor.rules
        #: Columns of what is answered, as in every table of predictions.
        self.answer = answer_header(predictor.classes, decisions=rules.has_rules)
        reading = predictor.bundle.info.reading(options)
        self._read = TaskReader(CropReader(reading))
        self._masks = MaskReader()

    def explained(self, task: Task) -> _Explained | str:
        """The map of one image, or why it has none."""
        preprocess, classes = self.predictor.bundle.info.preprocess, self.predictor.classes
        # Readers of damaged files can fail in ways that nobody foresaw; the rest goes on.
        try:
            scaled = preprocess.to_scaled(self._read(task))
        except Exception as error:
            return message_of(error)
        output = self.predictor.predict_input(self.predictor.prepare_scaled(scaled))
        decided = self.predictor.rules(output)
        row = decided.probabilities[0]
        k = int(row.argmax())
        cell = MaskedCell(task.mask, task.object_id, task.region)
        inside, cells_from = inside_of(cell, scaled, preprocess, self._masks)
        size, whole = inside.shape[:2], scaled.shape[:2]
        maps = output.class_maps[0] if output.class_maps is not None else None
        if self.method == OCCLUSION or maps is None:
            maps = occlusion_maps(self.predictor, scaled, k)
        heat = heat_map(maps, k, size=whole)
        picture = CellPicture(
            name=task.name,
            label="",
            predicted=classes[k],
            probabilities=dict(zip(classes, map(float, row), strict=True)),
            pixels=displayed(scaled),
            heat=heat,
            object_id=task.object_id,
            map_name=self.method,
            unfamiliar=decided.answer(0) is None,
        )
        return _Explained(
            answer=dict(zip(self.answer, answer_cells(decided, 0, classes), strict=True)),
            picture=picture,
            heat=heat,
            inside=attention_inside(heat_map(maps, k, size=size), inside),
            area=float(inside.mean()),
            cells_from=cells_from,
        )


def _row(task: Task, found: _Explained, picture: str) -> dict[str, str]:
    return {
        "path": task.name,
        "object": task.object_id,
        **found.answer,
        "map": found.picture.map_name,
        "inside_cell": _number(found.inside),
        "cell_area": _number(found.area),
        "cell_from": "mask" if found.cells_from == MASKED else "brightness",
        "picture": picture,
    }


def _number(value: float) -> str:
    return f"{value:.4f}" if np.isfinite(value) else ""


def _file_name(number: int, task: Task) -> str:
    """Names that every file system takes, in the order of the images."""
    stem = Path(task.name).stem + (f"_{task.object_id}" if task.object_id else "")
    return f"{number:04d}_{re.sub(r'[^A-Za-z0-9._-]+', '_', stem)[:_NAME]}.png"


def _card(found: _Explained) -> GalleryCard:
    told = [f"the cell takes {whole_percent(found.area)} % of the image"]
    if np.isfinite(found.inside):
        told.insert(0, f"{found.picture.map_name}: {whole_percent(found.inside)} % inside the cell")
    return GalleryCard(found.picture, tuple(told))
