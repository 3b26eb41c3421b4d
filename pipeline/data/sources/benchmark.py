"""What the open benchmark's data sets have in common: CSV files, one for each split."""

from pipeline.data.sources.base import SideTable, Source, TextFile

_PUBLISHED = "https://huggingface.co/datasets/reczoo"


def benchmark_set(
    directory: str,
    title: str,
    terms: str,
    has_valid: bool = True,
    side_tables: tuple[SideTable, ...] = (),
) -> Source:
    """A data set of the benchmark.

    Args:
        directory: What the benchmark calls it.
        title: Name in reports.
        terms: Those of the data it was made from, in a line.
        has_valid: Whether there is a valid.csv; where not, the benchmark validates on test.csv.
        side_tables: Joined to the log.
    """
    names = ("train", "valid", "test") if has_valid else ("train", "test")
    return Source(
        name=directory.lower(),
        title=title,
        homepage=f"{_PUBLISHED}/{directory}",
        terms=terms,
        log=TextFile(patterns=tuple(f"{name}.csv" for name in names)),
        side_tables=side_tables,
        splits={name: (f"{name}.csv",) for name in names},
    )
