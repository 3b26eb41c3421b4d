#!/usr/bin/env bash
# TensorFlow on a CPU: three kernels add up bfloat16 in bfloat16, and their sums stop growing at 256,
# because 256 + 1 is 256 there.
#
# One would expect 10,000, rounded to 9,984, as reduce_sum and matmul give it, which add up in float32.
# BiasAddGrad is the gradient of the bias of every dense layer, unsorted_segment_sum that of every
# lookup: in batches of thousands of rows a bias or a frequent row learns from a part of its gradient.
# In float16 sums stop likewise, at 2,048.
set -euo pipefail
export TF_CPP_MIN_LOG_LEVEL=3 CUDA_VISIBLE_DEVICES=""
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check tensorflow==2.21.0
"$folder/env/bin/python" - <<'PY'
import tensorflow as tf

print("tensorflow", tf.__version__)
rows = 10_000
ones = tf.ones([rows, 1], tf.bfloat16)
seen = {
    "BiasAddGrad": tf.raw_ops.BiasAddGrad(out_backprop=ones)[0],
    "unsorted_segment_sum": tf.math.unsorted_segment_sum(ones, tf.zeros(rows, tf.int32), 1)[0, 0],
    "cumsum": tf.cumsum(ones)[-1, 0],
    "reduce_sum": tf.reduce_sum(ones),
    "matmul": tf.matmul(ones, ones, transpose_a=True)[0, 0],
}
for name, value in seen.items():
    print(f"{name:<22}{float(value):>8.0f} of {rows}")
half = tf.math.unsorted_segment_sum(tf.cast(ones, tf.float16), tf.zeros(rows, tf.int32), 1)[0, 0]
print(f"{'the same in float16':<22}{float(half):>8.0f} of {rows}")
expected = [256, 256, 256, 9984, 9984]
assert [float(value) for value in seen.values()] == expected, "sums differ now: out of date"
assert float(half) == 2048
PY
