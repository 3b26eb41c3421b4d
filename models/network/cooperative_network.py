"""The cooperative network: wires embeddings, branches, alignment, fusion and losses together."""

import itertools
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np
import tensorflow as tf
import tf_keras

from models.alignment import Alignment, as_alignment
from models.branches import Branch, as_branch
from models.branches.branch import Details, feed
from models.cooperation import CooperationLoss, LossInput, as_cooperation_loss
from models.embeddings.bank import EmbeddingBank
from models.embeddings.embedded import Embedded
from models.embeddings.row_table import ReadRows
from models.fusion import Fusion, as_fusion
from models.layers.dense import Dense
from models.metrics.unit_counts import unit_ranges
from models.network.named_loss_model import NamedLossModel
from models.network.outputs import ForLosses, NetworkOutputs
from models.network.serialized import deserialized, serialized
from models.network.wiring import (
    check_representations,
    check_scalar,
    check_widths,
    check_wiring,
    embedding_set_names,
    intermediates_by_layer,
)
from models.replicas import global_mean

Features = Mapping[str, tf.Tensor]


@tf_keras.utils.register_keras_serializable(package="concord")
class CooperativeNetwork(NamedLossModel):
    """One point of the space tables x branches x alignment x heads x fusion x cooperation.

        h_i = branch_i(embedded), z = alignment(h), s_i = head_i(projection_i(z_i))
        s   = head(tower(fusion(z)))
        loss = bce(s, y) + sum_i bce(s_i, y) + sum_c weight_c cooperation_c
               + embedding_l2 + dense_l2

    The representations z are (B, n, d). Where branches of unequal widths are put side by side,
    the narrower ones end in zeros (`widths`), which neither a head nor the fused logit reads.

    Co-teaching counts as a divergence, its cross-entropy less the teachers' entropy, which moves no
    weight: what MBCnet's listing adds up differs from this loss by that entropy.

    All weights exist once the network is constructed. `NamedLossModel` says how it trains and
    what happens to a step that is not finite. Logits and losses are always float32.

    Args:
        embeddings: The bank, with the embedding sets that `embedding_sets` and `gate_table` name.
        branches: By name, in order; see `models.branches` for what makes a branch. One layer
            under several names is one set of weights that is called on several inputs. A layer
            that is not of the base class of its axis is wrapped once, here as below.
        alignment: (list of (B, d_i)) -> (B, n, d); see `models.alignment`.
        fusion: (B, n, d) -> (B, d'); see `models.fusion`.
        cooperation: By name, the loss layer and its weight; see `models.cooperation`. The layers
            see every example alike, whatever its weight.
        heads: `all` gives each branch a logit and a logloss of its own, `fused` does not.
        tower: Layer (B, d') -> (B, d'') between the fusion and its logit.
        embedding_sets: For each branch its embedding set, then the extra ones that it asks for. By
            default all share set 0 or, where there are as many sets as branches, each has its own.
        gate_table: The embedding set that the fusion's gate reads, where it has one.
        logloss_weights: Factors of the loglosses, by `fused` or the branch's name; others are 1.
        teachers: Trained networks on the same inputs, for the losses that need them; never
            trained, saved or exported with this one. Without any, those losses are 0.
        warmup_steps: By the name of a cooperation loss, the training steps over which its weight
            rises from 0; see `NamedLossModel`.
        base_rate: Click rate of the training rows, in (0, 1), for the losses that take it.
        projections: By branch, a layer (B, d) -> (B, d'') between z_i and its head, as CETNet's
            "projection layer (MLP)"; the fusion reads z_i. None for none.
        dense_l2: Factor of half the sum of squares of `dense_weights` in the loss.

    Call arguments:
        features: Tensors by input name.

    Returns:
        `NetworkOutputs`.
    """

    def __init__(
        self,
        embeddings: EmbeddingBank,
        branches: Mapping[str, tf_keras.layers.Layer],
        alignment: tf_keras.layers.Layer,
        fusion: tf_keras.layers.Layer,
        cooperation: Mapping[str, tuple[tf_keras.layers.Layer, float]] | None = None,
        heads: Literal["all", "fused"] = "all",
        tower: tf_keras.layers.Layer | None = None,
        embedding_sets: Mapping[str, Sequence[int]] | None = None,
        gate_table: int | None = None,
        logloss_weights: Mapping[str, float] | None = None,
        teachers: Sequence[tf_keras.Model] = (),
        warmup_steps: Mapping[str, int] | None = None,
        base_rate: float = 0.5,
        projections: Mapping[str, tf_keras.layers.Layer] | None = None,
        dense_l2: float = 0.0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        cooperation = dict(cooperation or {})
        if embedding_sets is None:
            embedding_sets = _usual_sets(embeddings, branches)
        self.embeddings, self.heads = embeddings, heads
        self.alignment: Alignment = as_alignment(alignment)
        self.fusion: Fusion = as_fusion(fusion)
        self.tower = tower
        self.gate_table, self.base_rate = gate_table, float(base_rate)
        self.dense_l2 = float(dense_l2)
        self._projections = dict(projections) if projections else None
        self.logloss_weights = dict(logloss_weights or {})
        # Not attributes of their own: Keras would save the teachers, and wrap tuples of ints.
        self._fixed = SimpleNamespace(
            teachers=tuple(teachers),
            embedding_sets={name: tuple(sets) for name, sets in embedding_sets.items()},
        )
        self._branch_names = tuple(branches)
        # A layer that stands under several names is wrapped once.
        as_branches = {id(layer): as_branch(layer) for layer in branches.values()}
        self._branch_layers = [as_branches[id(layer)] for layer in branches.values()]
        self._cooperation_names = tuple(cooperation)
        self._cooperation_layers = [as_cooperation_loss(layer) for layer, _ in cooperation.values()]
        check_wiring(self)
        self._reads = {name for layer in self._cooperation_layers for name in layer.takes}
        self._heads = self._new_heads()
        losses = {name: weight for name, (_, weight) in cooperation.items()}
        self.term_weights = _term_weights(self.logloss_weights, losses)
        self.warmup_steps = dict(warmup_steps or {})
        self._create_weights()

    def _new_heads(self) -> dict[str, tf_keras.layers.Layer]:
        names = [*self._branch_names] if self.heads == "all" else []
        if not self.fusion.gives_logit:
            names.append("fused")
        return {name: Dense(1, dtype="float32", name=f"head_{name}") for name in names}

    @property
    def branch_names(self) -> tuple[str, ...]:
        """Names of the branches, in the order of `branch_logits` and `representations`."""
        return self._branch_names

    @property
    def branches(self) -> dict[str, Branch]:
        """The branches by name, in order; a layer may stand under several names."""
        return dict(zip(self._branch_names, self._branch_layers, strict=True))

    @property
    def cooperation_losses(self) -> dict[str, CooperationLoss]:
        """The cooperation losses by name, in the order of their terms."""
        return dict(zip(self._cooperation_names, self._cooperation_layers, strict=True))

    @property
    def head_layers(self) -> dict[str, tf_keras.layers.Layer]:
        """The heads, by the name of their branch or `fused`.

        Branches have heads where `heads` is `all`; the fusion has one unless it gives the logit
        itself.
        """
        return dict(self._heads)

    @property
    def projections(self) -> dict[str, tf_keras.layers.Layer]:
        """The layers between the branches' representations and their heads, by branch."""
        return dict(self._projections or {})

    @property
    def widths(self) -> tuple[int, ...] | None:
        """Units of each branch's representation where they are not the same; else None."""
        widths = self.alignment.widths
        return widths if widths and len(set(widths)) > 1 else None

    @property
    def embedding_sets(self) -> dict[str, tuple[int, ...]]:
        """The embedding sets of each branch: its own, then the extra ones."""
        return self._fixed.embedding_sets

    @property
    def embedding_set_names(self) -> tuple[str, ...]:
        """A name for each embedding set, after who reads it."""
        return embedding_set_names(self)

    @property
    def term_names(self) -> tuple[str, ...]:
        """Names of the terms of the loss, in the order of `loss_terms`."""
        heads = [f"logloss_{name}" for name in self._branch_names] if self.heads == "all" else []
        own = [
            f"{name}_{loss}" for name, branch in self.branches.items() for loss in branch.loss_names
        ]
        l2 = ["embedding_l2"] if self.embeddings.l2 or self.embeddings.l2_batch else []
        l2 += ["dense_l2"] if self.dense_l2 else []
        return ("logloss", *heads, *self._cooperation_names, *own, *l2)

    @property
    def side_terms(self) -> tuple[str, ...]:
        """Names of the cooperation losses."""
        return self._cooperation_names

    @property
    def compared_weights(self) -> list[tf.Variable]:
        """The dense weights of branches, alignment, fusion, tower and heads."""
        tables = [table.table for table in self.embeddings.tables]
        own = [w for layer in self._cooperation_layers for w in layer.trainable_variables]
        left_out = {id(variable) for variable in (*tables, *own)}
        return [w for w in self.trainable_variables if id(w) not in left_out]

    @property
    def fixed_variables(self) -> list[tf.Variable]:
        """The vectors that are given."""
        return list(self.embeddings.given.values())

    @property
    def dense_weights(self) -> list[tf.Variable]:
        """The trained weights of branches, alignment, projections, fusion, tower and heads."""
        others = [*self.embeddings.trainable_variables]
        others += [w for layer in self._cooperation_layers for w in layer.trainable_variables]
        left_out = {id(variable) for variable in others}
        return [w for w in self.trainable_weights if id(w) not in left_out]

    def call(self, features: Features, training: bool = False) -> NetworkOutputs:
        # Layers inside take `training` from Keras' call context.
        tables, read = self.embeddings(features, return_read=True)
        views = [self._view(tables, name) for name in self._branch_names]
        hidden, details = zip(
            *[
                feed(branch, view, return_details=True)
                for branch, view in zip(self._branch_layers, views, strict=True)
            ],
            strict=True,
        )
        check_representations(self._branch_names, hidden)
        z = self.alignment(list(hidden), names=self._branch_names)  # (B, n, d)
        check_widths(self, hidden)
        logits = self._branch_logits(z) if self.heads == "all" else None
        gate_input = None if self.gate_table is None else tables[self.gate_table].flat
        return NetworkOutputs(
            logit=self._fused_logit(z, logits, gate_input),
            branch_logits=logits,
            representations=z,
            fusion_weights=self._fusion_weights(z, logits, gate_input),
            for_losses=self._for_losses(features, views, details)._replace(read=tuple(read)),
        )

    def _branch_logits(self, z: tf.Tensor) -> tf.Tensor:
        logits = []
        widths = self.widths or [z.shape[2]] * z.shape[1]
        for name, z_i, width in zip(self._branch_names, tf.unstack(z, axis=1), widths, strict=True):
            z_i = z_i if width == z.shape[2] else z_i[:, :width]
            projection = self.projections.get(name)
            logits.append(self._heads[name](z_i if projection is None else projection(z_i)))
        return tf.concat(logits, axis=1)

    def _fused_logit(
        self, z: tf.Tensor, logits: tf.Tensor | None, gate_input: tf.Tensor | None
    ) -> tf.Tensor:
        fused = self.fusion(z, logits=logits, gate_input=gate_input)
        if self.fusion.gives_logit:
            return tf.cast(fused, tf.float32)
        if self.widths:  # branches side by side: without the zeros that the narrower ones end in
            filled = np.arange(z.shape[2]) < np.array(self.widths)[:, np.newaxis]
            fused = tf.gather(fused, np.flatnonzero(filled), axis=1)
        if self.tower is not None:
            fused = self.tower(fused)
        return self._heads["fused"](fused)  # (B, 1)

    def _fusion_weights(
        self, z: tf.Tensor, logits: tf.Tensor | None, gate_input: tf.Tensor | None
    ) -> tf.Tensor | None:
        weights = self.fusion.fusion_weights(logits=logits, gate_input=gate_input)
        if weights is not None and weights.shape[0] == 1:  # the same for every example
            weights = tf.broadcast_to(weights, (tf.shape(z)[0], weights.shape[1]))
        return weights

    def _for_losses(
        self, features: Features, views: Sequence[Embedded], details: Sequence[Details]
    ) -> ForLosses:
        inputs = intermediates = teacher_logits = None
        if "inputs" in self._reads:
            inputs = tf.stack([view.flat for view in views], axis=1)  # (B, n, D)
        if "intermediates" in self._reads:
            intermediates = intermediates_by_layer(self._branch_names, details)
        losses = {
            f"{name}_{loss}": value
            for name, detail in zip(self._branch_names, details, strict=True)
            for loss, value in detail.losses.items()
        }
        if self._fixed.teachers:
            taught = [teacher(features, training=False).logit for teacher in self._fixed.teachers]
            teacher_logits = tf.concat([tf.stop_gradient(logit) for logit in taught], axis=1)
        return ForLosses(inputs, intermediates, losses, teacher_logits)

    def loss_terms(
        self,
        outputs: NetworkOutputs,
        labels: tf.Tensor,
        weights: tf.Tensor | None = None,
    ) -> dict[str, tf.Tensor]:
        """Every term of the loss, unweighted; call in replica context when training.

        Args:
            outputs: What the network returned.
            labels: 0s and 1s, (batch,) or (batch, 1).
            weights: Weights of the examples in the loglosses, (batch,) or (batch, 1).

        Returns:
            By the names of `term_names`, float32 scalars: this replica's share of the term over
            the global batch.
        """
        labels = _as_column("labels", labels)
        weights = None if weights is None else _as_column("weights", weights)
        logits, for_losses = outputs.logit, outputs.for_losses
        if outputs.branch_logits is not None:
            logits = tf.concat([logits, outputs.branch_logits], axis=1)  # (B, 1 + n)
        bce = tf.nn.sigmoid_cross_entropy_with_logits(
            tf.broadcast_to(labels, tf.shape(logits)), logits
        )
        terms = tf.unstack(global_mean(bce, weights), num=logits.shape[1])
        tensors = self._loss_inputs(outputs, labels)
        for layer in self._cooperation_layers:
            if layer.needs_teachers and not self._fixed.teachers:
                terms.append(tf.zeros([]))
            else:
                terms.append(check_scalar(layer.name, layer.loss_of(tensors)))
        terms += for_losses.branch_losses.values()
        if self.embeddings.l2 or self.embeddings.l2_batch:
            terms.append(self.embeddings.regularization(for_losses.read))
        if self.dense_l2:
            squares = [tf.nn.l2_loss(tf.cast(w, tf.float32)) for w in self.dense_weights]
            replicas = tf.distribute.get_strategy().num_replicas_in_sync
            terms.append(self.dense_l2 / replicas * tf.add_n(squares))
        return dict(zip(self.term_names, terms, strict=True))

    def diagnostics(self, outputs: NetworkOutputs, labels: tf.Tensor) -> dict[str, tf.Tensor]:
        """What the cooperation losses say of themselves beside their values (`CooperationLoss`).

        Returns:
            `<loss>_<diagnostic>`, and `<loss>_<diagnostic>_<branch>_<branch>` where it is one of
            each pair: float32 scalars, this replica's shares.
        """
        tensors = self._loss_inputs(outputs, _as_column("labels", labels))
        shown = {}
        for loss, layer in self.cooperation_losses.items():
            if layer.needs_teachers and not self._fixed.teachers:
                continue
            for name, value in layer.diagnostics(tensors).items():
                value = tf.stop_gradient(tf.cast(value, tf.float32))
                if value.shape.rank == 0:
                    shown[f"{loss}_{name}"] = value
                    continue
                pairs = itertools.combinations(self._branch_names, 2)
                for (a, b), of_pair in zip(pairs, tf.unstack(value), strict=True):
                    shown[f"{loss}_{name}_{a}_{b}"] = of_pair
        return shown

    def _loss_inputs(self, outputs: NetworkOutputs, labels: tf.Tensor) -> dict[LossInput, Any]:
        for_losses = outputs.for_losses
        return {
            "labels": labels,
            "logits": outputs.branch_logits,
            "logit": outputs.logit,
            "representations": outputs.representations,
            "inputs": for_losses.inputs,
            "intermediates": for_losses.intermediates,
            "teacher_logits": for_losses.teacher_logits,
            "base_rate": tf.constant(self.base_rate, tf.float32),
        }

    def tables_read(self, outputs: NetworkOutputs) -> list[tuple[tf.Variable, ReadRows]]:
        """The tables and their rows, unless a loss is over whole tables or they lie in shards."""
        tables, read = self.embeddings.tables, outputs.for_losses.read
        if not read or self.embeddings.l2 or any(table.is_sharded for table in tables):
            return []
        return list(zip([table.table for table in tables], read, strict=True))

    @tf.autograph.experimental.do_not_convert
    def predict_step(self, inputs: Features | tuple[Features, ...]) -> dict[str, tf.Tensor]:
        """What is kept of a batch in validation; labels are ignored.

        Returns:
            `logit` (B,); with heads="all" `branch_logits` (B, n); `unit_low` and `unit_high`
            (1, n, d), the least and the largest value of every unit of the branches' aligned
            representations over the batch (`models.metrics.unit_counts`), nan where a narrower
            branch has no unit.
        """
        features = inputs[0] if isinstance(inputs, tuple) else inputs
        outputs = self(features, training=False)
        predictions = {"logit": tf.squeeze(outputs.logit, axis=1)}
        if outputs.branch_logits is not None:
            predictions["branch_logits"] = outputs.branch_logits
        return {**predictions, **unit_ranges(outputs.representations, self.widths)}

    def get_config(self) -> dict[str, Any]:
        return serialized(self)

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], custom_objects: Mapping[str, type] | None = None
    ) -> "CooperativeNetwork":
        return cls(**deserialized(config, custom_objects))

    def forget_teachers(self) -> None:
        """Lets go of the teachers once training is over."""
        self._fixed.teachers = ()

    def _view(self, tables: Sequence[Embedded], branch: str) -> Embedded:
        own, *extra = self.embedding_sets[branch]
        return tables[own]._replace(extra=tuple(tables[m] for m in extra))

    def _create_weights(self) -> None:
        """Creates all weights, by an empty batch: none waits for the first step to appear."""
        features = {
            name: tf.zeros((0, *spec.shape[1:]), spec.dtype)
            for name, spec in self.embeddings.layout.signature.items()
        }
        outputs, labels = self(features), tf.zeros((0, 1))
        self.loss_terms(outputs, labels)
        self.watch_terms(tuple(self.diagnostics(outputs, labels)))


def _usual_sets(
    embeddings: EmbeddingBank, branches: Mapping[str, Any]
) -> dict[str, tuple[int, ...]]:
    """A set for each branch where there are as many, else one that all read."""
    own = len(branches) > 1 and embeddings.layout.num_sets == len(branches)
    return {name: (i if own else 0,) for i, name in enumerate(branches)}


def _term_weights(loglosses: Mapping[str, float], losses: Mapping[str, float]) -> dict[str, float]:
    """By the name of a term, from those by branch and those of the cooperation losses."""
    by_term = {
        "logloss" if name == "fused" else f"logloss_{name}": weight
        for name, weight in loglosses.items()
    }
    return {name: float(weight) for name, weight in {**by_term, **losses}.items()}


def _as_column(name: str, x: tf.Tensor) -> tf.Tensor:
    x = tf.cast(x, tf.float32)
    if x.shape.rank not in (1, 2) or x.shape[1:] not in ((), (1,)):
        raise ValueError(
            f"CooperativeNetwork: {name} must have shape (batch,) or (batch, 1). "
            f"Received: {x.shape}."
        )
    return tf.reshape(x, (-1, 1))
