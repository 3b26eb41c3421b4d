"""A bundle in one line for the terminal, and in a section of metrics.json."""

import logging
from typing import Any

from features.bundle import Bundle
from features.splits import in_words
from pipeline.system.console import say

_MOSTLY = 0.5  # share of the tokens
_log = logging.getLogger(__name__)


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


def say_bundle(bundle: Bundle) -> None:
    """Prints a bundle in one line, and what is to be known of its features."""
    say("data", one_line(bundle))
    unknown = mostly_unknown(bundle)
    if unknown is not None:
        _log.warning("%s", unknown)


def mostly_unknown(bundle: Bundle) -> str | None:
    """Names the features most of whose test tokens are unknown, in a sentence; None without any."""
    if not bundle.has_statistics or not bundle.metadata.rows["test"]:
        return None
    features = bundle.statistics["splits"]["test"]["features"]
    shares = {name: float(rates.get("oov_rate") or 0.0) for name, rates in features.items()}
    unknown = [f"{name} {100 * share:.0f} %" for name, share in shares.items() if share > _MOSTLY]
    if not unknown:
        return None
    return (
        f"most tokens of test rows are not in the vocabulary: {', '.join(unknown)}. Such a feature "
        "tells the network little of later rows: leave it out, or lower its min_count"
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
