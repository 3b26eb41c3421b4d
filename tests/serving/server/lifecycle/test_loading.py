"""Versions that are incomplete or damaged: refused with a reason, and nothing is written."""

import os
import shutil

import grpc
import numpy as np
import pytest
import tensorflow as tf

from serving.server.core import loaded_model
from serving.server.core.serving_error import ServingError
from serving.server.lifecycle.loading import load_warm
from serving.server.lifecycle.versions import fingerprint
from tests.serving.server.toy import answer, request, save

PB, INDEX = "saved_model.pb", "variables/variables.index"
DATA = "variables/variables.data-00000-of-00001"


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    return save(tmp_path_factory.mktemp("good") / "1", 10.0)


@pytest.fixture
def version(good, tmp_path):
    shutil.copytree(good, tmp_path / "base" / "1")
    return tmp_path / "base" / "1"


def cut(path, keep):
    os.truncate(path, int(path.stat().st_size * keep))


def flip(path, where):
    content = bytearray(path.read_bytes())
    content[int(len(content) * where)] ^= 0xFF
    path.write_bytes(content)


DAMAGES = {
    "empty folder": lambda v: (shutil.rmtree(v), v.mkdir()),
    "no model": lambda v: (v / PB).unlink(),
    "empty model": lambda v: (v / PB).write_bytes(b""),
    "half a model": lambda v: cut(v / PB, 0.5),
    "model without its end": lambda v: cut(v / PB, 0.999),
    "garbage for a model": lambda v: (v / PB).write_bytes(os.urandom(5000)),
    "text for a model": lambda v: (v / PB).write_bytes(b"<html>404 not found</html>"),
    "a folder for a model": lambda v: ((v / PB).unlink(), (v / PB).mkdir()),
    "no variables": lambda v: shutil.rmtree(v / "variables"),
    "no index": lambda v: (v / INDEX).unlink(),
    "half an index": lambda v: cut(v / INDEX, 0.5),
    "no data": lambda v: (v / DATA).unlink(),
    "empty data": lambda v: cut(v / DATA, 0),
    "flipped data": lambda v: flip(v / DATA, 0.5),
    "no vocabulary": lambda v: shutil.rmtree(v / "assets"),
    "not readable": lambda v: ((v / PB).unlink(), (v / PB).symlink_to("1")),
    "a link out of the base path": lambda v: (
        shutil.move(v / "assets", v.parent.parent / "elsewhere"),
        (v / "assets").symlink_to(v.parent.parent / "elsewhere"),
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_version_is_refused_with_a_reason(version, damage):
    DAMAGES[damage](version)
    before = fingerprint(version)
    with pytest.raises(ServingError) as caught:
        load_warm("toy", 1, version, version.parent)
    assert caught.value.code != grpc.StatusCode.OK
    assert 10 < len(caught.value.message) < 700
    assert "\n" not in caught.value.message
    assert "Graph execution error" not in caught.value.message
    assert fingerprint(version) == before


def test_a_vocabulary_whose_lines_were_exchanged_is_named(exported, tmp_path):
    shutil.copytree(exported, tmp_path / "1")
    path = tmp_path / "1" / "assets" / "item.txt"
    first, second, *others = path.read_text().splitlines()
    path.write_text("".join(f"{line}\n" for line in (second, first, *others)))
    with pytest.raises(ServingError, match=r"item\.txt is damaged: it has another") as caught:
        load_warm("clicks", 1, tmp_path / "1", tmp_path)
    assert caught.value.code == grpc.StatusCode.DATA_LOSS


def test_a_good_version_answers_and_its_folder_stays_as_it_is(version):
    before = fingerprint(version)
    model = load_warm("toy", 1, version, version.parent)
    np.testing.assert_array_equal(
        model.run("raw_tensors", request(2))["prob"], answer(request(2), 10.0)
    )
    model.close()
    assert fingerprint(version) == before


def test_a_read_only_folder_is_served(version):
    for where, folders, files in os.walk(version):
        for name in (*folders, *files):
            os.chmod(os.path.join(where, name), 0o555 if name in folders else 0o444)
    os.chmod(version, 0o555)
    load_warm("toy", 1, version, version.parent).close()
    os.chmod(version, 0o755)


def test_a_version_that_changes_while_it_is_read_is_refused(version, monkeypatch):
    load = loaded_model.load_graph

    def load_and_change(*args):
        loaded = load(*args)
        with (version / "assets" / "more.txt").open("w") as file:
            file.write("the rest of the copy")
        return loaded

    monkeypatch.setattr(loaded_model, "load_graph", load_and_change)
    with pytest.raises(ServingError, match="it changed while it was read") as caught:
        load_warm("toy", 1, version, version.parent)
    assert caught.value.code == grpc.StatusCode.ABORTED


def test_a_savedmodel_for_another_purpose_is_refused(tmp_path):
    graph = tf.Graph()
    with graph.as_default(), tf.compat.v1.Session(graph=graph) as session:
        tf.constant(1.0)
        builder = tf.compat.v1.saved_model.Builder(str(tmp_path / "1"))
        builder.add_meta_graph_and_variables(session, ["train"])
        builder.save()
    with pytest.raises(ServingError, match=r"cannot be loaded as a SavedModel: .*serve"):
        load_warm("toy", 1, tmp_path / "1", tmp_path)
