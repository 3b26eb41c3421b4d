"""FinalMLP: two MLPs over differently gated inputs, fused by a multi-head bilinear form."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tf_keras

from features.errors import did_you_mean
from models.branches.branch import Branch
from models.embeddings.embedded import Embedded, flatten
from models.layers.bilinear_products import (
    bilinear_initializer,
    bilinear_products,
    check_bilinear_heads,
)
from models.layers.dense import Dense
from models.layers.mlp import MLP


@tf_keras.utils.register_keras_serializable(package="concord")
class FinalMLP(Branch):
    """Two MLP streams, each with its own view of the inputs, and their products.

    With x0 the concatenated embeddings, for the streams s = 1, 2:

        c_s = concat(e'_s,i for i in context_s), e'_s an embedding set of the stream's own;
              a learned vector where context_s is empty
        h_s = 2 sigmoid(V_s MLP(c_s) + v_s) * x0        (x0 without gates)
        o_s = MLP_s(h_s), split into k heads o_s,1..o_s,k
        t_j = o_1,j^T W_j o_2,j

    The representation is o_1 | o_2 | t_1..t_k. A linear head on it gives the paper's logit:

        w_1^T o_1 + w_2^T o_2 + b + sum_j v_j o_1,j^T W_j o_2,j

    where the head's weights v_j are redundant with W_j: they add nothing that can be learned. With
    an alignment by MLP between the two, this is no longer the paper's model.

    Context fields ask the network for one more embedding set per stream that has some
    (`num_extra_sets`): stream 1's first. At the start gates without context are 1.

    Reference: Mao et al., FinalMLP, arXiv:2304.00902v4, "Stream-Specific Feature Selection" and
    "Stream-Level Interaction Aggregation"; details after reczoo/FuxiCTR@0245987, whose template
    has these sizes. Departs from that code: the learned vector starts like a table row (normal,
    standard deviation 1e-4), not at 0. From 0, with zero biases and a ReLU, no gradient ever
    reaches it or the gate's hidden layers, and all that is learned is v_s. W_j is Glorot normal
    head by head, where the code counts all heads as one matrix.

    Example:
        >>> fields = tf.zeros((2, 3, 4))
        >>> embedded = Embedded(fields, fields, {}, tf.zeros((2, 0)))
        >>> FinalMLP([6], [4], num_heads=2, gate_units=[5])(embedded).shape
        TensorShape([2, 12])

    Args:
        units_1, units_2: Width of each layer of the two MLPs.
        num_heads: k, which must divide units_1[-1] and units_2[-1]; 0 leaves the products to a
            fusion that multiplies the streams (`models.fusion.BilinearFusion`).
        gate_units: Hidden layers, with ReLU, of the gates' MLPs. None leaves the gates out.
        context_1, context_2: Names of the inputs that the gate of each stream looks at.
        activation: Activation of both MLPs.
        dropout_1, dropout_2, batch_norm_1, batch_norm_2: As for `MLP`, one for each MLP.
        fields: Names of the fields in their order, from the data.

    Call arguments:
        embedded: An `Embedded` with `num_extra_sets` extra embedding sets.

    Returns:
        (batch, units_1[-1] + units_2[-1] + num_heads).
    """

    takes = "embedded"

    def __init__(
        self,
        units_1: Sequence[int] = (1024, 512),
        units_2: Sequence[int] = (1024, 512, 256),
        num_heads: int = 2,
        gate_units: Sequence[int] | None = (1024, 512),
        context_1: Sequence[str] = (),
        context_2: Sequence[str] = (),
        activation: str = "relu",
        dropout_1: float = 0.0,
        dropout_2: float = 0.0,
        batch_norm_1: bool = False,
        batch_norm_2: bool = False,
        fields: Sequence[str] | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        policy = self.dtype_policy
        self.mlps = [
            MLP(units, activation, dropout, batch_norm, dtype=policy, name=f"mlp_{s}")
            for s, units, dropout, batch_norm in (
                (1, units_1, dropout_1, batch_norm_1),
                (2, units_2, dropout_2, batch_norm_2),
            )
        ]
        widths = [mlp.units[-1] for mlp in self.mlps]
        if num_heads != 0:
            check_bilinear_heads("FinalMLP", num_heads, (widths[0], widths[1]))
        self.num_heads, self.activation = int(num_heads), activation
        self.gate_units = None if gate_units is None else tuple(gate_units)
        self.contexts = (tuple(context_1), tuple(context_2))
        if gate_units is None and any(self.contexts):
            raise ValueError(
                "FinalMLP: only gates look at context fields, and `gate_units` is None. Received: "
                f"context_1={list(context_1)}, context_2={list(context_2)}. Give the gates' hidden "
                "units, or remove the context fields."
            )
        self.fields = None if fields is None else tuple(fields)
        if self.fields is not None:
            for s, names in enumerate(self.contexts, start=1):
                _check_known(f"context_{s}", names, self.fields)
        self.gates = []
        if self.gate_units is not None:
            self.gates = [
                _Gate(self.gate_units, bool(names), dtype=policy, name=f"gate_{s}")
                for s, names in enumerate(self.contexts, start=1)
            ]

    @property
    def num_extra_sets(self) -> int:
        """One embedding set per stream that has context fields."""
        return sum(map(bool, self.contexts))

    def build(self, input_shape: Embedded) -> None:
        shapes = Embedded(*input_shape)  # from a saved configuration it comes as a plain tuple
        num_fields, extra = shapes.field_embeddings[1], len(shapes.extra)
        known = None if self.fields is None else len(self.fields)
        if extra < self.num_extra_sets or known not in (None, num_fields):
            raise ValueError(
                f"{self.name}: expected an `Embedded` with {self.num_extra_sets} extra embedding "
                f"sets and a field embedding for each of fields={self.fields}. "
                f"Received: {extra} extra embedding sets and {num_fields} field embeddings."
            )
        if self.num_extra_sets and self.fields is None:
            raise ValueError(
                f"{self.name}: context fields are found by name. Give `fields`, the names of the "
                f"{num_fields} fields."
            )
        if self.num_heads:
            d1, d2 = (mlp.units[-1] // self.num_heads for mlp in self.mlps)
            self.kernel = self.add_weight(
                "kernel", shape=(self.num_heads, d1, d2), initializer=bilinear_initializer(d1, d2)
            )
        super().build(input_shape)

    def interact(self, embedded: Embedded, training: bool | None) -> tf.Tensor:
        streams = [embedded.flat, embedded.flat]
        if self.gates:
            streams = self.gated(embedded)
        o1, o2 = (mlp(h, training=training) for mlp, h in zip(self.mlps, streams, strict=True))
        if not self.num_heads:
            return tf.concat([o1, o2], axis=1)
        return tf.concat([o1, o2, bilinear_products(o1, o2, self.kernel)], axis=1)

    def gated(self, embedded: Embedded) -> list[tf.Tensor]:
        """What each stream reads: the flat field embeddings under its gate, one tensor a stream."""
        embedding_sets = iter(embedded.extra)
        streams = []
        for gate, names in zip(self.gates, self.contexts, strict=True):
            context = None
            if names and self.fields is not None:
                fields = tf.unstack(next(embedding_sets).field_embeddings, axis=1)
                context = tf.concat([fields[self.fields.index(name)] for name in names], axis=1)
            streams.append(gate(embedded.field_embeddings, context=context))
        return streams

    def get_config(self) -> dict[str, Any]:
        streams = {
            f"{option}_{s}": value
            for s, mlp in enumerate(self.mlps, start=1)
            for option, value in mlp.options().items()
            if option != "activation"
        }
        return {
            **super().get_config(),
            **streams,
            "num_heads": self.num_heads,
            "gate_units": None if self.gate_units is None else list(self.gate_units),
            "context_1": list(self.contexts[0]),
            "context_2": list(self.contexts[1]),
            "activation": self.activation,
            "fields": None if self.fields is None else list(self.fields),
        }


class _Gate(tf_keras.layers.Layer):
    """Multiplies every input of a stream by a number in (0, 2) that its context decides.

    Args:
        units: Hidden layers.
        has_context: Whether there is a context; if not, a learned vector stands for it.

    Call arguments:
        field_embeddings: (batch, num_fields, embedding_dim).
        context: (batch, any width), or None.

    Returns:
        (batch, num_fields x embedding_dim).
    """

    def __init__(self, units: Sequence[int], has_context: bool, **kwargs):
        super().__init__(**kwargs)
        self.has_context = has_context
        self.hidden = MLP(units, dtype=self.dtype_policy, name="hidden")

    def build(self, input_shape: tf.TensorShape) -> None:
        _, num_fields, embedding_dim = input_shape
        if not self.has_context:
            initializer = tf_keras.initializers.RandomNormal(stddev=1e-4)
            self.vector = self.add_weight(
                "vector", shape=(1, embedding_dim), initializer=initializer
            )
        self.factors = Dense(
            num_fields * embedding_dim,
            dtype=self.dtype_policy,
            name="factors",
        )
        super().build(input_shape)

    def call(self, field_embeddings: tf.Tensor, context: tf.Tensor | None = None) -> tf.Tensor:
        if not self.has_context:
            # One row: one gate for the whole batch.
            context = tf.cast(self.vector, field_embeddings.dtype)
        return 2.0 * tf.sigmoid(self.factors(self.hidden(context))) * flatten(field_embeddings)


def _check_known(option: str, names: Sequence[str], fields: Sequence[str]) -> None:
    for name in names:
        if name not in fields:
            raise ValueError(
                f"FinalMLP: {option} names {name!r}, which is not an input. "
                f"{did_you_mean(name, fields)}"
            )
