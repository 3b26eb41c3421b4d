"""What a new branch, loss, fusion or alignment needs besides its file; CONTRIBUTING.md says so."""

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from models import branches, cooperation, fusion
from models.layers.wrapped_layer import WrappedLayer
from models.spec import axes

ROOT = Path(__file__).parents[3]
AXES = {
    "BRANCHES": axes.BRANCHES,
    "ALIGNMENTS": axes.ALIGNMENTS,
    "FUSIONS": axes.FUSIONS,
    "COOPERATION": axes.COOPERATION,
}


@pytest.mark.parametrize(
    ("package", "axis"), [(branches, "BRANCHES"), (fusion, "FUSIONS"), (cooperation, "COOPERATION")]
)
def test_every_public_layer_has_a_name_on_its_axis(package, axis):
    bases = {base for cls in AXES[axis].values() for base in cls.__mro__[1:]}
    public = {getattr(package, name) for name in package.__all__}
    layers = {
        each
        for each in public
        if inspect.isclass(each) and not issubclass(each, (tuple, WrappedLayer))
    }
    missing = {cls.__name__ for cls in layers - bases - set(AXES[axis].values())}
    assert not missing, f"add to {axis} in models/spec/axes.py, or derive from it: {missing}"


@pytest.mark.parametrize("axis", [*AXES.values(), axes.TOWERS], ids=[*AXES, "TOWERS"])
def test_classes_of_an_axis_derive_from_its_base(axis):
    assert all(issubclass(each, axis.base) for each in axis.values())


def test_names_are_known_before_any_class_is_imported():
    code = (
        "import sys; from models.spec import axes; from models.spec.network_config import *\n"
        "assert 'deep' in axes.BRANCHES and 'dep' not in axes.BRANCHES and len(axes.FUSIONS)\n"
        "assert list(axes.TOWERS) == ['mlp'] and 'tensorflow' not in sys.modules\n"
        "axes.BRANCHES['deep']\n"
        "assert 'tensorflow' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("axis", AXES)
def test_every_name_stands_in_the_design_space(axis):
    page = (ROOT / "docs/design_space.md").read_text("utf-8")
    missing = [name for name in AXES[axis] if f"`{name}`" not in page]
    assert not missing, f"add to the tables of docs/design_space.md: {missing}"


@pytest.mark.parametrize("axis", ["BRANCHES", "COOPERATION"])
def test_every_branch_and_loss_has_its_oracle(axis):
    missing = []
    for cls in AXES[axis].values():
        test = f"test_{Path(inspect.getfile(cls)).name}"
        if not list((ROOT / "tests/models").rglob(test)):
            missing.append(test)
    assert not missing, f"write oracles under tests/models: {missing}"
