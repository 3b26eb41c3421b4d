"""Random values of every type by every road: the ids and the score that plain Python says.

A column of meanings is drawn, and each road writes it in a way of its own: `12.0` in a cell, 12 in
JSON, a double in Parquet. What a road cannot hold it leaves out, or must refuse in a sentence.
"""

import base64
import csv
import http.client
import json
import os
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, Phase, given, settings

import serving.exporting.export
from features.analysis import Analysis, NumericSummary
from features.bundle import Bundle
from features.preprocessing import Preprocessor
from features.raw_tensors import from_arrow
from features.specs import FeatureSet
from models.network.outputs import NetworkOutputs
from pipeline.data.blocks.carried_columns import null_values, only_columns, text
from pipeline.data.reading.own_json import json_lines_file
from pipeline.data.reading.read import RowBlock, read_blocks, read_header
from pipeline.data.reading.read_rows import ReadRows
from pipeline.data.reading.tfds_rows import as_text_column
from pipeline.data.sources.base import ParquetFile, TextFile
from serving.client.client import Client
from serving.client.request_rows import to_examples
from serving.exporting.export import export
from serving.scoring.raw_rows import read_rows
from serving.scoring.scorer import Scorer
from serving.server.options import ServerOptions
from serving.server.run import Server
from tests.bundle_without_rows import write_bundle_without_rows
from tests.examples import num_examples
from tests.pipeline.roads.road_values import (
    NUMBER_COLUMNS,
    TIMES,
    TOKEN_COLUMNS,
    Meaning,
    missing,
    number,
)

MODEL = "roads"
NULLS = ("NULL", "-1", "n/a")
_NULL = {"null_values": NULLS}
FEATURES = FeatureSet.model_validate(
    {
        "features": {
            "token": {"kind": "categorical", "num_oov_buckets": 5, **_NULL},
            "plain": {"kind": "categorical", "num_oov_buckets": 5},
            "tags": {"kind": "multivalued", "separator": "|", "max_length": 3, **_NULL},
            "steps": {"kind": "sequence", "separator": "|", "max_length": 3},
            "seen": {
                "kind": "sequence",
                "history": "all",
                "column": "token",
                "vocabulary": "token",
                "max_length": 3,
                **_NULL,
            },
            "price": {"kind": "numeric", **_NULL},
            "raw": {"kind": "numeric", "transform": "raw", "default": 2.0},
            "exact": {"kind": "numeric", "precision": "float64", **_NULL},
            "level": {"kind": "numeric", "transform": "quantiles", "num_buckets": 4},
            "views": {"kind": "numeric", "transform": "log2", **_NULL},
            "hour": {
                "kind": "categorical",
                "column": "time",
                "transform": "hour",
                "unit": "ms",
                **_NULL,
            },
            "weekday": {
                "kind": "categorical",
                "column": "time",
                "transform": "weekday",
                "unit": "ms",
                **_NULL,
            },
            "vector": {"kind": "embedding", "dimension": 2, "separator": " "},
            "clock": {"role": "timestamp"},
            "label": {"role": "label"},
        },
        "histories": {"all": {"key": "user"}},
    }
)
_COMMON = ["0", "1", "2", "3", "7", "12", "0.5", "a", "b", "é", "日本", "1.10", "2000-01-01"]
VOCABULARIES = {"token": _COMMON, "plain": _COMMON[2:], "tags": _COMMON, "steps": _COMMON[1:]}
_MEAN, _DEVIATION = 1000.0, 30.0
ANALYSIS = Analysis(
    vocabulary_sizes={name: len(tokens) for name, tokens in VOCABULARIES.items()},
    numeric={
        "price": NumericSummary(count=9, mean=1.0, variance=4.0),
        "exact": NumericSummary(count=9, mean=_MEAN, variance=_DEVIATION**2),
        "level": NumericSummary(count=9, boundaries=(0.0, 1.0, 50.0)),
        "raw": NumericSummary(count=9),
        "views": NumericSummary(count=9),
    },
)
TOKENS, LISTS = ("token", "plain"), ("tags", "steps", "seen")
NUMBERS = ("price", "raw", "exact", "level", "views")
COLUMNS = (*TOKENS, *LISTS, *NUMBERS, "time", "vector")
EXAMPLES = num_examples(12)
ARROW = {
    "string": pa.string(),
    "int64": pa.int64(),
    "double": pa.float64(),
    "bool": pa.bool_(),
    "decimal": pa.decimal128(38, 10),
    "date": pa.date32(),
    "instant": pa.timestamp("ms", "UTC"),
}
# Row -> column -> meaning, of a list the meanings of its steps, of a vector its numbers or None.
Rows = list[dict[str, Any]]


