"""From a fitted network to the bundle that is handed on, and a sentence on what it is."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from actinscope.bundle import Bundle, BundleInfo, NetworkSummary, save_bundle
from actinscope.cells import CropReader
from actinscope.images import ReadOptions, pattern_of_names
from actinscope.names import RunFile
from actinscope.networks import (
    EMBEDDING,
    PROBABILITIES,
    as_float32,
    embedding_model,
    export_onnx,
    inference_model,
)
from actinscope.preprocess import Appearance, appearance_of, dihedral_views
from actinscope.runs.environment import RunContext
from actinscope.runs.prepare import PreparedStudy, records_of
from actinscope.runtimes import run_by_onnxruntime
from actinscope.study import Manifest, Record
from actinscope.training import Fitted, Recipe, forest_sentence, tree_ensemble_to_onnx

if TYPE_CHECKING:
    from actinscope.requests import TrainRequest
    from actinscope.runs.chosen_network import ChosenNetwork

_GOLDEN_IMAGES = 6
_LOOKED_AT = 100  # images whose size and brightness are measured


def export_run_bundle(
    request: TrainRequest,
    network: ChosenNetwork,
    prepared: PreparedStudy,
    fitted: Fitted,
    context: RunContext,
) -> Bundle:
    """Write the bundle of a fitted network, with its trees where they name the class.

    Its golden images are test images; validation images where there is no test part.

    Raises:
        BundleError, OutputError: it cannot be written.
    """
    manifest = prepared.split.manifest
    golden = _golden_records(records_of(manifest, "test") or records_of(manifest, "validation"))
    reader = prepared.images.reader
    images = [reader.read(record.path, record.region) for record in golden]
    inputs = np.stack([prepared.preprocess.apply(image) for image in images])
    entry = network.entry
    info = BundleInfo(
        actinscope_version=context.version,
        created=context.created,
        classes=prepared.data.classes,
        network=NetworkSummary(
            name=entry.name,
            title=entry.title + _head_title(fitted),
            licence=entry.licence,
            weights=network.weights.description,
        ),
        preprocess=prepared.preprocess,
        read_options=_reading(request.recipe.images, manifest),
        crop_size=manifest.crop_size,
        appearance=_sampled_appearance(records_of(manifest, "train"), reader),
        group=manifest.group,
        synthetic=request.synthetic,
        random_weights=network.weights.random,
        notices=_notices_for_users(request, network),
        views=dihedral_views(request.recipe.augmentation),
        head="softmax" if fitted.forest is None else "boosted_trees",
        training=_training_facts(request.recipe, prepared, fitted),
    )
    with tempfile.TemporaryDirectory(prefix="actinscope-") as folder:
        onnx_path = Path(folder) / "model.onnx"
        if fitted.probe is None:
            model = as_float32(fitted.model)
            export_onnx(model, entry, onnx_path, embedding_only=fitted.forest is not None)
            outputs = _outputs(model, fitted, inputs)
        else:
            onnx_path.write_bytes(fitted.probe.onnx)
            outputs = run_by_onnxruntime(fitted.probe.onnx, inputs)
        return save_bundle(
            request.output / RunFile.BUNDLE,
            onnx_path=onnx_path,
            info=info,
            golden_images=images,
            golden_inputs=inputs,
            golden_outputs=outputs,
            trees=None
            if fitted.forest is None
            else tree_ensemble_to_onnx(
                fitted.forest, input_name=EMBEDDING, output_name=PROBABILITIES
            ),
        )


def _sampled_appearance(records: Sequence[Record], reader: CropReader) -> Appearance | None:
    """Of up to a hundred images, spread evenly over the list; None where there is none.

    Raises:
        ImageError: one of them cannot be read.
    """
    step = -(-len(records) // _LOOKED_AT) or 1
    return appearance_of([reader.read(one.path, one.region) for one in records[::step]])


def _reading(options: ReadOptions, manifest: Manifest) -> ReadOptions:
    """How new files are read: as these, joined as these were."""
    found = pattern_of_names(record.path for record in manifest.records)
    pattern = options.channel_pattern or found
    return options.model_copy(update={"channel_pattern": pattern})


def _outputs(
    model: Any, fitted: Fitted, inputs: NDArray[np.float32]
) -> dict[str, NDArray[np.float32]]:
    """What the training framework makes of network inputs: every output of the bundle by name."""
    whole = inference_model(model) if fitted.forest is None else embedding_model(model)
    outputs = {name: np.asarray(one) for name, one in whole(inputs, training=False).items()}
    if fitted.forest is not None:
        given = fitted.forest.probabilities(outputs[EMBEDDING])
        outputs[PROBABILITIES] = given.astype(np.float32)
    return outputs


def _notices_for_users(request: TrainRequest, network: ChosenNetwork) -> tuple[str, ...]:
    """What whoever is given the bundle must know; nothing about this computer."""
    notices = []
    if request.synthetic:
        notices.append(
            "This model was trained on SYNTHETIC images: what it says of real cells means nothing."
        )
    if network.weights.random:
        notices.append("This model was trained from random weights, not from pretrained ones.")
    return (*notices, *request.notices)


def _head_title(fitted: Fitted) -> str:
    """What the network's title is followed by, where it is not its own last layer."""
    if fitted.probe is not None:
        return " and a linear probe"
    return "" if fitted.forest is None else " and boosted trees"


