import os
import subprocess
import sys
import types
from pathlib import Path

import pytest
import tensorflow as tf
import tf_keras

from features.errors import UserError
from features.legacy_keras import ensure_legacy_keras

ROOT = Path(__file__).parents[2]


def run(program: str) -> subprocess.CompletedProcess:
    """In a fresh process, without the variable."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(ROOT)}
    environment.pop("TF_USE_LEGACY_KERAS", None)
    return subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_importing_features_sets_the_variable_before_tensorflow_is_there():
    names = "os.environ['TF_USE_LEGACY_KERAS'], *sys.modules"
    done = run(f"import features, os, sys; print({names})")
    assert done.returncode == 0, done.stderr
    variable, *modules = done.stdout.split()
    assert variable == "1"
    assert "tensorflow" not in modules


def test_tensorflow_speaks_tf_keras_here():
    assert tf.keras.layers.Layer is tf_keras.layers.Layer


def test_keras_3_first_is_refused_with_the_remedy():
    done = run("import keras; import features")
    assert done.returncode != 0
    sentence = done.stderr.strip().splitlines()[-1]
    assert sentence.startswith("features.errors.UserError: TensorFlow was imported before Concord")
    assert "set TF_USE_LEGACY_KERAS=1" in sentence
    assert "import `features` before `tensorflow`" in sentence


@pytest.mark.parametrize("bound", [{}, {"__version__": "2.15.0"}], ids=["tf_keras", "keras 2"])
def test_keras_2_may_be_there_already(monkeypatch, bound):
    """`tf.keras` has no `__version__` where it is tf_keras."""
    tensorflow = types.SimpleNamespace(keras=types.SimpleNamespace(**bound))
    monkeypatch.setitem(sys.modules, "tensorflow", tensorflow)
    monkeypatch.delenv("TF_USE_LEGACY_KERAS", raising=False)
    ensure_legacy_keras()
    assert os.environ["TF_USE_LEGACY_KERAS"] == "1"


def test_a_refusal_names_the_version_and_leaves_the_environment_alone(monkeypatch):
    tensorflow = types.SimpleNamespace(keras=types.SimpleNamespace(__version__="3.13.2"))
    monkeypatch.setitem(sys.modules, "tensorflow", tensorflow)
    monkeypatch.delenv("TF_USE_LEGACY_KERAS", raising=False)
    with pytest.raises(UserError, match=r"Keras 3\.13\.2, .* set TF_USE_LEGACY_KERAS=1"):
        ensure_legacy_keras()
    assert "TF_USE_LEGACY_KERAS" not in os.environ
