import sys

import pytest

from features.config import parse
from features.errors import ConfigError
from features.inputs import InputSpec
from models.spec.build_network import build_network
from models.spec.network_config import NetworkConfig
from models.spec.plugins import load_class

SOURCE = """
import tensorflow as tf
import tf_keras
from models.branches import Branch

class Twice(Branch):
    def __init__(self, factor: float = 2.0, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def interact(self, x, training):
        return self.factor * x

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}

class Loss(tf_keras.layers.Layer):
    takes = ("logits",)

    def call(self, logits):
        return tf.reduce_mean(logits)

class NoTakes(Loss):
    takes = None

class Typo(Loss):
    takes = ("logitz",)

class Comma(Loss):
    takes = "logits"

class Labels(Loss):
    takes = ("logits", "labels")

class NotAScalar(Loss):
    def call(self, logits):
        return tf.reduce_mean(logits, axis=1)

class WrongTakes(Branch):
    takes = "token"

class NoInteract(Branch):
    pass

class NoKwargs(Branch):
    def __init__(self, size: int = 2):
        super().__init__()

class Cube(Branch):
    def interact(self, x, training):
        return x[:, None, :]

class Fails(Branch):
    def interact(self, x, training):
        raise ZeroDivisionError("inside")

class Unhinted(Twice):
    def __init__(self, factor=2.0, **settings):
        super().__init__(**settings)

def helper():
    pass
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = tmp_path / "my_layers"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "twice.py").write_text(SOURCE)
    (folder / "broken.py").write_text("import nothing_of_this_name\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "my_layers"
    for name in [name for name in sys.modules if name.partition(".")[0] == "my_layers"]:
        del sys.modules[name]


@pytest.fixture
def allowed(package, monkeypatch):
    monkeypatch.setenv("CONCORD_PLUGINS", f"other_package, {package}")


def test_a_branch_of_ones_own_is_named_by_its_import_path(allowed):
    network = NetworkConfig(
        branches={"mine": {"type": "my_layers.twice.Twice", "factor": 3}},
        heads="fused",
        cooperation={},
    )
    assert network.branches["mine"].cls.__name__ == "Twice"
    assert network.branches["mine"].options == {"factor": 3.0}


def test_its_options_are_checked_like_those_of_any_branch(allowed):
    mine = {"type": "my_layers.twice.Twice", "facto": 3}
    network = {"branches": {"mine": mine}, "heads": "fused", "cooperation": {}}
    with pytest.raises(ConfigError, match=r"facto is not an option of Twice. Did you mean factor"):
        parse(NetworkConfig, network, "a.yaml")


@pytest.mark.usefixtures("package")
def test_what_is_not_allowed_is_never_imported():
    with pytest.raises(ConfigError, match=r"'my_layers' is not allowed.*CONCORD_PLUGINS=my_layers"):
        load_class("my_layers.twice.Twice")
    assert "my_layers" not in sys.modules


@pytest.mark.usefixtures("package")
def test_a_package_is_allowed_by_its_whole_name(monkeypatch):
    monkeypatch.setenv("CONCORD_PLUGINS", "my")
    with pytest.raises(ConfigError, match="CONCORD_PLUGINS=my,my_layers"):
        load_class("my_layers.twice.Twice")


@pytest.mark.usefixtures("allowed")
@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("my_layers.twice.Twise", r"no class 'Twise'. Did you mean Twice\?"),
        ("my_layers.twice.helper", "is no tf_keras layer"),
        ("my_layers.thrice.Thrice", "there is no module 'my_layers.thrice'"),
        ("other_package.Thing", "there is no module 'other_package'"),
        ("my_layers.twice.__import__('os')", "is not an import path"),
        ("os.system", "'os' is not allowed"),
        ("my_layers..twice", "is not an import path"),
    ],
)
def test_says_what_is_wrong_with_a_path(path, message):
    with pytest.raises(ConfigError, match=message):
        load_class(path)


@pytest.mark.usefixtures("allowed")
def test_a_module_that_fails_by_itself_shows_its_own_error():
    with pytest.raises(ConfigError, match=r"ModuleNotFoundError.*nothing_of_this_name"):
        load_class("my_layers.broken.Thing")


def network(**settings):
    config = parse(NetworkConfig, {"alignment": "none", "cooperation": {}, **settings}, "a.yaml")
    return build_network(config, [InputSpec("user", "categorical", "user", 5)], {})


@pytest.mark.usefixtures("allowed")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("WrongTakes", "`takes` is 'token'. Expected one of flat, field_embeddings"),
        ("NoInteract", r"must define interact\(self, x, training\)"),
        ("NoKwargs", r"must accept \*\*kwargs"),
        ("Loss", r"is no branch: .*`takes` is \('logits',\)"),
        ("Cube", r"branch 'mine' must return .*\(batch, units\).*\(0, 1, 16\)"),
        ("Fails", r"class of your own failed \(my_layers.twice.Fails\): ZeroDivisionError"),
    ],
)
def test_what_is_no_branch_is_refused_in_a_sentence(name, message):
    with pytest.raises(ConfigError, match=message) as refused:
        network(branches={"mine": f"my_layers.twice.{name}"}, heads="fused")
    assert "\n" not in str(refused.value)


@pytest.mark.usefixtures("allowed")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("NoTakes", "`takes` must be a tuple"),
        ("Comma", "`takes` must be a tuple.*Received: 'logits'"),
        ("Typo", r"names 'logitz'.*Did you mean logit\?"),
        ("Labels", r"call\(x, labels=...\)"),
        ("Twice", "is no cooperation loss"),
        ("NotAScalar", r"loss 'mine' must return a scalar.*Received: shape"),
    ],
)
def test_what_is_no_loss_is_refused_in_a_sentence(name, message):
    branches = {each: {"type": "deep", "units": [3]} for each in ("a", "b")}
    loss = {"type": f"my_layers.twice.{name}", "weight": 1.0}
    with pytest.raises(ConfigError, match=message) as refused:
        network(branches=branches, cooperation={"mine": loss})
    assert "\n" not in str(refused.value)


@pytest.mark.usefixtures("allowed")
@pytest.mark.parametrize("axis", ["fusion", "alignment"])
def test_what_is_called_otherwise_is_refused(axis):
    with pytest.raises(ConfigError, match=r"Loss.call must take what it is called with"):
        network(branches={"a": "deep"}, heads="fused", **{axis: "my_layers.twice.Loss"})


@pytest.mark.usefixtures("allowed")
def test_options_without_hints_and_other_names_for_kwargs_are_fine():
    built = network(
        branches={"mine": {"type": "my_layers.twice.Unhinted", "factor": 3}}, heads="fused"
    )
    assert built.branch_names == ("mine",)
