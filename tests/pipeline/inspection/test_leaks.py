"""Leak suspects: the AUC against all pairs, planted leaks found, honest columns left alone."""

import numpy as np
import pyarrow as pa
import pytest

from pipeline.inspection.facts import facts_of
from pipeline.inspection.leaks import area_under_curve, find_leak, named_like_an_outcome

ROWS = 4_000


def facts(values, name="column"):
    return facts_of({name: pa.array(values)})[name]


def labels(share=0.3, seed=1):
    return (np.random.default_rng(seed).random(ROWS) < share).astype(float)


def pairs(labels, scores):
    """The chance that a click ranks above another row; ties count half."""
    won = [
        (click > other) + (click == other) / 2
        for click in scores[labels == 1]
        for other in scores[labels == 0]
    ]
    return np.mean(won)


@pytest.mark.parametrize("levels", [2, 7, 1_000])
def test_the_auc_is_that_of_all_pairs(levels):
    rng = np.random.default_rng(3)
    scores, clicks = rng.integers(0, levels, 120) / levels, rng.integers(0, 2, 120).astype(float)
    assert area_under_curve(clicks, scores) == pytest.approx(pairs(clicks, scores), abs=1e-12)
    assert area_under_curve(clicks, 1 - scores) == pytest.approx(1 - pairs(clicks, scores))


def test_one_class_has_no_auc():
    assert area_under_curve(np.ones(5), np.arange(5.0)) == 0.5


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("distinct", [2, 50, 2_000, ROWS])
def test_noise_is_no_suspect_however_many_values_it_has(seed, distinct):
    values = np.random.default_rng(seed).integers(0, distinct, ROWS)
    for texts in (values.astype(str), np.char.add("t", values.astype(str))):
        leak = find_leak(facts(texts), labels())
        assert leak.why is None
        assert leak.auc == pytest.approx(0.5, abs=0.04)  # fitted rows would give 1 for ids


@pytest.mark.parametrize("seed", range(3))
def test_a_good_honest_column_is_no_suspect(seed):
    rng = np.random.default_rng(seed)
    item = rng.integers(0, 50, ROWS)
    rate = rng.beta(1, 2, 50)
    clicks = (rng.random(ROWS) < rate[item]).astype(float)
    leak = find_leak(facts(item.astype(str)), clicks)
    assert leak.why is None
    assert leak.auc > 0.65


def test_a_number_that_grows_or_shrinks_or_neither_with_the_label_is_found():
    clicks = labels()
    noise = np.random.default_rng(2).random(ROWS)
    for values in (clicks + noise, -clicks - noise, np.abs(noise - 0.5) < 0.3 * clicks):
        leak = find_leak(facts([f"{value:.4f}" for value in values.astype(float)]), clicks)
        assert leak.why is not None


def test_missing_exactly_where_the_label_is_0_is_said_so():
    clicks = labels(0.1)
    values = [f"t{n % 3}" if each else None for n, each in enumerate(clicks)]
    assert "alone it predicts" in find_leak(facts(values), clicks).why
    # Half of the clicks have it: missing tells less, a value tells all.
    values = [f"t{n % 3}" if each and n % 2 else None for n, each in enumerate(clicks)]
    assert "labels are 1" in find_leak(facts(values), clicks).why
    # Nothing that is missing is clicked, though most that is there is not clicked either.
    clicks = labels(0.4)
    values = [None if not each and n % 3 == 0 else f"t{n % 2}" for n, each in enumerate(clicks)]
    assert "where it is missing, 100.0 % of" in find_leak(facts(values), clicks).why


def test_what_is_rarely_missing_may_give_the_label_away_and_a_rare_item_may_not():
    clicks = labels(0.5)
    never = np.flatnonzero(clicks == 0)[:120]  # 3 % of the rows
    values = np.array([f"t{n % 2}" for n in range(ROWS)], object)
    values[never] = "never"
    assert find_leak(facts(values), clicks).why is None
    values[never] = None
    assert "where it is missing, 100.0 % of 120" in find_leak(facts(values), clicks).why


