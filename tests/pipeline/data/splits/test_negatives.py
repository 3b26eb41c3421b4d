import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import ConfigError
from features.specs import FeatureSet
from pipeline.data.blocks.carried_columns import EVENT_ONLY, flag, text
from pipeline.data.settings.data_config import DataConfig, NegativesConfig
from pipeline.data.sources import SOURCES
from pipeline.data.sources.base import Negatives
from pipeline.data.splits.negatives import Sampler, draw_untouched
from pipeline.data.splits.negatives_check import check_context, check_negatives

NEGATIVES = Negatives(key="user", item="item")
FEATURES = {
    "features": {
        "label": {"role": "label"},
        "time": {"role": "timestamp"},
        "item": {"kind": "categorical"},
        "items": {"kind": "sequence", "history": "h", "column": "item", "max_length": 5},
    },
    "histories": {"h": {"key": "user", "where": "label"}},
}


def log(events):
    """Rows as the reader gives them: (user, item, time)."""
    users, items, times = zip(*events, strict=True) if events else ((), (), ())
    columns = {
        text("user"): pa.array(users, pa.string()),
        "item": pa.array(items, pa.string()),
        text("item"): pa.array(items, pa.string()),
        "time": pa.array(times, pa.int64()),
    }
    return pa.RecordBatch.from_pydict(columns)


def sample(events, items=None, seed=0, **config):
    items = sorted({item for _, item, _ in events}) if items is None else items
    features = FeatureSet.model_validate(FEATURES)
    sampler = Sampler(NEGATIVES, NegativesConfig(**config), seed, features)
    rows = sampler(log(events), pa.array(items, pa.string()))
    assert rows.column("item") == rows.column(text("item"))
    assert rows.column(flag("label")).to_pylist() == [
        label == 1.0 for label in rows.column("label").to_pylist()
    ]
    names = (text("user"), "item", "time", "label", EVENT_ONLY)
    return list(zip(*(rows.column(name).to_pylist() for name in names), strict=True))


EVENTS = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from("pqrstu"), st.integers(0, 4)), max_size=25
)


@settings(max_examples=200, deadline=None)
@given(EVENTS, st.integers(1, 3), st.integers(0, 3), st.integers(0, 9))
def test_rows_are_the_events_with_their_negatives_behind(events, per_positive, min_history, seed):
    found = sample(events, per_positive=per_positive, min_history=min_history, seed=seed)
    items = {item for _, item, _ in events}
    touched = {user: {item for each, item, _ in events if each == user} for user, *_ in events}
    rest = iter(found)
    for place, (user, item, time) in enumerate(events):
        rank = sum(
            each == user and (when, row) < (time, place)
            for row, (each, _, when) in enumerate(events)
        )
        only = rank < min_history
        assert next(rest) == (user, item, time, 1.0, only)
        for _ in range(0 if only or touched[user] == items else per_positive):
            owner, drawn, when, label, event_only = next(rest)
            assert (owner, when, label, event_only) == (user, time, 0.0, False)
            assert drawn in items - touched[user]
    assert next(rest, None) is None


def test_each_untouched_item_is_drawn_equally_often():
    items = [f"i{number:02d}" for number in range(13)]
    events = [(f"u{user}", items[user % 3 * 5], time) for user in range(300) for time in range(10)]
    rows = sample(events, items, seed=3, per_positive=2)
    for kind in range(3):
        drawn = [r[1] for r in rows if r[3] == 0.0 and int(r[0][1:]) % 3 == kind]
        counts = [drawn.count(item) for item in items if item != items[kind * 5]]
        assert sum(counts) == len(drawn) == 1_800
        expected = len(drawn) / 12
        chi_square = sum((count - expected) ** 2 / expected for count in counts)
        assert 2.6 < chi_square < 31.3, chi_square  # 11 degrees of freedom, 0.995 and 0.001
    pairs = [(rows[i + 1][1], rows[i + 2][1]) for i in range(len(rows) - 2) if rows[i][3]]
    same = sum(one == other for one, other in pairs)
    assert len(pairs) / 12 * 0.7 < same < len(pairs) / 12 * 1.3  # draws know nothing of each other


def test_a_draw_depends_on_seed_and_user_alone():
    events = [(f"u{n % 7}", f"i{n}", n) for n in range(40)]
    items = [item for _, item, _ in events]
    found = sample(events, items, seed=1)
    assert sample(events, items, seed=1) == found
    assert sample(events, items, seed=2) != found
    without = sample([e for e in events if e[0] != "u3"], items, seed=1)
    assert without == [row for row in found if row[0] != "u3"]


def test_a_user_of_every_item_gets_no_negatives():
    events = [("a", "p", 1), ("a", "q", 2), ("b", "p", 1), ("b", "p", 2)]
    assert [row[:4] for row in sample(events)] == [
        ("a", "p", 1, 1.0),
        ("a", "q", 2, 1.0),
        ("b", "p", 1, 1.0),
        ("b", "p", 2, 1.0),
        ("b", "q", 2, 0.0),
    ]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5)), min_size=1, max_size=20),
    st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=5),
)
def test_draw_untouched_matches_oracle(touched, shares):
    codes, items = np.array(touched).T
    owners = np.resize(codes, len(shares))
    expected = []
    for owner, share in zip(owners, shares, strict=True):
        left = [item for item in range(6) if (owner, item) not in touched]
        expected.append(left[int(share * len(left))] if left else -1)
    assert draw_untouched(codes, items, owners, np.array(shares), 6).tolist() == expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label": {"role": "label", "column": "y"}}, "Declare it as the label: `label:"),
        ({"label": {"role": "label", "at_least": 4}}, "Declare it as the label"),
        ({"label": {"kind": "numeric"}}, "Declare it as the label"),
        ({"time": {"kind": "numeric"}}, "`role: timestamp`"),
    ],
)
def test_what_negatives_need_is_asked_for(change, message):
    spec = {"features": {**FEATURES["features"], **change}}
    spec["features"].pop("items")
    features = FeatureSet.model_validate(spec)
    data = DataConfig(source="amazon_electronics")
    with pytest.raises(ConfigError, match=message):
        check_negatives(features, data, SOURCES["amazon_electronics"])


def test_histories_must_not_hold_negatives():
    features = FeatureSet.model_validate({**FEATURES, "histories": {"h": {"key": "user"}}})
    data = DataConfig(source="amazon_electronics")
    with pytest.raises(ConfigError, match=r"history 'h' would hold .* Set `where: label`"):
        check_negatives(features, data, SOURCES["amazon_electronics"])


def test_a_log_that_has_negatives_gets_no_others():
    features = FeatureSet.model_validate(FEATURES)
    data = DataConfig(source="kuairand_pure", negatives={"per_positive": 2})
    with pytest.raises(
        ConfigError, match=r"KuaiRand-Pure says what was not.*Remove data.negatives"
    ):
        check_negatives(features, data, SOURCES["kuairand_pure"])


def test_what_is_known_of_the_chosen_item_alone_is_no_feature():
    spec = {**FEATURES["features"], "stars": {"kind": "numeric", "column": "rating"}}
    features = FeatureSet.model_validate({**FEATURES, "features": spec})
    header = ("user", "item", "time", "rating")
    with pytest.raises(ConfigError, match="'stars' reads column 'rating' of the log"):
        check_context(features, NEGATIVES, header)
    check_context(features, Negatives("user", "item", context=("rating",)), header)
    check_context(FeatureSet.model_validate(FEATURES), NEGATIVES, header)
