"""Phrases for the write-up that need more than a template: numbers with intervals, lists, checks.

The templates call these functions as ``say``. Every sentence holds for what was done; what was
switched off is called so.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Iterator, Sequence

from actinscope.audit import COPIES_SEARCHED, LEVEL
from actinscope.evaluation import Estimate, Evaluation, UncertaintyEvaluation
from actinscope.explain import (
    TITLES,
    Control,
    ControlResults,
    Explanation,
    attention_sentence,
    sanity_sentence,
)
from actinscope.networks import NetworkEntry
from actinscope.preprocess import AugmentSettings, Preprocess
from actinscope.report import uncertainty_sentences
from actinscope.study import TEST, TRAIN, VALIDATION
from actinscope.wording import UNDEFINED, counted, listed, percent, plural, span
from actinscope.writeup.diagnostics import AuditFacts
from actinscope.writeup.facts import Facts, ModelFacts

_PARTS = {TRAIN: "training", VALIDATION: "validation", TEST: "test"}
_SHARES = {"accuracy", "balanced_accuracy", "recall"}
_UNFAMILIAR = "farther from the training images than nearly all images like them"
_METRICS = {
    "balanced_accuracy": "balanced accuracy",
    "f1_macro": "macro-averaged F1",
    "mcc": "Matthews correlation coefficient",
    "auroc": "area under the ROC curve",
}
_SOFTWARE = {
    "keras": "Keras",
    "tensorflow-cpu": "TensorFlow",
    "tensorflow": "TensorFlow",
    "numpy": "NumPy",
    "opencv-python-headless": "OpenCV",
    "scikit-learn": "scikit-learn",
    "openvino": "OpenVINO",
    "onnxruntime": "ONNX Runtime",
}
# Start of a network's name -> who described it. An unknown network is left to the author.
_NETWORKS = {
    "efficientnetv2": "Tan M, Le QV. EfficientNetV2. ICML (2021).",
    "efficientnet": "Tan M, Le QV. EfficientNet. ICML (2019).",
    "inception": "Szegedy C et al. Rethinking the Inception architecture. CVPR (2016).",
    "nasnet": "Zoph B et al. Learning transferable architectures. CVPR (2018).",
    "vgg": "Simonyan K, Zisserman A. Very deep convolutional networks. ICLR (2015).",
    "mobilenetv3": "Howard A et al. Searching for MobileNetV3. ICCV (2019).",
    "mobilenet-v3": "Howard A et al. Searching for MobileNetV3. ICCV (2019).",
    "mobilenet": "Sandler M et al. MobileNetV2. CVPR (2018).",
    "densenet": "Huang G et al. Densely connected convolutional networks. CVPR (2017).",
    "xception": "Chollet F. Xception. CVPR (2017).",
}


def each(pattern: str, rows: Iterable[Sequence[object]]) -> list[str]:
    """``pattern`` filled with one row after the other."""
    return [pattern.format(*row) for row in rows]


def capital(text: str) -> str:
    """With a capital first letter, the rest as it is."""
    return f"{text[:1].upper()}{text[1:]}"


# Images, parts and groups


def group_word(facts: Facts) -> str:
    """What a group is called, in the singular; "image" where there are none."""
    return counted(1, facts.group or "image").removeprefix("1 ")


def groups_word(facts: Facts) -> str:
    """The same in the plural."""
    return plural(facts.group) if facts.group is not None else "images"


def from_groups(facts: Facts, count: int | None) -> str:
    """ " from 12 fields", or nothing where no groups are known."""
    return "" if count is None or facts.group is None else f" from {counted(count, facts.group)}"


def part_sizes(facts: Facts, model: ModelFacts, pattern: str) -> list[str]:
    """Of each part: ``pattern`` filled with images, part's name and " from 8 donors"."""
    return [
        pattern.format(part.images, _PARTS[part.name], from_groups(facts, part.groups))
        for part in model.parts
    ]


def part_spans(facts: Facts) -> list[str]:
    """The same over all folds: "40 to 42 training images from 8 fields"."""
    spans = []
    for name, title in _PARTS.items():
        parts = [model.part(name) for model in facts.models]
        groups = [part.groups for part in parts if part.groups is not None]
        found = ""
        if facts.group is not None and groups:
            word = group_word(facts) if max(groups) == 1 else groups_word(facts)
            found = f" from {span(groups)} {word}"
        spans.append(f"{span([part.images for part in parts])} {title} images{found}")
    return spans


# Preprocessing and training


def differ(fitted: Sequence[Preprocess]) -> bool:
    """Whether the models preprocess differently, but for the intensity range."""
    first, *others = (
        one.model_copy(update={"low": (), "high": (), "description": ""}) for one in fitted
    )
    return any(one != first for one in others)


def channels(settings: Preprocess) -> list[str]:
    """Names of the channels that are used."""
    return [settings.channel_names[plane] for plane in settings.planes]


