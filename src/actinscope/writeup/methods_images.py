"""Sentences of the methods paragraph: the images, and what was made of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from actinscope.preprocess import Preprocess
from actinscope.wording import counted, listed, span
from actinscope.writeup.facts import StudyFacts


def group_words(count: int | None, facts: StudyFacts) -> str:
    """ " from 12 fields", or nothing where no groups are known."""
    return "" if count is None or facts.group is None else f" from {counted(count, facts.group)}"


def group_word(facts: StudyFacts) -> str:
    """What a group is called, in the singular; "image" where there are none."""
    return counted(1, facts.group or "image").removeprefix("1 ")


def kept_together(facts: StudyFacts, place: str) -> Iterator[str]:
    """Which images stayed in one ``place``, a part or a fold."""
    if facts.group is not None:
        yield f"All images of one {group_word(facts)} stayed in one {place}."
    yield f"Images with identical pixels stayed in one {place}."
    if facts.recipe.split.keep_copies:
        yield "So did images found to be changed copies of each other."


def image_sentences(facts: StudyFacts) -> Iterator[str]:
    """How many images of what, and what only the author can say of them."""
    classes = [f"{name} ({number})" for name, number in facts.by_class.items()]
    kind = "single-cell images" if facts.crop_size else "images"
    drawn = "synthetic " if facts.synthetic else ""
    yield (
        f"The data were {facts.images} {drawn}{kind}{group_words(facts.groups, facts)} in "
        f"{len(facts.classes)} classes: {listed(classes)}."
    )
    if facts.crop_size:
        yield (
            f"Each cell was cut from its field of view as a square of {facts.crop_size} pixels "
            "around its position, with its surroundings."
        )
    if facts.left_out:
        yield f"{facts.left_out} further images could not be read or predicted and were left out."
    if facts.duplicates:
        sets = "set" if facts.duplicates == 1 else "sets"
        yield f"{facts.duplicates} {sets} of images with identical pixels were found."
    yield (
        "[AUTHOR: cells, staining, microscope, objective, pixel size, exposure; what one image "
        "shows; who gave the labels and how.]"
    )


def preprocessing_sentences(fitted: Sequence[Preprocess], reading: Sequence[str]) -> Iterator[str]:
    """From an image to the network's input.

    Args:
        fitted: of the run, or of every fold of a cross-validation.
        reading: what was done on reading.
    """
    settings = fitted[0]
    if any(_but_for_range(one) != _but_for_range(settings) for one in fitted):
        told = (f"fold {number}: {one.description}" for number, one in enumerate(fitted, 1))
        yield f"It differed between the folds: {'; '.join(told)}."
        return
    chosen = [settings.channel_names[plane] for plane in settings.planes]
    if len(settings.channel_names) > 1:
        yield f"Of {len(settings.channel_names)} channels {listed(chosen)} were used."
    for note in reading:
        yield f"On reading: {note}."
    percentiles = f"the percentiles {settings.low_percentile:g} and {settings.high_percentile:g}"
    ranges = _ranges(fitted)
    each = " of each fold" if len(fitted) > 1 else ""
    if settings.intensity == "divide":
        yield f"Pixel values were divided by {span([one.high[0] for one in fitted])}."
    elif settings.intensity == "fixed":
        yield f"Pixel values {ranges} were mapped linearly to 0 to 1 and clipped."
    elif settings.intensity == "per_image":
        yield (
            f"In every image by itself, {percentiles} of the pixel values were mapped linearly to "
            "0 and 1, and values beyond were clipped."
        )
    else:
        yield (
            f"Pixel values were mapped linearly to 0 to 1 and clipped between {percentiles} of "
            f"the pooled pixels of the training part{each} ({ranges})."
        )
    shaped = "stretched" if settings.resize == "stretch" else "resized in shape and padded"
    yield f"Images were {shaped} to {settings.size} x {settings.size} pixels."
    if len(settings.planes) == 1 and settings.network_channels > 1:
        yield f"The one channel was given to all {settings.network_channels} input channels."
    means = ", ".join(f"{value:.3f}" for value in dict.fromkeys(settings.mean))
    deviations = ", ".join(f"{value:.3f}" for value in dict.fromkeys(settings.std))
    yield f"The network's input is this value minus {means}, divided by {deviations}."


def _but_for_range(settings: Preprocess) -> Preprocess:
    return settings.model_copy(update={"low": (), "high": (), "description": ""})


def _ranges(fitted: Sequence[Preprocess]) -> str:
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


def augmentation_sentences(facts: StudyFacts, epochs: int) -> Iterator[str]:
    """How training images were varied; ``epochs`` is how long the longest training was."""
    settings, training = facts.recipe.augmentation, facts.recipe.training
    if not facts.augmented:
        yield "Training images were not augmented."
        return
    low, high = settings.zoom_range
    kinds = [
        ("left-right flips", settings.horizontal_flip),
        ("up-down flips", settings.vertical_flip),
        (f"rotation by up to {settings.rotation_degrees:g} degrees", settings.rotation_degrees),
        (f"horizontal shift by up to {100 * settings.width_shift:g} %", settings.width_shift),
        (f"vertical shift by up to {100 * settings.height_shift:g} %", settings.height_shift),
        (f"shear by up to {settings.shear_degrees:g} degrees", settings.shear_degrees),
        (f"zoom factors from {low:g} to {high:g}", (low, high) != (1.0, 1.0)),
        (f"intensity gain (parameter {settings.intensity_gain:g})", settings.intensity_gain),
        (f"gamma (parameter {settings.gamma:g})", settings.gamma),
        (f"Gaussian noise of a standard deviation of up to {settings.noise:g}", settings.noise),
        (f"Gaussian blur of a sigma of up to {settings.blur:g} pixels", settings.blur),
    ]
    yield (
        "Training images only were varied at random: "
        f"{listed([text for text, used in kinds if used])}; pixels beyond the border were filled "
        f"with mode '{settings.fill}'."
    )
    if facts.boosted_trees:
        was = "was" if training.views == 1 else "were"
        yield f"{counted(training.views, 'variant')} of each image {was} used."
    elif not training.views:
        yield "Every epoch showed a new variant of every image."
    else:
        views = "variant" if training.views == 1 else "variants"
        replaced = int((epochs - 1) * training.refresh + 1e-9)
        yield (
            f"At most {training.views} {views} of each image were at hand at a time, their "
            "activations before the first trained layer computed once and stored"
            + (
                f"; over the run up to {replaced} new ones of each image replaced the oldest."
                if replaced
                else "."
            )
        )
