"""Cases of the layers that sequence models and DHEN are made of."""

import numpy as np

from models import branches as b
from models.branches.dhen.attention_module import AttentionModule
from models.branches.dhen.cross_module import CrossModule
from models.branches.dhen.dhen_layer import DHENLayer
from models.branches.dhen.dot_module import DotModule
from models.branches.dien.attentional_gru import AttentionalGRU
from models.branches.dien.interest_evolution import InterestEvolution
from models.branches.dien.next_event_loss import NextEventLoss
from models.branches.interformer.cross_arch import CrossArch
from models.branches.interformer.interaction_arch import InteractionArch
from models.branches.interformer.pooling_attention import PoolingAttention
from models.branches.interformer.self_masked_projection import SelfMaskedProjection
from models.branches.interformer.sequence_arch import SequenceArch
from models.branches.interformer.summary_gate import SummaryGate
from models.layers.dice import Dice
from models.layers.self_attention import SelfAttention
from models.layers.target_attention import TargetAttention
from models.layers.to_tokens import ToTokens
from models.layers.token_linear import TokenLinear
from tests.contract import Case
from tests.models.embedded_inputs import random_embedded

HISTORIES = {"clicks": (5, 2, 1), "skips": (5, 1, 1), "searches": (3, 1, 0)}
ATTENTION = {"attention_units": [5, 4], "attention_activation": "tanh", "attention_dropout": 0.1}
MLP = {"units": (6, 4), "activation": "tanh", "dropout": 0.1, "batch_norm": True}


def tensors(scale: float = 1.0, **tails: tuple[int, ...]):
    """Inputs by name: normal floats of the shapes given, or a mask where the name says so."""

    def inputs(rng: np.random.Generator, batch: int) -> dict[str, np.ndarray]:
        return {
            name: np.arange(tail[0]) < rng.integers(0, tail[0] + 1, (batch, 1))
            if "mask" in name
            else rng.normal(scale=scale, size=(batch, *tail)).astype("float32")
            for name, tail in tails.items()
        }

    return inputs


def two_histories(rng: np.random.Generator, batch: int):
    histories = {"clicks": (5, 2, 1), "buys": (3, 1, 0)}
    return {"embedded": random_embedded(rng, batch, fields=6, embedding_dim=4, histories=histories)}


def cross_arch_inputs(rng: np.random.Generator, batch: int):
    recent = np.tile(np.eye(5, dtype="float32")[3:], (batch, 1, 1))
    inputs = tensors(tokens=(3, 4), events=(5, 4), mask=(5,))(rng, batch)
    return {**inputs, "recent": recent, **tensors(cls=(3, 4))(rng, batch)}


def with_histories(rng: np.random.Generator, batch: int):
    return {"embedded": random_embedded(rng, batch, fields=7, histories=HISTORIES)}


MODULES = ("dot", "cross", "linear", "self_attention")
INSIDE = {
    AttentionModule: Case(lambda: AttentionModule(3, 4, 2, "tanh"), tensors(x=(5, 4))),
    CrossArch: Case(lambda: CrossArch(3, 1, 4, "paper", "tanh"), cross_arch_inputs),
    CrossModule: Case(lambda: CrossModule(3, 2, 3, True, (6,), "tanh"), tensors(x=(5, 4))),
    DHENLayer: Case(lambda: DHENLayer(MODULES, "sum", 2, (6,), 3, 2, 4, "tanh"), tensors(x=(5, 4))),
    DotModule: Case(lambda: DotModule(3, (6,), "tanh"), tensors(x=(5, 4))),
    InteractionArch: Case(
        lambda: InteractionArch("cross", 2, 3, (6,), (5,), "tanh"),
        tensors(tokens=(3, 4), summary=(2, 4)),
    ),
    PoolingAttention: Case(lambda: PoolingAttention(3, 4), tensors(x=(5, 4), mask=(5,))),
    SelfAttention: Case(lambda: SelfAttention(4, (0, 1, 2, 1, 2)), tensors(x=(5, 4), mask=(5,))),
    SelfMaskedProjection: Case(lambda: SelfMaskedProjection(3, "tanh"), tensors(x=(5, 4))),
    SequenceArch: Case(
        lambda: SequenceArch(3, 4, False, (2, 3)),
        tensors(scale=0.3, events=(5, 4), cls=(3, 4), summary=(3, 4), mask=(5,)),
    ),
    SummaryGate: Case(lambda: SummaryGate("paper", "tanh"), tensors(x=(3, 4))),
    ToTokens: Case(lambda: ToTokens(3, 2, (6,), "tanh"), tensors(x=(5,))),
    TokenLinear: Case(lambda: TokenLinear(3), tensors(x=(5, 4))),
    b.DHEN: Case(
        lambda: b.DHEN(
            1,
            MODULES,
            "weighted_sum",
            tokens_per_module=2,
            dot_units=(6,),
            rank=3,
            cross_layers=2,
            num_heads=4,
            units=(6, 5),
            activation="tanh",
            dropout=0.2,
        ),
        tensors(x=(5, 4)),
    ),
    b.InterFormer: Case(
        lambda: b.InterFormer(
            num_layers=2,
            num_heads=4,
            num_cls=3,
            num_pma=1,
            num_recent=3,
            interaction="cross",
            interaction_layers=2,
            interaction_units=(6,),
            rank=3,
            dot_units=(5,),
            gating_mode="paper",
            gating_activation="tanh",
            residual=False,
            histories="side_by_side",
            units=(6, 5),
            activation="tanh",
            dropout=0.2,
        ),
        two_histories,
    ),
    AttentionalGRU: Case(
        lambda: AttentionalGRU(4, update="agru"),
        tensors(x=(5, 3), weights=(5,), mask=(5,)),
        always_float32=True,
    ),
    Dice: Case(Dice, tensors(x=(5, 4))),
    InterestEvolution: Case(
        lambda: InterestEvolution("agru", "din", [5, 4], "tanh", 0.1),
        tensors(steps=(5, 6), target=(3,), mask=(5,)),
    ),
    NextEventLoss: Case(
        lambda: NextEventLoss([5, 4]),
        tensors(states=(5, 4), keys=(5, 3), negatives=(5, 3), mask=(5,), negatives_mask=(5,)),
        always_float32=True,
    ),
    TargetAttention: Case(
        lambda: TargetAttention([6, 4], "tanh", dropout=0.1, softmax=True),
        tensors(target=(3,), keys=(5, 3), mask=(5,)),
    ),
    b.DIEN: Case(
        lambda: b.DIEN(
            **MLP,
            **ATTENTION,
            update="agru",
            attention="din",
            sum_pooling=True,
            auxiliary_weight=0.5,
            auxiliary_units=[5],
            negatives="skips",
            histories=["clicks"],
        ),
        with_histories,
    ),
    b.DIN: Case(
        lambda: b.DIN(**MLP, **ATTENTION, attention_softmax=True, histories=["clicks"]),
        with_histories,
    ),
}
