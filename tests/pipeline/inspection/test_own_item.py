"""Histories that hold the row's own item: leaks found, honest histories left alone."""

import numpy as np
import pyarrow as pa
import pytest

from pipeline.inspection.facts import facts_of
from pipeline.inspection.lists import steps_of
from pipeline.inspection.own_item import chosen_item, find_own_item

ROWS = 1_000


def found(place, items=40, only_clicks=True, repeats=0.0, share=0.5):
    """What is found where the own item stands at a place of the history of clicks, or of all."""
    rng = np.random.default_rng(1)
    item = rng.integers(0, items, ROWS)
    clicks = (rng.random(ROWS) < share).astype(int)
    rows = []
    for shown, click in zip(item, clicks, strict=True):
        steps = list(rng.integers(0, items, rng.integers(1, 6)))
        if (click or not only_clicks) and place is not None:
            steps.insert(len(steps) if place == "last" else place, shown)
        elif rng.random() < repeats:
            steps.append(shown)
        rows.append("|".join(map(str, steps)))
    facts = facts_of({"hist": pa.array(rows), "item": pa.array(item.astype(str))})
    steps = steps_of(facts["hist"], "|")
    return find_own_item(facts["hist"], steps, facts["item"], clicks.astype(float))


@pytest.mark.parametrize("share", [0.1, 0.5])
@pytest.mark.parametrize(
    ("place", "what"), [("last", "its last step is"), (0, "its first step is"), (1, "it holds")]
)
def test_the_own_item_of_clicks_alone_is_a_leak_wherever_it_stands(place, what, share):
    leak = found(place, share=share)
    assert leak.why.startswith(f"{what} the row's own item in 100 % of the rows with label 1")
    assert leak.auc > 0.9


def test_the_own_item_of_every_row_is_a_leak_though_it_does_not_tell_the_label():
    leak = found("last", only_clicks=False)
    assert "in 100 % of the rows with label 1, 100 % of the others" in leak.why
    assert leak.auc == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("items", [2, 5, 400])
def test_chance_is_no_leak_however_few_items_there_are(items):
    assert found(None, items=items) is None


def test_who_likes_an_item_takes_it_again():
    assert found(None, repeats=0.2) is None


@pytest.mark.parametrize("bought", [0.08, 0.5])
def test_what_was_bought_of_the_shown_items_is_found_though_few_clicks_have_it(bought):
    rng = np.random.default_rng(2)
    item = rng.integers(0, 40, 4_000)
    clicks = rng.random(len(item)) < 0.3
    own = clicks & (rng.random(len(item)) < bought)
    others = rng.integers(0, 400, len(item)) + 40  # no item of these rows
    chosen = np.where(own, item, others)
    facts = facts_of({"basket": pa.array(chosen.astype(str)), "item": pa.array(item.astype(str))})
    why = chosen_item(facts["basket"], facts["item"], clicks.astype(float))
    assert why == f"where it is the row's own item, 100.0 % of {own.sum():,} labels are 1"
    lists = [f"x,{each}" for each in chosen]
    basket = facts_of({"basket": pa.array(lists)})["basket"]
    leak = find_own_item(basket, steps_of(basket, ","), facts["item"], clicks.astype(float))
    assert leak is not None
    assert "own item" in leak.why


def test_an_item_seen_last_that_is_shown_again_is_no_leak():
    rng = np.random.default_rng(3)
    item = rng.integers(0, 40, 4_000)
    last = np.where(rng.random(len(item)) < 0.2, item, rng.integers(0, 40, len(item)))
    clicks = (rng.random(len(item)) < np.where(last == item, 0.6, 0.2)).astype(float)
    facts = facts_of({"last": pa.array(last.astype(str)), "item": pa.array(item.astype(str))})
    assert chosen_item(facts["last"], facts["item"], clicks) is None
