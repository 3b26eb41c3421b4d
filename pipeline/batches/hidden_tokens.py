"""Tokens that training hides, so that the row of the unknown token stands for new tokens.

Without that the row is learnt from tokens too rare for the vocabulary alone, and in a log that is
split by time it stands for something else: tokens that are new, of which many will be frequent.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import tensorflow as tf

from features.bundle import Bundle

_MOST = 0.2  # of a feature's tokens
_LEAST = 0.01  # below it nothing is hidden


@dataclass(frozen=True)
class Hidden:
    """How a feature's tokens are hidden.

    Args:
        share: Share of its tokens that are shown as unknown.
        num_oov_buckets: Number of its out-of-vocabulary ids, which are 1 and those that follow.
    """

    share: float
    num_oov_buckets: int


def hidden_shares(bundle: Bundle, asked: float | Literal["auto"]) -> dict[str, Hidden]:
    """What is hidden of which feature.

    `auto` hides nothing unless the bundle was split by time. Then the training rows are given as
    large a share of unknown tokens as the validation rows have: with u and v the shares in the
    two, (v - u) / (1 - u) of the tokens are hidden, at most a fifth, and none below a hundredth.

    Args:
        bundle: Data bundle that is trained on.
        asked: `train.hide_tokens`: `auto`, or the share of the tokens of every feature.

    Returns:
        Feature -> what is hidden, for features with a vocabulary, in the order of declaration.
    """
    features = bundle.metadata.features
    by_time = bundle.metadata.split_rule.get("by") in ("time", "day")
    if asked == "auto" and not (by_time and bundle.has_statistics):
        return {}
    shares: dict[str, Hidden] = {}
    for spec in bundle.metadata.model_inputs():
        vocabulary = features.vocabularies.get(spec.vocabulary or "")
        if vocabulary is None or features.features[spec.name].transform is not None:
            continue
        share = _lacking(bundle, spec.name) if asked == "auto" else float(asked)
        if share >= _LEAST or (asked != "auto" and share > 0.0):
            shares[spec.name] = Hidden(share, vocabulary.num_oov_buckets)
    return shares


def _lacking(bundle: Bundle, name: str) -> float:
    splits = bundle.statistics["splits"]
    if not splits["valid"]["rows"]:
        return 0.0
    trained, valid = (
        float(splits[split]["features"][name].get("oov_rate") or 0.0)
        for split in ("train", "valid")
    )
    return min(_MOST, (valid - trained) / (1.0 - trained)) if valid > trained else 0.0


def hide_tokens(
    inputs: Mapping[str, tf.Tensor],
    hidden: Mapping[str, Hidden],
    seed: tuple[int, tf.Tensor],
    first_row: tf.Tensor,
    batch_size: int,
) -> dict[str, tf.Tensor]:
    """The inputs of a batch, some of whose tokens are unknown.

    What is hidden is a function of the seed and the row's place in the batch alone: a worker that
    is given a part of a batch hides what one that is given all of it would.

    Args:
        inputs: Name -> tensor (rows,), or (rows, length).
        hidden: From `hidden_shares`.
        seed: Seed of the training, and int64 scalar that no two batches have in common.
        first_row: Place of the first row in the batch, int32 scalar.
        batch_size: Most rows in a batch, over all shards together.
    """
    changed = dict(inputs)
    for number, (name, how) in enumerate(hidden.items()):
        ids = inputs[name]
        width = ids.shape[1:]
        chances = tf.random.stateless_uniform(
            [batch_size, *width], tf.stack([tf.cast(seed[0], tf.int64) + number * 2**32, seed[1]])
        )
        chances = chances[first_row : first_row + tf.shape(ids)[0]]
        buckets = tf.cast(how.num_oov_buckets, ids.dtype)
        known = ids > buckets  # 0 is missing or padding
        unknown = 1 + (ids % buckets)
        changed[name] = tf.where(known & (chances < how.share), unknown, ids)
    return changed
