"""A small bundle with every kind of feature, raw rows of it, and a network that uses them all."""

import json
from collections.abc import Iterator

import pyarrow as pa
import pytest
import tensorflow as tf
import tf_keras

from features.analysis import Analysis, NumericSummary
from features.bundle import Bundle
from features.inputs import model_inputs
from features.raw import coerce
from features.specs import FeatureSet
from models.network.outputs import NetworkOutputs
from serving.client.client import Client
from serving.export_format.export_layout import SAMPLE_ROWS
from serving.exporting.export import export
from serving.server.options import ServerOptions
from serving.server.run import Server
from tests.bundle_without_rows import write_bundle_without_rows

MODEL = "clicks"  # as which `endpoint` serves the export
FEATURES = FeatureSet.model_validate(
    {
        "features": {
            "user": {"kind": "categorical", "column": "user_id:token", "num_oov_buckets": 2},
            "item": {"kind": "categorical"},
            "hour": {"kind": "categorical", "column": "time", "transform": "hour"},
            "price": {"kind": "numeric"},
            "age": {"kind": "numeric", "transform": "quantiles", "num_buckets": 4},
            "views": {"kind": "numeric", "transform": "log2"},
            "tags": {"kind": "multivalued", "separator": "|", "max_length": 3},
            "clicked_item": {
                "kind": "sequence",
                "column": "item",
                "vocabulary": "item",
                "history": "clicks",
                "max_length": 3,
            },
            "clicked_tag": {
                "kind": "sequence",
                "column": "tag",
                "vocabulary": "tags",
                "history": "clicks",
                "max_length": 3,
            },
            "picture": {"kind": "embedding", "dimension": 2, "separator": " "},
            "label": {"role": "label"},
            "time": {"role": "timestamp", "column": "time"},
        },
        "groups": {"user x item": ["user", "item"]},
        "histories": {"clicks": {"key": "user_id:token"}},
    }
)
VOCABULARIES = {"user": ["u1", "u2", "ü3"], "item": ["i1", "i2", "i3"], "tags": ["a", "b"]}
ANALYSIS = Analysis(
    vocabulary_sizes={name: len(tokens) for name, tokens in VOCABULARIES.items()},
    numeric={
        "price": NumericSummary(count=9, mean=2.0, variance=4.0),
        "age": NumericSummary(count=9, boundaries=(18.0, 30.0, 50.0)),
        "views": NumericSummary(count=9),
    },
)
BRANCHES = ("low rank/cross:é", "deep")

# Known and unknown tokens, missing values of every kind, lists of every length.
ROWS = [
    {
        "user_id:token": "u1",
        "item": "i2",
        "time": 1_700_000_000,
        "price": 3.5,
        "age": 20,
        "views": 9,
        "tags": ["a", "b", "a", "b"],
        "clicked_item": ["i1", "i2", "i3", "i1"],
        "clicked_tag": ["a", "b", "b", "a"],
        "picture": [0.5, -1.0],
    },
    {
        "user_id:token": "ü3",
        "item": "never seen",
        "time": -1,
        "price": -2.25,
        "age": 77,
        "views": 1e9,
        "tags": ["unknown"],
        "clicked_item": ["i3"],
        "clicked_tag": ["unknown"],
        "picture": [2.0, 0.1],
    },
    {"item": "i3", "tags": [], "clicked_item": [], "price": 0.1},
    {},
]


class Network(tf_keras.Model):
    """Stands for a `CooperativeNetwork`: what `serving` asks of one, over every feature."""

    branch_names = BRANCHES

    def __init__(self, heads: str = "all"):
        super().__init__()
        inputs = model_inputs(FEATURES, ANALYSIS)
        self.heads = heads
        self.tables = {
            each.name: tf_keras.layers.Embedding(
                each.vocabulary_size, 4, embeddings_initializer="normal"
            )
            for each in inputs
            if each.vocabulary
        }
        self.branches = [tf_keras.layers.Dense(1) for _ in BRANCHES]
        self.dropout = tf_keras.layers.Dropout(0.5)  # `training` must be False in an export
        self.unused = tf.Variable(tf.ones(1000), name="weight_of_a_cooperation_loss")

    def call(self, features, training=False):
        parts = []
        batch = next((len_of(x) for x in features.values() if x.shape[0] != 1), 1)
        for name, value in features.items():
            if name in self.tables:
                value = self.tables[name](value) * 20.0
                value = tf.reduce_sum(value, axis=1) if value.shape.rank == 3 else value
            elif value.shape.rank == 1:
                value = value[:, tf.newaxis]
            value = tf.broadcast_to(value, (batch, value.shape[1]))  # a user's beside candidates'
            parts.append(tf.cast(value, self.compute_dtype))
        joined = self.dropout(tf.concat(parts, axis=1), training=training)
        logits = tf.concat([branch(joined) for branch in self.branches], axis=1)
        outputs = NetworkOutputs(logit=tf.reduce_mean(logits, axis=1, keepdims=True))
        if self.heads == "fused":
            return outputs
        weights = tf.nn.softmax(tf.cast(logits, tf.float32))
        return outputs._replace(branch_logits=logits, fusion_weights=weights)


def len_of(x: tf.Tensor) -> tf.Tensor:
    return tf.shape(x)[0]


def raw_rows(rows: list[dict]) -> pa.RecordBatch:
    """Typed raw rows, as the data job and `serving.scoring.raw_rows` make them."""
    schema = FEATURES.raw_schema(("input",))
    batch = pa.RecordBatch.from_pylist(rows, schema=schema)
    typed, good, _ = coerce(batch, FEATURES, roles=("input",))
    assert len(good) == len(rows)
    return typed


@pytest.fixture(scope="session")
def bundle(tmp_path_factory) -> Bundle:
    path = tmp_path_factory.mktemp("data") / "bundle"
    return write_bundle_without_rows(path, FEATURES, ANALYSIS, VOCABULARIES)


@pytest.fixture(scope="session")
def rows() -> pa.RecordBatch:
    return raw_rows(ROWS * 3)


@pytest.fixture(scope="session")
def make_network():
    """Makes stand-in networks; the policy holds for the network's own layers only."""

    def make(heads: str = "all", policy: str = "float32") -> Network:
        tf_keras.utils.set_random_seed(7)
        tf_keras.mixed_precision.set_global_policy(policy)
        try:
            return Network(heads)
        finally:
            tf_keras.mixed_precision.set_global_policy("float32")

    return make


@pytest.fixture(scope="session")
def network(make_network) -> Network:
    return make_network()


@pytest.fixture(scope="session")
def exported(network, bundle, rows, tmp_path_factory):
    """A verified export; its folder must not be changed."""
    return export(network, bundle, tmp_path_factory.mktemp("export"), rows)


@pytest.fixture(scope="session")
def endpoint(exported) -> Iterator[Server]:
    """Serves `exported` as the model `clicks`."""
    options = ServerOptions(exported.parent, name=MODEL, grpc_port=0, rest_port=0)
    with Server(options) as running:
        yield running


@pytest.fixture(scope="session")
def target(endpoint) -> str:
    return f"127.0.0.1:{endpoint.grpc_port}"


@pytest.fixture
def client(target) -> Iterator[Client]:
    with Client(target, MODEL, timeout=60.0) as opened:
        yield opened


@pytest.fixture(scope="session")
def plain_rows(rows) -> list[dict]:
    """The rows as an application holds them, some of their values missing."""
    return rows.to_pylist()


@pytest.fixture(scope="session")
def sample_rows(exported) -> list[dict]:
    return [json.loads(line) for line in (exported / SAMPLE_ROWS).read_text().splitlines()]
