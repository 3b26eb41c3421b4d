"""Group AUC: how well scores order the examples inside each group, such as a user's."""

from typing import Any, Literal, get_args

import numpy as np
import tensorflow as tf
import tf_keras

from models.metrics.auc import auc_by_group

WeightBy = Literal["impressions", "clicks", "uniform"]


def group_auc(
    labels: np.ndarray,
    scores: np.ndarray,
    groups: np.ndarray,
    weight_by: WeightBy = "impressions",
) -> float:
    """The weighted mean of the groups' AUCs. Groups with one class are left out.

    Exact, as FuxiCTR's gAUC (which weights by impressions); `docs/model_equations.md` section 19.

    Example:
        >>> group_auc([0, 1, 0, 1, 0], [0.1, 0.9, 0.3, 0.3, 0.7], ["a", "a", "b", "b", "c"])
        0.75

    Args:
        labels: 0s and 1s, (rows,).
        scores: Logits or probabilities, (rows,).
        groups: Group keys, (rows,).
        weight_by: A group counts by its number of rows, by its number of positives, or as 1.

    Returns:
        The mean; nan where no group has both classes.
    """
    if weight_by not in get_args(WeightBy):
        raise ValueError(
            f"group_auc: `weight_by` must be one of {', '.join(get_args(WeightBy))}. "
            f"Received: weight_by={weight_by!r}."
        )
    rows, positives, areas = auc_by_group(labels, scores, groups)
    weights = group_weights(rows, positives, weight_by)
    mixed = ~np.isnan(areas)
    if not mixed.any():
        return float("nan")
    return float(np.average(areas[mixed], weights=weights[mixed]))


def group_weights(rows: np.ndarray, clicks: np.ndarray, weight_by: WeightBy) -> np.ndarray:
    """How much each group counts in gAUC.

    Args:
        rows: Number of rows of each group, (groups,).
        clicks: Number of its positives, (groups,).
        weight_by: As for `group_auc`.
    """
    return {"impressions": rows, "clicks": clicks, "uniform": np.ones_like(rows)}[weight_by]


@tf_keras.utils.register_keras_serializable(package="concord")
class GroupAUC(tf_keras.metrics.Metric):
    """`group_auc` over everything seen since the last reset: exact, not binned.

    It keeps a label, a score and a key for every row in the memory of the process, 16 bytes a
    row, outside of the graph: not for XLA, and in several processes each sees its own rows.

    Args:
        weight_by: As for `group_auc`.
    """

    def __init__(
        self, weight_by: WeightBy = "impressions", name: str = "group_auc", dtype: str = "float64"
    ):
        super().__init__(name=name, dtype=dtype)
        self.weight_by = weight_by
        self._blocks: list[tuple[np.ndarray, ...]] = _Untracked()

    def update_state(self, labels: tf.Tensor, scores: tf.Tensor, groups: tf.Tensor) -> tf.Tensor:
        """Adds rows: labels and scores of any shape, integer or string keys of as many rows."""
        blocks = self._blocks

        def remember(*arrays: np.ndarray) -> np.int32:
            blocks.append(tuple(np.ravel(each) for each in arrays))
            return np.int32(len(blocks))

        labels = tf.cast(labels, tf.int32)
        return tf.numpy_function(remember, [labels, scores, groups], tf.int32)

    def result(self) -> tf.Tensor:
        blocks, weight_by = self._blocks, self.weight_by

        def evaluate() -> np.float64:
            if not blocks:
                return np.float64("nan")
            labels, scores, groups = (
                np.concatenate(column) for column in zip(*blocks, strict=True)
            )
            return np.float64(group_auc(labels, scores, groups, weight_by))

        value = tf.numpy_function(evaluate, [], tf.float64)
        return tf.cast(tf.ensure_shape(value, ()), self.dtype)

    def reset_state(self) -> None:
        self._blocks.clear()

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "weight_by": self.weight_by}


class _Untracked(list):
    """A list that Keras leaves alone, since it is no plain list."""
