"""A bundle in one line for the terminal, and in a section of metrics.json."""

from typing import Any

from features.bundle import Bundle
from features.splits import in_words


def one_line(bundle: Bundle) -> str:
    """A bundle in one line."""
    metadata = bundle.metadata
    rows = " / ".join(f"{count:,} {split}" for split, count in metadata.rows.items())
    tokens = sum(metadata.analysis.vocabulary_sizes.values())
    return (
        f"{rows} examples, {len(metadata.features.inputs)} features in "
        f"{len(metadata.features.groups)} groups, {tokens:,} vocabulary entries; split "
        f"{in_words(metadata.split_rule)}"
    )


def data_report(bundle: Bundle) -> dict[str, Any]:
    """For metrics.json: which data, and by which protocol numbers were measured on them."""
    metadata = bundle.metadata
    return {
        "source": metadata.source,
        "rows": metadata.rows,
        "split": in_words(metadata.split_rule),
        "split_rule": metadata.split_rule,
    }
