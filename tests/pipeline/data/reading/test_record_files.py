"""One log as TFRecords, libsvm, libffm, ORC and Avro: proposed, built, and the same rows."""

import datetime
import decimal
import gzip
import json
import uuid

import fastavro
import numpy as np
import pyarrow as pa
import pyarrow.orc as orc
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

import pipeline.data.reading.ranges as ranges
from features.errors import DataError
from features.schema import from_text, to_text
from features.specs import FeatureSet
from pipeline.batches.dataset import column_arrays
from pipeline.config.config_files import load_config, load_dataset
from pipeline.data.job.data_job import build_bundle
from pipeline.data.job.open_inputs import open_inputs
from pipeline.data.reading.own_files import open_own_files
from pipeline.data.reading.pair_lines import PairLineParser, find_columns
from pipeline.data.reading.ranges import parts_of
from pipeline.data.reading.read import (
    UnreadableColumnError,
    UnreadableError,
    read_blocks,
    read_header,
)
from pipeline.data.settings.data_config import DataConfig
from pipeline.data.sources import source_named
from pipeline.data.sources.base import PairsFile, RecordFile
from pipeline.data.sources.input_file import InputFile
from pipeline.inspection.inspect_files import inspect_files

ROWS = 400
ARRAYS = ("price", "click")


def log():
    """Rows with a token, a whole number, a number, a list and a label; some values are missing."""
    rng = np.random.default_rng(1)
    return [
        {
            "user_id": f"u{n % 23}",
            "item_id": 100 + n % 37,
            "price": None if n % 19 == 0 else n * 0.25,
            "tags": [f"t{k}" for k in range(n % 4)],
            "click": int(rng.random() < 0.2 + 0.4 * (n % 2)),
        }
        for n in range(ROWS)
    ]


def example(row):
    made = tf.train.Example()
    for name, value in row.items():
        feature = made.features.feature[name]
        values = value if isinstance(value, list) else [] if value is None else [value]
        for each in values:
            if isinstance(each, str):
                feature.bytes_list.value.append(each.encode())
            elif isinstance(each, float):
                feature.float_list.value.append(each)
            else:
                feature.int64_list.value.append(each)
    return made.SerializeToString()


AVRO_SCHEMA = {
    "type": "record",
    "name": "row",
    "fields": [
        {"name": "user_id", "type": "string"},
        {"name": "item_id", "type": "long"},
        {"name": "price", "type": ["null", "double"]},
        {"name": "tags", "type": {"type": "array", "items": "string"}},
        {"name": "click", "type": "int"},
    ],
}


def write(path, rows, options=None):
    """The rows as a file of the kind that its ending names."""
    kind = path.name.removesuffix(".gz").rsplit(".", 1)[-1]
    if kind == "tfrecord":
        with tf.io.TFRecordWriter(str(path), options or "") as writer:
            for row in rows:
                writer.write(example(row))
    elif kind == "orc":
        orc.write_table(pa.Table.from_pylist(rows), path, stripe_size=4096)
    elif kind == "avro":
        with path.open("wb") as stream:
            fastavro.writer(stream, AVRO_SCHEMA, rows, sync_interval=1000)
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)
    return str(path)


def prices(bundle):
    """(price, label) of every row that arrived."""
    found = [column_arrays(bundle, split, ARRAYS) for split in ("train", "valid", "test")]
    return sorted(
        (float(price), float(click))
        for arrays in found
        for price, click in zip(*(arrays[name].ravel() for name in ARRAYS), strict=True)
    )


def blocks_of(path, kind, columns=None):
    data = DataConfig(source=kind, path=str(path))
    file = open_own_files(source_named(kind), data)[0].log
    header = read_header(file, str(path))
    return list(read_blocks(file, str(path), header, columns or header))


def rows_of(blocks):
    return [row for block in blocks for row in block.rows.to_pylist()]


def test_values_are_read_as_from_parquet(tmp_path):
    rows = log()
    columns = list(rows[0])
    expected = rows_of(blocks_of(write(tmp_path / "log.parquet", rows), "parquet", columns))
    for kind in ("orc", "avro"):
        read = blocks_of(write(tmp_path / f"log.{kind}", rows), kind, columns)
        assert rows_of(read) == expected, kind
        assert np.concatenate([block.positions for block in read]).tolist() == [*range(1, ROWS + 1)]
    of_examples = blocks_of(write(tmp_path / "log.tfrecord", rows), "tfrecord", columns)
    assert rows_of(of_examples) == expected
    assert np.concatenate([block.positions for block in of_examples]).tolist() == [
        *range(1, ROWS + 1)
    ]


