import json
import logging
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from features.errors import ExportError
from features.preprocessing import Preprocessor
from features.raw_tensors import from_arrow
from models.network.outputs import NetworkOutputs
from models.spec.build_network import build_network
from models.spec.network_config import NetworkConfig
from serving.exporting.export import expected_scores
from serving.variants.openvino_ir import IrModel, require_openvino, write_ir
from serving.variants.write_variant import Cut, write_openvino

NEEDED = "the package openvino is not installed: pip install openvino"


@pytest.fixture(scope="module")
def network(bundle):
    metadata = bundle.metadata
    config = NetworkConfig(
        embedding={"embedding_dim": 4, "stddev": 0.5},
        branches={
            "efgc": {"units": [8], "output_units": 8},
            "cross": {"type": "low_rank_cross_mixture", "rank": 3, "output_units": 8},
        },
        alignment={"type": "shared_mlp", "units": [6]},
    )
    return build_network(config, metadata.model_inputs(), metadata.features.groups)


@pytest.fixture(scope="module")
def written(network, bundle, rows, tmp_path_factory):
    pytest.importorskip("openvino", reason=NEEDED)
    folder = tmp_path_factory.mktemp("ir")
    (folder / "rows.jsonl").write_text("{}\n")
    made = Cut(network, bundle)
    logging.getLogger().setLevel(logging.WARNING)
    version = write_openvino(made, folder / "1", rows, folder / "rows.jsonl")
    assert logging.getLogger().level == logging.WARNING  # the converter would leave ERROR
    return version


def inputs_of(bundle, rows):
    metadata = bundle.metadata
    preprocessor = Preprocessor(metadata.features, metadata.analysis, bundle.vocabulary_dir)
    return {k: v.numpy() for k, v in preprocessor(from_arrow(rows, metadata.features)).items()}


@pytest.mark.parametrize("count", [0, 1, 12])
def test_scores_as_the_network_does_at_any_batch_size(written, network, bundle, rows, count):
    model = IrModel(written)
    received = model.score(inputs_of(bundle, rows.slice(0, count)))
    assert (received.dtype, received.shape) == (np.float32, (count,))
    expected = expected_scores(network, bundle, rows.slice(0, count))["prob"]
    np.testing.assert_allclose(received, expected, atol=1e-6)
    if count > 1:
        assert np.ptp(expected) > 0.01


def test_computes_and_stores_float32(written, network):
    model = IrModel(written)
    assert model.precision == "f32"
    (table,) = network.embeddings.tables
    assert table.table.numpy().tobytes() in (written / "model.bin").read_bytes()


def test_an_answer_is_not_changed_by_the_next_one(written, bundle, rows):
    model = IrModel(written)
    inputs = inputs_of(bundle, rows)
    first = model.score(inputs)
    kept = first.copy()
    model.score({name: value[::-1].copy() for name, value in inputs.items()})
    np.testing.assert_array_equal(first, kept)


def test_its_script_scores_with_openvino_and_numpy_alone(written, network, bundle, rows):
    forbid = (
        "import sys, runpy\n"
        "for name in ('tensorflow', 'tf_keras', 'pyarrow', 'features', 'serving'):\n"
        "    sys.modules[name] = None\n"
        "sys.argv = sys.argv[1:]\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", forbid, str(written / "score.py")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    received = [json.loads(line)["prob"] for line in done.stdout.splitlines()]
    expected = expected_scores(network, bundle, rows.slice(0, 5))["prob"]
    np.testing.assert_allclose(received, expected, atol=1e-6)


def test_its_script_says_what_raw_rows_need(written, tmp_path):
    done = subprocess.run(
        [sys.executable, str(written / "score.py"), "rows.jsonl"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": ""},
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: raw rows need Concord: No module named 'features'.")


def test_what_preprocesses_raw_rows_lies_beside_it(written, bundle, rows):
    files = {each.name for each in (written / "assets").iterdir()}
    assert files == {"metadata.json", "user.txt", "item.txt", "tags.txt"}


def test_an_ir_that_scores_otherwise_is_refused(network, bundle, rows, tmp_path, monkeypatch):
    expected = expected_scores(network, bundle, rows)["prob"]

    class Other:
        def __init__(self, version):
            pass

        def score(self, tensors):
            return expected + np.float32(1e-4)

    monkeypatch.setattr("serving.variants.write_variant.IrModel", Other)
    monkeypatch.setattr("serving.variants.write_variant.write_ir", lambda *args: None)
    with pytest.raises(ExportError, match=r"on 12 sample rows .* differ by 0\.0001, .*discarded"):
        write_openvino(Cut(network, bundle), tmp_path / "1", rows, tmp_path / "rows.jsonl")


def test_an_operation_that_openvino_lacks_is_named(bundle, tmp_path):
    pytest.importorskip("openvino", reason=NEEDED)

    def call(features, training):
        logit = tf.math.lgamma(features["price"])[:, tf.newaxis] + tf.zeros((1, 1))
        return NetworkOutputs(logit=logit)

    call.branch_names = ()
    with pytest.raises(ExportError, match=r"cannot convert this network: no operations for Lgamma"):
        write_ir(call, bundle.metadata.model_inputs(), bundle, tmp_path)


def test_says_how_to_install_what_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(ExportError, match=r"not installed\. Install it: pip install openvino"):
        require_openvino()
