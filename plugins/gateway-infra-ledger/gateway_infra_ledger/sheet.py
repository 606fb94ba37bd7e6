"""A sheet of rows, printed for eyes, for spreadsheets or for programs."""

import csv
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway import strictjson

WIDE = 240
"""Characters in a line where nobody's screen limits it."""

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""How a spreadsheet's formula begins. A client chooses some of our texts, and an accountant opens the file."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column for eyes.

    Attributes:
        title: stands above it.
        right: numbers stand at its right.
        whole: it is never cut off.
    """

    title: str
    right: bool = False
    whole: bool = False


def print_csv(names: Sequence[str], rows: Iterable[Mapping[str, Any]], out: TextIO | None = None) -> None:
    """Comma-separated values, with a head."""
    writer = csv.writer(out or sys.stdout, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([_cell(row[name]) for name in names] for row in rows)


def print_json(title: str, rows: Iterable[Mapping[str, Any]], out: TextIO | None = None) -> None:
    """A JSON object with the rows under their title, one per line, written as they come."""
    out = out or sys.stdout
    out.write(f'{{"{title}": [')
    for number, row in enumerate(rows):
        out.write(",\n " if number else "\n ")
        out.write(strictjson.dumps(dict(row)).decode())
    out.write("\n]}\n")


def print_table(columns: Sequence[Column], rows: Iterable[Sequence[str]], foot: Sequence[str] = ()) -> None:
    """A table as wide as the screen."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_footer=bool(foot))
    for column, below in zip(columns, foot or [""] * len(columns), strict=True):
        table.add_column(column.title, _shown(below), justify="right" if column.right else "left", no_wrap=column.whole)
    for row in rows:
        table.add_row(*map(_shown, row))
    Console(width=None if sys.stdout.isatty() else WIDE).print(table)


def _cell(value: Any) -> str:
    """A value that no spreadsheet takes for a formula, or for more than one cell."""
    if isinstance(value, list):
        value = "; ".join(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _printable(f"'{value}" if value.startswith(FORMULA) else value)
    return "" if value is None else str(value)


def _shown(value: str) -> Text:
    """Text without markup, and without characters that would move a terminal's cursor."""
    return Text(_printable(value))


def _printable(value: str) -> str:
    return "".join(char if char.isprintable() else "\ufffd" for char in value)
