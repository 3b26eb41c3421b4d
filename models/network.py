"""The cooperative network: wires embeddings, branches, alignment, fusion and losses together."""

from collections.abc import Mapping
from typing import Any, Literal

import tensorflow as tf
import tf_keras

from models.cooperation.replicas import global_mean
from models.embeddings import Embedded, EmbeddingBank
from models.named_loss_model import NamedLossModel

Features = Mapping[str, tf.Tensor]


@tf_keras.utils.register_keras_serializable(package="concord")
class CooperativeNetwork(NamedLossModel):
    """One point of the space tables x branches x alignment x heads x fusion x cooperation.

        h_i = branch_i(embedded), z = alignment(h), s_i = head_i(z_i), s = head(fusion(z))
        loss = bce(s, y) + sum_i bce(s_i, y) + sum_c weight_c cooperation_c + embedding_l2

    All weights exist once the network is constructed. `NamedLossModel` says how it trains and
    what happens to a step that is not finite. Logits and losses are always float32.

    Args:
        embeddings: The bank; with one table set that all branches share, or one per branch.
        branches: By name, in order; see `models.branches` for what makes a branch.
        alignment: (list of (B, d_i)) -> (B, n, d); see `models.alignment`.
        fusion: (B, n, d) -> (B, d'); see `models.fusion`.
        cooperation: By name, the loss layer and its weight; see `models.cooperation`. The layers
            see every example alike, whatever its weight.
        heads: `all` gives each branch a logit and a logloss of its own, `fused` does not.

    Call arguments:
        features: Tensors by input name.

    Returns:
        A dict: `logit` float32 (B, 1); `branch_logits` float32 (B, n) unless heads="fused";
        `representations` (B, n, d), the aligned ones.
    """

    def __init__(
        self,
        embeddings: EmbeddingBank,
        branches: Mapping[str, tf_keras.layers.Layer],
        alignment: tf_keras.layers.Layer,
        fusion: tf_keras.layers.Layer,
        cooperation: Mapping[str, tuple[tf_keras.layers.Layer, float]] | None = None,
        heads: Literal["all", "fused"] = "all",
        **kwargs,
    ):
        super().__init__(**kwargs)
        cooperation = dict(cooperation or {})
        if heads not in ("all", "fused"):
            raise ValueError(
                f"CooperativeNetwork: `heads` must be 'all' or 'fused'. Received: heads={heads!r}."
            )
        if not branches or embeddings.num_sets not in (1, len(branches)):
            raise ValueError(
                "CooperativeNetwork: expected at least one branch, and embeddings with one table "
                f"set or one per branch. Received: branches={list(branches)}, "
                f"num_sets={embeddings.num_sets}."
            )
        self.embeddings, self.heads = embeddings, heads
        self.alignment, self.fusion = alignment, fusion
        self._branch_names = tuple(branches)
        self._branch_layers = list(branches.values())
        self._cooperation_names = tuple(cooperation)
        self._cooperation_layers = [layer for layer, _ in cooperation.values()]
        self.term_weights = {name: float(weight) for name, (_, weight) in cooperation.items()}
        heads_of = (*self._branch_names, "fused") if heads == "all" else ("fused",)
        self._heads = {
            name: tf_keras.layers.Dense(
                1, kernel_initializer="glorot_normal", dtype="float32", name=f"head_{name}"
            )
            for name in heads_of
        }
        if len(set(self.term_names)) < len(self.term_names) or len(self._heads) < len(heads_of):
            raise ValueError(
                "CooperativeNetwork: the names of branches and cooperation losses must be distinct "
                f"and no branch may be called 'fused'. Received terms {list(self.term_names)}."
            )
        needs_logits = [
            name
            for name, layer in zip(self._cooperation_names, self._cooperation_layers, strict=True)
            if "logits" in layer.takes
        ]
        if needs_logits and heads == "fused":
            raise ValueError(
                f"CooperativeNetwork: cooperation loss {needs_logits[0]!r} compares the branches' "
                "logits, which need heads='all'. Received: heads='fused'."
            )
        self.watch_terms()
        self._create_weights()

    @property
    def branch_names(self) -> tuple[str, ...]:
        """Names of the branches, in the order of `branch_logits` and `representations`."""
        return self._branch_names

    @property
    def term_names(self) -> tuple[str, ...]:
        """Names of the terms of the loss, in the order of `loss_terms`."""
        heads = [f"logloss_{name}" for name in self._branch_names] if self.heads == "all" else []
        l2 = ["embedding_l2"] if self.embeddings.l2 else []
        return ("logloss", *heads, *self._cooperation_names, *l2)

    def call(self, features: Features, training: bool = False) -> dict[str, tf.Tensor]:
        # Layers inside take `training` from Keras' call context.
        tables = self.embeddings(features)
        flat = [_flatten(each.tokens) for each in tables]
        hidden = [
            branch(_input_of(branch, tables[m], flat[m]))
            for branch, m in zip(self._branch_layers, self._table_sets(), strict=True)
        ]
        z = self.alignment(hidden, names=self._branch_names)  # (B, n, d)
        outputs = {"representations": z}
        logits = None
        if self.heads == "all":
            each = [
                self._heads[name](z_i)
                for name, z_i in zip(self._branch_names, tf.unstack(z, axis=1), strict=True)
            ]
            logits = outputs["branch_logits"] = tf.concat(each, axis=1)  # (B, n)
        outputs["logit"] = self._heads["fused"](self.fusion(z, logits=logits))  # (B, 1)
        return outputs

    def loss_terms(
        self,
        outputs: Mapping[str, tf.Tensor],
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
        logits = outputs["logit"]
        if self.heads == "all":
            logits = tf.concat([logits, outputs["branch_logits"]], axis=1)  # (B, 1 + n)
        bce = tf.nn.sigmoid_cross_entropy_with_logits(
            tf.broadcast_to(labels, tf.shape(logits)), logits
        )
        terms = tf.unstack(global_mean(bce, weights), num=logits.shape[1])
        arguments = {
            "labels": labels,
            "logits": outputs.get("branch_logits"),
            "representations": outputs["representations"],
        }
        for layer in self._cooperation_layers:
            first, *others = layer.takes
            terms.append(layer(arguments[first], **{name: arguments[name] for name in others}))
        if self.embeddings.l2:
            replicas = tf.distribute.get_strategy().num_replicas_in_sync
            terms.append(self.embeddings.regularization() / replicas)
        return dict(zip(self.term_names, terms, strict=True))

    def predict_step(self, inputs) -> dict[str, tf.Tensor]:
        """`logit` (B,) and, with heads="all", `branch_logits` (B, n); labels are ignored."""
        features = inputs[0] if isinstance(inputs, tuple) else inputs
        outputs = self(features, training=False)
        predictions = {"logit": tf.squeeze(outputs["logit"], axis=1)}
        if self.heads == "all":
            predictions["branch_logits"] = outputs["branch_logits"]
        return predictions

    def get_config(self) -> dict[str, Any]:
        serialize = tf_keras.layers.serialize
        losses = zip(self._cooperation_names, self._cooperation_layers, strict=True)
        branches = zip(self._branch_names, self._branch_layers, strict=True)
        return {
            "name": self.name,
            "embeddings": serialize(self.embeddings),
            "branches": [[name, serialize(branch)] for name, branch in branches],
            "alignment": serialize(self.alignment),
            "fusion": serialize(self.fusion),
            "cooperation": [
                [name, serialize(layer), self.term_weights[name]] for name, layer in losses
            ],
            "heads": self.heads,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        def layer(each) -> tf_keras.layers.Layer:
            return tf_keras.layers.deserialize(each, custom_objects)

        return cls(
            **{
                **config,
                "embeddings": layer(config["embeddings"]),
                "branches": {name: layer(branch) for name, branch in config["branches"]},
                "alignment": layer(config["alignment"]),
                "fusion": layer(config["fusion"]),
                "cooperation": {
                    name: (layer(loss), weight) for name, loss, weight in config["cooperation"]
                },
            }
        )

    def _table_sets(self) -> list[int]:
        """The table set of each branch."""
        n = len(self._branch_layers)
        return [0] * n if self.embeddings.num_sets == 1 else list(range(n))

    def _create_weights(self) -> None:
        """Creates all weights, by an empty batch: none waits for the first step to appear."""
        features = {
            name: tf.zeros((0, *spec.shape[1:]), spec.dtype)
            for name, spec in self.embeddings.signature.items()
        }
        self.loss_terms(self(features), labels=tf.zeros((0, 1)))


def _flatten(tokens: tf.Tensor) -> tf.Tensor:
    _, fields, width = tokens.shape
    return tf.reshape(tokens, (-1, fields * width))  # (B, F x width); -1 alone, B may be 0


def _input_of(branch: tf_keras.layers.Layer, embedded: Embedded, flat: tf.Tensor):
    takes = getattr(branch, "takes", "flat")
    return {"flat": flat, "tokens": embedded.tokens, "embedded": embedded}[takes]


def _as_column(name: str, x: tf.Tensor) -> tf.Tensor:
    x = tf.cast(x, tf.float32)
    if x.shape.rank not in (1, 2) or x.shape[1:] not in ((), (1,)):
        raise ValueError(
            f"CooperativeNetwork: {name} must have shape (batch,) or (batch, 1). "
            f"Received: {x.shape}."
        )
    return tf.reshape(x, (-1, 1))
