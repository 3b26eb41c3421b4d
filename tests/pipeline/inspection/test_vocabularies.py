"""What a history is made of: by its name before by its values."""

import numpy as np
import pyarrow as pa
import pytest

from pipeline.inspection.facts import facts_of
from pipeline.inspection.vocabularies import shared_vocabulary

NUMBERS = [str(number) for number in range(1, 60)]


def shared(history, columns, tokens=NUMBERS, user=None, item=None):
    return shared_vocabulary(
        history,
        set(tokens),
        facts_of({name: pa.array(list(values)) for name, values in columns.items()}),
        user,
        item,
    )


@pytest.mark.parametrize(
    ("history", "user", "item"),
    [
        ("hist_item_id", "user_id", "item_id"),
        ("clicked_items", "uid", "sku"),
        ("hist_goods", "member", "product_id"),
        ("goods_seq", "customer_id", "goods_id"),
        ("watchHistory", "visitorId", "videoId"),
        ("recent_movies", "user", "movie"),
        ("click_sequence", "userid", "adgroup_id"),
        ("user_click_history", "viewer", "newsid"),
        ("uid_hist", "uid", "iid"),
        ("last_50_clicked_article_ids", "user_id", "article_id"),
        ("past_purchases", "customer_id", "product_id"),
        ("browse_log", "user_id", "item_id"),
        ("cart_items", "user_id", "sku"),
        ("session_items", "session_id", "aid"),
        ("interacted_item_ids", "user_id", "item_id"),
        ("read_news", "user_id", "news_id"),
    ],
)
def test_a_history_of_items_is_never_of_users_who_have_the_same_small_numbers(history, user, item):
    columns = {user: [*NUMBERS, *map(str, range(60, 90))], item: NUMBERS, "shop": NUMBERS}
    assert shared(history, columns, user=user, item=item) == item


@pytest.mark.parametrize(
    ("history", "column"),
    [
        ("cate_his", "cate_id"),
        ("hist_category", "cate_id"),
        ("hist_shop_ids", "shop"),
        ("followed_user_ids", "user_id"),
        ("hist_user_id", "user_id"),
    ],
)
def test_a_name_names_another_column_than_the_item(history, column):
    columns = {"user_id": NUMBERS, "item_id": NUMBERS, "cate_id": NUMBERS, "shop": NUMBERS}
    assert shared(history, columns, user="user_id", item="item_id") == column


def test_a_whole_number_is_the_same_item_with_a_point_behind_it():
    columns = {"item_id": [f"{number}.0" for number in NUMBERS]}
    assert shared("hist_item_id", columns, item="item_id") == "item_id"


def test_an_item_that_is_written_otherwise_is_not_shared():
    columns = {"item_id": [f"i{number}" for number in NUMBERS]}
    assert shared("hist_item_id", columns, item="item_id") is None


def test_without_a_name_only_values_that_are_no_accident_tell():
    rng = np.random.default_rng(0)
    wide = [str(number) for number in rng.integers(10**8, 10**9, 60)]
    assert shared("x", {"y": NUMBERS}) is None
    assert shared("x", {"y": wide}, tokens=wide[:40]) == "y"
    assert shared("x", {"y": wide}, tokens=[*wide[:10], *NUMBERS]) is None
    assert shared("x", {"user_id": wide}, tokens=wide, user="user_id") is None
    words = [f"w{number}" for number in range(40)]
    assert shared("x", {"y": words, "z": NUMBERS}, tokens=words) == "y"
