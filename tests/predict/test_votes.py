"""The members of an ensemble vote on prediction sets, on abstaining and on what is unfamiliar."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from actinscope.bundle import (
    AbstainRule,
    Bundle,
    NetworkOutput,
    OodRule,
    ReferenceFeatures,
    Reliability,
    SetRule,
    TrainingHashes,
    load_bundle,
    open_sessions,
    save_ensemble,
    stack_outputs,
    store_reliability,
    verify_bundle,
)
from actinscope.cells import CropReader
from actinscope.cli.main import main
from actinscope.errors import GoldenMismatch
from actinscope.predict import (
    DecisionRules,
    Predictor,
    notes_of_members,
    predict_records,
    promised_coverage,
)
from actinscope.predict.decision import DECISION_COLUMNS
from actinscope.predict.votes import majority, majority_score
from actinscope.study import Record
from helpers.bundles import CLASSES, grey_image, make_bundle, unfamiliarity, with_early_features
from helpers.bundles import references as brightness
from helpers.bundles import rules as toy_rules
from helpers.ensembles import make_run, other_bundle, write_study

SET = AbstainRule(by="set")
NEVER = AbstainRule(by="never")


def rules(
    limit: float | None = 0.3,
    *,
    abstain: AbstainRule = SET,
    ood: bool = False,
    coverage: float = 0.9,
    note: str = "",
) -> Reliability:
    """A class is in the set from the probability ``limit`` on; None puts in all."""
    return Reliability(
        temperature=1.0,
        images=40,
        groups=8,
        sets=SetRule(
            coverage=coverage,
            per_class=False,
            thresholds=(limit,) * 3,
            images=40,
            effective=(20.0,) * 3,
            note=note,
        ),
        abstain=abstain,
        ood=OodRule(neighbours=1, threshold=1.0, share=0.01, references=1, images=40, golden=())
        if ood
        else None,
    )


def origin() -> ReferenceFeatures:
    """A single training image at 0: the unfamiliarity is the distance to it."""
    return ReferenceFeatures(
        np.zeros(1, np.float32), np.ones(1, np.float32), np.zeros((1, 1), np.float32)
    )


def output(rows: Sequence[Sequence[float]], places: Sequence[float] | None = None) -> NetworkOutput:
    early = None if places is None else np.array(places, dtype=np.float32)[:, None]
    return NetworkOutput(np.array(rows, dtype=np.float64), None, None, early)


def joint(*members: NetworkOutput) -> NetworkOutput:
    mean = np.mean([one.probabilities for one in members], axis=0)
    return NetworkOutput(mean, None, None, members=members)


# The votes themselves


def test_more_than_half_is_a_majority() -> None:
    votes = np.array([[1, 1, 0, 0], [1, 0, 1, 0]], dtype=bool)
    assert majority(list(votes)).tolist() == [True, False, False, False]
    votes = np.array([[1, 1, 0], [1, 0, 0], [0, 1, 1]], dtype=bool)
    assert majority(list(votes)).tolist() == [True, True, False]
    votes = np.array([[1, 1], [1, 1], [0, 1], [0, 0]], dtype=bool)
    assert majority(list(votes)).tolist() == [False, True]


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([0.5, 3.0], 0.5),
        ([2.0, 3.0], 2.0),
        ([0.1, 0.7, 9.0], 0.7),
        ([0.1, 1.2, 9.0], 1.2),
        ([0.1, 0.2, 5.0, 9.0], 0.2),
        ([0.1, 3.0, 5.0, 9.0], 3.0),
    ],
)
def test_the_score_of_the_majority_is_a_median(scores: list[float], expected: float) -> None:
    assert majority_score([np.array([one]) for one in scores]).tolist() == [expected]


@given(
    st.lists(
        st.one_of(st.sampled_from([0.0, 1.0, 1.0000001, np.nan, np.inf]), st.floats(0, 3)),
        min_size=2,
        max_size=16,
    )
)
def test_the_score_flags_exactly_what_more_than_half_flag(scores: list[float]) -> None:
    """As Judgement.unfamiliar does, also where a score is no number."""
    joined = majority_score([np.array([one]) for one in scores])
    flags = [not one <= 1.0 for one in scores]
    assert bool(~(joined <= 1.0)[0]) == (sum(flags) > len(flags) / 2)


def test_what_is_promised_together() -> None:
    assert promised_coverage([0.9, 0.9, 0.9]) == pytest.approx(0.8)
    assert promised_coverage([0.95, 0.85]) == pytest.approx(0.8)
    assert promised_coverage([0.4, 0.4]) == 0.0


@given(st.integers(2, 7), st.integers(0, 2**32 - 1), st.floats(0, 0.4))
def test_the_promise_holds_however_members_err(count: int, seed: int, share: float) -> None:
    """Any pattern of misses: the merged set misses at most twice the mean share."""
    rng = np.random.default_rng(seed)
    missed = rng.random((count, 50)) < share * rng.random(50)
    coverages = [1 - float(one.mean()) for one in missed]
    assert majority(list(~missed)).mean() >= promised_coverage(coverages) - 1e-12


def test_notes_are_said_once() -> None:
    told = notes_of_members([("few", "odd"), (), ("few", "few")])
    assert told == ("members 1, 3: few", "member 1: odd")


# What the judge makes of them


def judge(*members: Reliability, known: Sequence[bool] | None = None) -> DecisionRules:
    there = known or [one.ood is not None for one in members]
    return DecisionRules(
        None,
        members=[
            DecisionRules(one, origin() if knows else None)
            for one, knows in zip(members, there, strict=True)
        ],
    )


def test_sets_by_hand() -> None:
    """Sets {a,b} {a} {a,c}; {a} {b} {c}; {a,b} {b} {a,b}: so {a}, none, {a,b}."""
    found = judge(rules(), rules(), rules())(
        joint(
            output([[0.6, 0.35, 0.05], [0.8, 0.1, 0.1], [0.5, 0.4, 0.1]]),
            output([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.2, 0.7, 0.1]]),
            output([[0.6, 0.05, 0.35], [0.1, 0.1, 0.8], [0.5, 0.4, 0.1]]),
        )
    )
    assert found.in_set is not None and found.abstained is not None
    assert found.in_set.tolist() == [
        [True, False, False],
        [False, False, False],
        [True, True, False],
    ]
    # Two of three sets of the first image are no single class, so two abstain.
    assert found.abstained.tolist() == [True, True, True]
    assert found.unfamiliarity is None and found.unfamiliar is None
    np.testing.assert_allclose(found.probabilities[0], [2 / 3, 1 / 6, 1 / 6])


def test_two_members_must_agree() -> None:
    found = judge(rules(), rules())(
        joint(
            output([[0.6, 0.35, 0.05], [0.8, 0.1, 0.1]]),
            output([[0.05, 0.6, 0.35], [0.9, 0.05, 0.05]]),
        )
    )
    assert found.in_set is not None and found.abstained is not None
    assert found.in_set.tolist() == [[False, True, False], [True, False, False]]
    assert found.abstained.tolist() == [True, False]


def test_a_single_class_that_is_not_the_answer_is_none() -> None:
    """Two members say a, just so; the third is so sure of b that the mean says b."""
    found = judge(rules(0.5), rules(0.5), rules(0.5))(
        joint(
            output([[0.52, 0.48, 0.0]]),
            output([[0.52, 0.48, 0.0]]),
            output([[0.0, 1.0, 0.0]]),
        )
    )
    assert found.in_set is not None and found.abstained is not None
    assert found.in_set.tolist() == [[True, False, False]]
    assert found.probabilities.argmax(axis=1).tolist() == [1]
    assert found.abstained.tolist() == [True]


def test_other_rules_than_sets_only_vote() -> None:
    """A merged set of two classes is no reason, where not all members abstain by their sets."""
    both = joint(output([[0.5, 0.4, 0.1]] * 2), output([[0.5, 0.4, 0.1], [0.35, 0.35, 0.3]]))
    below = AbstainRule(by="share", target=0.8, confidence=0.45)
    found = judge(rules(abstain=NEVER), rules(abstain=below))(both)
    assert found.abstained is not None
    assert found.abstained.tolist() == [False, False]
    found = judge(rules(), rules(abstain=below))(both)
    assert found.abstained is not None
    assert found.abstained.tolist() == [False, True]


def test_a_rule_that_could_not_be_fitted_leaves_it_open() -> None:
    unreached = AbstainRule(by="accuracy", target=0.9, note="nothing is abstained from")
    members = judge(rules(), rules(), rules(abstain=unreached))
    found = members(joint(*[output([[0.9, 0.05, 0.05]])] * 3))
    assert found.abstained is None
    assert found.in_set is not None and found.in_set.tolist() == [[True, False, False]]
    assert "member 3: nothing is abstained from" in members.notes


def test_a_member_without_thresholds_has_every_class_in_its_set() -> None:
    found = judge(rules(None), rules(0.3), rules(0.3))(
        joint(*[output([[0.9, 0.06, 0.04]])] * 2, output([[0.5, 0.45, 0.05]]))
    )
    assert found.in_set is not None
    assert found.in_set.tolist() == [[True, True, False]]
    assert found.abstained is None


def test_unfamiliar_where_more_than_half_find_it_so() -> None:
    sure = [[0.9, 0.05, 0.05]] * 3
    members = judge(*[rules(ood=True)] * 3)
    found = members(
        joint(output(sure, [0.5, 3.0, 4.0]), output(sure, [0.2, 0.1, 2.0]), output(sure, [9, 2, 1]))
    )
    assert found.unfamiliarity is not None and found.abstained is not None
    np.testing.assert_allclose(found.unfamiliarity, [0.5, 2.0, 2.0], rtol=1e-3)
    assert found.abstained.tolist() == [False, True, True]
    assert found.delivered is not None
    assert found.delivered.sum(axis=1).tolist() == [1, 0, 0]


def test_what_one_member_does_not_know_is_not_known() -> None:
    sure = [[0.9, 0.05, 0.05]]
    for last, known in ((rules(), False), (rules(ood=True), False)):
        members = judge(rules(ood=True), rules(ood=True), last, known=[True, True, known])
        found = members(joint(output(sure, [7.0]), output(sure, [0.1]), output(sure)))
        assert found.unfamiliarity is None and found.in_set is not None
        assert found.abstained is not None and found.abstained.tolist() == [False]


def test_a_member_without_rules_takes_them_from_all() -> None:
    members = DecisionRules(None, members=[DecisionRules(rules()), DecisionRules(None)])
    assert not members.has_rules
    found = members(joint(output([[0.9, 0.1, 0.0]]), output([[0.7, 0.2, 0.1]])))
    np.testing.assert_allclose(found.probabilities, [[0.8, 0.15, 0.05]])
    assert found.in_set is None and found.abstained is None and found.unfamiliarity is None
    assert "there are no rules for that in member 2" in members.notes[0]
    assert DecisionRules(None, members=[DecisionRules(None), DecisionRules(None)]).notes == ()


def test_no_image_at_all() -> None:
    members = judge(*[rules(ood=True)] * 2)
    found = members(NetworkOutput(np.zeros((0, 3)), None, None))
    assert found.in_set is not None and found.in_set.shape == (0, 3)
    assert found.abstained is not None and found.abstained.shape == (0,)
    assert found.unfamiliarity is not None and found.unfamiliarity.shape == (0,)


def test_the_promise_is_said_beside_the_predictions() -> None:
    few = "every prediction set holds all classes: too few"
    told = judge(rules(), rules(None, note=few), rules(coverage=0.95, abstain=NEVER)).notes
    assert "more than half of the 3 members" in told[0]
    # Misses of 10, 10 and 5 %: twice their mean is 16.7 %.
    assert "90 % to 95 % of images, the merged sets do in at least 83.3 %, mostly" in told[0]
    assert told[1:] == (f"member 2: {few}",)


# Outputs of members, stacked and cut


def test_outputs_of_members_are_stacked_and_cut_with_them() -> None:
    first = joint(output([[0.9, 0.1, 0.0]], [1.0]), output([[0.5, 0.5, 0.0]]))
    second = joint(output([[0.2, 0.8, 0.0]], [2.0]), output([[0.0, 1.0, 0.0]]))
    nothing = NetworkOutput(np.zeros((0, 3)), None, None)
    good = np.array([True, False, True])
    whole = stack_outputs([first, nothing, second], classes=3, good=good)
    assert len(whole) == 3 and len(whole.members) == 2
    early = whole.members[0].early_features
    assert early is not None and early.dtype == np.float32
    np.testing.assert_array_equal(early[:, 0], [1.0, np.nan, 2.0])
    assert whole.members[1].early_features is None
    kept = whole.rows(good)
    np.testing.assert_array_equal(kept.members[1].probabilities, [[0.5, 0.5, 0], [0, 1, 0]])
    np.testing.assert_allclose(kept.uncalibrated, [[0.7, 0.3, 0.0], [0.1, 0.9, 0.0]])
    empty = stack_outputs([nothing], classes=3, good=np.zeros(2, dtype=bool))
    assert empty.members == () and np.isnan(empty.probabilities).all()
    assert stack_outputs([], classes=3).probabilities.shape == (0, 3)


# Bundles


def known_bundle(folder: Path, **changes: Any) -> Bundle:
    """A network that knows images as bright as 0.1 ... 0.5, with sets from 0.4 on."""
    bundle = with_early_features(folder)
    golden = unfamiliarity(bundle)
    likely = SetRule(
        coverage=0.9, per_class=False, thresholds=(0.4,) * 3, images=40, effective=(20.0,) * 3
    )
    values: dict[str, Any] = {"sets": likely, "abstain": SET, **changes}
    return store_reliability(bundle, toy_rules(golden, **values), brightness())


def known_ensemble(folder: Path) -> Bundle:
    members = [
        known_bundle(folder / f"member{number}", temperature=temperature)
        for number, temperature in enumerate((0.5, 1.0, 1.5))
    ]
    return save_ensemble(
        folder / "all", members, training_hashes=TrainingHashes(), version="0", created="now"
    )


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return known_ensemble(tmp_path_factory.mktemp("votes"))


@pytest.mark.parametrize("backend", ["openvino", "onnxruntime"])
def test_an_ensemble_votes_as_its_members_do_alone(ensemble: Bundle, backend: str) -> None:
    pictures = [grey_image(seed) for seed in range(30)]
    predictor = Predictor(ensemble, backend=backend)
    found = predictor.rules(predictor.predict_images(pictures))
    alone = []
    for member in ensemble.members:
        single = Predictor(member, backend=backend)
        alone.append(single.rules(single.predict_images(pictures)))
    np.testing.assert_allclose(
        found.probabilities, np.mean([one.probabilities for one in alone], axis=0), atol=1e-12
    )
    sets = np.stack([one.in_set for one in alone if one.in_set is not None])
    silent = np.stack([one.abstained for one in alone if one.abstained is not None])
    scores = np.stack([one.unfamiliarity for one in alone if one.unfamiliarity is not None])
    assert len(sets) == len(silent) == len(scores) == 3
    assert found.in_set is not None and found.unfamiliarity is not None
    np.testing.assert_array_equal(found.in_set, sets.sum(axis=0) >= 2)
    np.testing.assert_allclose(found.unfamiliarity, np.median(scores, axis=0), atol=1e-6)
    assert found.abstained is not None
    assert (found.abstained >= (silent.sum(axis=0) >= 2)).all()
    assert 0 < found.abstained.sum() < 30
    assert (sets.any(axis=0) & ~sets.all(axis=0)).any()  # there was something to vote on


def test_what_nobody_asked_for_is_not_kept(ensemble: Bundle) -> None:
    predictor = Predictor(ensemble)
    prepared = predictor.prepare(grey_image(0))
    short = predictor.predict_input(prepared, probabilities_only=True)
    whole = predictor.predict_input(prepared)
    for found in (short, whole):
        assert len(found.members) == 3
        for member in found.members:
            assert member.embedding is None and member.class_maps is None
            assert member.early_features is not None
    (first, *_) = open_sessions(ensemble)
    assert first.run(np.stack([prepared[0]])).class_maps is not None


def test_records_keep_what_the_members_say(ensemble: Bundle, tmp_path: Path) -> None:
    images = write_study(tmp_path / "images")
    (images / "1.tif").write_bytes(b"broken")
    records = [
        Record(path=images / f"{number}.tif", name=f"{number}.tif", label=CLASSES[0])
        for number in range(3)
    ]
    predictor = Predictor(ensemble)
    found = predict_records(predictor, records, CropReader())
    assert found.ok.tolist() == [True, False, True]
    assert all(len(member) == 3 for member in found.output.members)
    judged = predictor.rules(found.output.rows(found.ok))
    direct = predictor.rules(predictor.predict_images([grey_image(0), grey_image(2)]))
    np.testing.assert_allclose(judged.unfamiliarity, direct.unfamiliarity, atol=1e-5)
    np.testing.assert_array_equal(judged.in_set, direct.in_set)


def test_verify_replays_the_unfamiliarity_of_the_members(tmp_path: Path) -> None:
    ensemble = known_ensemble(tmp_path)
    difference = verify_bundle(ensemble).unfamiliarity_difference
    assert difference is not None and difference < 1e-3
    # Another file of references, with hashes to match, in the second member alone.
    second = tmp_path / "member1"
    text = json.loads((second / "bundle.json").read_text())
    text["reliability"]["familiar"]["golden"][1] += 0.5
    (second / "bundle.json").write_text(json.dumps(text))
    members = [load_bundle(tmp_path / f"member{number}") for number in range(3)]
    forged = save_ensemble(
        tmp_path / "forged", members, training_hashes=TrainingHashes(), version="0", created="now"
    )
    with pytest.raises(GoldenMismatch, match="golden image 1: the unfamiliarity"):
        verify_bundle(forged)


# As a user


@pytest.fixture
def joined(tmp_path: Path) -> Path:
    """An ensemble of two runs that image 0 trained, made by the command."""
    images = write_study(tmp_path / "images")
    runs = []
    for name, temperature in (("one", 0.5), ("two", 1.0)):
        (tmp_path / name).mkdir()

        def make(folder: Path, temperature: float = temperature) -> Bundle:
            return known_bundle(folder, temperature=temperature)

        runs.append(make_run(tmp_path / name, make, images, [0]))
    both = tmp_path / "both"
    assert main(["bundle", "join", *map(str, runs), "-o", str(both)]) == 0
    return both


def test_predict_writes_what_the_vote_gave(
    joined: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bundle", "verify", str(joined)]) == 0
    assert "Unfamiliarity: " in capsys.readouterr().out
    images, table = tmp_path / "images", tmp_path / "out.csv"
    (images / "2.tif").write_bytes(b"broken")
    white = np.full_like(grey_image(0).pixels[0], 65535)
    white[0, 0] = 65000
    tifffile.imwrite(images / "white.tif", white)
    assert main(["predict", str(joined), str(images), "-o", str(table), "--quiet"]) == 3
    told = capsys.readouterr().err
    assert "in 90 % of images, the merged sets do in at least 80 %, and at most" in told
    with table.open(newline="") as stream:
        rows = {Path(row["path"]).name: row for row in csv.DictReader(stream)}
    assert [rows["2.tif"][name] for name in DECISION_COLUMNS] == [""] * 4
    predictor = Predictor(load_bundle(joined))
    assert rows["white.tif"]["unfamiliar"] == rows["white.tif"]["abstained"] == "true"
    assert rows["white.tif"]["predicted"] == rows["white.tif"]["prediction_set"] == ""
    names = [name for name in rows if name not in ("2.tif", "white.tif")]
    found = predictor.rules(
        predictor.predict_images([grey_image(int(Path(name).stem)) for name in names])
    )
    assert found.delivered is not None and found.abstained is not None
    assert found.unfamiliarity is not None and found.unfamiliar is not None
    for place, name in enumerate(names):
        held = [one for one, there in zip(CLASSES, found.delivered[place], strict=True) if there]
        assert rows[name]["prediction_set"] == "|".join(held)
        assert rows[name]["abstained"] == str(bool(found.abstained[place])).lower()
        assert rows[name]["unfamiliar"] == str(bool(found.unfamiliar[place])).lower()
        assert float(rows[name]["unfamiliarity"]) == pytest.approx(
            found.unfamiliarity[place], abs=1e-3
        )


def test_evaluate_measures_the_vote(joined: Path, tmp_path: Path) -> None:
    images = tmp_path / "images"
    study = [str(images), "--manifest", str(images / "study.csv"), "--group", "s"]
    result = tmp_path / "result"
    assert main(["evaluate", str(joined), *study, "-o", str(result), "--quiet"]) == 0
    figures = json.loads((result / "metrics.json").read_text())["test"]
    with (result / "predictions.csv").open(newline="") as stream:
        written = list(csv.DictReader(stream))
    assert len(written) == 11
    held = sum(row["label"] in row["prediction_set"].split("|") for row in written)
    assert 0 < held < 11
    assert figures["set_coverage"]["count"] == held
    answered = [row for row in written if row["abstained"] == "false"]
    assert figures["answered"]["count"] == len(answered)
    odd = sum(row["unfamiliar"] == "true" for row in written)
    assert figures["unfamiliar"]["count"] == odd
    assert figures["brier_uncalibrated"]["value"] != figures["brier"]["value"]
    page = (result / "report.html").read_text("utf-8")
    assert "the merged sets do so in at least 80.0" in page
    assert "as it takes both" in page
    assert "more than half of its 2 members do, where its prediction set is not" in page


def test_an_old_member_leaves_the_columns_out(tmp_path: Path) -> None:
    images = write_study(tmp_path / "images")
    members = [known_bundle(tmp_path / "new"), other_bundle(tmp_path / "old")]
    save_ensemble(
        tmp_path / "both", members, training_hashes=TrainingHashes(), version="0", created="now"
    )
    table = tmp_path / "out.csv"
    assert main(["predict", str(tmp_path / "both"), str(images), "-o", str(table), "--quiet"]) == 0
    assert not set(DECISION_COLUMNS) & set(table.read_text().splitlines()[0].split(","))


def test_compare_takes_calibrated_probabilities_of_all(tmp_path: Path) -> None:
    """Of a network with a temperature, and of an ensemble that it is a member of."""
    images = write_study(tmp_path / "images")
    one = store_reliability(make_bundle(tmp_path / "one"), toy_rules((), ood=None), None)
    other = other_bundle(tmp_path / "other")
    save_ensemble(
        tmp_path / "both",
        [one, other],
        training_hashes=TrainingHashes(),
        version="0",
        created="now",
    )
    study = [str(images), "--manifest", str(images / "study.csv"), "--group", "s"]
    runs = [str(tmp_path / "tested" / name) for name in ("one", "both")]
    for name, run in zip(("one", "both"), runs, strict=True):
        assert main(["evaluate", str(tmp_path / name), *study, "-o", run, "--quiet"]) == 0
    assert main(["compare", *runs, "-o", str(tmp_path / "out"), "--quiet"]) == 0
    with (tmp_path / "out" / "comparison.csv").open(newline="") as stream:
        told = {(row["run"], row["metric"]): float(row["value"]) for row in csv.DictReader(stream)}
    labels = np.arange(12) % 3
    for name in ("one", "both"):
        predictor = Predictor(load_bundle(tmp_path / name))
        given = predictor.predict_images([grey_image(number) for number in range(12)])
        chances = given.probabilities
        if name == "one":  # dividing the logits by 2 is taking roots
            chances = np.sqrt(chances)
            chances /= chances.sum(axis=1, keepdims=True)
        expected = -np.log(chances[np.arange(12), labels]).mean()
        assert told[name, "log_loss"] == pytest.approx(expected, abs=1e-4)
