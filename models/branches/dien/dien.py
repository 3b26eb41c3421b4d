"""DIEN: how a user's interests evolve towards the shown item."""

import math
from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tf_keras

from features.errors import did_you_mean
from features.scope_name import scope_name
from models.branches.branch import Branch, Details
from models.branches.dien.attentional_gru import Update
from models.branches.dien.interest_evolution import Attention, InterestEvolution
from models.branches.dien.next_event_loss import NextEventLoss
from models.branches.history_pooling import cleaned, compared_histories, mean_step
from models.embeddings.embedded import Embedded, History, flatten
from models.layers.axis_length import axis_length
from models.layers.mlp import MLP

IN_BATCH = "batch"


@tf_keras.utils.register_keras_serializable(package="concord")
class DIEN(Branch):
    """Deep interest evolution network: two recurrences over every history with a target q.

    With e_t its steps and k_t the part of them that q is compared with:

        h'  = last state of `InterestEvolution`(e_1..e_T; q)
        h   = MLP(fields | every h' [| sum_t e_t | q * sum_t k_t] | mean step of the others)

    `fields` are the embeddings of the inputs that are no sequences, q among them; the part in
    brackets comes with `sum_pooling`, as in the authors' code. An empty history has h' = 0.

    With `auxiliary_weight` > 0 the states of each history's first recurrence must also tell the
    next k from a negative (`NextEventLoss`; its loss is summed over histories). The negative is

    - `batch`: the k of the same step of the example before, within this replica's share of the
      batch. Who is compared with whom then depends on how the batch is shuffled and on the number
      of replicas: two replicas have the same loss as one in expectation, not batch by batch.
    - the name of a history, such as items shown and not clicked, aligned step by step with the one
      history that is compared. No other part of the branch reads it.

    Reference: Zhou et al., DIEN, arXiv:1809.03672v5, which has auxiliary_weight = 1. The MLP and no
    auxiliary loss: BARS' best run on AmazonElectronics (reczoo/BARS), which departs from the
    paper's attention: `attention="din", attention_units=[256, 128]`, about five times the work.

    Example:
        >>> steps, mask = tf.ones((2, 5, 6)), tf.constant([[True] * 5, [False] * 5])
        >>> history = History(steps, mask, target=tf.ones((2, 3)))
        >>> fields = tf.ones((2, 4, 3))
        >>> DIEN([8])(Embedded(fields, fields[:, :2], {"clicks": history}, tf.ones((2, 4)))).shape
        TensorShape([2, 8])

    Args:
        units, activation, dropout, batch_norm: As for `MLP`.
        update, attention, attention_units, attention_activation, attention_dropout: As for
            `InterestEvolution`.
        sum_pooling: Whether the MLP also reads the sums of the histories.
        auxiliary_weight: Factor of the auxiliary loss; 0 leaves it out.
        auxiliary_units: Hidden layers of its MLP.
        negatives: `batch` or the name of a history, see above.
        histories: Names of the histories to compare; None is every one that has a target.

    Call arguments:
        embedded: An `Embedded` with at least one history that has a target.

    Returns:
        (batch, units[-1]).
    """

    takes = "embedded"
    needs = frozenset({"target"})
    exposes_intermediates = True

    def __init__(
        self,
        units: Sequence[int] = (1024, 512, 256),
        activation: str = "relu",
        dropout: float = 0.0,
        batch_norm: bool = False,
        update: Update = "augru",
        attention: Attention = "bilinear",
        attention_units: Sequence[int] = (80, 40),
        attention_activation: str = "dice",
        attention_dropout: float = 0.0,
        sum_pooling: bool = False,
        auxiliary_weight: float = 0.0,
        auxiliary_units: Sequence[int] = (100, 50),
        negatives: str = IN_BATCH,
        histories: Sequence[str] | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        policy = self.dtype_policy
        if not 0.0 <= auxiliary_weight < math.inf:
            raise ValueError(
                "DIEN: `auxiliary_weight` must be a number >= 0. "
                f"Received: auxiliary_weight={auxiliary_weight}."
            )
        self.mlp = MLP(units, activation, dropout, batch_norm, dtype=policy, name="mlp")
        self.sum_pooling, self.auxiliary_weight = bool(sum_pooling), float(auxiliary_weight)
        self.auxiliary_units, self.negatives = tuple(auxiliary_units), negatives
        self.histories = None if histories is None else list(histories)
        self._evolution_options: dict[str, Any] = {
            "update": update,
            "attention": attention,
            "attention_units": list(attention_units),
            "attention_activation": attention_activation,
            "attention_dropout": attention_dropout,
        }
        # Bad options are refused now, when the configuration is read, not when weights are made.
        InterestEvolution(**self._evolution_options), NextEventLoss(self.auxiliary_units)
        if histories is not None and negatives != IN_BATCH:
            self._check_negatives(set(histories))

    @property
    def loss_names(self) -> tuple[str, ...]:
        """`auxiliary`, where it has a weight."""
        return ("auxiliary",) if self.auxiliary_weight else ()

    def build(self, input_shape: Embedded) -> None:
        shapes = Embedded(*input_shape)  # from a saved configuration it comes as a plain tuple
        targets = {name: History(*each).target[-1] for name, each in shapes.histories.items()}
        if self.negatives != IN_BATCH and targets.pop(self.negatives, None) is None:
            raise ValueError(
                f"{self.name}: `negatives` names {self.negatives!r}, neither 'batch' nor a "
                f"history. {did_you_mean(self.negatives, [IN_BATCH, *targets])}"
            )
        names = compared_histories(self.name, targets, self.histories)
        if self.negatives != IN_BATCH:
            self._check_negatives(names)
            lengths = {
                name: History(*shapes.histories[name]).mask[1] for name in (*names, self.negatives)
            }
            if len(set(lengths.values())) > 1:
                raise ValueError(
                    f"{self.name}: expected negatives of as many steps as the history has. "
                    f"Received: {lengths}. Declare both with one max_length."
                )
        self.evolutions = {
            name: InterestEvolution(
                **self._evolution_options,
                dtype=self.dtype_policy,
                name=f"evolution_{scope_name(name)}",
            )
            for name in names
        }
        self.next_event = {
            name: NextEventLoss(self.auxiliary_units, name=f"next_event_{scope_name(name)}")
            for name in (names if self.auxiliary_weight else ())
        }
        super().build(input_shape)

    def interact(self, embedded: Embedded, training: bool | None) -> tuple[tf.Tensor, Details]:
        histories = {name: cleaned(each) for name, each in sorted(embedded.histories.items())}
        negatives = histories.pop(self.negatives, None) if self.negatives != IN_BATCH else None
        parts, losses = [flatten(embedded.non_sequence)], []
        for name, history in histories.items():
            if name not in self.evolutions:
                parts.append(mean_step(history))
                continue
            evolved, states = self.evolutions[name](
                history.events, target=history.target, mask=history.mask, training=training
            )
            parts.append(tf.cast(evolved, self.compute_dtype))
            if self.sum_pooling:
                total = tf.reduce_sum(history.events, axis=1)
                parts += [total, history.target * total[:, : history.target.shape[1]]]
            if self.auxiliary_weight:
                losses.append(self._next_event_loss(name, states, history, negatives))
        hidden = self.mlp(tf.concat(parts, axis=1), training=training, return_hidden=True)
        named = {"auxiliary": self.auxiliary_weight * tf.add_n(losses)} if losses else {}
        return hidden[-1], Details(tuple(hidden), named)

    def _next_event_loss(
        self, name: str, states: tf.Tensor, history: History, negatives: History | None
    ) -> tf.Tensor:
        if negatives is None:  # concat, not tf.roll: the batch may be empty
            keys, mask = (
                tf.concat([each[-1:], each[:-1]], axis=0) for each in (history.keys, history.mask)
            )
        else:
            keys, mask = _as_long_as(history, negatives)
        return self.next_event[name](
            states, keys=history.keys, negatives=keys, mask=history.mask, negatives_mask=mask
        )

    def _check_negatives(self, compared: Sequence[str] | set[str]) -> None:
        if len(compared) != 1 or self.negatives in compared:
            raise ValueError(
                f"DIEN: negatives={self.negatives!r} is aligned with one history, so exactly one "
                f"other may be compared. Received: {sorted(compared)}. Name it in `histories`, or "
                "take negatives='batch'."
            )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            **self.mlp.options(),
            **self._evolution_options,
            "sum_pooling": self.sum_pooling,
            "auxiliary_weight": self.auxiliary_weight,
            "auxiliary_units": list(self.auxiliary_units),
            "negatives": self.negatives,
            "histories": self.histories,
        }


def _as_long_as(history: History, negatives: History) -> tuple[tf.Tensor, tf.Tensor]:
    """Keys and mask of the negatives, step by step those of a history that was cut elsewhere."""
    steps = axis_length(history.mask, 1)
    if isinstance(steps, int) and steps == negatives.mask.shape[1]:
        return negatives.keys, negatives.mask
    missing = tf.maximum(steps - axis_length(negatives.mask, 1), 0)
    keys = tf.pad(negatives.keys[:, :steps], [[0, 0], [0, missing], [0, 0]])
    keys.set_shape((None, history.mask.shape[1], negatives.keys.shape[2]))
    return keys, tf.pad(negatives.mask[:, :steps], [[0, 0], [0, missing]])
