import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from features.errors import DataError
from serving.client.client import Client, EndpointError
from serving.export_format import names
from serving.export_format.export_layout import SIGNATURES_FILE
from serving.export_format.signature_table import read_table, user_columns
from serving.exporting.fresh_process import environment
from serving.scoring.scorer import Scorer
from serving.scoring.signature_inputs import with_first_user

MODEL = "clicks"
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def expected(exported, rows):
    return Scorer(exported).score(rows, branches=True)


@pytest.fixture(scope="module")
def users(exported):
    return user_columns(read_table(exported / SIGNATURES_FILE))


@pytest.mark.parametrize("examples", [False, True], ids=["tensors", "examples"])
@pytest.mark.parametrize("told", ["by the server", "by the file"])
def test_scores_are_those_of_the_export(target, exported, plain_rows, expected, examples, told):
    path = exported / SIGNATURES_FILE if told == "by the file" else None
    with Client(target, MODEL, timeout=60.0, signatures=path) as client:
        received = client.score(plain_rows, examples=examples)
        assert received.dtype == np.float32
        np.testing.assert_allclose(received, expected["prob"], atol=1e-6)
        assert client.score([], examples=examples).shape == (0,)


def test_branches_have_probabilities_and_weights(client, plain_rows, expected):
    received = client.branches(plain_rows)
    for name, value in expected.items():
        np.testing.assert_allclose(received.pop(name), value, atol=1e-6)
    assert received.keys() == {"weight_deep", "weight_low rank/cross:é"}
    np.testing.assert_allclose(sum(received.values()), 1.0, atol=1e-6)


def test_candidates_are_scored_for_one_user(client, exported, rows, plain_rows, users):
    user = {key: value for key, value in plain_rows[0].items() if key in users}
    candidates = [{key: row[key] for key in row if key not in users} for row in plain_rows]
    expected = Scorer(exported).score(with_first_user(rows, users))["prob"]
    np.testing.assert_allclose(client.rank(user, candidates), expected, atol=1e-6)
    assert client.rank(user, []).shape == (0,)


def test_classes_and_values_are_those_of_the_probability(client, plain_rows, expected):
    classes = client.classify(plain_rows)
    assert [[label for label, _ in row] for row in classes] == [["0", "1"]] * len(plain_rows)
    np.testing.assert_allclose([row[1][1] for row in classes], expected["prob"], atol=1e-6)
    np.testing.assert_allclose([row[0][1] for row in classes], 1 - expected["prob"], atol=1e-6)
    values = client.regress(plain_rows)
    np.testing.assert_allclose(values, expected["prob"], atol=1e-6)
    both = client.multi_inference(plain_rows, {"classify": "classify", "regress": "regress"})
    assert both["classify"] == classes
    np.testing.assert_array_equal(both["regress"], values)


def test_any_signature_can_be_asked(client, plain_rows, expected):
    inputs = {name: [""] for name in client.metadata()[names.RAW_TENSORS].inputs}
    inputs |= {"time": [0], "price": [1.0], "age": [2], "views": [3], "picture": [[0.0, 0.0]]}
    inputs |= {"tags": [["a", "b"]], "clicked_item": [["i1"]], "clicked_tag": [["a"]]}
    received = client.predict(names.RAW_TENSORS, inputs, outputs=["prob"])
    row = {name: value[0] for name, value in inputs.items()}
    np.testing.assert_array_equal(received["prob"], client.score([row]))
    with pytest.raises(DataError, match=r"no signature 'raw_tensor'. Did you mean raw_tensors\?"):
        client.predict("raw_tensor", inputs)


def test_metadata_and_status_are_told(client, exported):
    told = client.metadata()
    written = read_table(exported / SIGNATURES_FILE)
    assert told.version == 1
    assert told.table.keys() == written.keys()
    for signature, template in written.items():
        for part in ("inputs", "outputs"):
            found = getattr(told[signature], part)
            assert {name: (each.dtype, each.shape) for name, each in found.items()} == {
                name: (each.dtype, each.shape) for name, each in getattr(template, part).items()
            }
    (status,) = client.status()
    assert (status.version, status.state, status.code) == (1, "AVAILABLE", 0)


def test_versions_can_be_chosen(target, plain_rows):
    with Client(target, MODEL, version=1, timeout=60.0) as client:
        assert client.score(plain_rows).shape == (len(plain_rows),)
    seventh = Client(target, MODEL, version=7, timeout=60.0)
    with seventh as client, pytest.raises(EndpointError) as caught:
        client.score(plain_rows)
    assert caught.value.code == "NOT_FOUND"
    labelled = Client(target, MODEL, label="stable", timeout=60.0)
    with labelled as client, pytest.raises(EndpointError, match="stable"):
        client.score(plain_rows)
    with pytest.raises(DataError, match="named twice"):
        Client(target, MODEL, version=1, label="stable")


def test_signatures_are_asked_for_again_after_a_refusal(client, plain_rows):
    stale = client.metadata()
    del stale.table[names.RAW_TENSORS].inputs["price"]  # as if a new version took one more
    rows = [{key: value for key, value in row.items() if key != "price"} for row in plain_rows]
    with pytest.raises(EndpointError, match="INVALID_ARGUMENT"):
        client.score(rows)
    assert client.score(rows).shape == (len(rows),)


def test_files_that_are_no_signatures_are_refused(target, tmp_path):
    path = tmp_path / "signatures.json"
    with pytest.raises(DataError, match=r"signatures.json cannot be read"):
        Client(target, MODEL, signatures=path)
    for content in ("{", "[]", '{"a": {}}', '{"a": {"inputs": {"b": {}}, "outputs": {}}}'):
        path.write_text(content)
        with pytest.raises(DataError, match=r"is no table of signatures"):
            Client(target, MODEL, signatures=path)


WITHOUT_TENSORFLOW = """
import json, sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"tensorflow", "tensorflow_serving", "tf_keras", "keras"}:
            raise AssertionError(f"{name} was imported")

sys.meta_path.insert(0, Refuse())
from serving.client.client import Client

target, rows = sys.argv[1], json.loads(sys.argv[2])
with Client(target, "clicks", timeout=60.0) as client:
    print(json.dumps({
        "score": client.score(rows).tolist(),
        "examples": client.score(rows, examples=True).tolist(),
        "branches": client.branches(rows)["prob"].tolist(),
        "rank": client.rank({}, []).tolist(),
        "classify": [row[1][1] for row in client.classify(rows)],
        "regress": client.regress(rows).tolist(),
        "multi": client.multi_inference(rows, {"regress": "regress"})["regress"].tolist(),
        "status": client.status()[0].state,
    }))
assert not [name for name in sys.modules if name.startswith(("tensorflow", "tf_keras"))]
"""


def test_no_tensorflow_is_imported(target, plain_rows, expected):
    command = [sys.executable, "-c", WITHOUT_TENSORFLOW, target, json.dumps(plain_rows)]
    done = subprocess.run(
        command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    received = json.loads(done.stdout)
    assert (received.pop("status"), received.pop("rank")) == ("AVAILABLE", [])
    for name, values in received.items():
        np.testing.assert_allclose(values, expected["prob"], atol=1e-6, err_msg=name)
