"""Every public layer of `models`, through the same checks."""

import importlib
import inspect
import pkgutil

import pytest
import tf_keras

import models
from models.alignment import MLPPerBranch, NoAlignment, SharedMLP
from models.branches import Deep, GroupedCross, LowRankCrossMixture
from models.cooperation import BranchCoTeaching, ModerateDifferentiation, RepresentationDistance
from models.embeddings import EmbeddingBank
from models.fusion import MeanFusion
from models.mlp import MLP
from models.named_loss_model import NamedLossModel
from models.network import CooperativeNetwork
from tests import contract
from tests.contract import Case
from tests.models import small


def floats(*tail: int):
    return lambda rng, batch: {"x": rng.normal(size=(batch, *tail)).astype("float32")}


def hidden(*widths: int):
    return lambda rng, batch: {
        "x": [rng.normal(size=(batch, width)).astype("float32") for width in widths]
    }


def logits_and_labels(rng, batch):
    return {
        "logits": rng.normal(scale=2.0, size=(batch, 3)).astype("float32"),
        "labels": rng.integers(0, 2, (batch, 1)).astype("float32"),
    }


def mlp_arguments(*units: int) -> dict:
    return {"units": units, "activation": "tanh", "dropout": 0.1, "batch_norm": True}


def small_network() -> CooperativeNetwork:
    return small.network(tables="per_branch")


CASES = {
    BranchCoTeaching: Case(
        lambda: BranchCoTeaching(0.5, target="positive", direction="weak_to_strong"),
        logits_and_labels,
        always_float32=True,
    ),
    CooperativeNetwork: Case(
        small_network, lambda rng, batch: {"features": small.features(rng, batch)}
    ),
    Deep: Case(lambda: Deep(**mlp_arguments(6, 4)), floats(5)),
    EmbeddingBank: Case(
        lambda: EmbeddingBank(small.INPUTS, width=3, num_sets=2, stddev=0.3, l2=0.1),
        lambda rng, batch: {"features": small.features(rng, batch)},
        always_float32=True,
    ),
    GroupedCross: Case(
        lambda: GroupedCross(
            [[0, 2], [1], [2, 1, 0]],
            output_units=5,
            output_activation="tanh",
            **mlp_arguments(6, 4),
        ),
        floats(4, 3),
    ),
    LowRankCrossMixture: Case(
        lambda: LowRankCrossMixture(3, 4, 2, 5, activation="relu", output_activation="tanh"),
        floats(6),
    ),
    MLP: Case(lambda: MLP(**mlp_arguments(6, 4)), floats(5)),
    MLPPerBranch: Case(lambda: MLPPerBranch(**mlp_arguments(6, 4)), hidden(3, 5)),
    MeanFusion: Case(MeanFusion, floats(3, 4)),
    ModerateDifferentiation: Case(
        lambda: ModerateDifferentiation(squared=True), floats(3, 4), always_float32=True
    ),
    NoAlignment: Case(NoAlignment, hidden(4, 4)),
    RepresentationDistance: Case(
        lambda: RepresentationDistance("maximal"), floats(3, 4), always_float32=True
    ),
    SharedMLP: Case(lambda: SharedMLP(**mlp_arguments(6, 4)), hidden(5, 5, 5)),
}


def public_layers() -> set[type]:
    modules = [
        importlib.import_module(found.name)
        for found in pkgutil.walk_packages(models.__path__, "models.")
    ]
    return {
        each
        for module in modules
        for name, each in vars(module).items()
        if inspect.isclass(each)
        and each.__module__ == module.__name__
        and issubclass(each, tf_keras.layers.Layer)
        and not issubclass(each, tf_keras.metrics.Metric)
        and not name.startswith("_")
    }


def test_every_public_layer_is_in_the_table():
    assert public_layers() - {NamedLossModel} == set(CASES)  # a base class: it computes nothing


@pytest.fixture(params=CASES, ids=lambda layer: layer.__name__)
def case(request) -> Case:
    return CASES[request.param]


def test_takes_any_batch_size(case):
    contract.check_unknown_batch_size(case)


def test_compiles_under_xla(case):
    contract.check_xla(case)


def test_round_trips_through_its_config(case):
    if case is CASES[CooperativeNetwork]:
        pytest.skip("its round trip is tested in test_network.py")
    contract.check_config(case)


def test_round_trips_through_a_saved_model(case, tmp_path):
    contract.check_saved_model(case, str(tmp_path / "saved"))


def test_keeps_weights_in_float32_under_mixed_precision(case):
    contract.check_mixed_precision(case)


def test_gives_every_weight_a_gradient(case):
    if case is CASES[CooperativeNetwork]:
        pytest.skip("its losses give the gradients: tested in test_network.py")
    contract.check_every_weight_gets_a_gradient(case)
