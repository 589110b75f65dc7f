"""The tables of the paper's experiment as CSV and as LaTeX (booktabs)."""

from __future__ import annotations

import math
from itertools import groupby
from pathlib import Path

from actinscope.files import make_folder, write_text_atomic
from actinscope.report.paper_content import PaperCell, PaperContent, PaperRow, PaperTable
from actinscope.report.tables import exact, write_csv
from actinscope.report.text import clean

_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
}
_ENDS = ("", " low", " high", " n")


def write_paper_tables(content: PaperContent, folder: Path) -> None:
    """Write each table as ``KEY.csv`` and ``KEY.tex``.

    In the CSV a published number has the printed digits; own numbers have all digits, in the
    unit of the paper's table, with their interval and the number of images.
    """
    make_folder(folder)
    for table in content.tables:
        write_csv(folder / f"{table.key}.csv", *spreadsheet(table))
        write_text_atomic(folder / f"{table.key}.tex", latex_text(table))


def shown(cell: PaperCell, *, in_percent: bool, dash: str = " to ") -> str:
    """A cell as a reader sees it: printed digits, or a value and its interval in brackets."""
    one = cell.estimate
    if one is None:
        return cell.text
    scale, digits = (100, 1) if in_percent else (1, 3)
    words = _number(one.value * scale, digits)
    if math.isfinite(one.low) and math.isfinite(one.high):
        ends = (_number(end * scale, digits) for end in (one.low, one.high))
        words += f" ({dash.join(ends)})"
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


def latex_text(table: PaperTable) -> str:
    """A table for a manuscript; needs the packages booktabs and, in Table I, array."""
    wide = not any(cell.estimate for row in table.rows for cell in row.cells)
    columns = r"p{0.3\linewidth}" if wide and table.key == "table_1" else "l"
    lines = [
        "% needs \\usepackage{booktabs}",
        "\\begin{table}",
        f"\\caption{{{escaped(f'{table.title}. {table.caption}')}}}",
        f"\\begin{{tabular}}{{ll{columns * len(table.columns)}}}",
        "\\toprule",
        _line([*table.heads, *table.columns]),
        "\\midrule",
    ]
    for number, (_, rows) in enumerate(groupby(table.rows, key=lambda row: row.name)):
        if number and table.key != "table_1":
            lines.append("\\addlinespace")
        lines += [_row(row, table) for row in rows]
    lines += ["\\bottomrule", "\\end{tabular}", "\\end{table}"]
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """Foreign text that LaTeX prints as it stands."""
    return "".join(_LATEX.get(sign, sign) for sign in " ".join(clean(text).split()))


def _row(row: PaperRow, table: PaperTable) -> str:
    if not row.cells:
        width = len(table.columns)
        note = f"\\multicolumn{{{width}}}{{p{{0.5\\linewidth}}}}{{{escaped(row.note)}}}"
        return f"{escaped(row.name)} & {escaped(row.source)} & {note} \\\\"
    cells = [shown(cell, in_percent=table.in_percent, dash="--") for cell in row.cells]
    return _line([row.name, row.source, *cells])


def _line(words: list[str]) -> str:
    return " & ".join(escaped(word) for word in words) + r" \\"


def _values(cell: PaperCell, in_percent: bool) -> list[str]:
    one = cell.estimate
    if one is None:
        return [cell.text, "", "", ""]
    scale = 100 if in_percent else 1
    return [*(exact(scale * value) for value in (one.value, one.low, one.high)), str(one.n)]


def _number(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else "n/a"
