"""The command: a table of the columns, and the proposal as a file or on standard output."""

from pathlib import Path

from rich.console import Console

from features.errors import ConfigError
from pipeline.inspection.print_proposal import print_proposal
from pipeline.inspection.proposal import Proposal, propose
from pipeline.inspection.read_sample import read_sample
from pipeline.inspection.yaml_text import to_yaml
from pipeline.system.program import program


def inspect_files(
    path: str,
    rows: int,
    out: Path | None = None,
    label: str | None = None,
    columns: str | None = None,
    delimiter: str | None = None,
) -> Proposal:
    """Looks at files, shows what was found, and writes a configuration.

    Args:
        path: Path of a file or a folder.
        rows: Number of rows to look at.
        out: YAML file; None prints it, and the table goes to standard error.
        label: Column to predict.
        columns: Names of all columns with commas between them, for text without a header.
        delimiter: Delimiter of text; `\\\\t` stands for a tab.

    Raises:
        ConfigError: `out` exists or cannot be written, or a delimiter that no text can have.
        DataError: The files cannot be read, or make no data set.
    """
    if out is not None and out.exists():
        raise ConfigError(f"{out} exists, perhaps edited. Remove it, or give another --out.")
    if delimiter is not None:
        delimiter = delimiter.replace("\\t", "\t")
    names = None if columns is None else tuple(name.strip() for name in columns.split(","))
    proposal = propose(read_sample(path, rows, names, delimiter, label), label)
    text = to_yaml(proposal)
    print_proposal(proposal, Console(stderr=out is None))
    if out is None:
        print(text, end="")
        return proposal
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, "utf-8")
    except OSError as error:
        raise ConfigError(
            f"{out} cannot be written: {error.strerror}. Give another --out."
        ) from error
    Console(soft_wrap=True).print(
        f"proposal  {out}; look it over, then: {program()} build-bundle --config {out}",
        markup=False,
        highlight=False,
    )
    return proposal
