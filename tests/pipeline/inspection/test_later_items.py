"""Lists of what was chosen later are told from histories of what was chosen before."""

import numpy as np
import pyarrow as pa
import pytest

from pipeline.inspection.facts import facts_of
from pipeline.inspection.later_items import _next_new_item, find_later_items
from pipeline.inspection.lists import steps_of
from pipeline.inspection.proposal import propose
from tests.pipeline.inspection.test_proposal import sample_of

ROWS, USERS, ITEMS, LENGTH = 1_500, 30, 200, 12


def log(seed=1):
    rng = np.random.default_rng(seed)
    users, items = rng.integers(0, USERS, ROWS), rng.integers(0, ITEMS, ROWS)
    return users, items, rng.permutation(ROWS), (rng.random(ROWS) < 0.4).astype(int)


def lists_of(log, kind, repeats=0.0):
    """A list for each row: of clicks before it, after it, or of all of its user's."""
    users, items, times, clicks = log
    rng = np.random.default_rng(9)
    rows = []
    for user, time in zip(users, times, strict=True):
        mine = np.flatnonzero((users == user) & (clicks == 1))
        mine = mine[np.argsort(times[mine])]
        before, after = items[mine[times[mine] < time]], items[mine[times[mine] > time]]
        steps = {
            "before": [*before[-LENGTH:]],
            "after": [*after[:LENGTH]],
            "all": [*before, *after],
        }[kind]
        if rng.random() < repeats and len(after):
            steps.append(after[0])
        rows.append("|".join(map(str, steps)) or None)
    return rows


def found(kind, repeats=0.0):
    rows = log()
    users, items, times, clicks = rows
    facts = facts_of(
        {
            "list": pa.array(lists_of(rows, kind, repeats)),
            "item": pa.array(items.astype(str)),
            "user": pa.array(users.astype(str)),
        }
    )
    steps = steps_of(facts["list"], "|")
    moments, labels = times.astype(float), clicks.astype(float)
    return find_later_items(facts["list"], steps, facts["item"], facts["user"], moments, labels)


@pytest.mark.parametrize("kind", ["after", "all"])
def test_lists_that_hold_what_comes_are_suspects(kind):
    assert found(kind).startswith("it holds what its user chose only later, in ")


@pytest.mark.parametrize("repeats", [0.0, 0.3])
def test_histories_are_none_though_some_items_of_before_the_log_are_chosen_again(repeats):
    assert found("before", repeats) is None


def test_the_next_new_item_matches_a_search_row_by_row():
    users, items, times, clicks = (each[:200] for each in log(seed=4))
    items, users = items % 15, users % 4 - 1  # -1 is missing
    expected = []
    for row in range(len(users)):
        mine = [n for n in np.argsort(times) if users[n] == users[row] >= 0]
        first = {items[n]: n for n in reversed(mine)}
        new = [n for n in mine if clicks[n] and first[items[n]] == n and times[n] > times[row]]
        expected.append(items[new[0]] if new else -1)
    got = _next_new_item(items, users, times.astype(float), clicks.astype(float))
    assert got.tolist() == expected
    assert {-1} < set(expected)


@pytest.mark.parametrize(("kind", "is_input"), [("before", True), ("after", False)])
def test_a_proposal_leaves_out_lists_of_what_comes(kind, is_input):
    rows = log()
    users, items, times, clicks = rows
    columns = {
        "user_id": [f"u{user}" for user in users],
        "item_id": [str(item) for item in items],
        "ts": [str(1_700_000_000 + time) for time in times],
        "click": [str(click) for click in clicks],
        "hist_items": [each or "" for each in lists_of(rows, kind)],
    }
    proposal = propose(sample_of(columns))
    assert ("hist_items" in {each.column for each in proposal.inputs}) == is_input
    assert ("hist_items" in {each.column for each in proposal.suspects}) == (not is_input)


def test_a_small_log_has_no_input_that_is_named_like_an_outcome():
    columns = {
        "item_id": [f"i{n % 7}" for n in range(60)],
        "click": [str(n % 2) for n in range(60)],
        "is_like": [str(n % 3 // 2) for n in range(60)],
        "dwell_ms": [str(n * 37 % 50) for n in range(60)],
        "price": [str(n % 50) for n in range(60)],
    }
    proposal = propose(sample_of(columns))
    assert {each.column for each in proposal.suspects} == {"is_like", "dwell_ms"}
    assert {each.column for each in proposal.inputs} == {"item_id", "price"}
