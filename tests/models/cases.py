"""A case of the contract for every public layer of `models`."""

from typing import Any

import numpy as np

from models import branches as b
from models import cooperation as c
from models import fusion as f
from models.alignment import MLPPerBranch, NoAlignment, SharedMLP, WrappedAlignment
from models.embeddings import EmbeddingBank
from models.embeddings.bank_tables import BankTables
from models.embeddings.embedding_layout import EmbeddingLayout, TableLayout
from models.embeddings.numeric_embedding import NumericEmbedding
from models.embeddings.row_table import RowTable
from models.layers.dense import Dense
from models.layers.mlp import MLP
from models.network import CooperativeNetwork
from models.optimizers import RowSlots
from tests.contract import Case
from tests.models import small
from tests.models.cases_inside import INSIDE
from tests.models.embedded_inputs import random_embedded


def floats(*tail: int):
    return lambda rng, batch: {"x": rng.normal(size=(batch, *tail)).astype("float32")}


def hidden(*widths: int):
    return lambda rng, batch: {
        "x": [rng.normal(size=(batch, width)).astype("float32") for width in widths]
    }


def embedded(extra: int = 0):
    return lambda rng, batch: {"embedded": random_embedded(rng, batch, extra=extra)}


def logits_and_labels(rng, batch):
    return {
        "logits": rng.normal(scale=2.0, size=(batch, 3)).astype("float32"),
        "labels": rng.integers(0, 2, (batch, 1)).astype("float32"),
    }


def taught(rng, batch):
    return {
        "logit": rng.normal(scale=2.0, size=(batch, 1)).astype("float32"),
        "teacher_logits": rng.normal(scale=2.0, size=(batch, 3)).astype("float32"),
        "labels": rng.integers(0, 2, (batch, 1)).astype("float32"),
    }


def fused(*names: str):
    tails = {"x": (3, 4), "logits": (3,), "gate_input": (5,)}
    return lambda rng, batch: {
        name: rng.normal(size=(batch, *tails[name])).astype("float32") for name in ("x", *names)
    }


def mlp(*units: int) -> dict[str, Any]:
    return {"units": units, "activation": "tanh", "dropout": 0.1, "batch_norm": True}


def network_inputs(rng: np.random.Generator, batch: int) -> dict[str, Any]:
    return {"features": small.features(rng, batch)}


BRANCHES = {
    b.AutoInt: Case(lambda: b.AutoInt(2, 4, 3, False, True, **mlp(6, 4)), floats(4, 3)),
    b.BiInteraction: Case(lambda: b.BiInteraction(5, "tanh"), floats(4, 3)),
    b.CIN: Case(
        lambda: b.CIN(
            [6, 5],
            split_half=True,
            activation="tanh",
            use_bias=False,
            output_units=4,
            output_activation="tanh",
        ),
        floats(4, 3),
    ),
    b.Cross: Case(lambda: b.Cross(2, output_units=5, output_activation="tanh"), floats(6)),
    b.CrossV2: Case(lambda: b.CrossV2(2, output_units=5, output_activation="tanh"), floats(6)),
    b.DCN: Case(lambda: b.DCN(num_layers=2, **mlp(6, 4)), embedded()),
    b.DCNv2: Case(
        lambda: b.DCNv2(
            [6, 4],
            structure="stacked",
            cross="mixture",
            num_layers=2,
            rank=3,
            num_experts=2,
            cross_activation="relu",
            activation="tanh",
            dropout=0.2,
            batch_norm=False,
        ),
        embedded(),
    ),
    b.Deep: Case(lambda: b.Deep(**mlp(6, 4)), floats(5)),
    b.DeepFM: Case(lambda: b.DeepFM(**mlp(6, 4)), embedded()),
    b.FM: Case(lambda: b.FM(5, "tanh"), floats(4, 3)),
    b.FinalMLP: Case(
        lambda: b.FinalMLP(
            units_1=[5, 4],
            units_2=[6],
            num_heads=1,
            gate_units=[5],
            context_1=["b"],
            context_2=["c", "a"],
            activation="tanh",
            dropout_1=0.1,
            dropout_2=0.2,
            batch_norm_1=True,
            batch_norm_2=True,
            fields=["a", "b", "c", "d"],
        ),
        embedded(extra=2),
    ),
    b.GroupedCross: Case(
        lambda: b.GroupedCross(
            [[0, 2], [1], [2, 1, 0]], output_units=5, output_activation="tanh", **mlp(6, 4)
        ),
        floats(4, 3),
    ),
    b.IPNN: Case(lambda: b.IPNN(**mlp(6, 4)), embedded()),
    b.InnerProduct: Case(lambda: b.InnerProduct(5, "tanh"), floats(4, 3)),
    b.LowRankCross: Case(
        lambda: b.LowRankCross(2, rank=3, output_units=5, output_activation="tanh"), floats(6)
    ),
    b.LowRankCrossMixture: Case(
        lambda: b.LowRankCrossMixture(3, 4, 2, 5, activation="relu", output_activation="tanh"),
        floats(6),
    ),
    b.MMoE: Case(
        lambda: b.MMoE(
            2,
            expert_units=[5, 4],
            tower_units=[3],
            activation="tanh",
            dropout=0.1,
            batch_norm=True,
        ),
        floats(6),
    ),
    b.MaskNet: Case(lambda: b.MaskNet("parallel", (6, 5), 1.5, **mlp(7, 4)), floats(4, 3)),
    b.NFM: Case(lambda: b.NFM(linear=False, **mlp(6, 4)), embedded()),
    b.Wide: Case(lambda: b.Wide(5, "tanh"), floats(4)),
    b.WideAndDeep: Case(lambda: b.WideAndDeep(**mlp(6, 4)), embedded()),
    b.Wukong: Case(
        lambda: b.Wukong(
            num_layers=2,
            lcb_tokens=2,
            fmb_tokens=3,
            rank=2,
            projection="attentive",
            fmb_units=[6],
            fmb_output_activation="tanh",
            **mlp(7, 5),
        ),
        floats(4, 3),
    ),
    b.WrappedBranch: Case(
        lambda: b.WrappedBranch(Dense(4, activation="tanh", name="own")), floats(5)
    ),
    b.XDeepFM: Case(
        lambda: b.XDeepFM(
            cin_units=[4, 3], cin_split_half=True, cin_activation="tanh", **mlp(6, 4)
        ),
        embedded(),
    ),
}

