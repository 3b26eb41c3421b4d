"""Maps of logits, by which what a trained network says becomes calibrated probabilities."""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pydantic
import tensorflow as tf

from features.config import StrictModel
from models.network.outputs import NetworkOutputs

FUSED = "fused"  # name of the network's own prediction beside those of its branches
Finite = pydantic.FiniteFloat


class LogitMap(StrictModel):
    """A rising, piecewise linear function of a logit: the order of rows stays what it was.

    With knots (x_j, y_j) it is linear between two of them, and has the slope `outer` beyond the
    first and the last:

        f(s) = y_i + slope_i (s - x_i),  x_i the largest knot at or below s, or the first one

    Args:
        x: Knots, rising.
        y: Their values, rising.
        outer: Slope beyond them, > 0.

    Call arguments:
        logits: Float tensor or array of any shape.

    Returns:
        float32 tensor of that shape.
    """

    x: tuple[Finite, ...] = pydantic.Field(min_length=1)
    y: tuple[Finite, ...] = pydantic.Field(min_length=1)
    outer: Finite = pydantic.Field(1.0, gt=0.0)

    @pydantic.model_validator(mode="after")
    def _rises(self) -> "LogitMap":
        if len(self.x) != len(self.y) or not all(
            a < b for knots in (self.x, self.y) for a, b in itertools.pairwise(knots)
        ):
            raise ValueError(
                "LogitMap: x and y must rise and be equally many. Received: "
                f"x={self.x}, y={self.y}."
            )
        return self

    def __call__(self, logits: Any) -> tf.Tensor:
        s = tf.cast(logits, tf.float32)
        x, y = np.array(self.x), np.array(self.y)
        slopes = np.concatenate([[self.outer], np.diff(y) / np.diff(x), [self.outer]])
        # A comparison with every knot, of which there are few: any runtime of graphs has that.
        above = tf.reduce_sum(
            tf.cast(s[..., tf.newaxis] >= tf.constant(x, tf.float32), tf.int32), axis=-1
        )
        anchor = tf.maximum(above - 1, 0)
        distance = s - tf.gather(tf.constant(x, tf.float32), anchor)
        slope = tf.gather(tf.constant(slopes, tf.float32), above)
        return tf.gather(tf.constant(y, tf.float32), anchor) + slope * distance


LogitMaps = Mapping[str, LogitMap]  # `fused` or branch -> its map; what has none stays as it is


def correction_for_negatives(kept: float, branch_names: Sequence[str]) -> dict[str, LogitMap]:
    """Corrects predictions of a network that was trained on all clicks and some of the rest.

    With w the share of negatives that was kept, q = p / (p + (1 - p) / w), which adds ln w to the
    logit of p.

    Reference: He et al., Practical Lessons from Predicting Clicks on Ads at Facebook, ADKDD 2014,
    section 6.3.

    Args:
        kept: Share w of the negatives that was kept, in (0, 1].
        branch_names: Names of the branches.

    Returns:
        A map for each prediction; none where all negatives were kept.
    """
    if kept == 1.0:
        return {}
    return {name: LogitMap(x=(0.0,), y=(math.log(kept),)) for name in (FUSED, *branch_names)}


def mapped_logits(
    maps: LogitMaps, branch_names: Sequence[str], logit: Any, branch_logits: Any | None
) -> tuple[tf.Tensor, tf.Tensor | None]:
    """Logits after their maps, each prediction by its own.

    Args:
        maps: The maps.
        branch_names: Names of the branches in the order of the columns of `branch_logits`.
        logit: The fused logit, of any shape.
        branch_logits: (B, n); None where the branches have none.
    """
    if FUSED in maps:
        logit = maps[FUSED](logit)
    if branch_logits is not None and any(name in maps for name in branch_names):
        columns = tf.unstack(tf.cast(branch_logits, tf.float32), num=len(branch_names), axis=1)
        named = zip(branch_names, columns, strict=True)
        branch_logits = tf.stack(
            [maps[name](column) if name in maps else column for name, column in named], axis=1
        )
    return logit, branch_logits


class MappedNetwork:
    """A trained network whose logits go through maps; called as the network is.

    Args:
        network: Returns `NetworkOutputs`; it has `branch_names`.
        maps: The maps.
    """

    def __init__(self, network: Any, maps: LogitMaps) -> None:
        self._network = network
        self._maps = maps

    @property
    def branch_names(self) -> Sequence[str]:
        """Names of the branches, in the order of the columns of `branch_logits`."""
        return self._network.branch_names

    def __call__(self, inputs: Any, /, *, training: bool) -> NetworkOutputs:
        outputs: NetworkOutputs = self._network(inputs, training=training)
        logit, branch_logits = mapped_logits(
            self._maps, self.branch_names, outputs.logit, outputs.branch_logits
        )
        return outputs._replace(logit=logit, branch_logits=branch_logits)


def with_maps(network: Any, maps: LogitMaps) -> Any:
    """The network itself where there are no maps."""
    return MappedNetwork(network, maps) if maps else network
