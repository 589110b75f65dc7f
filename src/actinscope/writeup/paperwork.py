"""What a run writes for its paper: methods, checklists and a model card."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from actinscope.files import csv_text, write_text_atomic
from actinscope.report import Checklist
from actinscope.writeup.card import CARD_FILE, model_card
from actinscope.writeup.checklists import checklist_rows, checklists
from actinscope.writeup.facts import RunFacts
from actinscope.writeup.methods import methods_markdown, methods_paragraphs

METHODS_FILE = "methods.md"
CHECKLISTS_FILE = "checklists.csv"


@dataclass(frozen=True)
class WriteUp:
    """The same for the report: paragraphs with headings, and both checklists."""

    methods: tuple[tuple[str, str], ...]
    checklists: tuple[Checklist, ...]


def write_run_writeup(facts: RunFacts, folder: Path) -> WriteUp:
    """Write ``methods.md`` and ``checklists.csv``, and the card beside the bundle's files.

    Readers of bundles take the files that they know by name and leave others alone.

    Raises:
        OutputError: a file cannot be written.
    """
    paperwork = WriteUp(methods_paragraphs(facts), checklists(facts))
    write_texts(paperwork, folder)
    bundle = folder / "bundle"
    write_text_atomic((bundle if bundle.is_dir() else folder) / CARD_FILE, model_card(facts))
    return paperwork


def write_texts(paperwork: WriteUp, folder: Path) -> None:
    """Write ``methods.md`` and ``checklists.csv``.

    Raises:
        OutputError: a file cannot be written.
    """
    write_text_atomic(folder / METHODS_FILE, methods_markdown(paperwork.methods))
    rows = checklist_rows(paperwork.checklists)
    write_text_atomic(folder / CHECKLISTS_FILE, csv_text(rows))
