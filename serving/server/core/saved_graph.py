"""Loads a SavedModel into a session without keeping requests of other models from the interpreter.

`tf.compat.v1.saved_model.load` does the same in one piece, and holds Python's lock for hundreds of
milliseconds: every other thread waits for it. Here functions are imported a few at a time, shapes
are not inferred through calls (a request's shapes are checked against its signature), and what
computes outside of the lock is left to the caller's `run`.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.core.framework import graph_pb2
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

from serving.export_format.export_layout import ASSETS, SAVED_MODEL, VARIABLES

INIT_OP = "__saved_model_init_op"  # of TensorFlow itself: not a way to call the model

_ASSET_COLLECTION = "saved_model_assets"
_INIT_COLLECTIONS = ("saved_model_main_op", "legacy_init_op")  # of TensorFlow's first version
_CALLS = ("PartitionedCall", "StatefulPartitionedCall")
_PIECE_BYTES = 16_384  # of functions that are imported at a time: some milliseconds


def load_graph(
    session: tf.compat.v1.Session,
    folder: Path,
    run: Callable[[Callable[[], Any]], Any],
) -> meta_graph_pb2.MetaGraphDef:
    """Imports the graph of a SavedModel, restores its variables and runs its initialiser.

    Args:
        session: A session on an empty graph.
        folder: The SavedModel.
        run: Called with what computes for long without Python: returns what that returns.

    Raises:
        Exception: Whatever TensorFlow raises on a SavedModel that cannot be loaded.
    """
    meta_graph = _read(folder)
    with session.graph.as_default():
        for piece in _pieces(meta_graph.graph_def):
            tf.graph_util.import_graph_def(
                piece, name="", producer_op_list=meta_graph.meta_info_def.stripped_op_list
            )
    options = tf.compat.v1.RunOptions(inter_op_thread_pool=-1)  # in the thread that calls
    assets = {
        each.tensor_info.name: os.path.join(folder, ASSETS, each.filename)
        for each in _assets(meta_graph)
    }
    if meta_graph.HasField("saver_def"):
        saver = meta_graph.saver_def
        path = {saver.filename_tensor_name: os.path.join(folder, VARIABLES, VARIABLES)}
        run(lambda: session.run(saver.restore_op_name, path, options))
    initialisers = _initialisers(meta_graph)
    if initialisers:
        run(lambda: session.run(initialisers, assets, options))
    return meta_graph


def _read(folder: Path) -> meta_graph_pb2.MetaGraphDef:
    saved = saved_model_pb2.SavedModel.FromString((folder / SAVED_MODEL).read_bytes())
    for meta_graph in saved.meta_graphs:
        if set(meta_graph.meta_info_def.tags) == {tf.saved_model.SERVING}:
            return meta_graph
    found = [sorted(each.meta_info_def.tags) for each in saved.meta_graphs]
    raise ValueError(f"it has no graph with the tag {tf.saved_model.SERVING!r}, but {found}")


def _pieces(graph: graph_pb2.GraphDef) -> Iterator[graph_pb2.GraphDef]:
    """The functions, a few at a time; then the nodes that call them."""
    piece, size = graph_pb2.GraphDef(versions=graph.versions), 0
    for function in graph.library.function:
        piece.library.function.append(function)
        size += function.ByteSize()
        if size > _PIECE_BYTES:
            yield piece
            piece, size = graph_pb2.GraphDef(versions=graph.versions), 0
    piece.library.gradient.extend(graph.library.gradient)
    piece.node.extend(graph.node)
    for node in piece.node:
        if node.op in _CALLS:
            node.attr["_disable_call_shape_inference"].b = True
    yield piece


def _assets(meta_graph: meta_graph_pb2.MetaGraphDef) -> list[meta_graph_pb2.AssetFileDef]:
    assets = list(meta_graph.asset_file_def)
    if not assets and _ASSET_COLLECTION in meta_graph.collection_def:
        for packed in meta_graph.collection_def[_ASSET_COLLECTION].any_list.value:
            assets.append(meta_graph_pb2.AssetFileDef())
            packed.Unpack(assets[-1])
    return assets


def _initialisers(meta_graph: meta_graph_pb2.MetaGraphDef) -> list[str]:
    if INIT_OP in meta_graph.signature_def:
        return [each.name for each in meta_graph.signature_def[INIT_OP].outputs.values()]
    for key in _INIT_COLLECTIONS:
        if key in meta_graph.collection_def:
            return list(meta_graph.collection_def[key].node_list.value)
    return []
