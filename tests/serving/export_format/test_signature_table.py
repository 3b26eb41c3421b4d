import json
import subprocess
import sys

from serving.export_format import names
from serving.export_format.signature_table import (
    TensorTemplate,
    dump_table,
    read_table,
    signature_table,
    user_columns,
)
from serving.exporting.column_sides import raw_columns
from tests.serving.conftest import FEATURES

COLUMNS = raw_columns(FEATURES)


def test_what_is_written_reads_back(tmp_path):
    table = signature_table(COLUMNS, ["item"], ["a b/ü"], ["deep"])
    path = tmp_path / "signatures.json"
    path.write_text(dump_table(table), encoding="utf-8")
    assert read_table(path) == table
    assert list(read_table(path)) == list(names.SIGNATURES)


def test_other_programs_read_it_as_plain_json():
    def refuse(constant):
        raise AssertionError(constant)

    content = json.loads(dump_table(signature_table(COLUMNS, ["item"])), parse_constant=refuse)
    assert content["rank"]["inputs"]["user_id_token"] == {
        "dtype": "string",
        "shape": [1],
        "side": "user",
        "column": "user_id:token",
        "missing": "",
    }
    assert content["raw_tensors"]["inputs"]["price"] == {
        "dtype": "float32",
        "shape": [None],
        "column": "price",
        "missing": "NaN",
    }
    assert content["classify"]["outputs"] == {
        "classes": {"dtype": "string", "shape": [None, 2]},
        "scores": {"dtype": "float32", "shape": [None, 2]},
    }


def test_signatures_that_would_be_empty_are_absent():
    assert {names.BRANCHES, names.RANK}.isdisjoint(signature_table(COLUMNS))
    assert names.RANK not in signature_table(COLUMNS, list(COLUMNS))
    assert user_columns(signature_table(COLUMNS)) == frozenset()
    only_weights = signature_table(COLUMNS, weights=["deep"])[names.BRANCHES].outputs
    assert list(only_weights) == ["prob", "weight_deep"]


def test_the_users_columns_keep_everything_but_their_batch():
    table = signature_table(COLUMNS, set(COLUMNS) - {"picture", "tags"})
    assert user_columns(table) == {"picture", "tags"}
    assert table[names.RANK].inputs["picture"] == TensorTemplate(
        "float32", (1, 2), "picture", 0.0, "user"
    )
    assert table[names.RANK].inputs["tags"].shape == (1, None)


def test_clients_import_it_without_tensorflow_or_arrow():
    code = (
        "import serving.export_format.signature_table, sys; "
        "sys.exit(bool({'tensorflow', 'pyarrow'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
