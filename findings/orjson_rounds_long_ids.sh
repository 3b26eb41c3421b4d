#!/usr/bin/env bash
# orjson: a whole number of more than 64 bits is read as the nearest double, without a word.
#
# One would expect an error, as `orjson.dumps` has one for such an int, or the int itself, as the
# standard library and msgspec read it: ids of 20 and more digits (hashes, trace ids) that differ in
# the file are equal afterwards, and written again they are other ids.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check orjson==3.13.0 msgspec==0.21.1
"$folder/env/bin/python" - <<'PY'
import json

import msgspec
import orjson

print("orjson", orjson.__version__, "msgspec", msgspec.__version__)
lines = ['{"id": 18446744073709551616}', '{"id": 18446744073709551999}']
for reader in (json.loads, msgspec.json.decode, orjson.loads):
    print(f"{reader.__module__}:", *(repr(reader(line)["id"]) for line in lines))
exact = [[reader(line)["id"] for line in lines] for reader in (json.loads, msgspec.json.decode)]
assert exact[0] == exact[1] and exact[0][0] != exact[0][1]
rounded = [orjson.loads(line)["id"] for line in lines]
try:
    orjson.dumps(exact[0])
    refused = False
except TypeError as error:
    refused = True
    print("orjson.dumps of the same ints:", error)
assert refused
assert isinstance(rounded[0], float) and rounded[0] == rounded[1], (
    "orjson reads long whole numbers otherwise now: the finding is out of date"
)
PY
