"""The explanation of a network in the words and pictures of the report."""

from __future__ import annotations

import numpy as np

from actinscope.explain import (
    ACTIVATION,
    COARSE,
    POSITIONS,
    Explanation,
    FeatureMap,
    Neighbour,
    SaliencySource,
    attention_sentence,
    sanity_sentence,
)
from actinscope.report.content import (
    ExplanationShown,
    FeatureMapShown,
    Finding,
)
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
        sanity=found.sanity,
        unlike=found.unlike,
        features=None if found.features is None else _feature_map(found.features, saliency, group),
    )


def neighbour_words(neighbour: Neighbour) -> str:
    """Where a training image comes from, and how far away it is."""
    origin = {None: "", True: "same group, ", False: "other group, "}[neighbour.same_group]
    return f"{origin}distance {neighbour.distance:.2f}"


def _method(found: Explanation, saliency: SaliencySource) -> str:
    if found.method == ACTIVATION:
        total = len(saliency.part.records)
        which = f"all {total}" if found.images == total else f"{found.images} of the {total}"
        drawn = "" if found.images == total else ", drawn at random"
        maps = saliency.part.output.class_maps
        grid = "" if maps is None else f"{maps.shape[1]} x {maps.shape[2]}"
        return (
            "Class activation maps show where the image holds evidence for the prediction, against "
            f"the mean of the other classes. They have {grid} places, however smooth they look, so "
            f"evidence spills over the edge of small cells. The shares rest on {which} "
            f"images{drawn}."
        )
    return (
        "The network has no class activation maps. Occlusion maps were made instead: a patch of "
        "background covers one place after the other, and the fall of the log odds of the "
        f"prediction shows how much depends on that place. They take {POSITIONS**2} predictions an "
        f"image, so that only the first pictures have one; shares rest on {found.images} images "
        f"with {COARSE} x {COARSE} places."
    )


def sanity_rows(shown: ExplanationShown) -> list[tuple[str, ...]]:
    """What was shuffled, rank correlation, that of the strength, and images."""
    found = [(step.shuffled, step.similarity) for step in shown.sanity]
    if shown.unlike is not None:
        found.append(("nothing; another image instead", shown.unlike))
    return [
        (
            name,
            *(signed(value, 2, undefined="n/a") for value in (one.rank, one.strength)),
            str(one.images),
        )
        for name, one in found
    ]


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
    first, second = map(whole_percent, one.explained)
    return FeatureMapShown(
        note=_feature_note(one),
        axes=(f"component 1 ({first} %)", f"component 2 ({second} %)"),
        points=one.points,
        classes=np.array(labels, dtype=np.int64),
        class_names=tuple(saliency.part.evaluation.classes),
        groups=np.array([numbers[name] for name in (*known, *asked)], dtype=np.int64),
        group_names=names,
        group_word=group or "group",
        is_test=np.arange(count) >= len(one.training) if has_training else np.zeros(count, bool),
    )


def _feature_note(one: FeatureMap) -> str:
    words = (
        "Each point is an image, placed by the network's features: near means similar to the "
        "network."
    )
    if len(one.training):
        words += (
            f" Dots: {len(one.training)} training images; rings: {len(one.test)} test images, "
            "which did not shape the map."
        )
    if one.thinned:
        words += " The images were drawn at random; there are more."
    return (
        f"{words} Principal components: this plane shows {whole_percent(sum(one.explained))} % of "
        "the variance, so images "
        "that overlap here may be far apart in the rest. Groups that lie apart within one class "
        "mean that the network sees where an image comes from."
    )
