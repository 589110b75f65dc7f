"""Every measurement in RESULTS.md, one after the other. Takes hours; `make bench` runs it."""

from __future__ import annotations

import subprocess
import sys

from record import HERE

_COMMANDS = (
    "paper_recipe.py",
    "time_to_accuracy.py mef_actin --seeds 0 1 2",
    "training_step.py",
    "training_step.py --network efficientnet-lite0 --freeze-batch-norm",
    "training_memory.py",
    "interval_coverage.py",
    "interval_coverage.py --classes-apart",
    "grouped_folds.py mef_actin --frozen-embedding",
    "grouped_folds.py mef_actin",
    "grouped_folds.py mef_actin --set training.learning_rate=0.0005",
    "grouped_folds.py mef_actin --set training.head_start=random",
    "grouped_folds.py mef_actin --set network.freeze_batch_norm=false",
    "grouped_folds.py mef_actin --split-seed 1",
    "grouped_folds.py mef_actin --split-seed 1 --set training.views=2 --set training.refresh=0",
    "grouped_folds.py mef_actin --split-seed 1 --set training.views=2 --set training.refresh=0.5",
    "grouped_folds.py mef_actin --split-seed 1 --set training.views=4 --set training.refresh=0",
    "grouped_folds.py mef_actin --split-seed 1 --set training.views=8",
    "grouped_folds.py mef_actin --split-seed 1 --set training.early_stopping=3",
    "grouped_folds.py mef_actin --split-seed 1 --set training.keep=last",
    "grouped_folds.py mitocheck_nuclei --folds 0 1 2 --set training.views=2"
    " --set training.epochs=3",
    "grouped_folds.py mitocheck_nuclei --folds 3 4 --set training.views=2 --set training.epochs=3",
    "grouped_folds.py mitocheck_nuclei --frozen-embedding",
    "cost_of_the_leak.py mef_actin --repeats 3",
    "cost_of_the_leak.py mitocheck_nuclei --repeats 2",
    "cost_of_the_leak.py phantoms --repeats 2",
    "int8.py mef_actin",
    "conformal_coverage.py mef_actin",
    "conformal_coverage.py mitocheck_nuclei",
    "unfamiliar.py mef_actin",
    "unfamiliar.py mitocheck_nuclei --epochs 3",
    "cited_systems.py softmax boosted-trees ensemble class-structure",
    "cited_systems.py patches",
    "prediction_speed.py",
    "prediction_speed.py --network efficientnet-lite0",
    "prediction_memory.py",
    "network_efficiency.py",
    "network_efficiency.py --network efficientnet-lite0",
    "tune_sharing.py",
    "cold_start.py",
    "audit_duplicates.py",
    "audit_confounds.py mitocheck_nuclei",
    "audit_confounds.py mef_actin",
    "audit_label_errors.py mitocheck_nuclei",
    "audit_speed.py",
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
