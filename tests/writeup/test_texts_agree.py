"""What methods, checklists, card, page and docs say of one and the same fact agrees."""

from __future__ import annotations

import csv
import html
import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

import actinscope
from actinscope.cli.main import main
from actinscope.wording import percent
from actinscope.writeup import Facts
from actinscope.writeup.diagnostics import AuditFacts, Diagnostics
from actinscope.writeup.documents import methods_markdown, methods_paragraphs
from helpers.pages import Page
from helpers.phantom_crops import write_phantom_crops
from helpers.run_facts import answers_of, card_of, toy_checks, toy_controls, toy_facts, toy_folds

pytestmark = pytest.mark.usefixtures("unrendered_figures")

REPOSITORY = Path(actinscope.__file__).parents[2]
RECIPE = """\
base = "scratch"
controls = false
explanation = false
[network]
name = "small-cnn"
input_size = 32
[training]
epochs = 1
"""


def plain(text: str) -> str:
    """Markdown or HTML as a reader sees it, on one line, with ordinary spaces."""
    text = html.unescape(re.sub(r"<[^<>]*>", " ", text)).replace("\\", "")
    return " ".join(text.split())


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run whose groups are mice."""
    folder = tmp_path_factory.mktemp("agree")
    images = folder / "images"
    write_phantom_crops(
        images, fields_per_class=4, cells_per_field=2, difficulty=0.2, seed=1, crop_size=32
    )
    table = images / "groups.csv"
    table.write_text(table.read_text("utf-8").replace("field", "mouse", 1), "utf-8")
    (folder / "small.toml").write_text(RECIPE)
    study = [str(images), "--manifest", str(table), "--group", "mouse"]
    recipe = ["--recipe", str(folder / "small.toml"), "--folds", "1"]
    assert main(["train", *study, *recipe, "-o", str(folder / "run"), "--quiet"]) == 0
    return folder / "run"


def texts_of(run: Path) -> dict[str, str]:
    """Every text of a run, by the name of its file."""
    with (run / "checklists.csv").open(newline="", encoding="utf-8") as stream:
        answers = " ".join(cell for row in csv.reader(stream) for cell in row)
    files = ("methods.md", "bundle/MODEL_CARD.md", "report.html")
    return {name: plain((run / name).read_text("utf-8")) for name in files} | {
        "checklists.csv": plain(answers)
    }


@pytest.mark.parametrize(
    "facts", [toy_facts(diagnostics=toy_checks()), toy_folds(diagnostics=toy_checks())]
)
def test_only_exact_copies_are_said_to_be_looked_for_everywhere(facts: Facts) -> None:
    paragraphs = methods_paragraphs(facts)
    answers = {number: item.answer for number, item in answers_of(facts).items()}
    told = [answers[key] for key in answers if "copies" in answers[key].lower()]
    assert len(told) >= 2
    for text in (plain(methods_markdown(paragraphs)), *told):
        assert "All pairs" not in text
        if "Exact copies" in text:
            assert "(the same pixels) were looked for among all images; changed copies" in text
            assert "only among the likeliest few partners of each image, so that some may" in text
    assert "Exact copies" in plain(methods_markdown(paragraphs))
    assert any("Exact copies" in text for text in told)


def test_the_search_for_copies_is_the_same_in_run_and_docs(run: Path) -> None:
    texts = texts_of(run)
    texts["audit.md"] = plain((REPOSITORY / "docs" / "audit.md").read_text("utf-8"))
    for name in ("methods.md", "checklists.csv", "report.html", "audit.md"):
        assert "likeliest few partners of each image" in texts[name], name
        assert "among all images" in texts[name], name
        assert "may have been missed" in texts[name] or "may be missed" in texts[name], name
        assert "search does not cover copies at another magnification" in texts[name], name
        assert "All pairs" not in texts[name], name


def test_none_found_is_not_said_to_be_none_there() -> None:
    facts = toy_facts(diagnostics=Diagnostics(audit=AuditFacts((), copies=0)))
    assert "some may have been missed" in plain(methods_markdown(methods_paragraphs(facts)))


def test_no_sentence_stands_five_times_in_a_report(run: Path) -> None:
    """Of more than a few words, folded parts and all: who reads it again learns nothing new."""
    text = Page((run / "report.html").read_text("utf-8")).text
    found = Counter(one for one in re.split(r"(?<=[.!?]) ", text) if len(one.split()) > 4)
    assert not [(one, times) for one, times in found.items() if times > 4]


def test_a_report_is_read_in_under_3000_words_without_opening_anything(run: Path) -> None:
    page = Page((run / "report.html").read_text("utf-8"))
    assert 100 < len(page.unfolded) < 3000 < len(page.text.split())


def test_the_choice_of_the_network_is_a_line_of_the_settings(run: Path) -> None:
    before, settings = (run / "report.html").read_text("utf-8").split('id="settings"')
    told = "is trained from scratch, all of its layers"
    assert told in settings and told not in before


def test_a_run_was_made_at_one_moment(run: Path) -> None:
    created = json.loads((run / "bundle" / "bundle.json").read_text("utf-8"))["created"]
    texts = texts_of(run)
    assert f"Made {created} with actinscope" in texts["bundle/MODEL_CARD.md"]
    assert f"{created[:10]} {created[11:16]} UTC" in texts["report.html"]


def test_groups_have_their_plural_everywhere(run: Path) -> None:
    for name, text in texts_of(run).items():
        assert "mouses" not in text.lower(), name
    for name in ("methods.md", "report.html", "checklists.csv", "bundle/MODEL_CARD.md"):
        assert re.search(r"\d+ mice\b|\bMice\b", texts_of(run)[name]), name


def test_the_accuracy_is_the_same_everywhere(run: Path) -> None:
    metrics = json.loads((run / "metrics.json").read_text("utf-8"))
    share = percent(metrics["test"]["accuracy"]["value"])
    for name, text in texts_of(run).items():
        assert share in text, name


def test_a_share_next_to_none_is_not_called_none() -> None:
    controls = toy_controls()
    controls = replace(controls, shuffled=replace(controls.shuffled, mean=0.0004))
    facts = toy_facts(diagnostics=toy_checks(controls=controls))
    text = plain(methods_markdown(methods_paragraphs(facts)))
    assert "balanced accuracy of <0.1 % on average" in text


def test_the_tool_is_cited_as_citation_cff_asks(run: Path) -> None:
    asked = (REPOSITORY / "CITATION.cff").read_text("utf-8")
    asked_version = re.search(r"^version: (.+)$", asked, re.MULTILINE)
    author = re.search(r"^  - name: (.+)$", asked, re.MULTILINE)
    assert asked_version and author
    assert asked_version[1] == actinscope.__version__
    methods = texts_of(run)["methods.md"]
    assert f"{author[1]}. actinscope, version {asked_version[1]}." in methods
    assert "as its repository asks" not in methods + card_of(toy_facts())
