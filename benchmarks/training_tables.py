"""The tables of RESULTS.md about training: against the plain script, a step, the memory."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

Record = dict[str, Any]

_FIVE = range(5)
_CRITICAL = 2.776  # Student's t at 95 %, two-sided, of five folds


def training_tables(records: Sequence[Record]) -> str:
    """All of them, for the newest records of each kind."""
    return "".join(
        table([one for one in records if one["benchmark"] == name])
        for name, table in (
            ("paper recipe", _paper_recipe),
            ("time to accuracy", _time_to_accuracy),
            ("training step", _training_step),
            ("training memory", _training_memory),
        )
    )


def _paper_recipe(records: Sequence[Record]) -> str:
    if not records:
        return ""
    lines = [
        "## The paper's whole recipe against a plain Keras script\n",
        "Whole processes in turn, seconds; the script is `benchmarks/plain_keras.py`. Random",
        "weights, which make no difference to the time. *Without waits*: taken off the script's",
        "time are the seconds in which Keras waits at the end of each pass over its data for a",
        "thread of TensorFlow's data pipeline to wake up.\n",
        "| images, epochs | settings | plain: wall (user) | actinscope: wall (user) "
        "| times faster | without waits | date | command |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for one in records:
        sides = {
            side: tuple(
                statistics.median(run[side][clock] for run in one["runs"])
                for clock in ("wall", "user")
            )
            for side in ("plain", "ours")
        }
        ratio = statistics.median(run["plain"]["wall"] / run["ours"]["wall"] for run in one["runs"])
        awake = [
            (run["plain"]["wall"] - run["plain"]["waits"]) / run["ours"]["wall"]
            for run in one["runs"]
            if "waits" in run["plain"]
        ]
        lines.append(
            f"| {one['training_images']}, {one['epochs']} | {', '.join(one['settings']) or '-'} "
            f"| {sides['plain'][0]:.0f} ({sides['plain'][1]:.0f}) "
            f"| {sides['ours'][0]:.0f} ({sides['ours'][1]:.0f}) | **{ratio:.1f}** "
            f"| {f'{statistics.median(awake):.1f}' if awake else '-'} "
            f"| {one['date']} | `{one['command']}` |"
        )
    return "\n".join([*lines, f"\nMachine: {records[-1]['machine']}.\n\n"])


def _time_to_accuracy(records: Sequence[Record]) -> str:
    """Pairs of runs on the same fold and seed."""
    text = ""
    for data in sorted({one["data"] for one in records}):
        newest = {
            (one["side"], one["fold"], one["seed"]): one for one in records if one["data"] == data
        }
        text += _pairs(data, newest)
    return text


def _pairs(data: str, newest: dict[tuple[str, int, int], Record]) -> str:
    plain = {key[1:]: one for key, one in newest.items() if key[0] == "plain"}
    ours = {key[1:]: one for key, one in newest.items() if key[0] == "ours"}
    both = sorted(plain.keys() & ours.keys())
    if not both:
        return ""
    lines = [
        f"## {data}: the default recipe against a plain Keras script of the paper's\n",
        "Test images of grouped folds; balanced accuracy of the model that each side delivers.",
        "Seconds are of whole processes in turn (- : a run beside other work, not timed).",
        "*Reached* is when actinscope first had the validation accuracy that the script ended",
        "with, be it by the fitted last layer alone, and is no statement about test images; where",
        "it never had, the time of the whole run stands in brackets. *Awake*: against the script's",
        "time without the seconds in which Keras waits for a thread of TensorFlow to wake up.\n",
        "| fold, seed | plain | actinscope | plain: wall (user) s | actinscope: wall (user) s "
        "| times faster | awake | reached after s | times faster | awake |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [_pair(place, plain[place], ours[place]) for place in both]
    means = [
        statistics.mean(s[place]["balanced_accuracy"] for place in both) for s in (plain, ours)
    ]
    differences = [ours[p]["balanced_accuracy"] - plain[p]["balanced_accuracy"] for p in both]
    both_means = " | ".join(f"**{mean:.3f}**" for mean in means)
    lines.append(f"| **mean of {len(both)}** | {both_means} |{' |' * 7}")
    of_folds = [
        statistics.mean(d for place, d in zip(both, differences, strict=True) if place[0] == fold)
        for fold in sorted({fold for fold, _ in both})
    ]
    lines.append(f"\nDifference {100 * (means[1] - means[0]):+.1f} points{_interval(of_folds)}.")
    first, last = plain[both[0]], ours[both[-1]]
    lines.append(f"Commands: `{first['command']}`, `{last['command']}`, {last['date']}.")
    lines.append(f"\nMachine: {last['machine']}.\n\n")
    return "\n".join(lines)


def _interval(differences: Sequence[float]) -> str:
    """The corrected resampled t-test's (Nadeau and Bengio 2003), of the means of five folds."""
    if len(differences) != len(_FIVE):
        return ""
    # A fold tests a fifth of the images and trains on seven tenths; the rest is for validation.
    error = ((1 / 5 + 0.2 / 0.7) * statistics.variance(differences)) ** 0.5
    mean, half = statistics.mean(differences), _CRITICAL * error
    return (
        f" (95 % interval {100 * (mean - half):+.1f} to {100 * (mean + half):+.1f}, means of five "
        "folds, corrected resampled t-test)"
    )


