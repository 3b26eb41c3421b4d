import subprocess
import sys

import pytest

from serving.export_format.names import branch_output, branches_of, tensor_names


def test_plain_columns_keep_their_names():
    columns = ["user_id", "I1", "self", "examples"]
    assert tensor_names(columns) == {name: name for name in columns}


@pytest.mark.parametrize(
    ("column", "name"),
    [
        ("user_id:token", "user_id_token"),
        ("1st", "input_1st"),
        ("_hidden", "input__hidden"),
        ("class", "input_class"),
        ("größe", "gr__e"),
        ("", "input_"),
    ],
)
def test_other_columns_get_names_that_tensorflow_keeps(column, name):
    assert tensor_names([column]) == {column: name}


def test_names_never_collide_and_plain_ones_are_never_renamed():
    columns = ["user:id", "user.id", "user_id", "user_id_2"]
    assert tensor_names(columns) == {
        "user:id": "user_id_3",
        "user.id": "user_id_4",
        "user_id": "user_id",
        "user_id_2": "user_id_2",
    }


def test_names_that_differ_by_their_case_alone_are_told_apart():
    columns = ["User", "user", "USER", "user:"]
    names = tensor_names(columns)
    assert names["User"] == "User"
    assert len({name.lower() for name in names.values()}) == len(columns)


def test_branch_outputs_are_told_from_the_fused_probability():
    outputs = ["prob", branch_output("prob"), branch_output("a b/ü"), branch_output("")]
    assert branches_of(outputs) == ["", "a b/ü", "prob"]


def test_clients_import_the_names_without_tensorflow():
    code = "import serving.export_format.names, sys; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