FUSIONS = {
    f.BilinearFusion: Case(lambda: f.BilinearFusion(2, first_units=6), floats(3, 10)),
    f.ConcatFusion: Case(f.ConcatFusion, floats(3, 4)),
    f.ConfidenceFusion: Case(
        lambda: f.ConfidenceFusion(0.5, combine="sum", stop_gradient=False), fused("logits")
    ),
    f.GatedFusion: Case(lambda: f.GatedFusion(**mlp(6, 4), combine="concat"), fused("gate_input")),
    f.LogitFusion: Case(lambda: f.LogitFusion("sum"), fused("logits"), always_float32=True),
    f.MeanFusion: Case(f.MeanFusion, floats(3, 4)),
    f.SumFusion: Case(f.SumFusion, floats(3, 4)),
    f.WrappedFusion: Case(
        lambda: f.WrappedFusion(f.GatedFusion(**mlp(6, 4))), fused("logits", "gate_input")
    ),
}

COOPERATION = {
    c.CrossExpertDecorrelation: Case(
        lambda: c.CrossExpertDecorrelation("covariance", norm=1, at="input"),
        floats(3, 4),
        always_float32=True,
    ),
    c.EnsembleDistillation: Case(
        lambda: c.EnsembleDistillation(
            2.0, teacher_weights="gate", scale_by_temperature_squared=True
        ),
        taught,
        always_float32=True,
    ),
    c.MutualDistillation: Case(
        lambda: c.MutualDistillation(detach_scores=True), logits_and_labels, always_float32=True
    ),
    c.SymmetricKL: Case(c.SymmetricKL, floats(3), always_float32=True),
    c.BranchCoTeaching: Case(
        lambda: c.BranchCoTeaching(0.5, target="positive", direction="weak_to_strong"),
        logits_and_labels,
        always_float32=True,
    ),
    c.ModerateDifferentiation: Case(
        lambda: c.ModerateDifferentiation(squared=False), floats(3, 4), always_float32=True
    ),
    c.RepresentationDistance: Case(
        lambda: c.RepresentationDistance("maximal"), floats(3, 4), always_float32=True
    ),
    c.WrappedLoss: Case(
        lambda: c.WrappedLoss(c.EnsembleDistillation(2.0, teacher_weights="gate")),
        taught,
        always_float32=True,
    ),
}

OTHERS = {
    CooperativeNetwork: Case(lambda: small.network(tables="per_branch"), network_inputs),
    EmbeddingBank: Case(
        lambda: EmbeddingBank(
            EmbeddingLayout(
                small.INPUTS,
                3,
                num_sets=2,
                first_order=[1],
                embedding_dims={"item": 2},
                compressed={"user": {"type": "hashed", "rows": 5, "hashes": 2}},
                numeric="mlp",
                numeric_units=[4],
            ),
            stddev=0.3,
            l2=0.1,
            initializer="uniform",
            l2_batch=0.1,
            slots=RowSlots(per_column=2),
            frequency_stddev=0.3,
        ),
        network_inputs,
        always_float32=True,
    ),
    BankTables: Case(
        lambda: BankTables(
            EmbeddingLayout(
                small.INPUTS,
                3,
                num_sets=2,
                first_order=[0],
                embedding_dims={"item": 2},
                compressed={"user": {"type": "quotient_remainder", "rows": 5}},
            ),
            slots=RowSlots(per_segment=1, initial=0.5),
            stddev=0.3,
            initializer="truncated_normal",
        ),
        network_inputs,
        always_float32=True,
    ),
    RowTable: Case(
        lambda: RowTable(
            TableLayout(9, [2, 3], [(2, 4)]),
            slots=RowSlots(per_column=2, per_row=1),
            stddev=0.3,
            initializer="uniform",
        ),
        lambda rng, batch: {"x": rng.integers(0, 9, (batch, 2)).astype("int32")},
        always_float32=True,
    ),
    Dense: Case(lambda: Dense(3, use_bias=False), floats(5)),
    MLP: Case(lambda: MLP(**mlp(6, 4), last_activation="elu"), floats(5)),
    MLPPerBranch: Case(lambda: MLPPerBranch(**mlp(6, 4), last_activation="elu"), hidden(3, 5)),
    NoAlignment: Case(NoAlignment, hidden(4, 4)),
    NumericEmbedding: Case(
        lambda: NumericEmbedding(3, num_sets=2, units=[4], set_dims=[3, 2]), floats(5)
    ),
    SharedMLP: Case(lambda: SharedMLP(**mlp(6, 4), last_activation="elu"), hidden(5, 5, 5)),
    WrappedAlignment: Case(lambda: WrappedAlignment(MLPPerBranch(**mlp(6, 4))), hidden(3, 5)),
}

CASES = {**BRANCHES, **FUSIONS, **COOPERATION, **OTHERS, **INSIDE}
