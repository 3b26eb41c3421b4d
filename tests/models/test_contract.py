"""Every public layer of `models`, through the same checks."""

import importlib
import inspect
import pkgutil

import pytest
import tf_keras

import models
from models.alignment import Alignment, MLPAlignment
from models.branches import Branch, Composite, ReducedBranch
from models.cooperation import CooperationLoss
from models.fusion import EqualFusion, Fusion, WeightedFusion
from models.layers.wrapped_layer import WrappedLayer
from models.network import CooperativeNetwork
from models.network.named_loss_model import NamedLossModel
from tests import contract
from tests.contract import Case
from tests.models.cases import CASES

BASES = {
    Alignment,
    Branch,
    Composite,
    CooperationLoss,
    EqualFusion,
    Fusion,
    MLPAlignment,
    NamedLossModel,
    ReducedBranch,
    WeightedFusion,
    WrappedLayer,
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
    assert public_layers() - BASES == set(CASES)  # base classes compute nothing


@pytest.fixture(params=CASES, ids=lambda layer: layer.__name__)
def case(request) -> Case:
    return CASES[request.param]


def test_takes_any_batch_size_also_from_a_saved_model(case, tmp_path):
    contract.check_any_batch_size_and_saved_model(case, str(tmp_path / "saved"))


def test_compiles_under_xla(case):
    contract.check_xla(case)


def test_round_trips_through_its_config(case):
    if case is CASES[CooperativeNetwork]:
        pytest.skip("its round trip is tested in test_network.py")
    contract.check_config(case)


def test_keeps_weights_in_float32_under_mixed_precision(case):
    contract.check_mixed_precision(case)


def test_gives_every_weight_a_gradient(case):
    if case is CASES[CooperativeNetwork]:
        pytest.skip("its losses give the gradients: tested in test_network.py")
    contract.check_every_weight_gets_a_gradient(case)


def test_computes_gradients_of_many_rows_in_bfloat16(case):
    contract.check_gradients_in_bfloat16(case)