@pytest.mark.parametrize("name", ["log.tfrecord", "log.tfrecord.gz", "log.orc", "log.avro"])
def test_inspect_proposes_what_builds_a_bundle_of_all_rows(tmp_path, name):
    rows = log()
    path = write(tmp_path / name, rows, "GZIP" if name.endswith(".gz") else None)
    out = tmp_path / "mine.yaml"
    inspect_files(path, 200_000, out)
    load_config(out)
    config = load_dataset(out)
    features = config.feature_set
    assert config.data.source == name.split(".")[1]
    assert features.features["tags"].kind == "multivalued"
    assert features.features["item_id"].kind == "categorical"
    changed = features.declared()
    changed["features"]["price"] = {"kind": "numeric", "transform": "raw"}
    changed["groups"] = {}
    bundle = build_bundle(FeatureSet.model_validate(changed), config.data, f"{tmp_path}/bundle")
    expected = sorted((float(row["price"] or 0.0), float(row["click"])) for row in rows)
    assert prices(bundle) == expected


def test_a_folder_of_files_of_such_kinds_is_a_log(tmp_path):
    rows = log()
    folder = tmp_path / "shop"
    folder.mkdir()
    for part in range(2):
        write(folder / f"log-{part}.tfrecord", rows[part * 200 : part * 200 + 200])
    (folder / "README.txt").write_text("A log.\n")
    proposal = inspect_files(str(folder), 200_000, tmp_path / "mine.yaml", label="click")
    assert proposal.sample.rows == ROWS


def schema_of(**kinds):
    features = [
        f'feature {{ name: "{name}" type: {kind} value_count {{ min: 0 max: {most} }} }}'
        for name, (kind, most) in kinds.items()
    ]
    return to_text(from_text(" ".join(features)))


def test_the_schema_beside_them_goes_before_the_first_records(tmp_path):
    rows = [{"tags": ["a"], "x": 1, "click": 0}, {"tags": ["b"], "x": 2, "click": 1}]
    path = write(tmp_path / "log.tfrecord", rows)
    assert blocks_of(path, "tfrecord")[0].rows.column("tags").to_pylist() == ["a", "b"]
    (tmp_path / "schema.pbtxt").write_text(schema_of(tags=("BYTES", 9), click=("INT", 1)))
    [block] = blocks_of(path, "tfrecord")
    assert block.rows.to_pylist() == [
        {"tags": ["a"], "click": "0"},
        {"tags": ["b"], "click": "1"},
    ]
    (tmp_path / "schema.pbtxt").write_text('annotation { tag: "layout:block" }')
    with pytest.raises(DataError, match="a bundle of Concord"):
        blocks_of(path, "tfrecord")
    (tmp_path / "schema.pbtxt").write_text("feature {")
    with pytest.raises(DataError, match=r"schema\.pbtxt is no Schema of tensorflow-metadata"):
        blocks_of(path, "tfrecord")


def test_examples_that_do_not_fit_are_rejected_with_their_place(tmp_path):
    (tmp_path / "schema.pbtxt").write_text(schema_of(x=("INT", 1), tags=("BYTES", 9)))
    path = str(tmp_path / "log.tfrecord")
    with tf.io.TFRecordWriter(path) as writer:
        for row in ({"x": 1}, {"x": [1, 2]}, {"x": 1.5}, {"tags": ["a", "b"]}):
            writer.write(example(row))
        writer.write(b"\xff no Example")
    [block] = blocks_of(path, "tfrecord")
    assert block.rows.to_pylist() == [{"x": "1", "tags": []}, {"x": None, "tags": ["a", "b"]}]
    assert block.positions.tolist() == [1, 4]
    assert block.text_of(4) == "{'x': None, 'tags': ['a', 'b']}"
    assert [(bad.line, bad.reason) for bad in block.bad] == [
        (2, "x has 2 values, where one is expected"),
        (3, "x has float_list, where int64 values are expected"),
        (5, "not a tf.train.Example"),
    ]


@pytest.mark.parametrize("kind", ["tfrecord", "orc", "avro"])
def test_a_file_that_breaks_off_is_told(tmp_path, kind):
    path = tmp_path / f"log.{kind}"
    write(path, log())
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises((UnreadableError, DataError), match=r"log\.\w+ (is damaged|cannot be read)"):
        blocks_of(path, kind)


@pytest.mark.parametrize("kind", ["tfrecord", "avro"])
def test_bytes_that_are_no_text_leave_the_other_columns_readable(tmp_path, kind):
    path = tmp_path / f"log.{kind}"
    if kind == "avro":
        schema = {"type": "record", "name": "row", "fields": [
            {"name": "picture", "type": "bytes"}, {"name": "click", "type": "int"}]}  # fmt: skip
        with path.open("wb") as stream:
            fastavro.writer(stream, schema, [{"picture": b"\xff\xfe", "click": 1}] * 3)
    else:
        made = tf.train.Example()
        made.features.feature["picture"].bytes_list.value.append(b"\xff\xfe")
        made.features.feature["click"].int64_list.value.append(1)
        with tf.io.TFRecordWriter(str(path)) as writer:
            writer.write(made.SerializeToString())
    with pytest.raises(UnreadableColumnError, match=r"'picture' cannot be read.*not UTF-8"):
        blocks_of(path, kind)
    assert rows_of(blocks_of(path, kind, ["click"]))[0] == {"click": "1"}


