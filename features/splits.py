"""What a bundle's split rule says, in words: reports name the protocol that a number came from."""

from collections.abc import Mapping
from typing import Any


def valid_is_test(rule: Mapping[str, Any]) -> bool:
    """Whether the validation rows of a bundle are its test rows, standing in both splits.

    Args:
        rule: `BundleMetadata.split_rule`.
    """
    return bool(rule.get("valid_is_test"))


def in_words(rule: Mapping[str, Any]) -> str:
    """The rule in a phrase: `by time of column 'ts', clean: valid and test are apart`.

    Args:
        rule: `BundleMetadata.split_rule`; `{}` where a bundle's rows were not told apart by a job.
    """
    if not rule:
        return "unknown"
    how = {
        "time": f"by time of column {rule.get('column')!r}",
        "day": f"by day of column {rule.get('column')!r}, the last "
        f"{_days(rule.get('test_days'))} for test",
        "hash": f"by a hash of {_hashed(rule)}",
        "files": "by the publisher's files",
        "last": f"by the last row of each {rule.get('key')!r}",
    }.get(rule["by"], f"by {rule['by']}")
    if rule["by"] == "files" and rule.get("valid"):
        how += f" (valid: {rule['valid']:.3g} of the training rows by a hash of {_hashed(rule)})"
    if "train_from" in rule:
        how += f", rows before {rule['train_from']} for histories alone"
    if valid_is_test(rule):
        return f"{how}, published: the validation rows are the test rows"
    if rule.get("validation") == "published":
        return f"{how}, published: valid and test are apart"
    return f"{how}, clean: valid and test are apart"


def _hashed(rule: Mapping[str, Any]) -> str:
    key = rule.get("key")
    return "each row's place" if key is None else f"column {key!r}"


def _days(number: Any) -> str:
    return "day" if number == 1 else f"{number} days"
