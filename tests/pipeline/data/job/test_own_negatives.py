"""`data.negatives` over a log of the user's own that holds positives only."""

import collections

import numpy as np
import pytest

from features.errors import ConfigError
from features.specs import FeatureSet
from pipeline.data.job.data_job import build_bundle
from pipeline.data.job.open_inputs import open_inputs
from pipeline.data.settings.data_config import DataConfig
from tests.pipeline.data.job.test_own_events import LENGTH, contents, rows_of, sequence, token_of

PER_POSITIVE, MIN_HISTORY = 2, 1
NAMES = ["user", "item", "time", "label", "age", "shelf", "bought"]
FEATURES = {
    "features": {
        "label": {"role": "label"},
        "time": {"role": "timestamp"},
        "user": {"kind": "numeric", "transform": "raw"},
        "age": {"kind": "numeric", "transform": "raw"},
        "item": {"kind": "categorical"},
        "shelf": {"kind": "numeric", "transform": "raw"},
        "bought": sequence("bought", "item", "item"),
    },
    "histories": {"bought": {"key": "user", "where": "label"}},
}
NEGATIVES = {
    "key": "user",
    "item": "item",
    "context": ["age"],
    "per_positive": PER_POSITIVE,
    "min_history": MIN_HISTORY,
}


def draw():
    """(user, item, time), in no order of time."""
    rng = np.random.default_rng(6)
    times = rng.permutation(200)
    return [(int(rng.integers(12)), int(rng.integers(9)), int(time)) for time in times]


def write(folder, orders):
    """The log, and a table of its items."""
    lines = [f"{user},{20 + user},{item},{time},{time % 7}" for user, item, time in orders]
    (folder / "orders.csv").write_text("\n".join(["user,age,item,time,paid", *lines]) + "\n")
    lines = [f"{item},{10 * item}" for item in range(9)]
    (folder / "items.csv").write_text("\n".join(["item,shelf", *lines]) + "\n")


@pytest.fixture(scope="module")
def orders():
    return draw()


@pytest.fixture(scope="module")
def folder(orders, tmp_path_factory):
    folder = tmp_path_factory.mktemp("orders")
    write(folder, orders)
    return folder


def settings(folder, negatives=NEGATIVES, **others):
    others = {"split": {"by": "last", "key": "user"}, **others}
    tables = {"items": {"path": "items.csv", "key": "item"}}
    return DataConfig(source="csv", path=str(folder), tables=tables, negatives=negatives, **others)


@pytest.fixture(scope="module")
def bundle(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("orders") / "bundle"
    return build_bundle(FeatureSet.model_validate(FEATURES), settings(folder), str(out))


def test_examples_are_the_orders_after_the_first_and_items_that_the_user_never_bought(
    bundle, orders
):
    by_user = collections.defaultdict(list)
    for user, item, time in sorted(orders, key=lambda order: order[2]):
        by_user[user].append((item, time))
    chosen, drawn = set(), collections.Counter()
    items = token_of(bundle, "item")
    for user, code, time, label, age, shelf, bought in rows_of(bundle, NAMES, "item"):
        mine, item = by_user[int(user)], int(items[code])
        assert (age, shelf) == (20 + user, 10 * item)  # of the user; of the item that was drawn
        assert bought == tuple(str(other) for other, when in mine if when < time)[-LENGTH:]
        if label:
            chosen.add((int(user), item, int(time)))
        else:
            assert item not in {other for other, _ in mine}
            drawn[int(user), int(time)] += 1
    expected = {(user, *order) for user, mine in by_user.items() for order in mine[MIN_HISTORY:]}
    assert chosen == expected
    with_all = {user for user, mine in by_user.items() if len({item for item, _ in mine}) == 9}
    wanted = {(user, time) for user, _, time in expected if user not in with_all}
    assert drawn == dict.fromkeys(wanted, PER_POSITIVE)
    assert wanted


def test_the_number_of_workers_does_not_show_in_the_bytes(bundle, folder, tmp_path):
    data = settings(folder, runner_options=("--direct_num_workers=3",))
    other = build_bundle(FeatureSet.model_validate(FEATURES), data, str(tmp_path / "bundle"))
    assert contents(other.path) == contents(bundle.path)


@pytest.mark.parametrize(
    ("negatives", "features", "message"),
    [
        ({"per_positive": 2}, {}, "Set data.negatives.key and data.negatives.item"),
        ({**NEGATIVES, "context": []}, {}, "feature 'age' reads column 'age' of the log"),
        (
            {**NEGATIVES, "label": "paid"},
            {"label": {"role": "label", "column": "paid"}, "bought": None},
            "and the log has one. Give it another name",
        ),
        (NEGATIVES, {"item": {"kind": "numeric"}, "bought": None}, "as numeric, and a negative"),
        (NEGATIVES, {"item": None, "shelf": None}, r"no feature reads.*item: \{kind: categorical"),
        (NEGATIVES, {"time": None, "bought": None}, "Add a feature with `role: timestamp`"),
        ({**NEGATIVES, "label": "bought_it"}, {}, r"`bought_it: \{role: label\}`"),
    ],
)
def test_what_would_make_negatives_meaningless_is_said_before_anything_is_read(
    folder, negatives, features, message
):
    kept = {**FEATURES["features"], **features}
    kept = {name: spec for name, spec in kept.items() if spec is not None}
    histories = FEATURES["histories"] if "bought" in kept else {}
    declared = FeatureSet.model_validate({"features": kept, "histories": histories})
    by_hash = {} if "time" in kept else {"split": {"by": "hash"}}
    with pytest.raises(ConfigError, match=message):
        open_inputs(declared, settings(folder, negatives, **by_hash))


def test_a_source_that_says_itself_where_the_item_stands_is_told_nothing(tmp_path):
    data = DataConfig(
        source="amazon_electronics", path=str(tmp_path), negatives={"key": "a", "item": "b"}
    )
    with pytest.raises(ConfigError, match="Amazon Electronics says itself where the user"):
        open_inputs(FeatureSet.model_validate(FEATURES), data)


def test_bundles_of_sources_that_draw_negatives_keep_their_fingerprints():
    given = {"per_positive": 3}
    data = DataConfig(source="amazon_electronics", negatives=given)
    assert data.model_dump(mode="json")["negatives"] == {"per_positive": 3, "min_history": 1}