def test_avro_types_have_the_texts_of_all_raw_values(tmp_path):
    moment = datetime.datetime(2026, 11, 1, 12, tzinfo=datetime.timezone.utc)
    name = uuid.UUID("12345678-1234-5678-1234-567812345678")
    types = {
        "moment": ({"type": "long", "logicalType": "timestamp-millis"}, moment),
        "day": ({"type": "int", "logicalType": "date"}, datetime.date(2026, 11, 1)),
        "cost": (
            {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 4},
            decimal.Decimal("1.5000"),
        ),
        "name": ({"type": "string", "logicalType": "uuid"}, name),
        "level": ({"type": "enum", "name": "level", "symbols": ["low", "high"]}, "high"),
        "yes": ("boolean", True),
        "whole": ("double", 12.0),
        "nothing": (["null", "double"], float("nan")),
        "inner": ({"type": "record", "name": "inner", "fields": []}, {}),
        "again": ("inner", {}),
        "map": ({"type": "map", "values": "int"}, {}),
        "lists": ({"type": "array", "items": {"type": "array", "items": "int"}}, []),
    }
    schema = {
        "type": "record",
        "name": "row",
        "fields": [{"name": key, "type": kind} for key, (kind, _) in types.items()],
    }
    path = tmp_path / "log.avro"
    with path.open("wb") as stream:
        fastavro.writer(stream, schema, [{key: value for key, (_, value) in types.items()}])
    file = RecordFile((), "avro")
    assert read_header(file, str(path)) == tuple(types)[:8]
    assert rows_of(blocks_of(path, "avro")) == [
        {
            "moment": str(int(moment.timestamp() * 1000)),
            "day": "2026-11-01",
            "cost": "1.5",
            "name": str(name),
            "level": "high",
            "yes": "1",
            "whole": "12",
            "nothing": None,
        }
    ]


def test_blocks_of_orc_do_not_depend_on_how_it_is_cut(tmp_path, monkeypatch):
    rows = [{"x": n, "text": f"{n * 7919 % 100003}"} for n in range(60_000)]
    path = tmp_path / "log.orc"
    orc.write_table(pa.Table.from_pylist(rows), path, stripe_size=4096, compression="uncompressed")
    file, header = RecordFile(("*.orc",), "orc"), ("x", "text")
    whole = list(read_blocks(file, str(path), header, header))
    monkeypatch.setattr(ranges.lines, "PIECE_BYTES", 2_000)
    parts = parts_of(file, InputFile("log", str(path), 0, header))
    assert len(parts) > 2
    cut = [
        block
        for part in parts
        for block in read_blocks(
            file, str(path), header, header, part.start, part.stop, part.newlines
        )
    ]
    assert [block.key for block in cut] == [block.key for block in whole]
    assert all(one.rows == other.rows for one, other in zip(cut, whole, strict=True))
    assert rows_of(cut)[-1] == {"x": "59999", "text": rows[-1]["text"]}


SVM = ["+1 qid:3 1:0.5 7:2 # a comment", "-1 qid:3 7:1", "", "0 qid:4"]
FFM = ["1 0:5:1 1:9:0.25 2:7:1 2:8:1", "0 0:6:1 1:9:1.5", "0 0:5:1 2:7:1"]


def parsed(lines, kind):
    columns = find_columns(lines, is_ffm=kind == "libffm")
    parser = PairLineParser(PairsFile((), kind, columns), list(columns))
    return parser.parse("\n".join(lines).encode(), 1)


def test_pairs_of_libsvm_are_columns_and_what_a_line_lacks_is_0():
    result = parsed(SVM, "libsvm")
    assert result.rows.to_pylist() == [
        {"label": "1", "qid": "3", "indices": ["1", "7"], "values": ["0.5", "2"],
         "x1": "0.5", "x7": "2"},
        {"label": "-1", "qid": "3", "indices": ["7"], "values": ["1"], "x1": "0", "x7": "1"},
        {"label": "0", "qid": "4", "indices": [], "values": [], "x1": "0", "x7": "0"},
    ]  # fmt: skip
    assert result.lines.tolist() == [1, 2, 4]


def test_pairs_that_all_are_1_are_a_set_alone():
    assert find_columns(["1 5:1 9:1.0", "0 5:1"], is_ffm=False) == {"label": False, "indices": True}