def decimals(values: Sequence[float]) -> str:
    """Three decimals each; equal ones once."""
    return ", ".join(dict.fromkeys(f"{value:.3f}" for value in values))


def ranges(fitted: Sequence[Preprocess]) -> str:
    """Lower and upper end of each plane; their least and greatest over the folds."""
    planes = []
    for plane in range(len(fitted[0].low)):
        lows = [one.low[plane] for one in fitted]
        highs = [one.high[plane] for one in fitted]
        if min(lows) == max(lows) and min(highs) == max(highs):
            planes.append(f"{lows[0]:g} to {highs[0]:g}")
        else:
            planes.append(f"lower end {span(lows)}, upper end {span(highs)} over the folds")
    return listed(list(dict.fromkeys(planes)) or [""])


def augmentations(settings: AugmentSettings) -> list[str]:
    """How training images were varied."""
    low, high = settings.zoom_range
    kinds = {
        "left-right flips": settings.horizontal_flip,
        "up-down flips": settings.vertical_flip,
        f"rotation by up to {settings.rotation_degrees:g} degrees": settings.rotation_degrees,
        f"horizontal shift by up to {100 * settings.width_shift:g} %": settings.width_shift,
        f"vertical shift by up to {100 * settings.height_shift:g} %": settings.height_shift,
        f"shear by up to {settings.shear_degrees:g} degrees": settings.shear_degrees,
        f"zoom factors from {low:g} to {high:g}": (low, high) != (1.0, 1.0),
        f"intensity gain (parameter {settings.intensity_gain:g})": settings.intensity_gain,
        f"gamma (parameter {settings.gamma:g})": settings.gamma,
        f"Gaussian noise of a standard deviation of up to {settings.noise:g}": settings.noise,
        f"Gaussian blur of a sigma of up to {settings.blur:g} pixels": settings.blur,
    }
    return [text for text, used in kinds.items() if used]


def regularisation(facts: Facts) -> str:
    """What was done against overfitting the layers of a network."""
    settings, frozen = facts.recipe.training, facts.common.frozen_layers or 0
    dropout = facts.recipe.network.head_dropout or 0.0
    structure = settings.loss == "class_structure"
    kinds = {
        f"{frozen} frozen layers": frozen > 1,
        "augmentation": facts.augmented,
        f"dropout {dropout:g} in the new layers": dropout > 0,
        f"label smoothing {settings.label_smoothing:g}": settings.label_smoothing > 0,
        "a loss term that draws the embeddings of a class together": structure,
        "the epoch of lowest validation loss": settings.keep == "best",
        f"early stopping after {settings.early_stopping} epochs": settings.early_stopping > 0,
    }
    done = [text for text, used in kinds.items() if used]
    return f"{listed(done).capitalize()}." if done else "Nothing by the recipe."


def versions(facts: Facts) -> list[str]:
    """Installed packages with their versions."""
    trees = dict.fromkeys(("xgboost", "xgboost-cpu"), "XGBoost") if facts.boosted_trees else {}
    known = facts.context.environment
    idle = ("keras", "tensorflow-cpu", "tensorflow") if facts.probe else ()
    found = (
        f"{title} {known[key]}"
        for key, title in (_SOFTWARE | trees).items()
        if key in known and key not in idle
    )
    return list(dict.fromkeys(found))


def network_reference(network: NetworkEntry) -> str:
    """The paper that described a network."""
    found = [text for start, text in _NETWORKS.items() if network.name.startswith(start)]
    return found[0] if found else f"[AUTHOR: cite {network.title}.]"


# Results


def figure(estimate: Estimate, metric: str = "accuracy") -> str:
    """A value with its interval, or with the words that there is none."""
    show = percent if metric in _SHARES else _decimal
    text = show(estimate.value)
    count = "" if estimate.count is None else f"{estimate.count} of {estimate.n}; "
    if not estimate.has_interval:
        return f"{text} ({count}no interval)"
    low, high = show(estimate.low), show(estimate.high)
    return f"{text} ({count}95 % interval {low} to {high})"


