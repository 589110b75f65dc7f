"""The explanation of a network in the words and pictures of the report."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from actinscope.explain import (
    ACTIVATION,
    COARSE,
    POSITIONS,
    Explanation,
    FeatureMap,
    Neighbour,
    SaliencySource,
    attention_sentence,
    enlarged,
    sanity_sentence,
)
from actinscope.predict import answer_cells
from actinscope.report.content import (
    ExplanationShown,
    FeatureMapShown,
    Finding,
    MeanMapShown,
    PrototypeShown,
)
from actinscope.report.pictures import displayed
from actinscope.report.tables import exact
from actinscope.wording import signed, whole_percent


def explanation_findings(found: Explanation | None) -> tuple[Finding, ...]:
    """Warnings on maps that lie outside the cells, or do not depend on the weights."""
    if found is None:
        return ()
    findings = []
    if found.attention is not None and found.attention.mostly_outside:
        findings.append(
            Finding(
                "warning",
                "Most of the evidence lies outside of the cells",
                attention_sentence(found.attention),
                "Look at the maps of errors and correct predictions: background, neighbours or "
                "the edge of the crop may give the class away. Small cells and coarse maps also "
                "cause this",
            )
        )
    if any(step.hardly_changes for step in found.sanity):
        findings.append(
            Finding(
                "warning",
                "The maps hardly depend on what was learned",
                sanity_sentence(found.sanity),
                "Do not argue with these maps",
            )
        )
    return tuple(findings)


def explanation_shown(
    found: Explanation | None, saliency: SaliencySource | None, *, group: str
) -> ExplanationShown | None:
    """The section of the report; None where nothing was explained."""
    if found is None or saliency is None:
        return None
    return ExplanationShown(
        method=_method(found, saliency),
        attention=found.attention,
        means=_means(found, saliency),
        sanity=found.sanity,
        unlike=found.unlike,
        prototypes=_prototypes(found, saliency),
        maps=tuple(_feature_map(one, saliency, group) for one in found.features),
        images=_image_rows(found, saliency),
    )


def neighbour_words(neighbour: Neighbour) -> str:
    """Where a training image comes from, and how far away it is."""
    origin = {None: "", True: "same group, ", False: "other group, "}[neighbour.same_group]
    return f"{origin}distance {neighbour.distance:.2f}"


def _method(found: Explanation, saliency: SaliencySource) -> str:
    if found.method == ACTIVATION:
        total = len(saliency.part.records)
        which = f"all {total}" if len(found.rows) == total else f"{len(found.rows)} of the {total}"
        drawn = "" if len(found.rows) == total else ", drawn at random"
        maps = saliency.part.output.class_maps
        grid = "" if maps is None else f"{maps.shape[1]} x {maps.shape[2]}"
        return (
            "Class activation maps show where the image holds evidence for the prediction, against "
            f"the mean of the other classes. They have {grid} places, however smooth they look, so "
            f"evidence spills over the edge of small cells. Means and shares rest on {which} "
            f"images{drawn}."
        )
    return (
        "The network has no class activation maps. Occlusion maps were made instead: a patch of "
        "background covers one place after the other, and the fall of the log odds of the "
        f"prediction shows how much depends on that place. They take {POSITIONS**2} predictions an "
        f"image, so that only the first pictures have one; shares rest on {len(found.rows)} images "
        f"with {COARSE} x {COARSE} places."
    )


def _means(found: Explanation, saliency: SaliencySource) -> tuple[MeanMapShown, ...]:
    largest = max((float(one.heat.max()) for one in found.means), default=0.0) or 1.0
    classes = saliency.part.evaluation.classes
    return tuple(
        MeanMapShown(
            label=classes[one.label],
            answers="correct predictions" if one.right else "wrong predictions",
            images=one.images,
            pixels=displayed(one.picture),
            heat=enlarged(one.heat / largest, (one.picture.shape[0], one.picture.shape[1])),
        )
        for one in found.means
    )


def sanity_rows(shown: ExplanationShown) -> list[tuple[str, ...]]:
    """What was shuffled, rank correlation, that of the strength, SSIM, and images."""
    found = [(step.shuffled, step.similarity) for step in shown.sanity]
    if shown.unlike is not None:
        found.append(("nothing; another image instead", shown.unlike))
    return [
        (
            name,
            *(signed(value, 2, undefined="n/a") for value in (one.rank, one.strength, one.ssim)),
            str(one.images),
        )
        for name, one in found
    ]


def _prototypes(
    found: Explanation, saliency: SaliencySource
) -> dict[str, tuple[PrototypeShown, ...]]:
    training = saliency.training
    if training is None:
        return {}
    shown: dict[str, list[PrototypeShown]] = {}
    for one in found.prototypes:
        record = training.records[one.index]
        shown.setdefault(training.evaluation.classes[one.label], []).append(
            PrototypeShown(
                name=record.title,
                group=training.groups[one.index] if training.groups else "",
                pixels=displayed(saliency.images.of(record)),
                stands_for=f"{whole_percent(one.stands_for)} % of the class",
            )
        )
    return {name: tuple(cells) for name, cells in shown.items()}


def _feature_map(one: FeatureMap, saliency: SaliencySource, group: str) -> FeatureMapShown:
    training = saliency.training
    known: list[str] = []
    labels = [int(saliency.part.labels[row]) for row in one.test]
    if training is not None and len(one.training):
        labels = [int(training.labels[row]) for row in one.training] + labels
        known = [training.groups[row] for row in one.training] if training.groups else []
    asked = [saliency.part.groups[row] for row in one.test] if saliency.part.groups else []
    names = tuple(dict.fromkeys([*known, *asked]))
    numbers = {name: number for number, name in enumerate(names)}
    count = len(labels)
    has_training = len(one.training) > 0
    points = one.places.fitted
    if has_training:
        points = np.concatenate([one.places.fitted, one.places.others])
    return FeatureMapShown(
        title="Which images the network takes for similar"
        if one.places.method == "pca"
        else "The same with UMAP",
        note=_feature_note(one),
        axes=_axes(one),
        points=points,
        classes=np.array(labels, dtype=np.int64),
        class_names=tuple(saliency.part.evaluation.classes),
        groups=np.array([numbers[name] for name in (*known, *asked)], dtype=np.int64),
        group_names=names,
        group_word=group or "group",
        is_test=np.arange(count) >= len(one.training) if has_training else np.zeros(count, bool),
        name="features" if one.places.method == "pca" else "features_umap",
    )


def _feature_note(one: FeatureMap) -> str:
    words = (
        "Each point is an image, placed by the network's features: near means similar to the "
        "network."
    )
    if len(one.training):
        words += f" Dots: {len(one.training)} training images; rings: {len(one.test)} test images"
        words += ", which did not shape the map." if one.places.method == "pca" else "."
    if one.thinned:
        words += " The images were drawn at random; there are more."
    if one.places.method == "umap":
        return (
            f"{words} In a UMAP neighbours stay together; distances between clusters mean nothing."
        )
    assert one.places.explained is not None
    share = whole_percent(sum(one.places.explained))
    return (
        f"{words} Principal components: this plane shows {share} % of the variance, so images "
        "that overlap here may be far apart in the rest. Groups that lie apart within one class "
        "mean that the network sees where an image comes from."
    )


def _axes(one: FeatureMap) -> tuple[str, str]:
    if one.places.explained is None:
        return "UMAP 1", "UMAP 2"
    first, second = map(whole_percent, one.places.explained)
    return f"component 1 ({first} %)", f"component 2 ({second} %)"


def _image_rows(found: Explanation, saliency: SaliencySource) -> tuple[tuple[str, ...], ...]:
    """One line an image: what the attention and the map of the features rest on."""
    header = ("path", "object", "part", "label", "predicted")
    values = ("attention_inside", "cell_area", "component_1", "component_2")
    classes = saliency.part.evaluation.classes
    shares = {int(row): place for place, row in enumerate(found.rows)}
    plane = next((one for one in found.features if one.places.method == "pca"), None)
    laid: dict[int, NDArray[np.float64]] = {}
    rows = [(*header, *values)]
    if plane is not None:
        training = saliency.training
        test = plane.places.others if len(plane.training) else plane.places.fitted
        laid = {int(row): test[place] for place, row in enumerate(plane.test)}
        for place, row in enumerate(plane.training):
            assert training is not None
            record = training.records[row]
            answer = answer_cells(training.decisions, row, classes)[0]
            point = plane.places.fitted[place]
            rows.append((record.name, record.object_id, "train", record.label, answer,
                         "", "", *map(exact, point)))  # fmt: skip
    for row in sorted({*shares, *laid}):
        record = saliency.part.records[row]
        answer = answer_cells(saliency.part.decisions, row, classes)[0]
        number = shares.get(row)
        own = ("", "") if number is None else (
            exact(found.shares[number]), exact(found.areas[number])
        )  # fmt: skip
        point = tuple(map(exact, laid[row])) if row in laid else ("", "")
        rows.append((record.name, record.object_id, "test", record.label, answer, *own, *point))
    return tuple(rows)