def test_triples_of_libffm_are_a_column_a_field():
    assert parsed(FFM, "libffm").rows.to_pylist() == [
        {"label": "1", "field_0": "5", "field_1": "9", "value_1": "0.25", "field_2": ["7", "8"]},
        {"label": "0", "field_0": "6", "field_1": "9", "value_1": "1.5", "field_2": None},
        {"label": "0", "field_0": "5", "field_1": None, "value_1": None, "field_2": ["7"]},
    ]


@pytest.mark.parametrize(
    ("line", "kind", "reason"),
    [
        ("1 5", "libsvm", "'5' is no index:value"),
        ("1 5:", "libsvm", "'5:' is no index:value"),
        ("1 5:1 1:2:3", "libsvm", "'1:2:3' is no index:value"),
        ("5:1 7:1", "libsvm", "'5:1' stands where the label should"),
        ("1 0:5", "libffm", "'0:5' is no field:index:value"),
        ("1 0:5:1 0:6:1", "libffm", "field_0 has 2 values, where the first lines of the log"),
    ],
)
def test_a_line_that_is_none_is_rejected(line, kind, reason):
    good = "1 0:5:1 1:9:1" if kind == "libffm" else "1 5:1"
    columns = find_columns([good], is_ffm=kind == "libffm")
    parser = PairLineParser(PairsFile((), kind, columns), list(columns))
    result = parser.parse(f"{good}\n{line}\n{good}\n".encode(), 11)
    assert len(result.rows) == 2
    assert [bad.line for bad in result.bad] == [12]
    assert result.bad[0].reason.startswith(reason)


@pytest.mark.parametrize("name", ["train.txt", "train.svm", "train.ffm.gz", "train.dat"])
def test_inspect_proposes_what_pairs_build_a_bundle_of(tmp_path, name):
    rng = np.random.default_rng(4)
    is_ffm = ".ffm" in name or name == "train.dat"
    lines = []
    for n in range(400):
        click = int(rng.random() < 0.2 + 0.5 * (n % 3 == 0))
        if is_ffm:
            lines.append(f"{click} 0:{1_000 + n % 40}:1 1:77:{n / 8} 2:{n % 9}:1 2:{n % 7 + 10}:1")
        else:
            lines.append(f"{click or -1} 1:{n / 8} 2:{n % 5} {3 + n % 2}:1")
    text = "\n".join(lines).encode() + b"\n"
    (tmp_path / name).write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    out = tmp_path / "mine.yaml"
    inspect_files(str(tmp_path / name), 200_000, out)
    load_config(out)
    config = load_dataset(out)
    specs = config.feature_set.features
    kinds = {name: spec.kind for name, spec in specs.items() if spec.role == "input"}
    if is_ffm:
        expected = {"field_0": "categorical", "value_1": "numeric", "field_2": "multivalued"}
        assert specs["label"].at_least is None
    else:
        expected = {"x1": "numeric", "x2": "categorical", "x3": "categorical", "x4": "categorical"}
        assert specs["label"].at_least == 1
    assert kinds == expected
    bundle = build_bundle(config.feature_set, config.data, str(tmp_path / "bundle"))
    assert sum(bundle.metadata.rows.values()) == 400


def test_a_source_that_is_another_is_named(tmp_path):
    write(tmp_path / "log.avro", log())
    (tmp_path / "log.avro").rename(tmp_path / "log.csv")
    data = DataConfig(source="csv", path=str(tmp_path / "log.csv"))
    with pytest.raises(DataError, match=r"an Avro file, .*'csv' does not read\. Set"):
        open_own_files(source_named("csv"), data)


def test_sessions_of_examples_are_exploded(tmp_path):
    rows = [{"shown": [n % 7, n % 7 + 1], "chosen": n % 7 + n % 2, "when": n} for n in range(40)]
    write(tmp_path / "log.tfrecord", rows)
    data = DataConfig.model_validate(
        {
            "source": "tfrecord",
            "path": str(tmp_path),
            "explode": {"items": "shown", "clicked": "chosen"},
            "split": {"by": "hash", "valid": 0.3, "test": 0.3},
        }
    )
    features = FeatureSet.model_validate(
        {"features": {"label": {"role": "label"}, "shown": {"kind": "categorical"}}}
    )
    inputs = open_inputs(features, data)
    assert inputs.log_columns == ("shown", "when", "label", "position")
    bundle = build_bundle(features, data, str(tmp_path / "bundle"))
    assert sum(bundle.metadata.rows.values()) == 80
    assert json.loads((tmp_path / "bundle" / "statistics.json").read_text())["tables"] == {
        "log": {"rows": 80, "rejected": 0},
        "sessions": {"rows": 40, "rejected": 0},
    }
