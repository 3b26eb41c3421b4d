"""DIN: a user's interests, weighed by how much they matter to the shown item."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tf_keras

from features.scope_name import scope_name
from models.branches.branch import Branch, Details
from models.branches.history_pooling import cleaned, compared_histories, mean_step
from models.embeddings.embedded import Embedded, History, flatten
from models.layers.mlp import MLP
from models.layers.target_attention import TargetAttention


@tf_keras.utils.register_keras_serializable(package="concord")
class DIN(Branch):
    """Deep interest network: histories summed with weights that the shown item decides.

    For each history with a target q, and with k_t the part of step e_t that q is compared with:

        a_t = MLP_att(q | k_t | q - k_t | q * k_t)       see `TargetAttention`
        v   = sum_t a_t e_t                              over all aligned sequences of the step
        h   = MLP(fields | every v | mean step of every other history)

    `fields` are the embeddings of the inputs that are no sequences, q among them. Each history has
    an attention of its own. The order of the events does not matter.

    Reference: Zhou et al., DIN, arXiv:1706.06978v4. Sizes: the MLP of BARS' best run on
    AmazonElectronics (reczoo/BARS), the attention of reczoo/FuxiCTR@0245987's template; BARS' has
    [512, 256] there, run for every event of the batch: about ten times the work. Departs from
    FuxiCTR: sequences without a target that are aligned with one that has one are weighed with it
    rather than averaged.

    Example:
        >>> steps, mask = tf.ones((2, 5, 6)), tf.constant([[True] * 5, [False] * 5])
        >>> history = History(steps, mask, target=tf.ones((2, 3)))
        >>> fields = tf.ones((2, 4, 3))
        >>> DIN([8])(Embedded(fields, fields[:, :2], {"clicks": history}, tf.ones((2, 4)))).shape
        TensorShape([2, 8])

    Args:
        units, activation, dropout, batch_norm: As for `MLP`.
        attention_units, attention_activation, attention_dropout: Options of MLP_att, see `MLP`.
        attention_softmax: Whether the a_t of an example sum to 1.
        histories: Names of the histories to weigh; None is every one that has a target.

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
        attention_units: Sequence[int] = (64,),
        attention_activation: str = "dice",
        attention_dropout: float = 0.0,
        attention_softmax: bool = False,
        histories: Sequence[str] | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        policy = self.dtype_policy
        self.mlp = MLP(units, activation, dropout, batch_norm, dtype=policy, name="mlp")
        self.histories = None if histories is None else list(histories)
        self._attention_options: dict[str, Any] = {
            "units": list(attention_units),
            "activation": attention_activation,
            "dropout": attention_dropout,
            "softmax": attention_softmax,
        }
        TargetAttention(**self._attention_options)  # refuses bad options now, not when built

    def build(self, input_shape: Embedded) -> None:
        shapes = Embedded(*input_shape)  # from a saved configuration it comes as a plain tuple
        targets = {name: History(*each).target[-1] for name, each in shapes.histories.items()}
        self.attentions = {
            name: TargetAttention(
                **self._attention_options,
                dtype=self.dtype_policy,
                name=f"attention_{scope_name(name)}",
            )
            for name in compared_histories(self.name, targets, self.histories)
        }
        super().build(input_shape)

    def interact(self, embedded: Embedded, training: bool | None) -> tuple[tf.Tensor, Details]:
        parts = [flatten(embedded.non_sequence)]
        for name, history in sorted(embedded.histories.items()):
            history = cleaned(history)
            if name in self.attentions:
                weights = self.attentions[name](
                    history.target, keys=history.keys, mask=history.mask, training=training
                )
                parts.append(tf.einsum("bt,btw->bw", weights, history.events))
            else:
                parts.append(mean_step(history))
        hidden = self.mlp(tf.concat(parts, axis=1), training=training, return_hidden=True)
        return hidden[-1], Details(tuple(hidden))

    def get_config(self) -> dict[str, Any]:
        attention = {f"attention_{name}": value for name, value in self._attention_options.items()}
        return {
            **super().get_config(),
            **self.mlp.options(),
            **attention,
            "histories": self.histories,
        }
