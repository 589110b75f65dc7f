"""What a cross-validation writes for its paper: methods, checklists and a model card."""

from __future__ import annotations

from pathlib import Path

from actinscope.bundle import read_bundle_info
from actinscope.files import write_text_atomic
from actinscope.writeup.card import CARD_FILE
from actinscope.writeup.crossvalidate_card import ensemble_card, refit_card
from actinscope.writeup.crossvalidate_checklists import folds_checklists
from actinscope.writeup.crossvalidate_facts import FoldsFacts
from actinscope.writeup.crossvalidate_methods import folds_paragraphs
from actinscope.writeup.paperwork import WriteUp, write_texts


def write_folds_writeup(facts: FoldsFacts, folder: Path) -> WriteUp:
    """Write ``methods.md`` and ``checklists.csv``, and the card into the delivered bundle.

    Readers of bundles take the files that they know by name and leave others alone.

    Raises:
        OutputError: a file cannot be written.
        BundleError: the bundle that was delivered cannot be read.
    """
    paperwork = WriteUp(folds_paragraphs(facts), folds_checklists(facts))
    write_texts(paperwork, folder)
    if facts.refit is not None:
        card = refit_card(facts, facts.refit)
        write_text_atomic(folder / "refit" / "bundle" / CARD_FILE, card)
    if facts.deployed == "ensemble":
        bundle = folder / "ensemble"
        write_text_atomic(bundle / CARD_FILE, ensemble_card(facts, read_bundle_info(bundle)))
    return paperwork
