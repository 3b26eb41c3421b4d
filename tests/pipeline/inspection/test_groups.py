"""Groups by role: of the user, the item, their histories and the context."""

import numpy as np
import pyarrow as pa
import pytest

from pipeline.inspection.column import Column
from pipeline.inspection.facts import facts_of
from pipeline.inspection.groups import propose_groups, side_of

ROWS = 600
RNG = np.random.default_rng(2)
USERS, ITEMS = RNG.integers(0, 40, ROWS), RNG.integers(0, 30, ROWS)
COLUMNS = {
    "uid": USERS,
    "sku": ITEMS,
    "x1": RNG.integers(0, 9, 40)[USERS],  # of the user, though its name says nothing
    "x2": RNG.integers(0, 9, 30)[ITEMS],
    "x3": RNG.integers(0, 9, ROWS),
    "customer": RNG.integers(0, 9, 30)[ITEMS],  # an advertiser: all rows of an item have one
    "user_level": RNG.integers(0, 3, ROWS),
    "goods_price": RNG.integers(0, 3, ROWS),
    "site_category": RNG.integers(0, 3, ROWS),
}
FACTS = facts_of({name: pa.array(values.astype(str)) for name, values in COLUMNS.items()})


def column(name, kind="categorical"):
    return Column(name, {"kind": kind}, "")


@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("uid", "user"),
        ("sku", "item"),
        ("x1", "user"),
        ("x2", "item"),
        ("x3", "context"),
        ("customer", "item"),
        ("user_level", "user"),
        ("goods_price", "item"),
        ("site_category", "context"),
    ],
)
def test_a_side_is_told_by_name_then_by_whose_value_it_is(name, side):
    assert side_of(column(name), FACTS, "uid", "sku") == side


def groups(names, user="uid", item="sku", sequences=(), times=()):
    columns = [column(name, "numeric" if name == "x3" else "categorical") for name in names]
    return propose_groups(
        columns, FACTS, dict(zip(names, names, strict=True)), user, item, sequences, times
    )


def test_the_groups_of_a_log_with_a_user_an_item_and_a_time():
    assert groups(["uid", "sku", "x1", "x3"], sequences=["shown_sku"], times=["hour"]) == {
        "user_x_item": ["uid", "x1", "sku"],
        "user_id_x_item_id": ["uid", "sku"],
        "history_x_item": ["shown_sku", "sku"],
        "context_x_item": ["x3", "hour", "sku"],
    }


def test_what_is_left_out_is_in_no_group():
    columns = [column("uid"), column("sku"), column("x1").without("a leak")]
    names = {name: name for name in FACTS}
    assert propose_groups(columns, FACTS, names, "uid", "sku", [], []) == {
        "user_x_item": ["uid", "sku"]
    }


def test_without_roles_there_are_groups_too_for_networks_that_need_some():
    assert groups(["x2", "x3"], None, None) == {"numbers": ["x3"], "tokens": ["x2"]}
    assert groups(["x2"], None, None, times=["hour"]) == {"features": ["x2", "hour"]}
    assert groups(["uid", "x3"], "uid", None) == {"context_x_user": ["x3", "uid"]}
