"""``actinscope patches``."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

from actinscope.cli.options import add_reading, new_command, positive_number, whole_number


def add_patches(commands: Any) -> None:
    """Add the command."""
    parser = new_command(
        commands,
        "patches",
        "list patches around objects and of the background, from fields and label masks",
        "Give the CSV to `train --manifest`: the network then tells object from background. "
        "No pixels are copied.",
        quick=True,
        module="patches_command",
    )
    parser.add_argument("data", type=Path, metavar="DATA", help="folder of the fields and masks")
    parser.add_argument(
        "--manifest",
        type=Path,
        required=True,
        metavar="CSV",
        help="CSV with the columns path (a field) and mask (its label image)",
    )
    parser.add_argument(
        "--crop-size", type=positive_number, metavar="PX", help="side of the patches"
    )
    parser.add_argument(
        "--object-label",
        default="cell",
        metavar="NAME",
        help="class of the patches around objects, such as nucleus (default cell)",
    )
    parser.add_argument(
        "--background-label",
        default="background",
        metavar="NAME",
        help="class of the others (default background)",
    )
    parser.add_argument(
        "--most-object",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="largest share of object pixels in a background patch (default 0)",
    )
    parser.add_argument(
        "--seed",
        type=whole_number,
        default=0,
        metavar="N",
        help="seed of the choice of background patches (default 0)",
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FILE.csv", help="the CSV to write"
    )
    add_reading(parser)


def patches(arguments: Namespace) -> int:
    """``actinscope patches``."""
    from actinscope.cli.requests import read_options_of
    from actinscope.study import PatchSettings
    from actinscope.workflows.patches import PatchRequest, write_patches

    request = PatchRequest(
        fields=arguments.manifest,
        data=arguments.data,
        output=arguments.output,
        settings=PatchSettings(
            crop_size=arguments.crop_size,
            object_label=arguments.object_label,
            background_label=arguments.background_label,
            most_object=arguments.most_object,
            seed=arguments.seed,
        ),
        options=read_options_of(arguments),
    )
    for line in write_patches(request).lines:
        print(line)
    return 0
