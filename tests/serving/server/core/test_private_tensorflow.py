"""Each name is still there, and still does what it is used for."""

import numpy as np
import pytest
import tensorflow as tf

from serving.server.core.private_tensorflow import make_callable


def test_sessions_make_callables_from_options():
    assert callable(getattr(tf.compat.v1.Session, "_make_callable_from_options", None)), (
        "TensorFlow has no Session._make_callable_from_options any more: see private_tensorflow"
    )


@pytest.mark.parametrize("in_callers_thread", [False, True])
def test_feeds_and_fetches_keep_their_order(in_callers_thread):
    graph = tf.Graph()
    with graph.as_default():
        a, b = (tf.compat.v1.placeholder(tf.float32, [None], name=name) for name in "ab")
        outputs = [tf.subtract(a, b, name="difference"), tf.divide(a, b, name="ratio")]
    config = tf.compat.v1.ConfigProto()
    if in_callers_thread:
        config.experimental.executor_type = "SINGLE_THREADED_EXECUTOR"
    with tf.compat.v1.Session(graph=graph, config=config) as session:
        run = make_callable(
            session, [a.name, b.name], [each.name for each in outputs], in_callers_thread
        )
        difference, ratio = run(np.array([6.0], np.float32), np.array([2.0], np.float32))
    assert (difference.tolist(), ratio.tolist()) == ([4.0], [3.0])
