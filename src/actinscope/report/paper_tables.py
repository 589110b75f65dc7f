"""The tables of the paper's experiment as CSV."""

from __future__ import annotations

import math
from pathlib import Path

from actinscope.files import make_folder
from actinscope.report.paper_content import PaperCell, PaperContent, PaperTable
from actinscope.report.tables import exact, write_csv

_ENDS = ("", " low", " high", " n")


def write_paper_tables(content: PaperContent, folder: Path) -> None:
    """Write each table as ``KEY.csv``.

    A published number has the printed digits; own numbers have all digits, in the
    unit of the paper's table, with their interval and the number of images.
    """
    make_folder(folder)
    for table in content.tables:
        write_csv(folder / f"{table.key}.csv", *spreadsheet(table))


def shown(cell: PaperCell, *, in_percent: bool) -> str:
    """A cell as a reader sees it: printed digits, or a value and its interval in brackets."""
    one = cell.estimate
    if one is None:
        return cell.text
    scale, digits = (100, 1) if in_percent else (1, 3)
    words = _number(one.value * scale, digits)
    if math.isfinite(one.low) and math.isfinite(one.high):
        ends = (_number(end * scale, digits) for end in (one.low, one.high))
        words += f" ({' to '.join(ends)})"
    return words


def spreadsheet(table: PaperTable) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a table for spreadsheets."""
    measured = [
        any(row.cells[index].estimate for row in table.rows if row.cells)
        for index in range(len(table.columns))
    ]
    columns = [
        f"{name}{end}"
        for name, numbers in zip(table.columns, measured, strict=True)
        for end in (_ENDS if numbers else _ENDS[:1])
    ]
    rows = []
    for row in table.rows:
        cells: list[str] = []
        for index, numbers in enumerate(measured):
            cell = row.cells[index] if row.cells else PaperCell()
            cells += _values(cell, table.in_percent) if numbers else [cell.text]
        rows.append([row.name, row.source, *cells, row.note])
    return [*table.heads, *columns, "note"], rows


def _values(cell: PaperCell, in_percent: bool) -> list[str]:
    one = cell.estimate
    if one is None:
        return [cell.text, "", "", ""]
    scale = 100 if in_percent else 1
    return [*(exact(scale * value) for value in (one.value, one.low, one.high)), str(one.n)]


def _number(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else "n/a"
