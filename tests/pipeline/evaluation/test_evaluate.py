"""The report of a run says what was measured, on what, and of every part that applies."""

import itertools
import json
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from features.inputs import InputSpec
from models.embeddings import EmbeddingBank, EmbeddingLayout
from models.metrics import best_share, cross_expert_correlation, disagreement
from pipeline.evaluation.evaluate import evaluate, tables_report
from pipeline.evaluation.scores import FUSED, score_split
from tests.models import small
from tests.pipeline.evaluation.row_network import PredictingNetwork, RowNetwork

ROWS = {"train": 5, "valid": 60, "test": 50}


@pytest.fixture(scope="module")
def evaluated(make_bundle):
    bundle, arrays = make_bundle(rows=ROWS)
    network = PredictingNetwork()
    network.compile()
    return network, bundle, arrays, evaluate(network, bundle, 16, "clicks").report


def test_the_report_says_what_it_was_computed_on(evaluated):
    _, _, arrays, report = evaluated
    assert set(report) == {"valid", "test"}
    assert report["test"]["rows"] == 50
    assert report["test"]["click_rate"] == pytest.approx(arrays["test"]["clicked"].mean())
    assert report["test"]["gauc_groups"] == "user"
    assert report["test"]["gauc_weight_by"] == "clicks"


def test_validation_and_evaluation_give_the_same_numbers(evaluated):
    network, bundle, _, report = evaluated
    for split in ("valid", "test"):
        scores = score_split(network, bundle, split, 16)
        assert report[split]["metrics"] == scores.metrics("clicks")
        assert set(report[split]["metrics"]) == {FUSED, *network.branch_names}


def test_each_split_has_its_own_cooperation(evaluated):
    network, bundle, arrays, report = evaluated
    for split in ("valid", "test"):
        outputs = network({"row": arrays[split]["row"]}, training=False)
        found = report[split]["cooperation"]
        assert found["cross_expert_correlation"] == pytest.approx(
            cross_expert_correlation(outputs.representations.numpy()), abs=1e-4
        )
        scores = score_split(network, bundle, split, 16)
        probs = np.stack([scores.probs[name] for name in network.branch_names], axis=1)
        assert [pair["disagreement"] for pair in found["pairs"]] == pytest.approx(
            disagreement(scores.labels, probs)
        )
        shares = [branch["best_share"] for branch in found["branches"].values()]
        assert shares == pytest.approx(best_share(scores.labels, probs))
        assert report[split]["life"]["dead_units"] == dict.fromkeys(network.branch_names, 0)
        logits = outputs.branch_logits.numpy()
        pairs = itertools.combinations(range(3), 2)
        alike = [np.corrcoef(logits[:, a], logits[:, b])[0, 1] for a, b in pairs]
        received = [pair["logit_correlation"] for pair in found["pairs"]]
        assert received == pytest.approx(alike, abs=1e-4)
        spread = report[split]["life"]["logit_spread"]
        assert spread["down"] == pytest.approx(np.ptp(logits[:, 1]), rel=1e-5)
        means = [branch["fusion_weight"]["mean"] for branch in found["branches"].values()]
        assert sum(means) == pytest.approx(1.0, abs=1e-6)
        assert means == pytest.approx(outputs.fusion_weights.numpy().mean(axis=0), abs=1e-6)
    assert report["valid"]["cooperation"] != report["test"]["cooperation"]


def test_one_branch_has_no_cooperation_and_json_holds_everything(evaluated):
    bundle, report = evaluated[1], evaluated[3]
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    alone = evaluate(RowNetwork(("up",)), bundle, 16, "clicks").report
    assert "cooperation" not in alone["test"]
    assert set(alone["test"]["metrics"]) == {FUSED, "up"}


def bank(**options):
    inputs = [
        InputSpec("user", "categorical", "user", 5),
        InputSpec("age", "numeric"),
        InputSpec("seen", "multivalued", "item", 400, length=2),
    ]
    bank = EmbeddingBank(EmbeddingLayout(inputs, embedding_dim=4, **options), stddev=0.1)
    bank({"user": tf.zeros(1, tf.int32), "age": tf.zeros(1), "seen": tf.zeros((1, 2), tf.int32)})
    return bank


def test_every_table_of_every_set_has_its_abundance():
    embeddings = bank(num_sets=2)
    network = SimpleNamespace(embeddings=embeddings, embedding_set_names=("shared", "gate"))
    # The second set's items collapse: all rows lie on a line.
    start, stop = embeddings.layout.places["item"].start, embeddings.layout.places["item"].stop
    table = embeddings.tables[0].table.numpy()
    table[start:stop, 4:] = np.outer(np.arange(400), [1, 2, 0, -1])
    embeddings.tables[0].table.assign(table)
    report = tables_report(network)
    assert list(report) == ["shared", "gate"]
    for m, tables in enumerate(report.values()):
        for vocabulary, found in tables.items():
            start, stop = (
                embeddings.layout.places[vocabulary].start,
                embeddings.layout.places[vocabulary].stop,
            )
            values = np.linalg.svd(table[start:stop, 4 * m : 4 * m + 4], compute_uv=False)
            assert found["information_abundance"] == pytest.approx(
                values.sum() / values[0], abs=1e-4
            )
            np.testing.assert_allclose(
                found["singular_values"], values, rtol=1e-5, atol=1e-6 * values[0]
            )
            assert found["rows"] == {"user": 5, "item": 400}[vocabulary]
            assert found["width"] == 4
    assert report["gate"]["item"]["information_abundance"] == pytest.approx(1.0, abs=1e-4)
    assert report["shared"]["item"]["information_abundance"] > 3.0


def test_a_table_of_zeros_has_none_and_a_network_without_tables_an_empty_report():
    embeddings = bank()
    table = embeddings.tables[0].table
    table.assign(tf.zeros_like(table))
    report = tables_report(SimpleNamespace(embeddings=embeddings, embedding_set_names=("all",)))
    assert report["all"]["user"] == {
        "rows": 5,
        "width": 4,
        "information_abundance": None,
        "singular_values": [0.0] * 4,
    }
    values = EmbeddingBank(EmbeddingLayout([InputSpec("age", "numeric")], embedding_dim=4))
    values({"age": tf.zeros(1)})
    nothing = tables_report(SimpleNamespace(embeddings=values, embedding_set_names=("all",)))
    assert nothing == {"all": {}}


def test_reads_tables_that_a_strategy_mirrors(two_replicas):
    with two_replicas.scope():
        embeddings = bank()
    report = tables_report(SimpleNamespace(embeddings=embeddings, embedding_set_names=("all",)))
    assert 1.0 < report["all"]["user"]["information_abundance"] < 4.0


def test_the_networks_of_this_repository_have_what_the_report_reads():
    network = small.network(tables="per_branch")
    assert isinstance(network, tf_keras.Model)
    report = tables_report(network)
    assert set(report) == set(network.branch_names)
    assert set(report["deep"]) == {"user", "item", "genres", "rating"}