def test_a_rare_value_that_gives_nothing_away_by_chance_is_no_suspect():
    clicks = np.zeros(ROWS)
    clicks[: ROWS // 50] = 1.0
    values = ["rare" if n % 60 == 59 else "usual" for n in range(ROWS)]
    assert find_leak(facts(values), clicks).why is None


@pytest.mark.parametrize(
    ("name", "values", "suspect"),
    [
        ("is_like", ["0", "1"], True),
        ("isFollowed", ["0", "1"], True),
        ("play_duration_ms", ["3", "1", "8"], True),
        ("follow_user_num", ["0", "1"], False),
        ("comment_count", ["3", "1", "8"], False),
        ("is_author", ["0", "1"], False),
        ("likes_of_mother", ["a", "b", "c"], False),
    ],
)
def test_names_of_outcomes_are_suspects_and_counts_of_the_past_are_not(name, values, suspect):
    rows = np.random.default_rng(0).choice(values, ROWS)
    leak = find_leak(facts(rows, name), labels())
    assert (leak.why is not None) == suspect


def test_lists_are_judged_by_their_length():
    clicks = labels()
    rows = [["a"] * (1 + int(each)) for each in clicks]
    assert find_leak(facts(rows), clicks).auc == 1.0


@pytest.mark.parametrize("of_clicks", [0.01, 0.02])
@pytest.mark.parametrize("usual", [None, "0", "-1"])
def test_what_is_filled_in_only_after_a_click_is_found_however_many_values_it_has(of_clicks, usual):
    rng = np.random.default_rng(7)
    rows = 20_000
    clicks = (rng.random(rows) < 0.3).astype(float)
    bought = (clicks == 1) & (rng.random(rows) < of_clicks)
    amounts = [f"{1 + 90 * rng.random():.2f}" if each else usual for each in bought]
    leak = find_leak(facts(amounts, "euros"), clicks)
    what = "it is there" if usual is None else f"it is not {usual!r}"
    assert leak.why == f"where {what}, 100.0 % of {bought.sum():,} labels are 1"
    # The same numbers, whether it was clicked or not, are what was known beforehand.
    assert find_leak(facts(rng.permutation(np.array(amounts, object))), clicks).why is None


def test_lists_that_are_empty_without_a_click_are_found_by_being_there():
    clicks = labels(0.3)
    bought = (clicks == 1) & (np.arange(ROWS) % 5 == 0)
    rows = [[f"i{n % 9}"] * (1 + n % 40) if each else None for n, each in enumerate(bought)]
    assert f"100.0 % of {bought.sum():,} labels are 1" in find_leak(facts(rows), clicks).why


def test_few_rows_of_one_label_are_chance():
    clicks = labels(0.9)
    there = np.flatnonzero(clicks == 1)[:60]
    values = np.full(ROWS, None, object)
    values[there] = [f"t{n % 9}" for n in range(len(there))]
    assert find_leak(facts(values), clicks).why is None  # 0.9 to the 60th is 0.002


@pytest.mark.parametrize(
    ("name", "values", "suspect"),
    [
        ("subscribed", ["0", "1"], True),
        ("attributed", ["0", "1"], True),
        ("is_read", ["0", "1"], True),
        ("scroll_seconds", ["3", "1", "8"], True),
        ("bought_before", ["0", "1"], False),
        ("has_ever_clicked", ["0", "1"], False),
        ("flag", ["0", "1"], False),
        ("subscribed", ["a", "b", "c"], False),
    ],
)
def test_names_of_other_labels_are_suspects_and_what_was_before_is_not(name, values, suspect):
    column = facts(np.random.default_rng(0).choice(values, ROWS), name)
    assert (find_leak(column, labels()).why is not None) == suspect
    assert (named_like_an_outcome(column) is not None) == suspect
