"""The C program, built here with gcc against the wheel's libtensorflow."""

import os
import random
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import serving.scoring
from serving.scoring.scorer import Scorer
from serving.scoring.signature_inputs import encode_examples

SOURCES = Path(serving.scoring.__file__).parent / "c"
HARNESS = Path(__file__).with_name("c_parts.c")
STRICT = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-g", "-O1"]
SANITIZED = ["-fsanitize=address,undefined", "-fno-sanitize-recover"]

pytestmark = pytest.mark.skipif(
    shutil.which("gcc") is None or shutil.which("make") is None,
    reason="the C program is built with gcc and make, which are not here",
)


@pytest.fixture(scope="module")
def program(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("c")
    command = ["make", f"BUILD={folder}", f"PYTHON={sys.executable}", "CC=gcc"]
    done = subprocess.run(command, cwd=SOURCES, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "score_examples"


@pytest.fixture(scope="module")
def parts(tmp_path_factory) -> Path:
    """The two readers alone, with sanitizers and without TensorFlow."""
    path = tmp_path_factory.mktemp("parts") / "parts"
    files = [str(SOURCES / name) for name in ("signature.c", "tfrecord.c", "failure.c")]
    command = ["gcc", *STRICT, *SANITIZED, f"-I{SOURCES}", str(HARNESS), *files, "-o", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "cannot find -lasan" in done.stderr or "libasan" in done.stderr:
        pytest.skip("gcc has no sanitizers here")
    assert done.returncode == 0, done.stderr
    return path


@pytest.fixture(scope="module")
def records(rows, bundle, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("records") / "examples.tfrecord"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for example in encode_examples(rows, bundle.metadata.features):
            writer.write(example)
    return path


def call(program, *arguments) -> subprocess.CompletedProcess:
    return subprocess.run(
        [str(program), *map(str, arguments)],
        env={name: value for name, value in os.environ.items() if not name.startswith("TF_CPP")},
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=300,
    )


@pytest.mark.parametrize("options", [[], ["--batch", 5], ["--signature", "regress"]], ids=str)
def test_scores_are_those_of_the_export(program, exported, records, rows, options):
    done = call(program, exported, records, *options)
    assert (done.returncode, done.stderr) == (0, "")
    received = np.array(done.stdout.split(), np.float32)
    np.testing.assert_allclose(received, Scorer(exported).score(rows)["prob"], atol=1e-6)


def test_any_output_can_be_asked_for(program, exported, records, rows):
    options = ["--signature", "branches", "--output", "prob_low rank/cross:é"]
    done = call(program, exported, records, *options)
    received = np.array(done.stdout.split(), np.float32)
    expected = Scorer(exported).score(rows, branches=True)["prob_low rank/cross:é"]
    np.testing.assert_allclose(received, expected, atol=1e-6)


def test_no_records_have_no_scores(program, exported, tmp_path):
    (tmp_path / "empty").touch()
    done = call(program, exported, tmp_path / "empty")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "an export and a file of tf.Examples are expected. Usage"),
        (["EXPORT", "/none/file"], "/none/file cannot be read: No such file or directory."),
        (["EXPORT", "/"], "/ is no regular file"),
        (["/none", "RECORDS"], "there is no export that can be loaded in /none"),
        (["EXPORT", "EXPORT/saved_model.pb"], "is no whole, uncompressed TFRecord file: record 0"),
        (["EXPORT", "RECORDS", "--signature", "nix"], 'the export has no signature "nix"'),
        (["EXPORT", "RECORDS", "--signature", "raw_tensors"], '"raw_tensors" takes 10 tensors'),
        (["EXPORT", "RECORDS", "--signature", "classify"], "has 2 outputs, none of them"),
        (
            ["EXPORT", "RECORDS", "--signature", "classify", "--output", "classes"],
            "is of other types",
        ),
        (
            ["EXPORT", "RECORDS", "--signature", "classify", "--output", "scores"],
            "the output has 24 values for 12 rows",
        ),
        (["EXPORT", "GARBAGE"], "rows cannot be scored that are in"),
        (["EXPORT", "RECORDS", "--batch", "0"], "--batch is a whole number from 1"),
        (["EXPORT", "RECORDS", "--batch"], "the last option has no value"),
        (["EXPORT", "RECORDS", "--btch", "1"], "there is an unknown option"),
        (["EXPORT", "RECORDS", "MORE"], "there are more than two arguments"),
    ],
)
def test_mistakes_are_one_sentence(program, exported, records, tmp_path, arguments, message):
    garbage = tmp_path / "garbage"
    with tf.io.TFRecordWriter(str(garbage)) as writer:
        writer.write(b"\xff\xff no tf.Example")
    names = {"EXPORT": exported, "RECORDS": records, "GARBAGE": garbage}
    given = [
        each.replace("EXPORT", str(exported)) if "/" in each else names.get(each, each)
        for each in arguments
    ]
    done = call(program, *given)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert message in done.stderr


def meta_graph(exported):
    from tensorflow.core.protobuf import saved_model_pb2

    content = (exported / "saved_model.pb").read_bytes()
    return saved_model_pb2.SavedModel.FromString(content).meta_graphs[0]


@pytest.mark.parametrize("signature", ["serving_default", "branches", "regress"])
def test_the_operations_are_those_of_the_signature(parts, exported, tmp_path, signature):
    graph = meta_graph(exported)
    (tmp_path / "graph").write_bytes(graph.SerializeToString())
    done = call(parts, "signature", tmp_path / "graph", signature)
    definition = graph.signature_def[signature]
    (fed,) = definition.inputs.values()
    fetched = definition.outputs["outputs" if signature == "regress" else "prob"]
    assert done.stdout.split() == [fed.name, fetched.name], done.stderr


def test_damaged_graphs_are_refused_without_reading_beyond_them(parts, exported, tmp_path):
    graph = meta_graph(exported)
    for field in ("graph_def", "collection_def", "object_graph_def"):
        graph.ClearField(field)
    whole = graph.SerializeToString()
    noise = random.Random(7)
    codes = set()
    for number in range(150):
        damaged = bytearray(whole)
        if number % 2:
            damaged = damaged[: noise.randrange(len(damaged))]
        else:
            for _ in range(noise.randrange(1, 8)):
                damaged[noise.randrange(len(damaged))] = noise.randrange(256)
        (tmp_path / "graph").write_bytes(damaged)
        done = call(parts, "signature", tmp_path / "graph", "serving_default")
        codes.add(done.returncode)
        assert done.returncode in (0, 2), done.stderr
        assert (done.returncode == 0) == (done.stderr == "")
    assert codes == {0, 2}


def test_records_are_read_as_tensorflow_wrote_them(parts, tmp_path):
    sizes = [0, 1, 8, 257, 70_000]
    with tf.io.TFRecordWriter(str(tmp_path / "records")) as writer:
        for size in sizes:
            writer.write(bytes(range(256)) * (size // 256) + bytes(size % 256))
    done = call(parts, "records", tmp_path / "records")
    assert list(map(int, done.stdout.split())) == sizes


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: data[:-1], "record 1 (from 0) is cut off"),
        (lambda data: data[: len(data) // 2 + 3], "record 1 (from 0) is cut off"),
        (lambda data: b"\x01" + data[1:], "record 0 (from 0) has a length whose checksum"),
        (lambda data: data[:14] + b"X" + data[15:], "record 0 (from 0) has bytes whose checksum"),
        (lambda data: data[:-1] + bytes([data[-1] ^ 1]), "record 1 (from 0) has bytes whose"),
        (lambda data: struct.pack("<Q", 2**64 - 1) + data[8:], "length whose checksum"),
        (lambda data: b"\x1f\x8b" + data, "length whose checksum"),
    ],
)
def test_damaged_records_are_refused(parts, tmp_path, damage, message):
    path = tmp_path / "records"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for _ in range(2):
            writer.write(b"a record")
    path.write_bytes(damage(path.read_bytes()))
    done = call(parts, "records", path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert message in done.stderr


def test_a_length_beyond_the_file_takes_no_memory(parts, tmp_path):
    """With a right checksum, so that only the size of the file tells."""
    path = tmp_path / "records"
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(struct.pack("<Q", 2**60))
    # crc32c of the eight bytes of the length, as TensorFlow wrote it behind the record.
    data = path.read_bytes()
    path.write_bytes(struct.pack("<Q", 2**60) + data[-4:] + bytes(64))
    done = call(parts, "records", path)
    assert done.returncode == 2
    assert "record 0 (from 0) is cut off" in done.stderr
