"""Golden outputs: what every kind of run writes on small phantoms, for refactoring.

::

    python tests/golden/make.py OUTPUT_FOLDER [--only NAME ...]
    python tests/golden/make.py --compare BEFORE AFTER
    python tests/golden/make.py --renew

The first runs the command lines of ``CASES`` and keeps every text, table and page that they
write and print. What differs from one run to the next for a good reason is blanked, as the table
``BLANKS`` lists; figures and networks become hashes. Two outputs of one machine are equal to the
byte unless the program behaves differently, which the second shows. The third renews
``tests/golden/expected``, the part that holds on every machine (see README.md here).
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import difflib
import hashlib
import io
import json
import os
import re
import shlex
import shutil
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

EXPECTED = Path(__file__).parent / "expected"

#: The case that the test runs, which is the quickest whole way from images to predictions.
SMALLEST = "smallest"

_CELLS = "cells --manifest cells/groups.csv --group field"
_TRAIN = f"train {_CELLS} --folds 1 --recipe"
_FOLDS = f"train {_CELLS} --folds 2 --recipe bare.toml"
_SEARCH = "--recipe search.toml --space space.toml --trials 2"

#: Name -> command lines, run one after the other in a folder with the inputs of ``write_inputs``.
#: What they write below a folder of the case's name is kept.
CASES: dict[str, list[str]] = {
    SMALLEST: [
        f"{_TRAIN} smallest.toml -o smallest/run",
        "evaluate smallest/run/bundle others --manifest others/groups.csv --group field"
        " -o smallest/evaluation",
        "predict smallest/run/bundle others/cells -o smallest/predictions.csv",
    ],
    "default": [
        f"{_TRAIN} default.toml --level slide --level field:vote -o default/run",
        "bundle verify default/run/bundle",
        "evaluate default/run/bundle others --manifest others/groups.csv --group field"
        " --level slide -o default/evaluation",
        "predict default/run/bundle others/cells broken -o default/predictions.csv",
        "cells summarise default/run/predictions.csv --level field:vote --fewest-cells 2"
        " -o default/summary.csv",
        "explain default/run/bundle cells/cells/clustered broken --method occlusion"
        " -o default/explanation",
        "bundle quantize default/run cells --images 20 --force",
        "evaluate default/run/bundle others --manifest others/groups.csv --group field"
        " --precision int8 -o default/int8",
    ],
    "fine-tuned": [f"{_TRAIN} fine-tuned.toml -o fine-tuned/run"],
    "paper-recipe": [f"{_TRAIN} paper-recipe.toml --weights none -o paper-recipe/run"],
    "boosted-trees": [
        f"{_TRAIN} trees.toml -o boosted-trees/run",
        "predict boosted-trees/run/bundle others/cells -o boosted-trees/predictions.csv",
    ],
    "no-group": ["train cells/cells --folds 1 --recipe scratch.toml -o no-group/run"],
    "leak": [
        "train leaky --manifest leaky/leaky.csv --group field --recipe scratch.toml -o leak/run",
        "train leaky --manifest leaky/leaky.csv --recipe bare.toml -o leak/without-group",
        "audit leaky --manifest leaky/leaky.csv --group field --no-network -o leak/audit",
    ],
    "masks": [
        "scan fields --group-level 2 -o masks/scan.csv",
        "cells patches fields --manifest fields/fields.csv --crop-size 64 -o masks/patches.csv",
        "train fields --manifest fields/fields.csv --group field --folds 1 --recipe bare.toml"
        " --crop-size 64 --level field:vote -o masks/run",
        "predict masks/run/bundle fields/fields --masks fields/masks -o masks/predictions.csv",
        "explain masks/run/bundle fields/fields/clustered --masks fields/masks/clustered"
        " -o masks/explanation",
    ],
    "folds": [
        f"{_FOLDS} --level slide -o folds/refit",
        f"{_FOLDS} --deliver none --epochs 3 -o folds/short",
        f"{_FOLDS} --deliver none --repeats 2 -o folds/none",
        "compare folds/refit folds/short -o folds/comparison",
    ],
    "compare": [
        f"{_TRAIN} bare.toml -o compare/one",
        f"{_TRAIN} bare.toml --epochs 4 -o compare/two",
        "compare compare/one compare/two --images cells -o compare/stored",
        "evaluate compare/one others --manifest others/groups.csv --group field -o compare/first",
        "evaluate compare/two others --manifest others/groups.csv --group field -o compare/second",
        "compare compare/first compare/second -o compare/others",
        "bundle join compare/one compare/two -o compare/ensemble",
    ],
    "audit": [f"audit {_CELLS} -o audit/audit"],
    "tune": [
        f"recipe tune {_CELLS} {_SEARCH} --folds 2 -o tune/run",
    ],
    "paper": [
        f"paper {_CELLS} --recipe paper.toml --networks small-cnn --repeats 1 --copies 2"
        " -o paper/experiment",
    ],
    "settings": [
        *(
            f"recipe show {name}"
            for name in ("default", "fine-tuned", "paper", "scratch", "boosted-trees")
        ),
        "recipe networks",
        "recipe networks efficientnet-lite0",
        "recipe space",
        "train nowhere -o settings/run",
        "train cells --recipe unknown -o settings/run",
    ],
}

_LITE = '[network]\nname = "efficientnet-lite0"\ninput_size = 64\n'
_SPLIT = "[split]\ntrain = 0.5\nvalidation = 0.25\ntest = 0.25\n"
_SHORT = "[training]\nepochs = 2\nviews = 2\nwarmup_epochs = 1.0\n"
_TUNED = 'base = "fine-tuned"\n'
_SCRATCH = 'base = "scratch"\n'
_TINY = "[network]\ninput_size = 32\n[training]\nepochs = 2\nwarmup_epochs = 0\nbatch_size = 8\n"
_BARE = "controls = false\naudit = false\nexplanation = false\n"

RECIPES = {
    "smallest.toml": _SCRATCH + _TINY.replace("epochs = 2", "epochs = 8") + _SPLIT,
    "default.toml": _LITE + _SPLIT,
    "fine-tuned.toml": _TUNED + _LITE + _SPLIT + _SHORT,
    "paper-recipe.toml": 'base = "paper"\n'
    + _LITE.replace("64", "32")
    + "frozen_layers = 95\n"
    + _SPLIT
    + "[training]\nepochs = 2\nviews = 2\n",
    "trees.toml": 'base = "boosted-trees"\n' + _LITE + _SPLIT + "[trees]\nrounds = 20\n",
    "scratch.toml": _SCRATCH + _TINY + _SPLIT,
    "bare.toml": _SCRATCH + _BARE + _TINY + _SPLIT,
    "search.toml": _TUNED + _BARE + _LITE.replace("64", "32") + _SPLIT + _SHORT,
    "paper.toml": _SCRATCH + _BARE + _TINY,
    "space.toml": "[search]\naugmentation_strength = [0.0, 1.0]\n"
    "training.learning_rate = { low = 1e-4, high = 1e-2, log = true }\n",
}


def write_inputs(folder: Path, commands: Sequence[str]) -> None:
    """The images, tables and recipes that the command lines name; the same bytes every time."""
    from actinscope.phantoms import write_phantom_study

    sys.path.append(str(Path(__file__).parents[1]))
    from helpers.phantom_crops import write_phantom_crops

    named = " ".join(commands)
    for name, fields, seed in (("cells", 6, 1), ("others", 2, 7), ("leaky", 4, 3)):
        if f" {name}" in named:
            write_phantom_crops(
                folder / name,
                fields_per_class=fields,
                cells_per_field=2,
                difficulty=0.0,
                seed=seed,
                crop_size=64,
            )
    if " leaky" in named:
        _tear_apart(folder / "leaky")
    if " fields" in named:
        write_phantom_study(
            folder / "fields",
            fields_per_class=6,
            cells_per_field=2,
            difficulty=0.0,
            seed=2,
            shape=(256, 256),
        )
    (folder / "broken").mkdir()
    (folder / "broken" / "empty.tif").touch()
    for name, text in RECIPES.items():
        (folder / name).write_text(text, encoding="utf-8")


def _tear_apart(study: Path) -> None:
    """A part for every image, so that fields, and copies of one image, lie in several."""
    with (study / "groups.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    copied = study / rows[0]["path"]
    copy = copied.with_name("field99_cell01.tif")
    shutil.copyfile(copied, copy)
    rows.append({**rows[0], "path": str(copy.relative_to(study)), "field": "field_99"})
    with (study / "leaky.csv").open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream)
        table.writerow([*rows[0], "part"])
        for number, row in enumerate(rows):
            part = ("train", "test", "train", "validation", "test")[number % 5]
            table.writerow([*row.values(), "test" if row is rows[-1] else part])


# Blanking: what may differ between two runs of one machine, and nothing else -----------------

#: (which files, what is found there, what stands there instead). Order matters.
BLANKS: tuple[tuple[str, str, str], ...] = (
    # Time stamps and durations.
    (r".*", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:[.]\d+)?(?:\+00:00|Z)", "TIME"),
    (r".*", r"(?<=took )[\d.]+(?= minutes)", "TIME"),
    (r".*", r"[\d.]+ minutes in all, [\d.]+(?= of them)", "TIME minutes in all, TIME"),
    (r".*", r"[\d.]+(?= minutes (?:in all|since the last start))", "TIME"),
    (r".*(?:history|trials)\.csv", r"(?<=,)[\d.]+$", "TIME"),
    (r"printed\.txt", r"^(epoch .*  )[\d.]+ s$", r"\1TIME s"),
    # Speeds, which are measured.
    (r".*", r"[\d.]+(?= times float32)", "SPEED"),
    (r".*\.json", r'(?<="speed_ratio": )[\d.]+', "SPEED"),
    # A line of progress appears when enough time has gone by.
    (r"printed\.txt", r"^[A-Z][^:\n]*: \d+ of \d+(?:, .* left)?(?:  .*)?\n", ""),
    # The bytes of a network: tf2onnx names and orders equal constants otherwise in every process.
    (r".*bundle\.json", r'(?<=\.onnx": ")[0-9a-f]{64}', "HASH"),
    # Of the bundle.json of each member of an ensemble, which holds the time when it was made.
    (r".*bundle\.json", r'(?<="digest": ")[0-9a-f]{64}', "HASH"),
    # Versions, the machine.
    (r".*environment\.json", r'(?<=": )".*"', '"VERSION"'),
    (r".*", r"\b\d+\.\d+\.\d+(?:\.\d+)?\b", "VERSION"),
    (r".*", r"Platform: .*? processor cores?", "Platform: MACHINE"),
)

_TEXTS = {".csv", ".html", ".json", ".md", ".svg", ".tex", ".toml", ".txt"}
_SKIPPED = {".bin", ".npz", ".db", ".tif"}
_SECONDS = re.compile(r"<th[^>]*>seconds</th>\s*</tr>\s*</thead>.*?</table>", re.DOTALL)
_LAST_CELL = re.compile(r"(?<=>)[\d.]+(?=</td>\s*</tr>)")
_BASE64 = re.compile(r"data:([a-z]+/[a-z0-9+.-]+);base64,([A-Za-z0-9+/=]+)")


def blank(name: str, text: str, place: Path) -> str:
    """``text`` of the file ``name`` without what differs from run to run."""
    for spelling in {str(place), str(place.resolve())}:
        text = text.replace(spelling, "PLACE")
    for files, pattern, instead in BLANKS:
        if re.fullmatch(files, name):
            text = re.sub(pattern, instead, text, flags=re.MULTILINE)
    text = _SECONDS.sub(lambda table: re.sub(_LAST_CELL, "TIME", table[0]), text)
    return _BASE64.sub(_hash_of_data, text)


def _hash_of_data(found: re.Match[str]) -> str:
    import base64

    data = base64.b64decode(found[2])
    return f"data:{found[1]};{_describe(data, found[1] in ('image/png', 'image/webp'))}"


def _describe(data: bytes, picture: bool) -> str:
    """A hash of the pixels of a picture, of the bytes of other files."""
    if not picture:
        return f"sha256={hashlib.sha256(data).hexdigest()}"
    import numpy as np
    from PIL import Image

    with Image.open(io.BytesIO(data)) as image:
        pixels = np.asarray(image)
    return f"pixels={pixels.shape} sha256={hashlib.sha256(pixels.tobytes()).hexdigest()}"


def _describe_network(data: bytes) -> str:
    """Operations with their settings and arrays with their values, without names and order."""
    import onnx

    graph = onnx.load_model_from_string(data).graph
    lines = {
        f"{len(node.input)} -> {node.op_type} -> {len(node.output)} "
        f"{sorted(str(attribute) for attribute in node.attribute)}"
        for node in graph.node
    }
    for tensor in graph.initializer:
        array = onnx.numpy_helper.to_array(tensor)
        digest = hashlib.sha256(array.tobytes()).hexdigest()
        lines.add(f"{array.dtype} {array.shape} sha256={digest}")
    ports = [f"{port.name} {port.type.tensor_type.elem_type}" for port in graph.output]
    return "\n".join([*ports, *sorted(lines)])


# Making -----------------------------------------------------------------------------------


def make(output: Path, names: Sequence[str]) -> None:
    """Run the cases and keep what they write below ``output``, one folder a case."""
    with tempfile.TemporaryDirectory(prefix="golden-") as temporary:
        place = Path(temporary)
        write_inputs(place, [command for name in names for command in CASES[name]])
        for name in names:
            print(f"{name} ...", file=sys.stderr, flush=True)
            (place / name).mkdir()
            printed = run_case(name, place)
            kept = output / name
            shutil.rmtree(kept, ignore_errors=True)
            kept.mkdir(parents=True)
            (kept / "printed.txt").write_text(blank("printed.txt", printed, place), "utf-8")
            keep(place / name, kept, place)


def run_case(name: str, place: Path) -> str:
    """Everything that the commands of a case print, and their exit codes."""
    from actinscope.cli.main import main

    shown = io.StringIO()
    with contextlib.chdir(place):
        for command in CASES[name]:
            out, err = io.StringIO(), io.StringIO()
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                try:
                    code: Any = main(shlex.split(command))
                except SystemExit as stopped:
                    code = stopped.code
                except BaseException:
                    traceback.print_exc()
                    code = "an exception"
            shown.write(f"$ actinscope {command}\n{out.getvalue()}")
            shown.write(f"--- on standard error:\n{err.getvalue()}--- exit code {code}\n\n")
    return shown.getvalue()


def keep(written: Path, kept: Path, place: Path) -> None:
    """Texts blanked, pictures and networks as hashes, and a list of all files."""
    listed = []
    for path in sorted(written.rglob("*")):
        if not path.is_file():
            continue
        name = path.relative_to(written).as_posix()
        skipped = path.suffix in _SKIPPED or "checkpoint" in path.parts
        listed.append(f"{name}{'  (not kept)' if skipped else ''}\n")
        if skipped:
            continue
        target = kept / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix in _TEXTS:
            target.write_text(blank(name, path.read_text("utf-8"), place), "utf-8")
        else:
            data = path.read_bytes()
            onnx = path.suffix == ".onnx"
            text = _describe_network(data) if onnx else _describe(data, path.suffix == ".png")
            target.with_name(f"{target.name}.txt").write_text(f"{text}\n", "utf-8")
    (kept / "files.txt").write_text("".join(listed), "utf-8")


# Comparing --------------------------------------------------------------------------------


def differences(before: Path, after: Path) -> Iterator[str]:
    """A unified diff for each file that is not the same in both folders."""
    names = {
        path.relative_to(folder).as_posix()
        for folder in (before, after)
        for path in folder.rglob("*")
        if path.is_file()
    }
    for name in sorted(names):
        old, new = (
            (folder / name).read_text("utf-8") if (folder / name).is_file() else None
            for folder in (before, after)
        )
        if old == new:
            continue
        if old is None or new is None:
            yield f"Only in {before if new is None else after}: {name}\n"
            continue
        lines = [_lines(name, text) for text in (old, new)]
        diff = "\n".join(
            difflib.unified_diff(*lines, f"{before}/{name}", f"{after}/{name}", lineterm="", n=1)
        )
        yield f"{diff or f'{name}: white space differs'}\n"


def _lines(name: str, text: str) -> list[str]:
    """Lines to be shown; a page has one tag a line."""
    return (text.replace("><", ">\n<") if name.endswith(".html") else text).splitlines()


# What holds on every machine --------------------------------------------------------------

_NUMBER = re.compile(r"[-−+]?\d+(?:[.,]\d+)*(?:e[-+]?\d+)?")
_OUTLINE = re.compile(r"<(title|h[1-6]|summary|th|figcaption)\b[^>]*>(.*?)</\1>", re.DOTALL)
_ELEMENT = re.compile(r'<([a-z][a-z0-9]*)\b(?:[^>]*? class="([^"]*)")?')


def structure(name: str, text: str) -> str:
    """What a kept file is made of, whatever the numbers in it: texts with ``#`` for each number.

    Of tables the columns are left, of JSON the keys, of pages the headings and the kinds of
    elements: how many images are shown, and which, hangs on the numbers.
    """
    if name.endswith(".csv"):
        return text.splitlines()[0] + "\n"
    if name.endswith(".json"):
        lines = sorted({_NUMBER.sub("#", key) for key in _keys(json.loads(text))})
    elif name.endswith(".html"):
        elements = {" ".join(found.groups("")) for found in _ELEMENT.finditer(text)}
        words_of = (re.sub(r"<[^>]*>", "", words) for _, words in _OUTLINE.findall(text))
        headings = [_NUMBER.sub("#", " ".join(words.split())) for words in words_of]
        lines = [*dict.fromkeys(headings), "", *sorted(elements)]
    else:
        return _NUMBER.sub("#", text)
    return "".join(f"{line}\n" for line in lines)


def _keys(value: Any, prefix: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield f"{prefix}.{key}"
            yield from _keys(inner, f"{prefix}.{key}")
    elif isinstance(value, list):
        for inner in value:
            yield from _keys(inner, f"{prefix}[]")


def write_structure(kept: Path, target: Path) -> None:
    """The structure of every kept text of a case, as files of the same names."""
    for path in sorted(kept.rglob("*")):
        name = path.relative_to(kept).as_posix()
        if path.is_file() and not name.endswith((".onnx.txt", ".png.txt", ".svg")):
            file = target / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(structure(name, path.read_text("utf-8")), "utf-8")


def make_structure(target: Path) -> None:
    """Run the smallest case and write its structure to ``target``."""
    with tempfile.TemporaryDirectory(prefix="golden-kept-") as folder:
        make(Path(folder), [SMALLEST])
        write_structure(Path(folder) / SMALLEST, target)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one of the three commands of the module's docstring."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("output", nargs="?", type=Path, metavar="OUTPUT_FOLDER")
    parser.add_argument("--only", nargs="+", choices=list(CASES), metavar="NAME")
    parser.add_argument("--compare", nargs=2, type=Path, metavar=("BEFORE", "AFTER"))
    parser.add_argument("--renew", action="store_true", help=f"write {EXPECTED.name}/ anew")
    given = parser.parse_args(argv)
    if given.compare:
        found = list(differences(*given.compare))
        print("\n".join(found) or "No difference.")
        return int(bool(found))
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if given.renew:
        shutil.rmtree(EXPECTED, ignore_errors=True)
        make_structure(EXPECTED)
    elif given.output is None:
        parser.error("name an OUTPUT_FOLDER, or give --compare or --renew")
    else:
        make(given.output, given.only or list(CASES))
    return 0


if __name__ == "__main__":
    sys.exit(main())
