"""Numbers that could be tokens or quantities, and tokens that never come back."""

import numpy as np
import pytest

from pipeline.inspection.facts import Facts
from pipeline.inspection.kinds import as_quantity, as_tokens
from pipeline.inspection.returning import never_returns
from pipeline.inspection.trial import tried

ROWS = 6_000


def facts_of(name, values):
    distinct, codes = np.unique(values, return_inverse=True)
    return Facts(name, codes, [str(value) for value in distinct])


def hashes(count=60, seed=1):
    """Ids from all over the numbers, and labels that depend on which one it is."""
    rng = np.random.default_rng(seed)
    ids = rng.permutation(32_000_000)[:count]
    rates = rng.permutation(np.linspace(0.05, 0.95, count))
    chosen = rng.integers(0, count, ROWS)
    return ids[chosen], (rng.random(ROWS) < rates[chosen]).astype(float)


def amounts(seed=1):
    """Numbers of one length whose label depends on how large they are."""
    rng = np.random.default_rng(seed)
    numbers = rng.integers(10_000, 99_999, ROWS)
    return numbers, (rng.random(ROWS) < numbers / 100_000).astype(float)


@pytest.mark.parametrize("name", ["f7_value_id_hash", "x", "price"])
def test_hash_ids_are_tokens_by_what_they_tell(name):
    values, labels = hashes()
    facts = facts_of(name, values)
    column = tried(as_quantity(facts), facts, labels)
    assert column.kind == "categorical"
    assert "as a quantity" in column.reason


def test_numbers_that_look_like_ids_are_quantities_by_what_they_tell():
    values, labels = amounts()
    facts = facts_of("x", values)
    column = tried(as_tokens(facts), facts, labels)
    assert column.kind.startswith("numeric")
    assert "as tokens" in column.reason


def test_a_name_of_ids_is_believed():
    values, labels = amounts()
    facts = facts_of("user_id", values)
    assert tried(as_tokens(facts), facts, labels) == as_tokens(facts)
    facts = facts_of("x", values)
    assert tried(as_tokens(facts), facts, labels, item="x") == as_tokens(facts)


def test_chance_changes_nothing():
    rng = np.random.default_rng(3)
    for seed in range(5):
        values = hashes(count=300, seed=seed)[0]
        labels = (rng.random(ROWS) < 0.1).astype(float)
        facts = facts_of("x", values)
        for column in (as_quantity(facts), as_tokens(facts)):
            assert tried(column, facts, labels) == column


def test_a_quantity_whose_buckets_say_it_all_stays_one():
    values, labels = amounts()
    facts = facts_of("x", values // 1_000)
    assert tried(as_quantity(facts), facts, labels) == as_quantity(facts)


def test_sessions_never_come_back_and_users_do():
    sessions = facts_of("s", np.arange(ROWS) // 6)
    reason = never_returns(sessions, None)
    assert reason is not None
    assert reason.startswith("its tokens do not come back: 0 %")
    assert never_returns(facts_of("u", np.arange(ROWS) % 900), None) is None
    assert never_returns(facts_of("hour", np.arange(ROWS) // 300), None) is None  # too few to tell


def test_what_is_last_is_told_by_time_where_there_is_one():
    sessions = np.arange(ROWS) // 6
    order = np.random.default_rng(2).permutation(ROWS)
    shuffled = facts_of("s", sessions[order])
    assert never_returns(shuffled, None) is None
    assert never_returns(shuffled, order.astype(float)) is not None


def test_a_tenth_that_was_seen_before_is_enough():
    values = np.arange(ROWS)
    last = ROWS - ROWS // 10
    values[last : last + 60] = 5  # 10 % of the latest tenth
    assert never_returns(facts_of("s", values), None) is None
    values[last + 59] = ROWS
    assert never_returns(facts_of("s", values), None) is not None