def _decimal(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else UNDEFINED


def figures(found: Evaluation) -> str:
    """Every metric but the accuracy."""
    others = [
        f"{title} {figure(found.metrics[name], name)}"
        for name, title in _METRICS.items()
        if math.isfinite(found.metrics[name].value)
    ]
    recalls = [f"{name} {figure(own['recall'], 'recall')}" for name, own in found.per_class.items()]
    first = f"Further metrics: {'; '.join(others)}. " if others else ""
    return f"{first}Recall by class: {'; '.join(recalls)}."


def lacks_intervals(found: Evaluation) -> bool:
    """Whether some metrics have an interval, and others none."""
    estimates = [*found.metrics.values(), *(own["recall"] for own in found.per_class.values())]
    return len({one.has_interval for one in estimates}) > 1


def mean_accuracy(facts: Facts, part: str) -> str:
    """Mean over the folds on their own images of a part."""
    found = facts.accuracies(part)
    return percent(statistics.fmean(found)) if found else "not known"


def temperatures(facts: Facts) -> list[float]:
    """Of the models whose logits are divided by one."""
    rules = [model.info.reliability for model in facts.models]
    return [one.temperature for one in rules if one is not None and one.temperature != 1]


def probabilities(found: UncertaintyEvaluation) -> list[str]:
    """Temperature, prediction sets, abstention, unfamiliar images."""
    return [
        *uncertainty_sentences(found),
        "Accuracy and all other metrics count every test image, including unfamiliar ones and "
        "those without an answer.",
    ]


def unlike_the_classes(facts: Facts) -> str:
    """What happens to an image that shows none of the classes."""
    if not facts.leaves_unfamiliar_unnamed:
        return "images that show none of the classes, which still get one of them"
    return (
        "images that show none of the classes: predict leaves them unnamed where they are "
        f"{_UNFAMILIAR}, and names the others"
    )


# Audit, controls and saliency


def copies_found(facts: Facts) -> str:
    """How many copies the audit found; empty without one."""
    audit = facts.diagnostics.audit
    if audit is None:
        return ""
    if not audit.copies:
        return f"{COPIES_SEARCHED} None was found."
    if not audit.apart:
        where = f"none of them in {'different folds' if facts.folds else 'two parts'}"
    elif facts.folds:
        where = f"{audit.apart} in different folds, which are NOT independent there"
    else:
        where = (
            f"of which {audit.apart} in two parts ({audit.apart_from_test} with one image in the "
            "test part): there the parts are NOT independent"
        )
    return f"{COPIES_SEARCHED} Found: {counted(audit.copies, 'pair')}, {where}."


def confounds_tested(audit: AuditFacts) -> str:
    """Whether anything but the cells predicts the class."""
    if not audit.confounds:
        return "Nothing but the cells could be tested as a predictor of the class."
    names = listed([one.name for one in audit.confounds])
    found = [
        f"{one.name} (balanced accuracy {percent(one.balanced_accuracy)}, by chance "
        f"{percent(one.expected)}, adjusted p = {one.p:.3f})"
        for one in audit.significant
    ]
    result = f"Significant: {listed(found)}" if found else "None was significant"
    hidden = len(audit.confounds) * audit.confounds[0].least_p > LEVEL
    doubt = "; with so few groups only the strongest could have been" if hidden else ""
    return (
        "Permutation tests asked whether anything but the cells predicts the class: "
        f"{names}. {result}{doubt}."
    )


def confounds(facts: Facts) -> str:
    """What was found to go with the class; empty where nobody looked."""
    checks = facts.diagnostics
    found = [confounds_tested(checks.audit)] if checks.audit else []
    if checks.controls is not None and checks.controls.batches:
        found.append(_batches(checks.controls))
    return " ".join(found)


def controls(found: ControlResults) -> Iterator[str]:
    """What simple models, permuted labels and batches gave."""
    if found.controls:
        yield f"{linear_controls(found)}."
    yield permutation(found)
    if found.batches:
        yield _batches(found)


def linear_controls(found: ControlResults) -> str:
    """Linear controls beside the network, without a full stop."""
    reached = [f"{_title(one)} {figure(one.balanced_accuracy)}" for one in found.controls]
    return (
        "Logistic regression on simple features, fitted on training images and tried on "
        f"{span([one.images for one in found.controls])} test images, reached these balanced "
        f"accuracies: {'; '.join(reached)}. The network reached "
        f"{figure(found.controls[0].network)} on the images of the first"
    )


def ahead_of_controls(found: ControlResults) -> str:
    """Which controls explain the result."""
    explaining = [_title(one) for one in found.controls if one.explains]
    if explaining:
        return f"The network is NOT shown to be ahead of: {listed(explaining)}."
    return "The network is ahead of each, image by image, as the 95 % intervals show."


def control_titles(found: ControlResults) -> str:
    """What the controls rest on."""
    return listed([_title(one) for one in found.controls])


def permutation(found: ControlResults) -> str:
    """The test with permuted labels."""
    one = found.shuffled
    return (
        f"In a permutation test with labels permuted {one.how} (999 times), the network's "
        f"predictions reached a balanced accuracy of {percent(one.mean)} on average, against "
        f"{percent(one.balanced_accuracy)} with the true labels (p = {one.p:.3f})."
    )


def _batches(found: ControlResults) -> str:
    columns = [
        f"{one.column} (predicted correctly {percent(one.balanced_accuracy)}, by chance "
        f"{percent(one.chance)}; Cramer's V with the class {one.association:.2f})"
        for one in found.batches
    ]
    return f"Whether the network's features predict the batch was tested for {listed(columns)}."


def saliency(found: Explanation) -> str:
    """How the maps were judged."""
    attention = [attention_sentence(found.attention)] if found.attention is not None else []
    return " ".join([*attention, *([sanity_sentence(found.sanity)] if found.sanity else [])])


def _title(control: Control) -> str:
    return TITLES.get(control.name, control.name).lower()
