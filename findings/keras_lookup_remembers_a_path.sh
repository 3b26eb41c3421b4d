#!/usr/bin/env bash
# tf-keras and TensorFlow: a table that a StringLookup fills from a file is kept by the file's name for the
# life of the process, also when no layer holds it any more.
#
# One would expect a new layer to read the file that lies there now. It gets the ids of the file that
# lay there when the first layer was made, without a word: whoever builds vocabularies anew in one
# process, such as a notebook, trains with the old ids.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check \
  tensorflow==2.21.0 tf-keras==2.21.0
cd "$folder"
TF_CPP_MIN_LOG_LEVEL=3 TF_USE_LEGACY_KERAS=1 "$folder/env/bin/python" - 2>/dev/null <<'PY'
import gc

import tensorflow as tf
import tf_keras

print("tensorflow", tf.__version__, "tf-keras", tf_keras.__version__)


def ids(words):
    with open("words.txt", "w") as file:
        file.write("".join(f"{word}\n" for word in words))
    layer = tf_keras.layers.StringLookup(vocabulary="words.txt", num_oov_indices=1)
    found = layer(tf.constant(["x", "y", "z"])).numpy().tolist()
    del layer
    gc.collect()
    return found


first, second = ids(["x", "y"]), ids(["z", "x"])
print("file of x, y: ids of x, y, z are", first)
print("file of z, x: ids of x, y, z are", second, "and should be [2, 0, 1]")
assert second == first, "the file is read again now: the finding is out of date"
PY
