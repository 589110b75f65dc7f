"""Sentences of the methods paragraph: the network, and how it or its trees were fitted."""

from __future__ import annotations

from collections.abc import Iterator

from actinscope.wording import counted
from actinscope.writeup.facts import RunFacts, StudyFacts, Trained

THRESHOLDS_MOVED = (
    "Thresholds were moved to the middle between neighbouring values of the training features, "
    "which changes no tree's answer to any of these."
)


def network_sentences(facts: StudyFacts, trained: Trained) -> Iterator[str]:
    """What the network is, with which weights, and how much of it was trained."""
    if not facts.boosted_trees:
        yield from _softmax_network(facts, trained)
        return
    embedding = (
        "its embedding"
        if trained.features is None
        else f"its embedding of {counted(trained.features, 'feature')}"
    )
    yield f"The network was {facts.network.title} up to {embedding}{_size(trained)}."
    if facts.weights in ("none", "scratch"):
        yield "All of its weights were random numbers, and none of them was trained."
    else:
        yield f"Weights: {_weights(facts)}; none of its layers was trained."
    number = (
        ""
        if trained.trees is None
        else f": {counted(trained.trees, 'tree')} in {counted(trained.kept_epoch, 'round')}"
    )
    yield (
        f"Gradient-boosted trees (XGBoost) on the embedding named one of {len(facts.classes)} "
        f"classes{number}."
    )


def _size(trained: Trained) -> str:
    return "" if trained.parameters is None else f" ({trained.parameters:,} parameters)"


def _weights(facts: StudyFacts) -> str:
    return f"{facts.weights_text} (SHA-256 {(facts.weights_sha256 or '')[:12]}...)"


def _softmax_network(facts: StudyFacts, trained: Trained) -> Iterator[str]:
    units = facts.recipe.network.head_units or ()
    dense = (
        f"fully connected layers of {', '.join(map(str, units))} units (ReLU) and " if units else ""
    )
    yield (
        f"The network was {facts.network.title} with {dense}a softmax layer over "
        f"{len(facts.classes)} classes{_size(trained)}."
    )
    if facts.recipe.network.head_dropout:
        yield f"Dropout at rate {facts.recipe.network.head_dropout:g} was used in the new layers."
    if facts.weights in ("none", "scratch"):
        yield "All of its weights were initialised at random."
    else:
        yield f"Weights at the start: {_weights(facts)}."
    if trained.frozen_layers is not None and trained.trained_layers is not None:
        yield _cut(facts, trained, trained.frozen_layers, trained.trained_layers)
    if facts.recipe.network.freeze_batch_norm:
        yield "Batch normalisation was kept in inference mode with the statistics it began with."


def _cut(facts: StudyFacts, trained: Trained, frozen: int, last: int) -> str:
    """How many layers were frozen, and how many trained."""
    random = " at their random values" if facts.random_weights else ""
    number = trained.trained_parameters
    if not frozen:
        size = "" if number is None else f" ({number:,} parameters)"
        return f"All {last} layers were trained{size}."
    size = "" if number is None else f" ({number:,} trained parameters)"
    return (
        f"Of {frozen + last} layers the first {frozen} were frozen{random} and the last {last} "
        f"trained{size}."
    )


def training_sentences(facts: RunFacts) -> Iterator[str]:
    """How layers or trees were fitted, and what was kept."""
    yield from fitting_sentences(facts)
    yield from (_trees_kept(facts) if facts.boosted_trees else _epochs_kept(facts))
    yield f"The seed of split, augmentation, first weights and order was {facts.recipe.seed}."


def fitting_sentences(facts: StudyFacts) -> Iterator[str]:
    """How layers or trees are fitted by the recipe, whatever came out."""
    yield from (_of_trees(facts) if facts.boosted_trees else _of_layers(facts))


def _of_trees(facts: StudyFacts) -> Iterator[str]:
    settings = facts.recipe.trees
    weights = (
        ", every class weighted by the inverse of its frequency,"
        if facts.recipe.training.class_weights == "balanced"
        else ""
    )
    yield (
        f"The trees were fitted to minimise the categorical cross-entropy{weights} with a depth "
        f"of at most {settings.depth}, a learning rate of {settings.learning_rate:g} and "
        f"{100 * settings.features:g} % of the features, drawn at random, for each tree."
    )
    stop = (
        f", or until {counted(settings.patience, 'round')} went by without a lower validation loss"
        if settings.patience
        else ""
    )
    yield f"There were to be {counted(settings.rounds, 'round')} at most{stop}."


def _trees_kept(facts: RunFacts) -> Iterator[str]:
    yield (
        f"Of {counted(facts.epochs, 'round')} the first {facts.kept_epoch} were kept, with which "
        "the loss on the validation part was lowest."
    )
    yield THRESHOLDS_MOVED


def _of_layers(facts: StudyFacts) -> Iterator[str]:
    settings = facts.recipe.training
    if settings.head_start == "logistic":
        yield "The last layer was first set by logistic regression on the features before it."
    smoothing = (
        f" with label smoothing {settings.label_smoothing:g}" if settings.label_smoothing else ""
    )
    weights = (
        ", every class weighted by the inverse of its frequency,"
        if settings.class_weights == "balanced"
        else ""
    )
    yield (
        f"Categorical cross-entropy{smoothing}{weights} was minimised by Adam in batches of at "
        f"most {settings.batch_size} images."
    )
    if settings.loss == "class_structure":
        yield (
            f"To it was added, times {settings.structure_weight:g}, a term of the squared "
            "distances d between the embeddings (scaled to unit length) of the images of a batch: "
            "the mean of d over pairs of one class plus the mean of "
            f"max(0, {settings.structure_margin:g} - d) over pairs of two classes."
        )
    warm = (
        f" after a linear rise over {settings.warmup_epochs:g} "
        f"{'epoch' if settings.warmup_epochs == 1 else 'epochs'}"
        if settings.warmup_epochs
        else ""
    )
    if settings.schedule == "constant":
        yield f"The learning rate was {settings.learning_rate:g}{warm}, and constant."
    else:
        yield (
            f"The learning rate was {settings.learning_rate:g} at its highest{warm}, and fell to "
            f"zero along half a cosine planned for {settings.epochs} epochs."
        )
    if facts.mixed_precision:
        yield "Arithmetic was in float16 with weights in float32."


def _epochs_kept(facts: RunFacts) -> Iterator[str]:
    yield f"The training ran for {counted(facts.epochs, 'epoch')}."
    yield from stop_sentences(facts)
    if facts.recipe.training.keep == "best":
        yield (
            f"The weights of epoch {facts.kept_epoch}, which had the lowest loss on the validation "
            "part, were kept."
        )
    else:
        yield f"The weights of the last epoch, {facts.kept_epoch}, were kept."


def stop_sentences(facts: StudyFacts) -> Iterator[str]:
    """When a training was to stop early, where it was."""
    settings = facts.recipe.training
    if settings.early_stopping:
        yield (
            f"It was to stop after {settings.early_stopping} epochs without a lower validation "
            f"loss, or after {settings.epochs}."
        )
