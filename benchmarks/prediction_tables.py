"""The tables of RESULTS.md on prediction: speed, memory, start and arithmetic."""

from __future__ import annotations

from typing import Any

Record = dict[str, Any]


def prediction_tables(records: list[Record]) -> str:
    """All of them as Markdown, those without a measurement left out."""
    text = ""
    for benchmark, table in (
        ("prediction speed", _speed),
        ("prediction memory", _memory),
        ("cold start", _start),
        ("network efficiency", _efficiency),
    ):
        rows = [record for record in records if record["benchmark"] == benchmark]
        if rows:
            text += table(rows)
    return text


def _speed(rows: list[Record]) -> str:
    lines = [
        "## Prediction, from files to a CSV\n",
        "Whole processes, start included, in turn with the plain Keras script; medians, and the "
        "range in brackets. *Without waits*: taken off the script's time are the seconds in which "
        "Keras waits at the end of `predict` for a thread of TensorFlow's data pipeline to wake "
        "up.\n",
        "| files | network | ours in | ours, images a second | plain | **ratio, pair by pair** "
        "| without waits "
        "| ours, user s | plain, user s | peak MB, ours / plain | date | command |",
        "|---" * 12 + "|",
    ]
    for row in rows:
        speeds = [row["images"] / row[side]["median"] for side in ("ours_wall", "plain_wall")]
        lines.append(
            f"| {row['images']} {row['files']} | {row['network']} "
            f"| {row.get('precision', 'float32')} | {speeds[0]:.1f} "
            f"| {speeds[1]:.1f} | **{_ranged(row['ratio'])}** "
            f"| {_ranged(row['ratio_without_waits']) if 'plain_waits' in row else '-'} "
            f"| {row['ours_user']['median']:.1f} "
            f"| {row['plain_user']['median']:.1f} "
            f"| {row['ours_peak_mb']} / {row['plain_peak_mb']} "
            f"| {row['date']} | `{row['command']}` |"
        )
    return _end(lines, rows)


def _memory(rows: list[Record]) -> str:
    lines = []
    for row in rows:
        lines += [
            "## Prediction of many images\n",
            f"{row['network']} at {row['input_size']} x {row['input_size']}, files of "
            f"{row['files']}. Start-up {row['start_up']['median']:.2f} s.\n",
            "| images | seconds | ms an image | without start-up | peak MB |",
            "|---" * 5 + "|",
        ]
        lines += [
            f"| {one['images']:,} | {one['wall']:.1f} | {one['ms_per_image']:.2f} "
            f"| {one['ms_per_image_net']:.2f} | {one['peak_mb']} |"
            for one in row["rows"]
        ]
        lines.append(f"\n`{row['command']}`, {row['date']}.")
    return _end(lines, rows)


def _start(rows: list[Record]) -> str:
    lines = [
        "## Start to first prediction\n",
        "One image, the whole process; medians, and the range in brackets.\n",
        "| network | ours, s | plain Keras script, s | ratio, pair by pair | date | command |",
        "|---" * 6 + "|",
    ]
    lines += [
        f"| {row['network']} | **{_ranged(row['ours_wall'])}** | {_ranged(row['plain_wall'])} "
        f"| {_ranged(row['ratio'])} | {row['date']} | `{row['command']}` |"
        for row in rows
    ]
    return _end(lines, rows)


def _efficiency(rows: list[Record]) -> str:
    lines = [
        "## The network's arithmetic against a matrix product\n",
        "float32, measured in turn; two operations a multiply-add. Medians, and the range in "
        "brackets.\n",
        "| network | runtime | cores | multiply-adds an image | ms an image | GFLOP/s "
        "| matrix product, GFLOP/s | **share** | date | command |",
        "|---" * 10 + "|",
    ]
    lines += [
        f"| {row['network']} | {row['backend']} | {row['cores']} "
        f"| {row['gmac_per_image']:.3f} * 10^9 | {_ranged(row['ms_per_image'])} "
        f"| {_ranged(row['network_gflops'])} | {_ranged(row['matmul_gflops'])} "
        f"| **{_ranged(row['share'])}** | {row['date']} | `{row['command']}` |"
        for row in rows
    ]
    return _end(lines, rows)


def _ranged(value: dict[str, Any]) -> str:
    return f"{value['median']:.2f} ({value['low']:.2f} to {value['high']:.2f})"


def _end(lines: list[str], rows: list[Record]) -> str:
    return "\n".join(lines) + f"\n\nMachine: {rows[-1]['machine']}.\n\n"
