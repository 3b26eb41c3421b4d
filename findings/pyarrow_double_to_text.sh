#!/usr/bin/env bash
# pyarrow: a double that is a whole number becomes the text of that number up to ten digits, and
# scientific notation beyond.
#
# An id column that was read as doubles, as a column of whole numbers with a missing one is by
# pandas, one would expect to cast to the ids' digits: 12345678901 and not 1.2345678901e+10, which
# no table of ids holds. The number is kept; only its text differs.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check pyarrow==25.0.1
"$folder/env/bin/python" - <<'PY'
import pyarrow as pa

print("pyarrow", pa.__version__)
ids = [7.0, 9999999999.0, 10000000000.0, 12345678901.0]
seen = pa.array(ids).cast(pa.string()).to_pylist()
for number, text in zip(ids, seen):
    print(f"{int(number):>12} -> {text}")
assert seen[:2] == ["7", "9999999999"]
assert seen[2:] == ["1e+10", "1.2345678901e+10"], "cast writes digits now: the finding is out of date"
PY
