"""Methods, checklists and card: every number is the run's, and no claim goes beyond it."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import Environment, nodes

from actinscope.audit import Confound
from actinscope.evaluation import estimates_to_json, evaluation_to_json
from actinscope.training import Recipe, change_recipe, load_recipe
from actinscope.wording import escaped, percent
from actinscope.writeup import Facts, phrases, write_writeup
from actinscope.writeup.diagnostics import AuditFacts, Diagnostics
from actinscope.writeup.documents import (
    checklist_data,
    methods_markdown,
    methods_paragraphs,
)
from actinscope.writeup.facts import FoldsFacts, ModelFacts, SplitFacts, TrainingSummary
from helpers.run_facts import (
    answers_of,
    card_of,
    paragraph,
    toy_checks,
    toy_controls,
    toy_facts,
    toy_worth,
)
from helpers.tiny_training import tiny_preprocess

#: Words that claim independence of the test part.
CLAIMS = ("took no part in training", "independent test", "held-out", "stayed in one part")


def everything(facts: Facts) -> str:
    """All that is written about a run, as one text."""
    answers = [item.answer for item in answers_of(facts).values()]
    return "\n".join([methods_markdown(methods_paragraphs(facts)), card_of(facts), *answers])


def shown(value: float, metric: str) -> str:
    percent = metric in {"accuracy", "balanced_accuracy"} or metric.startswith("recall")
    return f"{100 * value:.1f}" if percent else f"{value:.3f}"


@pytest.mark.parametrize("groups", [1, 4, 8])
@pytest.mark.parametrize("grouped", [True, False])
@pytest.mark.parametrize("seed", [0, 7])
def test_every_number_of_the_evaluation_is_one_of_metrics_json(
    seed: int, groups: int, grouped: bool
) -> None:
    facts = toy_facts(Recipe(seed=seed), group="donor" if grouped else None, test_groups=groups)
    text = paragraph(facts, "Evaluation").replace(facts.result.interval_method, "")
    tested, groups_tested = facts.result.n, facts.result.groups
    allowed = {"95", "1", str(tested), str(groups_tested), percent(facts.baseline)[:-2]}
    for part, metrics in facts.models[0].metrics.items():
        allowed.add(str(metrics["accuracy"].n))
        figures = estimates_to_json(metrics)
        if part == "test":
            figures = evaluation_to_json(facts.result)
        for name, figure in figures.items():
            if part == "test" or name == "accuracy":
                values = [figure[key] for key in ("value", "low", "high")]
                allowed |= {shown(float(one), name) for one in values if one is not None}
                allowed |= {str(figure["count"]), str(figure["n"])}
    found = re.findall(r"\d+(?:\.\d+)?", text.replace("F1", ""))
    assert len(found) > 15
    assert set(found) <= allowed


def test_the_accuracy_is_the_one_of_metrics_json_everywhere() -> None:
    facts = toy_facts()
    figure = evaluation_to_json(facts.result)["accuracy"]
    value, low, high = (f"{100 * float(figure[key]):.1f} %" for key in ("value", "low", "high"))  # type: ignore[arg-type]
    written = f"{value} ({figure['count']} of 41; 95 % interval {low} to {high})"
    answers = answers_of(facts)
    for text in (
        paragraph(facts, "Evaluation"),
        card_of(facts),
        answers["E1 evaluation"].answer,
        answers["5c"].answer,
    ):
        assert written in text


@pytest.mark.parametrize("origin", ["seed", "manifest", "caller"])
def test_no_claim_of_independence_where_images_were_split_one_by_one(origin: Any) -> None:
    facts = toy_facts(group=None, split_origin=origin)
    text = everything(facts)
    for claim in (*CLAIMS[:3], "All images of one"):
        assert claim not in text, claim
    assert "upper bound" in paragraph(facts, "Caution")
    assert "NOT independent" in text
    assert "> **The images were split one by one" in card_of(facts)


def test_no_claim_of_independence_where_parts_leak() -> None:
    facts = toy_facts(leak=True, split_origin="manifest")
    text = everything(facts)
    for claim in (*CLAIMS, "No donor lay in two parts", "no donor stands in two parts"):
        assert claim not in text, claim
    assert "Groups or copies of images stand in more than one part" in paragraph(facts, "Caution")


def test_a_split_by_group_may_say_so() -> None:
    facts = toy_facts()
    assert not any(
        "one by one" in reason or "stand in" in reason for reason in facts.verdict.reasons
    )
    assert "from 8 donors that took no part in training, the accuracy" in everything(facts)


def test_the_manifest_s_split_is_not_called_random() -> None:
    text = paragraph(toy_facts(split_origin="manifest"), "Split")
    assert "fixed in advance in the manifest" in text
    assert "at random" not in text and "aiming" not in text
    assert "No donor lay in two parts." in text


def test_few_test_groups_are_a_caution() -> None:
    facts = toy_facts(test_groups=1)
    assert (
        "The test images come from 1 donor only: too few to say how the model does on another "
        "donor."
    ) in paragraph(facts, "Caution")
    assert "no interval" in paragraph(facts, "Evaluation")
    assert "superiority over the majority class is not shown" in everything(facts)


def test_synthetic_and_random_come_first() -> None:
    facts = toy_facts(synthetic=True, weights="none")
    first, second, *_ = facts.verdict.reasons
    assert first.startswith("The images are synthetic")
    assert "did not start from pretrained weights" in second
    assert methods_markdown(methods_paragraphs(facts)).startswith(
        f"# Methods\n\n**Caution.** {first}"
    )
    assert card_of(facts).split("\n\n")[1] == f"> **{first}**"
    text = everything(facts)
    assert "Russakovsky" not in text, "no ImageNet where no such weights were used"
    assert "licence Apache" not in text
    assert "the first 95 were frozen at their random values" in text


def test_the_paper_s_recipe() -> None:
    facts = toy_facts(load_recipe("paper"), epochs=70, kept_epoch=61)
    training = paragraph(facts, "Training")
    assert "The learning rate was 5e-05, and constant." in training
    assert "The training ran for 70 epochs." in training
    assert "The weights of epoch 61, which had the lowest loss" in training
    for absent in ("logistic", "smoothing", "inverse", "cosine", "rise"):
        assert absent not in training, absent
    assert "Batch normalisation" not in paragraph(facts, "Network")
    # 69 / 8 = 8.6 views are through by the last epoch.
    assert "up to 8 new ones of each image" in paragraph(facts, "Augmentation")
    assert "Loshchilov" not in paragraph(facts, "References")


def test_the_default_recipe() -> None:
    text = paragraph(toy_facts(), "Training")
    assert "label smoothing 0.1, every class weighted by the inverse of its frequency, was" in text
    assert "0.0002 at its highest after a linear rise over 1 epoch, and fell to zero" in text
    assert "half a cosine planned for 12 epochs" in text


def test_nothing_is_said_of_what_was_switched_off() -> None:
    off = {
        "horizontal_flip": False,
        "vertical_flip": False,
        "rotation_degrees": 0.0,
        "width_shift": 0.0,
        "height_shift": 0.0,
        "shear_degrees": 0.0,
        "zoom": 0.0,
    }
    recipe = change_recipe(Recipe(), {"augmentation": off, "training": {"keep": "last"}})
    facts = toy_facts(recipe, kept_epoch=12)
    text = everything(facts)
    assert paragraph(facts, "Augmentation") == "Training images were not augmented."
    assert "lowest" not in text
    assert "chosen by the validation images" not in text
    assert "The weights of the last epoch, 12, were kept." in text
    assert "not used to choose the epoch" in text


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"intensity": "divide"}, "divided by 255."),
        ({"intensity": "fixed", "low": (3.0,), "high": (900.0,)}, "Pixel values 3 to 900 were"),
        ({"intensity": "per_image", "low": (), "high": ()}, "In every image by itself"),
        (
            {"intensity": "percentile", "low": (210.0,), "high": (980.5,)},
            "0.1 and 99.9 of the pooled pixels of the training part (210 to 980.5)",
        ),
    ],
)
def test_intensity_is_told_as_it_was(changed: dict[str, Any], words: str) -> None:
    facts = toy_facts(preprocess=tiny_preprocess().model_copy(update=changed))
    assert words in paragraph(facts, "Preprocessing")
    fitted = "taken from training images" in everything(facts)
    assert fitted == (changed["intensity"] == "percentile")


def test_a_loss_term_is_told_with_its_figures() -> None:
    changes = {"loss": "class_structure", "structure_weight": 0.3, "structure_margin": 1.5}
    facts = toy_facts(change_recipe(Recipe(), {"training": changes}))
    told = paragraph(facts, "Training")
    assert "To it was added, times 0.3," in told and "max(0, 1.5 - d)" in told
    assert "Hadsell" in paragraph(facts, "References")
    assert "Hadsell" not in paragraph(toy_facts(), "References")
    assert "embeddings" not in paragraph(toy_facts(), "Training")


def test_boosted_trees_are_told_as_such() -> None:
    recipe = load_recipe("boosted-trees")
    facts = toy_facts(
        recipe, trees=6, nodes=7, features=1280, trained_parameters=0, kept_epoch=3, epochs=9
    )
    assert "6 trees in 3 rounds" in paragraph(facts, "Network")
    trained = paragraph(facts, "Training")
    assert "depth of at most 3" in trained and "Of 9 rounds the first 3 were kept" in trained
    text = " ".join(methods_paragraphs(facts).values())
    answers = " ".join(item.answer for item in answers_of(facts).values())
    for words in ("epoch", "Adam", "frozen", "softmax", "  "):
        assert words not in text and words not in answers, words
    assert "7 nodes of 6 trees" in answers


augmentations = st.fixed_dictionaries(
    {},
    optional={
        "horizontal_flip": st.booleans(),
        "rotation_degrees": st.sampled_from([0.0, 17.0]),
        "width_shift": st.sampled_from([0.0, 0.13]),
        "zoom": st.sampled_from([0.0, 0.21]),
        "noise": st.sampled_from([0.0, 0.03]),
        "blur": st.sampled_from([0.0, 1.7]),
    },
)
trainings = st.fixed_dictionaries(
    {},
    optional={
        "batch_size": st.sampled_from([7, 64]),
        "learning_rate": st.sampled_from([0.003, 5e-5]),
        "schedule": st.sampled_from(["constant", "cosine"]),
        "label_smoothing": st.sampled_from([0.0, 0.2]),
        "class_weights": st.sampled_from(["none", "balanced"]),
        "views": st.sampled_from([0, 1, 6]),
        "head_start": st.sampled_from(["random", "logistic"]),
        "early_stopping": st.sampled_from([0, 5]),
        "keep": st.sampled_from(["best", "last"]),
    },
)


@settings(max_examples=40)
@given(augmentation=augmentations, training=trainings)
def test_the_text_follows_the_recipe(
    augmentation: dict[str, Any], training: dict[str, Any]
) -> None:
    recipe = change_recipe(Recipe(), {"augmentation": augmentation, "training": training})
    facts = toy_facts(recipe)
    varied, trained = paragraph(facts, "Augmentation"), paragraph(facts, "Training")
    varying = recipe.augmentation
    for words, used in (
        ("left-right", varying.horizontal_flip),
        (f"up to {varying.rotation_degrees:g} degrees", varying.rotation_degrees),
        (f"horizontal shift by up to {100 * varying.width_shift:g} %", varying.width_shift),
        ("zoom", varying.zoom),
        ("noise", varying.noise),
        ("blur", varying.blur),
    ):
        assert (words in varied) == bool(used), words
    assert ("Every epoch showed a new variant" in varied) == (recipe.training.views == 0)
    assert f"at most {recipe.training.batch_size} images" in trained
    assert f"learning rate was {recipe.training.learning_rate:g}" in trained
    for words, used in (
        ("cosine", recipe.training.schedule == "cosine"),
        ("smoothing", recipe.training.label_smoothing > 0),
        ("inverse of its frequency", recipe.training.class_weights == "balanced"),
        ("logistic regression", recipe.training.head_start == "logistic"),
        ("Training was to stop after", recipe.training.early_stopping > 0),
        ("lowest loss on the validation", recipe.training.keep == "best"),
    ):
        assert (words in trained) == used, words
    assert "  " not in "".join(methods_paragraphs(facts).values())


@pytest.mark.parametrize(
    "facts",
    [
        toy_facts(),
        toy_facts(group=None),
        toy_facts(leak=True, split_origin="manifest", test_groups=2),
        toy_facts(load_recipe("paper"), weights="none", synthetic=True),
        toy_facts(split_origin="caller", crop_size=64, levels=()),
        toy_facts(diagnostics=toy_checks()),
    ],
)
def test_every_item_is_answered_or_left_to_someone(facts: Facts) -> None:
    found = answers_of(facts)
    assert len(found) == 21 + 32
    for item in found.values():
        assert item.source in {"run", "author", "not done"}, item.number
        assert len(item.answer) > 15, item.number
        assert "  " not in item.answer, item.number


def test_the_checklists_are_whole() -> None:
    dome, reforms = (content["items"] for content in checklist_data().values())
    assert len(dome) == 21
    assert len(reforms) == 32
    modules = [number[0] for number in reforms]
    assert [modules.count(str(one)) for one in range(1, 9)] == [3, 5, 7, 3, 6, 3, 3, 2]
    for number, item in (dome | reforms).items():
        assert item["source"] in {"run", "author", "not done"}, number
        answers = set(item) - {"question", "source", "done"}
        assert answers in ({"answer"}, {"split", "folds"}), number


def test_what_only_an_author_knows_is_left_to_the_author() -> None:
    found = {number: item.source for number, item in answers_of(toy_facts()).items()}
    for number in ("1a", "1b", "1c", "2a", "3a", "3b", "3c", "3g", "6c", "8b", "D1 provenance"):
        assert found[number] == "author", number
    for number in ("5e", "5f", "7c", "E3 comparison", "M3 execution time"):
        assert found[number] == "not done", number


def test_foreign_names_bring_no_markup() -> None:
    assert escaped("a|b <script> [x](http://evil) `c` *d*") == (
        "a\\|b \\<script> [x]\\(http://evil) \\`c\\` \\*d\\*"
    )
    facts = toy_facts(by_class={"<b>x": 1, "a|b": 2})
    assert "<b>" not in methods_markdown(methods_paragraphs(facts)).replace("\\<b>", "")


def test_the_files(tmp_path: Path) -> None:
    (tmp_path / "bundle").mkdir()
    facts = toy_facts()
    written = write_writeup(facts, tmp_path)
    assert (tmp_path / "methods.md").read_text("utf-8") == methods_markdown(
        methods_paragraphs(facts)
    )
    assert (tmp_path / "bundle" / "MODEL_CARD.md").read_text("utf-8") == card_of(facts)
    rows = list(csv.reader(io.StringIO((tmp_path / "checklists.csv").read_text("utf-8"))))
    assert rows[0] == ["checklist", "item", "question", "answer", "source"]
    assert len(rows) == 1 + 21 + 32
    assert written.methods == methods_paragraphs(facts)


def test_the_card_has_the_sections_of_model_cards() -> None:
    headings = re.findall(r"^## (.+)$", card_of(toy_facts()), re.M)
    assert headings == [
        "Model details",
        "Intended use",
        "Out of scope",
        "Factors",
        "Metrics",
        "Evaluation data",
        "Training data",
        "Quantitative analyses",
        "Ethical considerations",
        "Caveats and recommendations",
        "How to verify",
    ]


def test_what_was_run_is_not_called_not_done() -> None:
    facts = toy_facts(diagnostics=toy_checks())
    found = answers_of(facts)
    for number in ("E3 comparison", "5f", "7c"):
        assert found[number].source == "run", number
    text = everything(facts)
    for false in (
        "No other method was run",
        "The only baseline is",
        "No statistical test was made",
        "which still get one of them",
        "the model still names one",
        "were not looked for",
        "Other factors (day",
    ):
        assert false not in text, false
    control = facts.diagnostics.controls.controls[0]  # type: ignore[union-attr]
    reached = f"brightness {100 * control.balanced_accuracy.value:.1f} % (95 % interval"
    assert reached in found["E3 comparison"].answer and reached in paragraph(facts, "Checks")
    assert "labels permuted within groups (999 times)" in found["7c"].answer
    assert "The audit made 2 permutation tests for confounds" in found["7c"].answer
    assert (
        "Significant: brightness (balanced accuracy 90.0 %, by chance 50.0 %" in found["6c"].answer
    )
    assert "Significant: brightness" in card_of(facts)
    assert "Occlusion maps of correct and wrong" in found["M1 interpretability"].answer


def test_what_was_switched_off_is_called_so() -> None:
    facts = toy_facts(diagnostics=Diagnostics())
    found = answers_of(facts)
    assert "the recipe switched the controls off" in found["E3 comparison"].answer
    assert "No statistical test was made of the network's result" in found["7c"].answer
    assert "which still get one of them" in found["8b"].answer
    apart = change_recipe(Recipe(), {"split": {"keep_copies": False}})
    unseen = answers_of(toy_facts(apart, diagnostics=Diagnostics()))["D3 redundancy"].answer
    assert "Near copies were not looked for." in unseen
    assert "The run did not look for that." in found["6c"].answer
    assert "They were not tested." in found["M1 interpretability"].answer
    assert not {"Probabilities", "Checks"} & set(methods_paragraphs(facts))
    only_audit = answers_of(toy_facts(diagnostics=toy_checks(controls=None)))
    assert only_audit["7c"].source == "not done"
    assert "2 permutation tests for confounds" in only_audit["7c"].answer


def test_a_control_that_explains_the_result_is_said() -> None:
    controls = toy_controls(strong=True)
    found = answers_of(toy_facts(diagnostics=toy_checks(controls=controls)))
    assert "NOT shown to be ahead of: brightness." in found["E3 comparison"].answer
    facts = toy_facts(diagnostics=toy_checks(warnings=("Brightness alone reaches 100 %.",)))
    assert "Brightness alone reaches 100 %." in paragraph(facts, "Caution")


def test_the_methods_tell_of_calibration_sets_and_abstaining() -> None:
    text = paragraph(toy_facts(diagnostics=toy_checks()), "Probabilities")
    assert "calibrated on 30 validation images from 4 groups (temperature 1.25" in text
    assert "meant to hold the true class in 90.0 % of the images" in text
    assert (
        "where its prediction set is not a single class and where the image is unfamiliar" in text
    )
    assert "4.9 % (2 of 41; " in text
    assert "(the 2 unfamiliar among them have an empty set), with" in text
    plain = toy_checks(uncertainty=toy_worth(ood=False))
    text = everything(toy_facts(diagnostics=plain))
    assert "where its prediction set is not a single class." in text
    assert "is unfamiliar, and not named" not in text
    assert "which still get one of them" in text


def test_what_could_not_be_calibrated_or_told_is_not_claimed() -> None:
    worth = toy_worth()
    rules = worth.rules[0].model_copy(update={"temperature": 1.0})
    few = AuditFacts((Confound("brightness", 0.9, 0.5, 0.4, 0.2),))
    facts = toy_facts(diagnostics=toy_checks(uncertainty=replace(worth, rules=(rules,)), audit=few))
    assert "those that the network gives" in paragraph(facts, "Probabilities")
    assert "The probabilities are not calibrated" in answers_of(facts)["M2 output"].answer
    assert "None was significant; with so few groups only" in answers_of(facts)["6c"].answer
    enough = answers_of(toy_facts(diagnostics=toy_checks()))
    assert "so few groups" not in enough["6c"].answer
    assert "The probabilities are calibrated" in enough["M2 output"].answer


def test_copies_between_the_parts_are_no_secret() -> None:
    audit = AuditFacts(copies=5, apart=3, apart_from_test=2)
    facts = toy_facts(diagnostics=toy_checks(audit=audit))
    found = answers_of(facts)
    for number in ("D3 redundancy", "6b"):
        assert (
            "5 pairs, of which 3 in two parts (2 with one image in the test" in found[number].answer
        )
    assert "2 pairs of images show the same cells" in paragraph(facts, "Caution")
    kept = answers_of(toy_facts(diagnostics=Diagnostics()))["6b"].answer
    assert "Near copies (turned, shifted, recompressed) stay together, too." in kept
    given = toy_facts(split_origin="manifest", diagnostics=Diagnostics())
    assert "stay together" not in answers_of(given)["6b"].answer


def test_dropout_of_the_head_is_regularisation() -> None:
    recipe = change_recipe(Recipe(), {"network": {"head_dropout": 0.3}})
    assert (
        "dropout 0.3 in the new layers" in answers_of(toy_facts(recipe))["O7 regularisation"].answer
    )
    assert "ropout" not in answers_of(toy_facts())["O7 regularisation"].answer


def test_intervals_are_cited_by_what_they_are_made_of() -> None:
    found = paragraph(toy_facts(), "References")
    method = toy_facts().result.interval_method
    assert "effective number" in method
    for author in ("Wilson EB", "Korn EL", "Hesterberg TC"):
        assert author in found


def test_templates_name_only_what_there_is() -> None:
    """Also in branches that no test renders: a misspelt fact would stop a finished run."""
    known: dict[str, object] = {
        "facts": Facts,
        "folds": FoldsFacts,
        "split": SplitFacts,
        "common": TrainingSummary,
        "checks": Diagnostics,
        "model": ModelFacts,
        "say": phrases,
    }
    folder = Path(phrases.__file__).parent
    sources = {path.name: path.read_text("utf-8") for path in folder.glob("templates/*.j2")}
    assert len(sources) == 4
    for content in checklist_data().values():
        for number, item in content["items"].items():
            for part in ("answer", "split", "folds"):
                sources[f"{number} {part}"] = item.get(part, "")
            sources[f"{number} done"] = f"{{{{ {item.get('done', 'true')} }}}}"
    found = 0
    for name, source in sources.items():
        for node in Environment().parse(source).find_all(nodes.Getattr):
            if isinstance(node.node, nodes.Name) and node.node.name in known:
                owner = known[node.node.name]
                names = {*dir(owner), *getattr(owner, "__dataclass_fields__", ())}
                assert node.attr in names, f"{name}: {node.node.name}.{node.attr}"
                found += 1
    assert found > 150
