"""What is proposed, against what was planted."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import numpy as np
import pyarrow as pa
import pytest

from features.errors import DataError
from pipeline.data.settings.data_config import DataConfig
from pipeline.inspection.proposal import propose
from pipeline.inspection.read_sample import Sample
from pipeline.inspection.yaml_text import to_yaml
from tests.pipeline.inspection.planted import KINDS, ROWS, SUSPECTS, planted_columns


def sample_of(columns):
    arrays = {
        name: pa.array([value if value != "" else None for value in values], pa.string())
        for name, values in columns.items()
    }
    return Sample(DataConfig(source="csv", path="log.csv"), arrays, (0, ""), True)


def proposed(columns, label=None):
    return propose(sample_of(columns), label)


def settings(proposal):
    return {column.column: column.settings for column in proposal.inputs}


@pytest.fixture(scope="module", params=range(3))
def planted(request):
    return proposed(planted_columns(seed=request.param))


def test_roles_are_found(planted):
    assert planted.label.column == "clicked"
    assert planted.label.others == ("is_liked", "noisy_copy")
    assert (planted.user, planted.item) == ("user_id", "item_id")
    assert (planted.time.column, planted.time.unit) == ("ts", "s")
    assert planted.split == {"by": "time", "valid": 0.1, "test": 0.1}


def test_kinds_are_found(planted):
    found = settings(planted)
    assert {name: each["kind"] for name, each in found.items()} == KINDS
    assert found["impressions"]["transform"] == "log2"
    assert found["item_tags"] == {"kind": "multivalued", "separator": "|", "max_length": 4}
    assert found["vector"] == {"kind": "embedding", "dimension": 4, "separator": " "}
    history = found["hist_items"]
    assert (history["separator"], history["vocabulary"]) == (",", "item_id")
    assert history["max_length"] == 11


def test_exactly_the_planted_leaks_are_suspected(planted):
    assert {column.column for column in planted.suspects} == SUSPECTS
    left_out = {each.column: each.left_out for each in planted.columns if each.left_out}
    assert left_out["constant"] == "the same in every row"
    assert left_out["row"].startswith("another value in every row")
    assert left_out.keys() == SUSPECTS | {"constant", "row"}


def test_a_user_that_tells_the_label_is_no_suspect():
    columns = planted_columns()
    columns["user_id"] = [f"{click}{n % 30}" for n, click in enumerate(columns["clicked"])]
    user = next(each for each in proposed(columns).columns if each.column == "user_id")
    assert (user.auc, user.left_out) == (1.0, None)


def test_histories_and_groups_follow_from_the_roles(planted):
    assert planted.histories == {
        "shown": {"key": "user_id"},
        "positive": {"key": "user_id", "where": "clicked"},
    }
    assert planted.sequences["shown_item_id"]["vocabulary"] == "item_id"
    assert set(planted.groups["user_x_item"]) == {
        *("user_id", "user_city", "item_id", "item_price", "item_tags"),
    }
    assert planted.groups["user_id_x_item_id"] == ["user_id", "item_id"]


def of(name, values):
    """What is proposed for a column beside a label of noise."""
    clicks = np.random.default_rng(0).integers(0, 2, len(values)).astype(str)
    proposal = proposed(
        {"click": list(clicks), name: list(values), "other": ["a", "b"] * (len(values) // 2)}
    )
    return next(column for column in proposal.columns if column.column == name)


def draw(size, *, low=0, rows=ROWS):
    return (np.random.default_rng(5).integers(0, size, rows) + low).astype(str)


@pytest.mark.parametrize(
    ("name", "values", "kind", "reason"),
    [
        ("shop_id", draw(500), "categorical", "by its name tokens"),
        ("C17", draw(12), "categorical", "few distinct numbers, 0 to 11"),
        (
            "hash",
            draw(90_000_000, low=10_000_000)[np.arange(ROWS) % (ROWS // 2)],
            "categorical",
            "tokens",
        ),
        ("x", np.tile(np.arange(1, 601), 2).astype(str), "categorical", "spread evenly, as ids"),
        ("x", draw(500, low=123_000), "categorical", "numbers of one length"),
        ("age", draw(60, low=15), "numeric", "15 to 74"),
        ("num_days", draw(5), "numeric", "0 to 4"),
        ("age_level", draw(5), "categorical", "by its name tokens"),
        ("C14", draw(400, low=375), "categorical", "by its name tokens"),
        ("I10", draw(5), "numeric", "0 to 4"),
        (
            "x",
            np.round(np.random.default_rng(1).normal(size=ROWS) * 50).astype(int).astype(str),
            "numeric",
            "median",
        ),
        (
            "x",
            np.random.default_rng(1).pareto(0.5, ROWS).astype(int).astype(str),
            "numeric log2",
            "a long tail",
        ),
        (
            "x",
            np.char.mod("%.3f", np.random.default_rng(1).pareto(0.5, ROWS)),
            "numeric quantiles",
            "a long tail",
        ),
        ("x", np.char.mod("%.1f", np.random.default_rng(1).normal(size=ROWS)), "numeric", "median"),
        (
            "day",
            np.array(["2022-04-25", "2022-4-26"] * (ROWS // 2)),
            "categorical",
            "dates as text",
        ),
        ("x", np.array([*draw(400)[:-1], "n/k"]), "categorical", "numbers but for such as 'n/k'"),
    ],
)
def test_numbers_are_ids_or_quantities_and_the_reason_is_said(name, values, kind, reason):
    column = of(name, values)
    if reason != "a long tail" or kind != "numeric quantiles":
        assert reason in column.reason
    assert (column.kind, column.left_out) == (kind, None)


@pytest.mark.parametrize(
    ("name", "values", "why"),
    [
        ("title", [f"the {n % 900} best of all" for n in range(ROWS)], "sentences"),
        ("date", [str(20220425 + n % 5) for n in range(ROWS)], "a day: once it is over"),
        ("request", [f"r{n}" for n in range(ROWS)], "another value in every row"),
        (
            "created",
            [f"25.04.2022 {n // 60:02}:{n % 60:02}" for n in range(ROWS)],
            "dates as text, none of a form such as 2022-04-25 12:30:00: written so, they are times",
        ),
        ("Unnamed: 0", np.tile(np.arange(ROWS // 2), 2).astype(str), "the number of the row"),
        ("", np.tile(np.arange(ROWS // 3), 3).astype(str), "the number of the row"),
        ("nothing", [""] * ROWS, "empty in every row"),
    ],
)
def test_what_teaches_nothing_is_left_out_and_the_reason_is_said(name, values, why):
    assert why in of(name, values).left_out


@pytest.mark.parametrize(
    ("name", "values", "unit"),
    [
        ("ts", [str(1_700_000_000 + n) for n in range(ROWS)], "s"),
        ("time_ms", [str(1_700_000_000_000 + n) for n in range(ROWS)], "ms"),
        ("whatever", [str(1_700_000_000_000 + n) for n in range(ROWS)], "ms"),
        ("hour", [f"141021{n % 24:02d}" for n in range(ROWS)], "yymmddhh"),
        ("price", [str(1_700_000_000 + n) for n in range(ROWS)], None),
        ("date", [str(20101021 + n % 3) for n in range(ROWS)], None),
        ("ts", [str(n % 24) for n in range(ROWS)], None),
    ],
)
def test_times_are_told_with_their_unit(name, values, unit):
    clicks = [str(n % 2) for n in range(ROWS)]
    found = proposed({"click": clicks, name: values, "city": ["a", "b", "b"] * (ROWS // 3)}).time
    assert (found and found.unit) == unit


def dates(form, rows=ROWS):
    start = datetime(2022, 4, 15, tzinfo=timezone.utc)
    return [(start + timedelta(hours=n)).strftime(form) for n in range(rows)]


@pytest.mark.parametrize(
    ("name", "form", "unit"),
    [
        ("event_time", "%Y-%m-%d %H:%M:%S", "s"),
        ("x", "%Y-%m-%dT%H:%M:%SZ", "s"),
        ("dt", "%Y-%m-%d", "s"),
        ("created_at", "%Y-%m-%dT%H:%M:%S+0800", "s"),
        ("ts", "%Y-%m-%d %H:%M:%S.250", "ms"),
    ],
)
def test_iso_dates_are_times_and_give_a_time_split(name, form, unit):
    columns = planted_columns()
    del columns["ts"]
    proposal = proposed({**columns, name: dates(form)})
    assert (proposal.time.column, proposal.time.unit) == (name, unit)
    assert proposal.split["by"] == "time"
    assert ("hour" in proposal.times) == (name != "dt")
    assert set(proposal.histories) == {"shown", "positive"}


def test_the_time_of_a_row_is_no_birthday_nor_a_time_in_nanoseconds():
    columns = planted_columns()
    columns |= {"birthday": dates("%Y-%m-%d"), "event_time": [f"{n}000000" for n in columns["ts"]]}
    columns["event_time"] = [f"17000000{n:05d}000000" for n in range(ROWS)]
    proposal = proposed(columns)
    assert (proposal.time.column, proposal.time.others) == ("ts", ())
    left_out = {column.column: column.left_out for column in proposal.columns}
    assert left_out["event_time"].startswith("a time in nanoseconds")
    assert left_out["birthday"] is None


@pytest.mark.parametrize(("clicks", "share"), [(6, 0.3), (30, 0.2), (60, 0.1), (500, 0.1)])
def test_small_logs_have_larger_splits_so_that_each_has_clicks(clicks, share):
    columns = {"click": ["1"] * clicks + ["0"] * 600, "city": ["a", "b"] * ((600 + clicks) // 2)}
    assert proposed(columns).split == {"by": "hash", "valid": share, "test": share}


def test_a_few_days_are_split_by_day():
    columns = planted_columns()
    columns["ts"] = [f"2026-11-0{1 + 4 * n // ROWS}" for n in range(ROWS)]
    assert proposed(columns).split == {"by": "day", "valid_days": 1, "test_days": 1}


def test_numbers_in_another_notation_are_left_out_with_how_to_write_them():
    rng = np.random.default_rng(1)
    price = of("price", [f"{n:,}" for n in rng.integers(100, 99_999, ROWS)])
    assert (price.kind, price.left_out[:33]) == ("numeric", "numbers with thousands separators")
    rate = of("rate", [f"{n}%" for n in rng.integers(0, 100, ROWS)])
    assert (rate.kind, rate.left_out) == ("categorical", None)
    assert "percent signs, such as" in rate.reason


def test_lists_as_python_writes_them_are_left_out_with_how_to_write_them():
    column = of("hist_item_id", [str([n % 7, n % 5]) for n in range(ROWS)])
    assert "lists or objects inside of text, such as '[0, 0]'" in column.left_out


def test_a_history_that_ends_in_the_rows_own_item_is_a_suspect_with_the_items_vocabulary():
    columns = planted_columns()
    columns["user_id"] = [str(n % 60) for n in range(ROWS)]
    columns["item_id"] = [str(n * 7 % 40) for n in range(ROWS)]
    columns["hist_items"] = [
        "|".join(["3", str(n % 11), *([item] if click == "1" else [])])
        for n, (item, click) in enumerate(zip(columns["item_id"], columns["clicked"], strict=True))
    ]
    (leak,) = [column for column in proposed(columns).suspects if column.column == "hist_items"]
    assert leak.settings["vocabulary"] == "item_id"
    assert "its last step is the row's own item in 100 % of the rows with label 1" in leak.left_out


@pytest.mark.parametrize(
    ("columns", "user", "item"),
    [
        (("userid", "customer", "adgroup_id", "campaign_id"), "userid", "adgroup_id"),
        (("uid", "iid"), "uid", "iid"),
        (("member_no", "sku"), "member_no", "sku"),
        (("visitorId", "productId", "shop_id"), "visitorId", "productId"),
        (("customer_id", "asin"), "customer_id", "asin"),
        (("USER_ID", "NEWS_ID", "item_type"), "USER_ID", "NEWS_ID"),
    ],
)
def test_the_user_and_the_item_are_found_by_name(columns, user, item):
    rng = np.random.default_rng(0)
    drawn = {name: list(rng.integers(0, 30, ROWS).astype(str)) for name in columns}
    proposal = proposed({"click": list(rng.integers(0, 2, ROWS).astype(str)), **drawn})
    assert (proposal.user, proposal.item) == (user, item)


@pytest.mark.parametrize("texts", [("True", "False"), ("true", "false"), ("TRUE", "FALSE")])
def test_a_label_may_be_true_and_false_in_words(texts):
    columns = planted_columns()
    shares = proposed(columns).click_rate
    columns["clicked"] = [texts[0] if click == "1" else texts[1] for click in columns["clicked"]]
    proposal = proposed(columns)
    assert (proposal.label.column, proposal.label.at_least) == ("clicked", None)
    assert proposal.click_rate == shares


@pytest.mark.parametrize(
    ("texts", "positive"), [(("yes", "no"), "yes"), (("Clicked", "Skipped"), "Clicked")]
)
def test_a_label_may_be_one_of_two_texts(texts, positive):
    columns = planted_columns()
    columns["clicked"] = [texts[click == "0"] for click in columns["clicked"]]
    proposal = proposed(columns, "clicked")
    assert proposal.label.positive == positive
    assert proposal.click_rate == proposed(planted_columns()).click_rate
    assert (
        proposed({"click": columns["clicked"], "x": columns["item_id"]}).label.positive == positive
    )


def test_of_two_texts_that_do_not_say_it_the_rarer_is_the_label():
    columns = {"group": ["a"] * 30 + ["b"] * 70, "city": ["oslo", "lima"] * 50}
    assert proposed(columns, "group").label.positive == "a"


def test_a_log_of_two_moments_is_split_by_hash():
    columns = planted_columns()
    columns["ts"] = [str(1_700_000_000 + n // (ROWS // 2)) for n in range(ROWS)]
    assert proposed(columns).split["by"] == "hash"


@pytest.mark.parametrize(
    ("columns", "label", "expected"),
    [
        ({"a": "01", "click": "01", "y": "01"}, None, ("click", None)),
        ({"a": "01", "b": "0123", "is_x": "01"}, None, ("a", None)),
        ({"a": "01", "rating": "12345"}, None, ("rating", 3.0)),
        ({"a": "01", "b": "0123"}, "b", ("b", 2.0)),
        ({"Label": "01", "a": "01"}, None, ("Label", None)),
        ({"a": "01", "isClick": "01"}, None, ("isClick", None)),
        ({"a": "01", "conv_label": "01"}, None, ("conv_label", None)),
        ({"a": "01", "conv": "01", "clk": "01"}, None, ("clk", None)),
    ],
)
def test_the_label_is_found_by_its_name_or_given(columns, label, expected):
    rng = np.random.default_rng(0)
    drawn = {name: list(rng.choice(list(digits), 400)) for name, digits in columns.items()}
    drawn["rating" if "rating" in drawn else "z"] = list(rng.choice(list("1234"), 400))
    drawn["city"] = list(rng.choice(["a", "b"], 400))
    found = proposed(drawn, label).label
    assert (found.column, found.at_least) == expected


def test_a_label_that_no_name_tells_is_called_a_guess_in_the_first_line():
    rng = np.random.default_rng(0)
    flags = {name: rng.integers(0, 2, ROWS).astype(str) for name in ("alpha", "beta")}
    guessed = proposed(flags)
    assert guessed.label.is_guess
    first = to_yaml(guessed).splitlines()[0]
    assert first.startswith("# GUESS: the label is alpha, a column of 0 and 1 (beta too), for none")
    for sure in (proposed(flags, "alpha"), proposed({"click": flags["alpha"], **flags})):
        assert not sure.label.is_guess
        assert "GUESS" not in to_yaml(sure)


@pytest.mark.parametrize(
    ("columns", "label", "sentence"),
    [
        ({"a": ["x", "y"]}, None, "no column holds 0 and 1.*--label"),
        ({"click": ["0", "1", "2"]}, None, "'click' has 3 values, such as '2'"),
        ({"click": ["0", "1", ""]}, None, "'click' is missing in 50 rows"),
        ({"click": ["1", "1"]}, None, "'click' is always the same"),
        ({"a": ["0", "1"]}, "b", "no column 'b' to be the label. Known: a"),
        ({"a": ["0", "1", "0"], "b": ["x", "y", "z"]}, "b", "column 'b' cannot be the label"),
        ({"a": ["0", "1"], "b": ["1", ""]}, "b", "cannot be the label: .* missing in 50 %"),
        ({"a": ["0", "1"]}, None, "no column is left to learn 'a' from"),
        ({"a": ["0", "1"], "b": ["x", "x"]}, None, "b: the same in every row"),
    ],
)
def test_what_makes_no_data_set_is_a_sentence(columns, label, sentence):
    with pytest.raises(DataError, match=sentence):
        proposed({name: values * 50 for name, values in columns.items()}, label)


def test_names_that_files_and_tensors_cannot_have_are_replaced():
    columns = {"click": ["0", "1"] * 100, "a/b": ["x", "y", "y", "x"] * 50, "a b": ["x", "z"] * 100}
    columns |= {"_": ["1", "2", "2", "3"] * 50}
    names = proposed({**columns, "": ["q", "w", "w", "q"] * 50}, "click").names
    assert names == {"click": "click", "a/b": "a_b", "a b": "a_b_2", "_": "column", "": "column_2"}


def test_what_means_missing_in_one_column_is_a_setting_of_its_feature():
    columns = planted_columns()
    columns["user_city"] = ["NA" if city == "" else city for city in columns["user_city"]]
    sample = sample_of(columns)
    sample = replace(sample, nulls={"NA": (["item_price"], ["user_city"])})
    found = settings(propose(sample))
    assert found["item_price"] == {"kind": "numeric", "null_values": ["NA"]}
    assert "null_values" not in found["user_city"]
