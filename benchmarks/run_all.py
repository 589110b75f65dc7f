"""Every measurement in RESULTS.md, one after the other. Takes hours; `make bench` runs it."""

from __future__ import annotations

import subprocess
import sys

from record import HERE

_COMMANDS = (
    "interval_coverage.py",
    "grouped_folds.py mef_actin --frozen-embedding",
    "grouped_folds.py mef_actin",
    "grouped_folds.py mitocheck_nuclei --frozen-embedding",
    "write_results.py",
)


def main() -> int:
    for command in _COMMANDS:
        print(f"== {command}", flush=True)
        script, *options = command.split()
        done = subprocess.run([sys.executable, str(HERE / script), *options], check=False)
        if done.returncode:
            return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
