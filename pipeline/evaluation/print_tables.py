"""An evaluation as tables in the terminal."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.evaluation.text_tables import (
    TextTable,
    embedding_tables,
    prediction_tables,
    split_tables,
)


def print_metrics(split: str, report: Mapping[str, Any], console: Console) -> None:
    """Prints the metrics of one split; of the test rows also how the branches cooperate.

    (On one screen that is enough: report.html shows both splits in full.)
    """
    tables = split_tables(report) if split == "test" else prediction_tables(report)
    for table in tables:
        print_table(f"{split}: {table.caption}", table, console)


def print_embedding_tables(report: Mapping[str, Any], console: Console) -> None:
    """Prints the information abundance of the embedding tables, if there are any."""
    for table in embedding_tables(report):
        print_table(table.caption, table, console)


def print_table(title: str, table: TextTable, console: Console) -> None:
    """Prints a table of text."""
    # Text, not str: a name in brackets is no markup.
    shown = Table(title=Text(title), title_justify="left")
    for position, name in enumerate(table.columns):
        shown.add_column(Text(name), justify="right" if position else "left")
    for row in table.rows:
        shown.add_row(*map(Text, row))
    console.print(shown)