class Weights:
    """Stands for a network: a logit that is another one for all other inputs."""

    branch_names = ()

    def __init__(self) -> None:
        rng = np.random.default_rng(3)
        self.of_id = {name: rng.normal(size=200) for name in FEATURES.features}

    def logit(self, inputs: dict[str, Any]) -> Any:
        """Of a batch, in float64; places of a list have weights of their own."""
        logit = 0.0
        for name, values in inputs.items():
            values = tf.convert_to_tensor(values)
            if values.dtype == tf.int32:
                weighted = tf.gather(tf.constant(self.of_id[name]), values)
            else:
                weighted = tf.asinh(tf.cast(values, tf.float64)) * 0.3
            if values.shape.rank == 2:
                weighted = tf.linalg.matvec(weighted, self.of_id[name][-values.shape[1] :])
            logit += weighted
        return logit

    def __call__(self, inputs: dict[str, tf.Tensor], training: bool) -> NetworkOutputs:
        return NetworkOutputs(logit=tf.cast(self.logit(inputs), tf.float32)[:, tf.newaxis])


NETWORK = Weights()


# What plain Python says


def expected(rows: Rows) -> dict[str, np.ndarray]:
    """The inputs of the network."""
    inputs: dict[str, list] = {spec.name: [] for spec in FEATURES.inputs}
    for row in rows:
        for name in TOKENS:
            inputs[name].append(_id(row[name].token, name))
        present = [each.token for each in row["tags"] if each.token is not None]
        inputs["tags"].append(_padded([_id(token, "tags") for token in present][:3]))
        for name, vocabulary in (("steps", "steps"), ("seen", "token")):
            ids = [_id(each.token, vocabulary) for each in row[name]]
            while ids and not ids[-1]:
                ids.pop()
            inputs[name].append(_padded([each or 1 for each in ids][-3:]))
        numbers = {name: row[name].number for name in NUMBERS}
        price, exact, level, views = (
            numbers[name] for name in ("price", "exact", "level", "views")
        )
        inputs["price"].append(0.0 if price is None else (float(np.float32(price)) - 1.0) / 2.0)
        inputs["exact"].append(0.0 if exact is None else (exact - _MEAN) / _DEVIATION)
        inputs["raw"].append(2.0 if numbers["raw"] is None else numbers["raw"])
        above = (
            [float(np.float32(level)) >= edge for edge in (0, 1, 50)] if level is not None else []
        )
        inputs["level"].append(0 if level is None else 1 + sum(above))
        views = None if views is None else float(np.float32(views))
        inputs["views"].append(0 if views is None else np.frexp(views)[1] - 1 if views > 2 else 1)
        time = row["time"].number
        inputs["hour"].append(0 if time is None else 1 + int(time) // 3_600_000 % 24)
        inputs["weekday"].append(0 if time is None else 1 + (int(time) // 86_400_000 + 3) % 7)
        inputs["vector"].append(row["vector"] or [0.0, 0.0])
    floats = ("price", "exact", "raw", "vector")
    return {
        name: np.array(values, "float32" if name in floats else "int32")
        for name, values in inputs.items()
    }


def _id(token: str | None, name: str) -> int:
    tokens = VOCABULARIES[name]
    if token is None:
        return 0
    buckets = FEATURES.vocabularies[name].num_oov_buckets
    if token in tokens:
        return 1 + buckets + tokens.index(token)
    return 1 + int(tf.strings.to_hash_bucket_fast(token, buckets))


def _padded(ids: list[int]) -> list[int]:
    return ids + [0] * (3 - len(ids))


def probs(inputs: dict[str, np.ndarray]) -> np.ndarray:
    return tf.sigmoid(tf.cast(NETWORK.logit(inputs), tf.float32)).numpy()


# How a road writes rows


def as_cell(name: str, value: Any, rng: random.Random) -> str:
    """A cell of delimited text."""
    if name == "tags" and not value:
        return rng.choice(["", *NULLS])
    if name == "vector":
        return " ".join(map(repr, value or []))
    if name == "seen":  # a JSON list, as no separator is set
        return json.dumps([rng.choice(each.json) for each in value])
    if name in LISTS:
        return "|".join(rng.choice(_steps(each.texts)) for each in value)
    return rng.choice(value.texts)


def as_json(name: str, value: Any, rng: random.Random) -> Any:
    """A value of JSON."""
    if name == "vector":
        return value
    if name in LISTS:
        steps = [rng.choice(each.json) for each in value]
        return steps or rng.choice([[], None, ""])
    return rng.choice(value.json)


def as_text(name: str, value: Any, rng: random.Random) -> Any:
    """What a tensor of the signatures holds: text for tokens, a number, a list of them."""
    if name == "vector":
        return value or [0.0, 0.0]
    if name in LISTS:
        return [rng.choice(each.texts) for each in value]
    if name in TOKENS:
        return rng.choice(value.texts)
    return value.number


def _steps(texts: tuple[str, ...]) -> list[str]:
    return [each for each in texts if "|" not in each]


def as_arrow(name: str, values: list[Any], rng: random.Random) -> pa.Array:
    """A column of one type that can hold all values."""
    if name == "vector":
        kinds = [pa.list_(pa.float64())]
        if None not in values:  # Arrow cannot read back a null one of fixed length
            kinds.append(pa.list_(pa.float32(), 2))
        return pa.array(values, rng.choice(kinds))
    flat = [each for value in values for each in value] if name in LISTS else values
    kinds = [kind for kind in ARROW if all(kind in each.typed for each in flat)]
    if name in NUMBERS and "string" in kinds and len(kinds) > 1:
        kinds.remove("string")
    if not kinds:
        texts = [rng.choice(each.texts) for each in flat]
        empty = rng.choice(["", None])
        column = pa.array([each or empty for each in texts], pa.string())
    else:
        kind = rng.choice(kinds)
        column = pa.array([each.typed[kind] for each in flat], ARROW[kind])
        if kind == "double":  # NaN is missing too
            values_or_nan = [
                each if each is not None else float("nan") for each in column.to_pylist()
            ]
            column = pa.array(values_or_nan, pa.float64()) if rng.random() < 0.5 else column
        if kind == "string" and rng.random() < 0.5:
            column = column.dictionary_encode()
    if name not in LISTS:
        return column
    offsets = np.concatenate([[0], np.cumsum([len(value) for value in values])])
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), column)


# The roads


def of_files(suffix: str, names: tuple[str, ...], rows: Rows, rng: random.Random, path: str) -> str:
    """Writes rows into a file."""
    path = f"{path}{suffix}"
    if suffix == ".parquet":
        columns = {name: [row[name] for row in rows] for name in names}
        table = pa.table({name: as_arrow(name, columns[name], rng) for name in names})
        pq.write_table(table, path)
        return path
    with open(path, "w", newline="", encoding="utf-8") as file:
        if suffix == ".jsonl":
            for row in rows:
                written = {name: as_json(name, row[name], rng) for name in names}
                file.write(json.dumps(written, ensure_ascii=rng.random() < 0.5) + "\n")
            return path
        writer = csv.writer(file, delimiter="\t" if suffix == ".tsv" else ",")
        writer.writerow(names)
        writer.writerows([as_cell(name, row[name], rng) for name in names] for row in rows)
    return path


class Roads:
    """Every way to the inputs of the network, or to the scores, of rows.

    Args:
        bundle: The features and their vocabularies.
        exported: The export.
        server: The export, served.
        client: Connected to it.
        folder: For files.
    """

    def __init__(self, bundle: Bundle, exported: str, server: Server, client: Client, folder: str):
        self.scorer, self.client, self.path = Scorer(exported), client, os.path.join(folder, "rows")
        self.preprocessor = Preprocessor(FEATURES, ANALYSIS, bundle.vocabulary_dir)
        self.connection = http.client.HTTPConnection("127.0.0.1", server.rest_port, timeout=60)
        self.tensors = client.metadata()["raw_tensors"].inputs

    def job(self, suffix: str, rows: Rows, rng: random.Random) -> dict[str, np.ndarray]:
        """The inputs that the data job makes of a file."""
        names = tuple(name for name in COLUMNS if name != "seen")  # which the job builds
        path = of_files(suffix, names, rows, rng, self.path)
        file: Any = TextFile(("rows",), delimiter="\t" if suffix == ".tsv" else ",")
        if suffix == ".jsonl":
            file = json_lines_file(path, ("rows",))
        elif suffix == ".parquet":
            file = ParquetFile(("rows",))
        blocks = list(read_blocks(file, path, read_header(file, path), names))
        assert len(blocks) == 1
        assert not blocks[0].bad
        return self.inputs(blocks[0].rows, rows)

    def tfds(self, rows: Rows, rng: random.Random) -> dict[str, np.ndarray]:
        """The inputs of tensors, as a data set of tensorflow-datasets has them."""
        batch: dict[str, Any] = {}
        for name in COLUMNS:
            values = [as_text(name, row[name], rng) for row in rows]
            if name in LISTS:
                batch[name] = tf.ragged.constant(values, dtype=tf.string, ragged_rank=1)
            elif name in NUMBERS:
                values = [float("nan") if each is None else each for each in values]
                batch[name] = tf.constant(values, tf.float64)
            elif name == "time":
                batch[name] = tf.constant(
                    ["" if each is None else str(int(each)) for each in values]
                )
            else:
                batch[name] = tf.constant(values)
        columns = [as_text_column(batch, name) for name in COLUMNS if name != "seen"]
        names = [name for name in COLUMNS if name != "seen"]
        return self.inputs(pa.RecordBatch.from_arrays(columns, names), rows)

    def inputs(self, read: pa.RecordBatch, rows: Rows) -> dict[str, np.ndarray]:
        """What the network gets of rows as a file had them; their keys are checked on the way."""
        block = RowBlock(0, read, np.arange(len(read)), [], str)
        log = only_columns(FEATURES, set(read.schema.names))
        reader = ReadRows(
            TextFile(()), read.schema.names, log, ["token"], null_values=null_values(FEATURES)
        )
        typed, reasons = reader.typed(block)
        assert not reasons
        # By these, side tables are joined and histories kept, and these are the steps of them.
        assert typed.column(text("token")).to_pylist() == [row["token"].token for row in rows]
        steps = [[each.token for each in row["seen"]] for row in rows]
        typed = typed.append_column("seen", pa.array(steps, pa.list_(pa.string())))
        return {
            name: each.numpy()
            for name, each in self.preprocessor(from_arrow(typed, FEATURES)).items()
        }

    def predict(self, suffix: str, rows: Rows, rng: random.Random) -> np.ndarray:
        """Scores of a file."""
        path = of_files(suffix, COLUMNS, rows, rng, self.path)
        (batch,) = read_rows(path, FEATURES)
        return self.scorer.score(batch)["prob"]

    def arrow(self, rows: Rows, rng: random.Random) -> np.ndarray:
        """Scores of columns that an application has in memory."""
        columns = {name: as_arrow(name, [row[name] for row in rows], rng) for name in COLUMNS}
        if pa.types.is_temporal(columns["time"].type):  # is refused: nobody says in which unit
            instants = columns["time"].cast(pa.timestamp("ms", "UTC"))
            columns["time"] = instants.cast(pa.int64())
        return self.scorer.score(pa.RecordBatch.from_pydict(columns))["prob"]

    def page(self, rows: Rows, rng: random.Random) -> list[float]:
        """Scores of the page's form."""
        bodies = [{name: as_json(name, row[name], rng) for name in COLUMNS} for row in rows]
        return [self.post("/page/score", {"model": MODEL, "row": row})["prob"] for row in bodies]

    def rest(self, rows: Rows, rng: random.Random) -> list[float]:
        """Scores of tensors in JSON."""
        instances = [_instance(row, rng) for row in rows]
        longest = {name: max(len(each[name]) for each in instances) for name in LISTS}
        for each in instances:
            for name in LISTS:
                each[name] += [""] * (longest[name] - len(each[name]))
        body = {"signature_name": "raw_tensors", "instances": instances}
        return self.post(f"/v1/models/{MODEL}:predict", body)["predictions"]

    def rest_rank(self, rows: Rows, rng: random.Random) -> list[float]:
        """Scores of candidates in JSON; the rows share what `rank` takes once."""
        instances = [_instance(row, rng) for row in rows]
        inputs: dict[str, Any] = {name: [each[name] for each in instances] for name in COLUMNS}
        for name in ("tags", "steps"):
            longest = max(map(len, inputs[name]))
            inputs[name] = [each + [""] * (longest - len(each)) for each in inputs[name]]
        inputs["seen"] = inputs["seen"][:1]
        body = {"signature_name": "rank", "inputs": inputs}
        return self.post(f"/v1/models/{MODEL}:predict", body)["outputs"]

    def rest_examples(self, rows: Rows, rng: random.Random) -> list[float]:
        """Scores of tf.Examples, serialized."""
        examples = to_examples([_of_client(row, rng) for row in rows], self.tensors)
        instances = [{"b64": base64.b64encode(each).decode()} for each in examples]
        return self.post(f"/v1/models/{MODEL}:predict", {"instances": instances})["predictions"]

    def rest_regress(self, rows: Rows, rng: random.Random) -> list[float]:
        """Scores of tf.Examples in JSON, which have no form for what is missing."""
        examples = []
        for row in rows:
            values = {name: as_text(name, row[name], rng) for name in COLUMNS}
            values["exact"] = None if values["exact"] is None else repr(values["exact"])
            values["time"] = None if values["time"] is None else int(values["time"])
            examples.append({name: each for name, each in values.items() if each not in (None, [])})
        answer = self.post(
            f"/v1/models/{MODEL}:regress", {"signature_name": "regress", "examples": examples}
        )
        return answer["results"]

    def score(self, rows: Rows, rng: random.Random) -> np.ndarray:
        """Scores by gRPC, of tensors or tf.Examples."""
        written = [_of_client(row, rng) for row in rows]
        return self.client.score(written, examples=rng.random() < 0.5)

    def rank(self, rows: Rows, rng: random.Random) -> np.ndarray:
        """Scores of candidates by gRPC; the rows share what `rank` takes once."""
        written = [_of_client(row, rng) for row in rows]
        user = {"seen": written[0]["seen"]}
        candidates = [{name: row[name] for name in row if name != "seen"} for row in written]
        return self.client.rank(user, candidates)

    def post(self, path: str, body: Any) -> Any:
        headers = {"Content-Type": "application/json"}
        self.connection.request("POST", path, json.dumps(body).encode(), headers)
        answer = json.loads(self.connection.getresponse().read())
        assert "error" not in answer, answer
        return answer


def _instance(row: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    """A row as the tensors of a signature hold it, in JSON."""
    values = {name: as_text(name, row[name], rng) for name in COLUMNS}
    for name in NUMBERS:
        values[name] = float("nan") if values[name] is None else values[name]
    values["time"] = -(2**63) if values["time"] is None else int(values["time"])
    return values


def _of_client(row: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    """A row as an application of Python holds it: text, numbers, truths, bytes, NumPy's scalars."""
    written: dict[str, Any] = {}
    for name in COLUMNS:
        value = row[name]
        if name in (*NUMBERS, "time", "vector"):
            value = value.number if isinstance(value, Meaning) else value
            plain = name == "vector" or value is None
            written[name] = value if plain else rng.choice([value, np.float64(value)])
        elif name in LISTS:
            written[name] = [_any_type(each, rng) for each in value]
        else:
            written[name] = _any_type(value, rng)
    return written


def _any_type(meaning: Meaning, rng: random.Random) -> Any:
    values = [*meaning.texts, *meaning.json]
    typed = meaning.typed
    values += [
        typed[kind] for kind in ("int64", "double", "bool", "decimal", "date") if kind in typed
    ]
    value = rng.choice(values)
    return value.encode() if isinstance(value, str) and rng.random() < 0.3 else value


def _nulled(meaning: Meaning) -> Meaning:
    """Missing, if it is what the column's `null_values` say: -1 however it is written."""
    return replace(meaning, token=None, number=None) if meaning.token in NULLS else meaning


@st.composite
def random_rows(draw: Callable) -> Rows:
    """A few rows; the values of a column are mostly of one type."""
    count = draw(st.integers(1, 5))
    columns: dict[str, list[Any]] = {}
    for name in COLUMNS:
        meanings: st.SearchStrategy[Any]
        if name == "vector":
            finite = st.floats(-1e3, 1e3, width=32)
            meanings = st.none() | st.tuples(finite, finite).map(list)
        elif name == "time":
            meanings = st.just(missing(*NULLS)) | TIMES
        elif name in LISTS:
            step = draw(TOKEN_COLUMNS).filter(lambda each: not any("|" in x for x in each.texts))
            if name == "seen":
                step = step.map(_nulled)
            else:  # a list of one such token cannot be told from a list that is missing
                step = step.filter(lambda each: each.token not in NULLS)
            meanings = st.lists(st.just(missing()) | step, max_size=5)
        else:
            own = draw(TOKEN_COLUMNS) if name in TOKENS else draw(NUMBER_COLUMNS).map(number)
            nulls = FEATURES.features[name].null_values
            meanings = st.just(missing(*nulls)) | (own.map(_nulled) if nulls else own)
        columns[name] = draw(st.lists(meanings, min_size=count, max_size=count))
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


@pytest.fixture(scope="module")
def roads(tmp_path_factory, monkeypatch_module):
    folder = tmp_path_factory.mktemp("roads")
    bundle = write_bundle_without_rows(folder / "bundle", FEATURES, ANALYSIS, VOCABULARIES)
    sample = pa.RecordBatch.from_pylist([{}], FEATURES.raw_schema(("input",)))
    monkeypatch_module.setattr(serving.exporting.export, "verify", lambda *_: None)
    exported = export(NETWORK, bundle, folder / "export", sample)
    options = ServerOptions(exported.parent, name=MODEL, grpc_port=0, rest_port=0)
    with Server(options) as server:
        client = Client(f"127.0.0.1:{server.grpc_port}", MODEL, timeout=60.0)
        with client:
            yield Roads(bundle, exported, server, client, str(folder))


@pytest.fixture(scope="module")
def monkeypatch_module():
    with pytest.MonkeyPatch.context() as patched:
        yield patched


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    phases=[Phase.generate],  # to make a failure smaller takes minutes
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(rows=random_rows(), seed=st.integers(0, 2**32))
def test_every_road_gives_the_same_ids_and_the_same_score(roads, rows, seed):
    rng = random.Random(seed)
    wanted = expected(rows)
    for suffix in (".csv", ".tsv", ".jsonl", ".parquet"):
        assert_inputs(roads.job(suffix, rows, rng), wanted, suffix)
    assert_inputs(roads.tfds(rows, rng), wanted, "tfds")
    score = probs(wanted)
    for suffix in (".csv", ".tsv", ".jsonl", ".parquet"):
        assert_scores(roads.predict(suffix, rows, rng), score, f"predict {suffix}")
    for road in (roads.arrow, roads.page, roads.rest, roads.rest_examples, roads.rest_regress):
        assert_scores(road(rows, rng), score, road.__name__)
    assert_scores(roads.score(rows, rng), score, "gRPC")
    shared = [{**row, "seen": rows[0]["seen"]} for row in rows]
    score = probs(expected(shared))
    assert_scores(roads.rank(shared, rng), score, "rank by gRPC")
    assert_scores(roads.rest_rank(shared, rng), score, "rank by REST")


def assert_inputs(
    received: dict[str, np.ndarray], wanted: dict[str, np.ndarray], road: str
) -> None:
    for name, values in wanted.items():
        message = f"{road}: {name}"
        if values.dtype == np.int32:
            np.testing.assert_array_equal(received[name], values, err_msg=message)
        else:
            np.testing.assert_allclose(
                received[name], values, rtol=1e-5, atol=1e-5, err_msg=message
            )


def assert_scores(received: Any, wanted: np.ndarray, road: str) -> None:
    np.testing.assert_allclose(received, wanted, rtol=0, atol=2e-6, err_msg=road)
