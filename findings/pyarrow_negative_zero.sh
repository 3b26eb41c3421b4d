#!/usr/bin/env bash
# pyarrow.compute: `equal` takes -0.0 for 0.0, as IEEE 754 has it; `is_in`, `index_in`, `unique` and
# dictionaries tell them apart.
#
# One would expect that `is_in(x, [0.0])` is true wherever `equal(x, 0.0)` is: a filter written the
# one way or the other should keep the same rows.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check pyarrow==25.0.1
"$folder/env/bin/python" - <<'PY'
import pyarrow as pa
import pyarrow.compute as pc

print("pyarrow", pa.__version__)
zeros = pa.array([0.0, -0.0])
seen = {
    "equal": pc.equal(zeros, 0.0).to_pylist(),
    "is_in": pc.is_in(zeros, value_set=pa.array([0.0])).to_pylist(),
    "index_in": pc.index_in(zeros, value_set=pa.array([0.0])).to_pylist(),
    "unique": len(pc.unique(zeros)),
    "dictionary": zeros.dictionary_encode().indices.to_pylist(),
}
for name, value in seen.items():
    print(f"{name:<12}{value}")
expected = [True, True]
assert seen["equal"] == expected
assert seen["is_in"] == [True, False], "is_in agrees with equal now: the finding is out of date"
assert seen["index_in"] == [0, None] and seen["unique"] == 2 and seen["dictionary"] == [0, 1]
PY
