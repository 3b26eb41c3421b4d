"""A proposal as a table on the terminal."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipeline.inspection.column import Column
from pipeline.inspection.proposal import Proposal
from pipeline.inspection.yaml_text import guess_of_label


def print_proposal(proposal: Proposal, console: Console) -> None:
    """Prints a line for each column, suspects of a leak last."""
    sample = proposal.sample
    rows = f"{'all' if sample.whole else 'the first'} {sample.rows:,} rows of {sample.data.path}"
    label = f"{proposal.label.column} is 1 in {100 * proposal.click_rate:.2f} %"
    guess = f"{guess_of_label(proposal)}\n" if proposal.label.is_guess else ""
    table = Table(title=escape(f"{guess}{rows}; {label}"), title_justify="left")
    for heading in ("column", "proposed", "distinct", "missing", "AUC alone", "why"):
        right = heading in ("distinct", "missing", "AUC alone")
        table.add_column(heading, justify="right" if right else "left", overflow="fold")
    at_least = proposal.label.at_least
    threshold = "" if at_least is None else f"at least {at_least:g}"
    if proposal.label.positive is not None:
        threshold = f"is {proposal.label.positive!r}"
    table.add_row(*_cells(proposal, proposal.label.column, "label", threshold))
    if proposal.time is not None:
        unit = f"unit {proposal.time.unit}"
        table.add_row(*_cells(proposal, proposal.time.column, "timestamp", unit))
    kept = [column for column in proposal.columns if not column.suspect]
    for column in (*kept, *proposal.suspects):
        style = "red" if column.suspect else None
        proposed, why = _proposed(proposal, column), column.left_out or column.reason
        table.add_row(*_cells(proposal, column.column, proposed, why, column.auc), style=style)
    for name, reason in proposal.sample.unread.items():
        cells = (name, "left out", "", "", "", f"cannot be read: {reason}")
        table.add_row(*map(escape, cells))
    console.print(table)


def _proposed(proposal: Proposal, column: Column) -> str:
    proposed = column.kind if column.left_out is None else "left out"
    if column.suspect:
        proposed = "LEAK?"
    if column.column == proposal.user:
        proposed += ", group key"
    return proposed


def _cells(
    proposal: Proposal, name: str, proposed: str, why: str, auc: float | None = None
) -> tuple[str, ...]:
    facts = proposal.facts[name]
    cells = (
        name,
        proposed,
        f"{facts.distinct:,}",
        f"{100 * facts.missing:.1f} %",
        "" if auc is None else f"{auc:.3f}",
        why,
    )
    return tuple(map(escape, cells))
