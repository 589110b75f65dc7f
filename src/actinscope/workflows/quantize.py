"""The whole job of ``actinscope bundle quantize``: an 8-bit network, and its measured cost."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from actinscope.bundle import (
    INT8_FILE,
    MEASURED,
    Bundle,
    Int8Part,
    Int8Summary,
    NetworkOutput,
    StoredEstimate,
    cost_sentence,
    load_bundle,
    quantize_network,
    store_int8,
    too_costly,
)
from actinscope.cells import CropReader
from actinscope.errors import BundleError, StudyError, UsageError
from actinscope.evaluation import Estimate, compare_pairs, evaluate
from actinscope.names import RunFile
from actinscope.predict import Predictor, predict_records
from actinscope.progress import Progress, StepCounter
from actinscope.requests import QuantizeRequest
from actinscope.runs import (
    check_labels,
    fingerprint_study,
    images_of,
    labels_of,
    records_of,
    refit_reliability,
    resumable_results,
)
from actinscope.study import (
    TEST,
    TRAIN,
    VALIDATION,
    Manifest,
    Record,
    independent_images,
    read_manifest,
)
from actinscope.wording import p_words

_PARTS = (VALIDATION, TEST)
_NO_GROUP = "none"
_SPEED_IMAGES = 48
_SPEED_ROUNDS = 7


@dataclass(frozen=True, eq=False)
class QuantizeOutcome:
    """The stored file, what was measured, and the same in sentences."""

    file: Path
    summary: Int8Summary
    lines: tuple[str, ...]


def quantize_run(request: QuantizeRequest, progress: Progress) -> QuantizeOutcome:
    """Make an 8-bit copy of a run's network, measure what it costs, store both in its bundle.

    Raises:
        UsageError: there is no finished run.
        StudyError: images of the run are missing, unreadable or changed.
        BundleError: the network cannot be quantised, or INT8 costs too much; nothing
            is stored then.
    """
    bundle, manifest = _read_run(request)
    with resumable_results(request.run, resume=True, mark=RunFile.RECIPE, what="run"):
        return _quantize(request, bundle, manifest, progress)


def _quantize(
    request: QuantizeRequest, bundle: Bundle, manifest: Manifest, progress: Progress
) -> QuantizeOutcome:
    reader = CropReader(bundle.info.read_options, keep_in=bundle.path.parent)
    chosen = _choose(records_of(manifest, TRAIN), request.images, request.seed)
    measured = [record for part in _PARTS for record in records_of(manifest, part)]
    _require_same(replace(manifest, records=(*chosen, *measured)), reader, progress)
    ready = images_of(chosen, reader, progress, "Loading training images")
    inputs = np.stack([bundle.info.preprocess.apply(image) for image in ready])
    progress.say(f"Quantizing with {len(inputs)} training images")
    model = quantize_network(bundle.model, inputs)
    summary = measure_int8(
        bundle, model, measured, manifest, reader=reader, seed=request.seed, progress=progress
    )
    warning = too_costly(summary.parts)
    if warning and not request.force:
        cost = cost_sentence(summary.parts[summary.judged_on], summary.judged_on)
        raise BundleError(
            f"{warning}; nothing was stored. {cost}",
            where=request.run,
            remedy="Keep float32, or store it with this warning by --force",
        )
    summary = summary.model_copy(update={"calibration_images": len(inputs), "warning": warning})
    store_int8(bundle, model, summary)
    return QuantizeOutcome(bundle.path / INT8_FILE, summary, tuple(_lines(summary)))


def measure_int8(
    bundle: Bundle,
    model: bytes,
    records: Sequence[Record],
    manifest: Manifest,
    *,
    reader: CropReader,
    seed: int,
    progress: Progress,
) -> Int8Summary:
    """Compare ``model`` with the bundle's float32 network on ``records``, and take the time.

    Raises:
        StudyError: an image cannot be predicted, or a label is no class of the bundle.
    """
    check_labels(records, bundle.info.classes, manifest.root)
    first_of, clusters = independent_images(records, manifest.group)
    distinct = sorted(set(first_of))
    records = [records[place] for place in distinct]
    # Predictions come from bundles only; this one never leaves the function.
    trial = replace(bundle, int8_model=model)
    exact, coarse = (
        Predictor(trial, precision=one, changed=one == "int8") for one in ("float32", "int8")
    )
    first = _predict(exact, records, reader, progress, "Predicting with float32")
    second = _predict(coarse, records, reader, progress, "Predicting with INT8")
    labels = labels_of(records, bundle.info.classes)
    groups = None if clusters is None else np.array([clusters[place] for place in distinct])
    part_of = np.array([record.part for record in records])
    masks = {part: part_of == part for part in dict.fromkeys(part_of.tolist())}
    if TEST in masks:
        masks[MEASURED] = np.ones(len(records), dtype=np.bool_)
    parts = {
        part: _compare(
            labels[mask],
            first.probabilities[mask],
            second.probabilities[mask],
            classes=bundle.info.classes,
            groups=None if groups is None else groups[mask].tolist(),
            seed=seed,
        )
        for part, mask in masks.items()
    }
    golden = coarse.with_views([0]).predict_images(bundle.golden().images)
    rules = None
    if (mask := masks.get(VALIDATION)) is not None:
        own = None if groups is None else groups[mask].tolist()
        rules = refit_reliability(
            bundle, second.rows(mask), labels[mask], groups=own, golden=golden
        )
    return Int8Summary(
        calibration_images=1,
        seed=seed,
        parts=parts,
        speed_ratio=_speed_ratio(exact, coarse, bundle.golden().inputs),
        backend=coarse.backend,
        golden_probabilities=tuple(tuple(row) for row in golden.probabilities.tolist()),
        reliability=rules,
    )


def _read_run(request: QuantizeRequest) -> tuple[Bundle, Manifest]:
    run = request.run
    missing = [
        name
        for name in (RunFile.RECIPE, RunFile.MANIFEST, RunFile.BUNDLE)
        if not (run / name).exists()
    ]
    if missing:
        raise UsageError(
            f"holds no finished run ({', '.join(missing)} missing)",
            where=run,
            remedy="Give the folder that `actinscope train -o` wrote, or the folder `refit` of "
            "`actinscope train --folds -o`, with its bundle",
        )
    bundle = load_bundle(run / RunFile.BUNDLE)
    if bundle.info.head != "softmax":
        raise UsageError(
            "boosted trees have no 8-bit form here",
            where=run,
            remedy="Leave the precision at float32",
        )
    manifest = read_manifest(
        run / RunFile.MANIFEST,
        request.data,
        group=bundle.info.group or _NO_GROUP,
        options=bundle.info.read_options,
        as_written=True,
    )
    for part in (TRAIN, VALIDATION):  # none is test where a model was trained on all images
        if not records_of(manifest, part):
            raise StudyError(
                f"no image is marked as {part}",
                where=run / RunFile.MANIFEST,
                remedy="Give the run as `actinscope train` wrote it, or the folder `refit` of "
                "`actinscope train --folds`",
            )
    return bundle, manifest


def _choose(records: Sequence[Record], count: int, seed: int) -> list[Record]:
    """At most ``count`` records at random, as many of each class as there are."""
    rng = np.random.default_rng(seed)
    by_class: dict[str, list[Record]] = {}
    for place in rng.permutation(len(records)):
        by_class.setdefault(records[place].label, []).append(records[place])
    # The rarest class first, so that the others can fill up what it lacks.
    chosen: list[Record] = []
    classes = sorted(by_class.values(), key=len)
    for done, some in enumerate(classes):
        share = -(-(count - len(chosen)) // (len(classes) - done))
        chosen += some[: max(0, share)]
    return chosen


def _require_same(manifest: Manifest, reader: CropReader, progress: Progress) -> None:
    """Refuse images that are not those that the run was made with."""
    found = fingerprint_study(manifest, reader, progress)
    wrong = [*found.changed, *(problem.name for problem in found.problems)]
    if wrong:
        raise StudyError(
            f"{len(wrong)} images of the run cannot be read or have changed, the first is "
            f"{wrong[0]}",
            where=manifest.root,
            remedy="Give the folder with the images as they were in training",
        )


def _predict(
    predictor: Predictor,
    records: Sequence[Record],
    reader: CropReader,
    progress: Progress,
    phase: str,
) -> NetworkOutput:
    """The outputs for all records."""
    found = predict_records(predictor, records, reader, progress=StepCounter(progress, phase))
    for record, error in zip(records, found.errors, strict=True):
        if error:
            raise StudyError(f"cannot be predicted: {error}", where=record.title)
    return found.output


def _compare(
    labels: NDArray[np.int64],
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    *,
    classes: Sequence[str],
    groups: Sequence[str] | None,
    seed: int,
) -> Int8Part:
    """Float32 (``first``) and INT8 (``second``), both (N, K), on the same N images."""
    exact, coarse = (
        evaluate(labels, one, classes=classes, groups=groups, seed=seed).metrics
        for one in (first, second)
    )
    paired = compare_pairs(
        labels, first.argmax(axis=1), second.argmax(axis=1), groups=groups, seed=seed
    )
    return Int8Part(
        images=len(labels),
        accuracy_float32=_stored(exact["accuracy"]),
        accuracy_int8=_stored(coarse["accuracy"]),
        balanced_accuracy_float32=_stored(exact["balanced_accuracy"]),
        balanced_accuracy_int8=_stored(coarse["balanced_accuracy"]),
        difference=_stored(paired.difference),
        difference_method=paired.difference.method,
        changed=paired.changed,
        only_float32_right=paired.only_first_right,
        only_int8_right=paired.only_second_right,
        mcnemar_p=paired.mcnemar_p,
        largest_probability_difference=float(np.abs(first - second).max()),
    )


def _stored(estimate: Estimate) -> StoredEstimate:
    value, low, high = (
        None if np.isnan(one) else float(one)
        for one in (estimate.value, estimate.low, estimate.high)
    )
    return StoredEstimate(value=value, low=low, high=high)


def _speed_ratio(exact: Predictor, coarse: Predictor, inputs: NDArray[np.float32]) -> float:
    """Time of float32 over that of INT8: the median of rounds in which both take turns."""
    batch = np.resize(inputs, (_SPEED_IMAGES, *inputs.shape[1:]))
    times: dict[Predictor, float] = {}
    ratios = []
    for _ in range(_SPEED_ROUNDS + 1):
        for predictor in (exact, coarse):
            started = time.perf_counter()
            predictor.predict_inputs([batch])
            times[predictor] = time.perf_counter() - started
        ratios.append(times[exact] / times[coarse])
    return float(np.median(ratios[1:]))  # the first round allocates memory


def _lines(summary: Int8Summary) -> Iterator[str]:
    """What was measured, for people."""
    where = summary.judged_on
    both = summary.parts[where]
    for part, one in summary.parts.items():
        yield cost_sentence(one, part)
    if where == VALIDATION:
        yield (
            "No image of this model is marked as test, so the cost was measured on the validation "
            "part alone, which also took part in making the model"
        )
    yield (
        f"On the {both.images} {where} images: only float32 right "
        f"{both.only_float32_right}, only INT8 right {both.only_int8_right} (exact McNemar "
        f"{p_words(both.mcnemar_p)}); largest difference of a probability "
        f"{both.largest_probability_difference:.3f}"
    )
    yield f"Speed with {summary.backend} on this computer: {summary.speed_ratio:.1f} times float32"
    if summary.warning:
        yield f"warning: {summary.warning}"
