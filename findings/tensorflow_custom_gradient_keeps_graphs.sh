#!/usr/bin/env bash
# TensorFlow: a graph in which a function with `tf.custom_gradient` was traced is never freed.
#
# One would expect a traced `tf.function` to go with the last reference to it, as it does without a
# gradient of its own. Each trace enters the gradient into a registry of the process under a new name,
# and the entry closes over the graph: a process that trains several networks one after the other
# grows with each of them (35 MB for a small network with embedding tables, 100 MB for a large one).
set -euo pipefail
export TF_CPP_MIN_LOG_LEVEL=3 CUDA_VISIBLE_DEVICES=""
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check tensorflow==2.21.0
"$folder/env/bin/python" - <<'PY'
import gc
import weakref

import tensorflow as tf

print("tensorflow", tf.__version__)


def trained_step():
    """Traces a step whose graph holds a function with a gradient of its own; returns the graph."""
    weight = tf.Variable(tf.ones([4]))

    @tf.custom_gradient
    def doubled(x):
        return 2.0 * x, lambda upstream: 2.0 * upstream

    @tf.function(autograph=False)
    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(doubled(weight))
        return tape.gradient(loss, weight)

    return weakref.ref(step.get_concrete_function().graph)


def plain_step():
    """The same without a gradient of its own."""
    weight = tf.Variable(tf.ones([4]))

    @tf.function(autograph=False)
    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(2.0 * weight)
        return tape.gradient(loss, weight)

    return weakref.ref(step.get_concrete_function().graph)


kept = {}
for make in (plain_step, trained_step):
    graphs = [make() for _ in range(5)]
    gc.collect()
    kept[make.__name__] = sum(graph() is not None for graph in graphs)
    print(f"{make.__name__:<14}{kept[make.__name__]} of 5 graphs are still there")
assert kept["plain_step"] == 0
assert kept["trained_step"] == 5, "graphs with a custom gradient are let go now: out of date"
PY