def _golden_records(records: list[Record]) -> list[Record]:
    """A few of the images, every class in turn."""
    by_class: dict[str, list[Record]] = {}
    for record in records:
        by_class.setdefault(record.label, []).append(record)
    turns = zip_longest(*by_class.values())
    in_turn = [record for turn in turns for record in turn if record is not None]
    return in_turn[:_GOLDEN_IMAGES]


def _training_facts(
    recipe: Recipe, prepared: PreparedStudy, fitted: Fitted
) -> dict[str, str | int | float | None]:
    parameters, trained_parameters = parameter_counts(fitted)
    probe = {} if fitted.probe is None else {
        "features": fitted.probe.features,
        "inverse_penalty": fitted.probe.inverse_penalty,
    }  # fmt: skip
    forest = {} if fitted.forest is None else {
        "features": fitted.forest.features,
        "trees": len(fitted.forest.trees),
        "nodes": sum(len(tree.feature) for tree in fitted.forest.trees),
    }  # fmt: skip
    return {
        "recipe": recipe.name,
        "seed": recipe.seed,
        "epochs": len(fitted.history),
        "kept_epoch": fitted.kept_epoch,
        "frozen_layers": fitted.frozen_layers,
        "trained_layers": fitted.trained_layers,
        "training_images": len(prepared.data.train.labels),
        "parameters": parameters,
        "trained_parameters": trained_parameters,
        **probe,
        **forest,
    }


def parameter_counts(fitted: Fitted) -> tuple[int, int]:
    """Parameters of the network as it is delivered, and how many of them were trained."""
    model = fitted.model
    if fitted.probe is not None:
        return fitted.probe.parameters, fitted.probe.fitted_parameters
    if fitted.forest is not None:
        # The network then ends before its last layer, and nothing of it is trained.
        return int(model.count_params()) - int(model.layers[-1].count_params()), 0
    sizes = (np.prod(weight.shape, dtype=np.int64) for weight in model.trainable_weights)
    return int(model.count_params()), int(sum(sizes))


def network_sentence(network: ChosenNetwork, fitted: Fitted) -> str:
    """What was trained and how far, for reports."""
    weights = network.weights
    if fitted.forest is not None:
        state = "with its random weights" if weights.random else "as it was pretrained"
        return (
            f"{network.entry.title} {state}, no layer trained; classifier: "
            f"{forest_sentence(fitted.forest, fitted.kept_epoch)}. A round counts as an epoch. "
            f"{weights.description}"
        )
    if fitted.probe is not None:
        return (
            f"{network.entry.title} as it was pretrained, no layer trained; classifier: logistic "
            f"regression on the means of all stages, {fitted.probe.features} features. "
            f"{weights.description}"
        )
    frozen, trained = fitted.frozen_layers, fitted.trained_layers
    how = f"the first {frozen} frozen, the last {trained} trained" if frozen else "all trained"
    return (
        f"{network.entry.title}, {frozen + trained} layers: {how}, softmax over the classes. "
        f"{weights.description}"
    )
