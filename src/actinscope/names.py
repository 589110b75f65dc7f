"""Names that the command line and rooms with heavy imports must spell alike; imports nothing."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

#: Precisions of the network that predicts; ``auto`` is bf16 where the processor has it and the
#: answers were seen to stay, else float32.
Precision = Literal["auto", "float32", "bf16", "int8"]


class RunFile(StrEnum):
    """What lies in the folder of a run, of an evaluation or of a cross-validation, by name."""

    RECIPE = "recipe.toml"
    MANIFEST = "manifest.csv"
    ENVIRONMENT = "environment.json"
    HISTORY = "history.csv"
    BUNDLE = "bundle"
    PREDICTIONS = "predictions.csv"
    METRICS = "metrics.json"
    REPORT = "report.html"
    FOLDS = "folds.csv"
    QUESTION = "crossvalidation.json"
    THUMBNAILS = "thumbnails.bin"


#: What a folder with results of actinscope holds: all files of one of these sets.
RESULTS = (
    {RunFile.RECIPE, RunFile.MANIFEST},
    {RunFile.METRICS, RunFile.PREDICTIONS},
    {RunFile.QUESTION},
    {"bundle.json"},
    {"audit.json", "findings.csv"},
    {"explanation.csv", "gallery.html"},
    {"study.db", "trials.csv"},
    {"experiment.json"},
    {"comparison.json", "report.html"},
)

#: What the head of every PNG says that actinscope draws, as PNG spells it.
DRAWN_BY = ("Software", "actinscope")

#: Of a run, of a search and of the paper's experiment, from which ``--resume`` continues.
LAST_EPOCH = "checkpoint/last.npz"
SEARCH_FILE = "study.db"
EXPERIMENT_FILE = "experiment.json"

#: The networks that the paper compares, as the registry names them.
PAPER_NETWORKS = ("efficientnetv2-b0", "inception-v3", "nasnet-mobile", "vgg16")