def _pair(place: tuple[int, int], plain: Record, ours: Record) -> str:
    cells = [f"{place[0]}, {place[1]}"]
    cells += [f"{side['balanced_accuracy']:.3f}" for side in (plain, ours)]
    cells += [
        f"{side['wall']:.0f} ({side['user']:.0f})" if "wall" in side else "-"
        for side in (plain, ours)
    ]
    if "wall" in plain and "wall" in ours:
        goal = plain["epochs"][-1]["validation_accuracy"]
        # The screen shows three digits.
        hits = [e["wall"] for e in ours["epochs"] if e["validation_accuracy"] >= goal - 6e-4]
        spent = hits[0] if hits else ours["wall"]
        awake = plain["wall"] - plain["waits"] if "waits" in plain else None
        cells += [
            f"{plain['wall'] / ours['wall']:.1f}",
            f"{awake / ours['wall']:.1f}" if awake else "-",
            f"{spent:.0f}" if hits else f"({spent:.0f})",
            f"{plain['wall'] / spent:.1f}" if hits else "-",
            f"{awake / spent:.1f}" if awake and hits else "-",
        ]
    else:
        cells += ["-"] * 5
    return "| " + " | ".join(cells) + " |"


def _training_step(records: Sequence[Record]) -> str:
    if not records:
        return ""
    lines = [
        "## One training step on stored activations\n",
        "Milliseconds an image, medians of interleaved steps of 16 images. *Arithmetic*: the",
        "multiply-adds at the rate of NumPy's matrix product on this machine in the same run.\n",
        "| network | batch normalisation | Keras: wall (user) | actinscope: wall (user) "
        "| times faster | arithmetic | date | command |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for one in records:
        wall, user = one["wall_ms"], one["user_ms"]
        lines.append(
            f"| {one['network']} | {one['batch_norm']} | {wall['keras']} ({user['keras']}) "
            f"| {wall['ours']} ({user['ours']}) | **{wall['keras'] / wall['ours']:.2f}** "
            f"| {one['arithmetic_ms']} | {one['date']} | `{one['command']}` |"
        )
    return "\n".join([*lines, "\n\n"])


def _training_memory(records: Sequence[Record]) -> str:
    if not records:
        return ""
    lines = [
        "## Peak memory of training\n",
        "Generated images; `fine-tuned` trains one epoch on one stored view.\n",
        "| recipe, network | images | peak memory, GB | seconds | date | command |",
        "|---|---|---|---|---|---|",
        *(
            f"| {one.get('recipe', 'fine-tuned')}, {one['network']} | {row['images']:,} "
            f"| {row['peak_gb']} | {row['seconds']} | {one['date']} | `{one['command']}` |"
            for one in records
            for row in one["rows"]
        ),
    ]
    return "\n".join([*lines, f"\nMachine: {records[-1]['machine']}.\n\n"])
