"""Graphs that are imported piece by piece are those that TensorFlow's own loader imports."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from serving.server.core import saved_graph
from serving.server.core.saved_graph import load_graph

ASK = "scores:0"


def of_first_version(folder, collection: str):
    """A SavedModel as TensorFlow 1 wrote them: a variable, and a table that an asset fills."""
    (folder.parent / "words.txt").write_text("a\nb\n")
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        table = tf.lookup.StaticHashTable(
            tf.lookup.TextFileInitializer(
                str(folder.parent / "words.txt"), tf.string, tf.lookup.TextFileIndex.WHOLE_LINE,
                tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER,
            ),
            -1,
        )  # fmt: skip
        words = tf.compat.v1.placeholder(tf.string, [None], "words")
        weight = tf.compat.v1.get_variable("weight", initializer=10.0)
        tf.add(tf.cast(table.lookup(words), tf.float32), weight, "scores")
        session.run(weight.initializer)
        builder = tf.compat.v1.saved_model.Builder(str(folder))
        assets = tf.compat.v1.get_collection(tf.compat.v1.GraphKeys.ASSET_FILEPATHS)
        initialise = tf.group(tf.compat.v1.tables_initializer())
        builder.add_meta_graph_and_variables(
            session,
            ["serve"],
            assets_collection=assets,
            main_op=initialise if collection == "saved_model_main_op" else None,
            legacy_init_op=initialise if collection == "legacy_init_op" else None,
        )
        builder.save()
    (folder.parent / "words.txt").unlink()  # the copy among the assets is what counts
    return folder


def loaded(folder, noted=None):
    session = tf.compat.v1.Session(graph=tf.Graph())

    def run(call):
        if noted is not None:
            noted.append(call)
        return call()

    load_graph(session, folder, run)
    return session


@pytest.mark.parametrize("collection", ["saved_model_main_op", "legacy_init_op"])
@pytest.mark.filterwarnings("ignore")
def test_variables_assets_and_tables_of_tensorflow_1_are_there(tmp_path, collection):
    noted = []
    session = loaded(of_first_version(tmp_path / "1", collection), noted)
    scores = session.run(ASK, {"words:0": ["b", "a", "?"]})
    np.testing.assert_array_equal(scores, [11.0, 10.0, 9.0])
    assert len(noted) == 2  # variables and tables, where the caller wants them computed


def test_every_function_and_node_is_imported_a_few_at_a_time(exported, monkeypatch):
    pieces, imported = [], tf.graph_util.import_graph_def
    monkeypatch.setattr(saved_graph, "_PIECE_BYTES", 2000)

    def note(piece, **options):
        pieces.append(piece)
        imported(piece, **options)

    monkeypatch.setattr(tf.graph_util, "import_graph_def", note)
    graph = loaded(exported).graph.as_graph_def()
    content = (exported / "saved_model.pb").read_bytes()
    saved = saved_model_pb2.SavedModel.FromString(content).meta_graphs[0].graph_def
    for piece in pieces:
        sizes = [each.ByteSize() for each in piece.library.function]
        assert sum(sizes[:-1]) <= 2000
    assert len(pieces) > 5
    functions = [each for piece in pieces for each in piece.library.function]
    assert functions == list(saved.library.function)
    assert [each.name for each in pieces[-1].node] == [each.name for each in saved.node]
    assert {each.signature.name for each in graph.library.function} == {
        each.signature.name for each in saved.library.function
    }
    assert {each.name for each in graph.node} == {each.name for each in saved.node}


def test_a_graph_for_another_purpose_is_named(tmp_path):
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        tf.constant(1.0)
        builder = tf.compat.v1.saved_model.Builder(str(tmp_path / "1"))
        builder.add_meta_graph_and_variables(session, ["train"])
        builder.save()
    with pytest.raises(ValueError, match=r"no graph with the tag 'serve', but \[\['train'\]\]"):
        loaded(tmp_path / "1")
