"""Where the real images are, and where measurements go. Shared by the benchmarks."""

from __future__ import annotations

import json
import os
import platform
import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from actinscope import __version__

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results.jsonl"

# Folder of each data set -> the column that keeps images of one sample together.
DATA_SETS = {"mef_actin": "field", "mitocheck_nuclei": "movie", "tcell_activation": "donor"}


def data_folder(name: str) -> Path:
    """Folder of a real data set; stops with a message where it is not at hand."""
    named = os.environ.get("ACTINSCOPE_SHARED_DATA")
    root = Path(named) if named else HERE.parents[1] / "shared" / "data"
    folder = root / name
    if not folder.is_dir():
        sys.exit(
            f"{name} is not at hand: put it beside the repository in ../shared/data, or set "
            "ACTINSCOPE_SHARED_DATA to the folder that holds it"
        )
    return folder


def command_line(script: str) -> str:
    """The command that made a measurement, as a person types it."""
    return shlex.join(["python", f"benchmarks/{script}", *sys.argv[1:]])


def write_record(record: dict[str, Any]) -> None:
    """Print a measurement and append it to results.jsonl with date, version and machine."""
    stamped = {
        **record,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "version": __version__,
        "machine": f"{_processor()}, {os.cpu_count()} cores, {platform.system()}",
    }
    with RESULTS.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(stamped) + "\n")
    print(json.dumps(stamped, indent=2))


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
