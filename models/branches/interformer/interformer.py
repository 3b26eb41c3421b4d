"""InterFormer: non-sequence tokens and histories that learn from each other in every layer."""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import tensorflow as tf
import tf_keras

from features.scope_name import scope_name
from models.branches.branch import Branch, Details
from models.branches.history_pooling import cleaned, joined_by_recency
from models.branches.interformer.cross_arch import CrossArch, last_steps
from models.branches.interformer.interaction_arch import Interaction, InteractionArch
from models.branches.interformer.self_masked_projection import SelfMaskedProjection
from models.branches.interformer.sequence_arch import SequenceArch
from models.branches.interformer.summary_gate import GatingActivation, GatingMode
from models.embeddings.embedded import Embedded, History, flatten
from models.layers.axis_length import axis_length
from models.layers.mlp import MLP
from models.layers.self_attention import divide_heads

Histories = Literal["joined", "side_by_side"]


@tf_keras.utils.register_keras_serializable(package="concord")
class InterFormer(Branch):
    """Layers of three parts: one for tokens, one for histories, and a narrow one between them.

    X are the n tokens of the inputs that are no sequences. All sequences of all histories are
    joined on the axis of features and become one token per step (`SelfMaskedProjection`); S are
    these tokens, and CLS = X_sum^(1). Layers l = 1..L:

        X_sum, S_sum  = CrossArch(X, CLS, S)
        X             = InteractionArch(X, S_sum)
        CLS, S        = SequenceArch(CLS, S, X_sum)

    and h = MLP(X_sum || S_sum) of one more CrossArch, flat.

    Reference: Zeng et al., InterFormer, arXiv:2411.09852v4; sizes of its App. B.
    Departs from it: taken literally, the head reads the summaries made before the last layer's
    other two parts, which then never learn; hence the last CrossArch. Dense features are tokens
    of their own, as the embeddings hand them over, instead of one token together.
    Decided where it is open: steps of histories of unlike events (what was clicked, what was
    passed over) are aligned from the last one, see `joined_by_recency`. `histories: side_by_side`,
    which is not the paper's, joins the aligned sequences of one history only; the events of all
    histories then stand one history after the other on the axis of tokens, each with positions from
    1, and S_recent are the last events of each. With k histories that is attention over k times as
    many tokens, at k^2 times the scores. One history is the same in both. Gates, residuals and
    pooling: see the parts. There are no clock times.

    Example:
        >>> from models.embeddings.embedded import History
        >>> tokens, mask = tf.zeros((2, 3, 4)), tf.ones((2, 5), tf.bool)
        >>> history = History(tf.zeros((2, 5, 8)), mask, tf.zeros((2, 4)))
        >>> embedded = Embedded(tokens, tokens, {"clicks": history}, tf.zeros((2, 0)))
        >>> InterFormer(units=[8])(embedded).shape
        TensorShape([2, 8])

    Args:
        num_layers: L, number of layers.
        num_heads: Heads of all attention; must divide the embedding dimension.
        num_cls: Tokens in X_sum, and CLS.
        num_pma: Tokens in S_sum that are pooled by attention; 0 leaves them out.
        num_recent: Last steps in S_sum, of each history where they stand side by side; 0 leaves
            them out.
        interaction, interaction_layers, interaction_units, rank, dot_units: See `InteractionArch`.
        gating_mode, gating_activation: See `SummaryGate`.
        residual: See `SequenceArch`.
        histories: `joined` on the axis of features, or `side_by_side` on that of tokens.
        units: Hidden units of the MLP, the last its width.
        activation: Activation of all hidden units.
        dropout: Share of the last MLP's outputs that training sets to 0.

    Call arguments:
        embedded: An `Embedded` with one history or more.

    Returns:
        (batch, units[-1]); its intermediates are X after each layer, flat.
    """

    takes = "embedded"
    needs = frozenset({"history"})
    exposes_intermediates = True

    def __init__(
        self,
        num_layers: int = 3,
        num_heads: int = 2,
        num_cls: int = 4,
        num_pma: int = 2,
        num_recent: int = 2,
        interaction: Interaction = "dhen",
        interaction_layers: int = 1,
        interaction_units: Sequence[int] = (256,),
        rank: int = 32,
        dot_units: Sequence[int] = (256,),
        gating_mode: GatingMode = "glu",
        gating_activation: GatingActivation = "sigmoid",
        residual: bool = True,
        histories: Histories = "joined",
        units: Sequence[int] = (512, 256, 128),
        activation: str = "swish",
        dropout: float = 0.1,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if min(num_layers, num_heads, num_cls) < 1 or min(num_pma, num_recent) < 0:
            raise ValueError(
                "InterFormer: `num_layers`, `num_heads` and `num_cls` must be >= 1, `num_pma` and "
                f"`num_recent` >= 0. Received: num_layers={num_layers}, num_heads={num_heads}, "
                f"num_cls={num_cls}, num_pma={num_pma}, num_recent={num_recent}."
            )
        if histories not in get_args(Histories):
            raise ValueError(
                f"InterFormer: `histories` must be {' or '.join(get_args(Histories))}. "
                f"Received: histories={histories!r}."
            )
        self.num_layers, self.num_heads = num_layers, num_heads
        self.num_cls, self.num_pma, self.num_recent = num_cls, num_pma, num_recent
        self.interaction, self.interaction_layers = interaction, interaction_layers
        self.interaction_units, self.dot_units = tuple(interaction_units), tuple(dot_units)
        self.rank, self.gating_mode, self.gating_activation = rank, gating_mode, gating_activation
        self.residual, self.activation, self.histories = residual, activation, histories
        self.cross_archs = [self._cross_arch(i) for i in range(num_layers + 1)]
        self.interaction_archs = [self._interaction_arch(i) for i in range(num_layers)]
        self.head = MLP(units, activation, dropout, dtype=self.dtype_policy, name="head")

    def _cross_arch(self, i: int) -> CrossArch:
        return CrossArch(
            self.num_cls,
            self.num_pma,
            self.num_heads,
            self.gating_mode,
            self.gating_activation,
            dtype=self.dtype_policy,
            name=f"cross_{i}",
        )

    def _interaction_arch(self, i: int) -> InteractionArch:
        return InteractionArch(
            self.interaction,
            self.interaction_layers,
            self.rank,
            self.dot_units,
            self.interaction_units,
            self.activation,
            dtype=self.dtype_policy,
            name=f"interaction_{i}",
        )

    def build(self, input_shape: Embedded) -> None:
        shapes = Embedded(*input_shape)  # from a saved configuration it comes as a plain tuple
        _, count, width = shapes.non_sequence
        names = sorted(shapes.histories)
        lengths = [History(*shapes.histories[name]).mask[1] for name in names]
        if self.histories == "joined" and len(names) > 1:
            names, lengths = ["joined"], [max(lengths)]
        if not names or not count:
            raise ValueError(
                f"{self.name}: expected at least one history and one input that is no sequence. "
                f"Received: histories {names} and {count} other inputs. Declare more inputs, or "
                "use a branch without histories, such as `dhen`."
            )
        divide_heads(self.name, width, self.num_heads)
        policy = self.dtype_policy
        self.mask_nets = [  # the paper's name, which checkpoints have in theirs
            SelfMaskedProjection(
                width, self.activation, dtype=policy, name=f"mask_net_{scope_name(name)}"
            )
            for name in names
        ]
        self.sequence_archs = [
            SequenceArch(
                self.num_cls,
                self.num_heads,
                self.residual,
                lengths,
                dtype=policy,
                name=f"sequence_{i}",
            )
            for i in range(self.num_layers)
        ]
        super().build(input_shape)

    def interact(self, embedded: Embedded, training: bool | None) -> tuple[tf.Tensor, Details]:
        x, cls, outputs = embedded.non_sequence, None, []
        events, mask, recent, lengths = self._events(embedded.histories)
        for cross, interaction, sequence in zip(
            self.cross_archs[:-1], self.interaction_archs, self.sequence_archs, strict=True
        ):
            x_sum, s_sum = cross(x, events=events, mask=mask, recent=recent, cls=cls)
            x = interaction(x, summary=s_sum)
            cls = x_sum if cls is None else cls
            cls, events = sequence(events, cls=cls, summary=x_sum, mask=mask, lengths=lengths)
            outputs.append(flatten(x))
        summaries = self.cross_archs[-1](x, events=events, mask=mask, recent=recent, cls=cls)
        h = self.head(flatten(tf.concat(summaries, axis=1)), training=training)
        return h, Details(tuple(outputs))

    def _events(
        self, histories: dict[str, History]
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, list[int | tf.Tensor]]:
        """The events of all histories, their mask, what picks the last ones, and the lengths."""
        histories = {name: cleaned(history) for name, history in histories.items()}
        if self.histories == "joined":
            histories = {"joined": joined_by_recency(histories)}
        masks = [histories[name].mask for name in sorted(histories)]
        lengths = [axis_length(mask, 1) for mask in masks]
        events, recent = [], []
        for i, (name, mask, mask_net) in enumerate(
            zip(sorted(histories), masks, self.mask_nets, strict=True)
        ):
            events.append(mask_net(histories[name].events))
            around = [sum(lengths[:i]), sum(lengths[i + 1 :])]
            picks = tf.pad(last_steps(mask, self.num_recent), [[0, 0], [0, 0], around])
            picks.set_shape((None, self.num_recent, None))
            recent.append(picks)
        joined = (tf.concat(parts, axis=1) for parts in (events, masks, recent))
        return *joined, lengths

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_layers": self.num_layers,
            "num_heads": self.num_heads,
            "num_cls": self.num_cls,
            "num_pma": self.num_pma,
            "num_recent": self.num_recent,
            "interaction": self.interaction,
            "interaction_layers": self.interaction_layers,
            "interaction_units": list(self.interaction_units),
            "rank": self.rank,
            "dot_units": list(self.dot_units),
            "gating_mode": self.gating_mode,
            "gating_activation": self.gating_activation,
            "residual": self.residual,
            "histories": self.histories,
            "units": list(self.head.units),
            "activation": self.activation,
            "dropout": self.head.dropout,
        }
