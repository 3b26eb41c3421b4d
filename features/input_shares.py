"""How much of each input is missing or unknown, and when that is far from what training saw.

Typical of a road that writes values in another way: every token is unknown, or a column that is
spelt otherwise is missing in every row, and no score says so.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from features.bundle import Bundle
from features.config import StrictModel

FEWEST = 300  # rows, or tokens, of which a share is compared
_DIFFERENCE = 0.05  # smaller ones are not told, however certain
_DEVIATIONS = 5.0  # of a binomial count, that a difference must exceed
_SHOWN = 5

Kind = Literal["missing", "unknown"]


class InputCounts(NamedTuple):
    """What was counted of one input.

    Args:
        rows: Rows.
        missing: Rows without a value; of a list, without any token.
        tokens: Tokens in them, as the network sees them.
        unknown: Tokens that are not in the vocabulary.
    """

    rows: int = 0
    missing: int = 0
    tokens: int = 0
    unknown: int = 0


class InputShares(StrictModel):
    """Shares of one input in training.

    Args:
        missing: Of the rows.
        unknown: Of the tokens; None where there is no vocabulary.
        grows: Whether it is a history, which early rows do not have yet and later ones do.
    """

    missing: float
    unknown: float | None = None
    grows: bool = False


class TrainingShares(StrictModel):
    """Shares of every input in the training rows; given vectors are left out.

    Args:
        rows: Number of training rows.
        inputs: Feature -> its shares.
    """

    rows: int
    inputs: dict[str, InputShares]


class Difference(NamedTuple):
    """A share that is far from training's.

    Args:
        feature: Name of the input.
        kind: What it is the share of.
        share: What was counted.
        trained: What it was in training.
        of: Number of rows, or tokens, that were counted.
    """

    feature: str
    kind: Kind
    share: float
    trained: float
    of: int

    def in_words(self) -> str:
        """A sentence."""
        now, then = f"{100 * self.share:.1f} %", f"{100 * self.trained:.1f} %"
        if self.kind == "unknown":
            return (
                f"{self.feature}: {now} of {self.of:,} tokens are unknown to the model, {then} in "
                "training. Check that they are written as in training, or train again."
            )
        return (
            f"{self.feature}: missing in {now} of {self.of:,} rows, {then} in training. Check the "
            "name of its column and what stands for missing."
        )


def training_shares(bundle: Bundle) -> TrainingShares | None:
    """The shares that a bundle's statistics.json has of its training rows; None without one."""
    if not bundle.has_statistics:
        return None
    train = bundle.statistics["splits"]["train"]
    inputs = {
        spec.name: InputShares(
            missing=train["features"][spec.name]["missing_rate"],
            unknown=train["features"][spec.name].get("oov_rate"),
            grows=bool(spec.history),
        )
        for spec in bundle.metadata.features.inputs
        if spec.kind != "embedding"
    }
    return TrainingShares(rows=train["rows"], inputs=inputs)


def counts_of_split(statistics: Mapping[str, Any], split: str) -> dict[str, InputCounts]:
    """What statistics.json counted of each input in a split."""
    rows = statistics["splits"][split]["rows"]
    counts = {}
    for name, rates in statistics["splits"][split]["features"].items():
        missing = round(rates["missing_rate"] * rows)
        tokens = round(rates["mean_length"] * rows) if "mean_length" in rates else rows - missing
        unknown = round(rates.get("oov_rate", 0.0) * tokens)
        counts[name] = InputCounts(rows, missing, tokens, unknown)
    return counts


def differences(counts: Mapping[str, InputCounts], training: TrainingShares) -> list[Difference]:
    """The shares that are far from training's, the largest difference first.

    A share is far where it is of at least 300 rows or tokens and differs from training's by more
    than 0.05 and by more than five standard deviations of a binomial count. Fewer unknown tokens
    than in training are none: a token that is counted rarely in training is unknown there. Nor is
    a history that is missing less often: it had yet to begin.
    """
    found = []
    for name, trained in training.inputs.items():
        counted = counts.get(name, InputCounts())
        shares: list[tuple[Kind, int, int, float | None]] = [
            ("missing", counted.missing, counted.rows, trained.missing),
            ("unknown", counted.unknown, counted.tokens, trained.unknown),
        ]
        for kind, count, of, then in shares:
            if then is None or of < FEWEST:
                continue
            now = count / of
            more = now - then
            deviation = math.sqrt(max(now * (1.0 - now), then * (1.0 - then)) / of)
            far = abs(more) > max(_DIFFERENCE, _DEVIATIONS * deviation)
            less_is_far = kind == "missing" and not trained.grows
            if far and (more > 0 or less_is_far):
                found.append(Difference(name, kind, now, then, of))
    return sorted(found, key=lambda each: -abs(each.share - each.trained))


def in_words(found: Sequence[Difference]) -> list[str]:
    """A sentence for each of the largest differences, and how many more there are."""
    lines = [each.in_words() for each in found[:_SHOWN]]
    if len(found) > _SHOWN:
        lines.append(f"{len(found) - _SHOWN:,} more shares are as far from training's.")
    return lines
