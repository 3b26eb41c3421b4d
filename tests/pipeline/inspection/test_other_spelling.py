"""A key that some rows misspell is told, and an optional column is not taken for one."""

import json

import pyarrow as pa
import pytest

from pipeline.inspection.facts import facts_of
from pipeline.inspection.other_spelling import other_spelling
from pipeline.inspection.proposal import propose
from pipeline.inspection.read_sample import read_sample


def rows(name, misspelt, *, both=(), lacking=()):
    for number in range(200):
        row = {"user": f"u{number % 7}", "click": number % 2}
        if number not in lacking:
            row["itm" if number % 20 == 0 else "item"] = f"i{number % 9}"
        if number in both:
            row |= {name: "i1", misspelt: "i2"}
        yield row


@pytest.mark.parametrize(
    ("options", "told"),
    [({}, True), ({"both": [3]}, False), ({"lacking": range(1, 7)}, False)],
    ids=["either", "a row has both", "rows have neither"],
)
def test_a_misspelt_key_makes_no_feature_and_says_why(tmp_path, options, told):
    path = tmp_path / "log.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows("item", "itm", **options)))
    columns = {each.column: each for each in propose(read_sample(str(path), 1000)).columns}
    assert columns["item"].left_out is None
    why = columns["itm"].left_out or ""
    assert why.startswith("in 5 % of the rows, all of which lack item: perhaps") == told


def test_names_that_are_not_alike_are_two_columns():
    facts = facts_of({"item": pa.array(["a", None, "a"]), "advert": pa.array([None, "b", None])})
    assert [other_spelling(each, facts.values()) for each in facts.values()] == [None, None]
