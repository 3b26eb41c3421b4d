import json

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.raw_values import text_of
from serving.scoring.plain_lists import plain_lists

PIECES = ["[", "]", '"', ", ", ",", "a", "é", "\\", "1", "-", "0", "\t", "null"]


def oracle(cell: str) -> list[str | None] | None:
    """One cell by Python's reader of JSON."""
    return [text_of(each) for each in json.loads(cell)] if cell else None


@pytest.mark.parametrize(
    "cells",
    [
        ['["a", "b"]', "", "[]", '["é"]', '[""]', '["", ""]'],
        ['["a","b"]', '["c"]'],
        ["[1, 2]", "[-3]", "[]", ""],
        ["[1,2]"],
        ["", "[]"],
        [],
    ],
)
def test_lists_as_they_are_usually_written_are_read_at_once(cells):
    lists = plain_lists(pa.array(cells, pa.string()))
    assert lists.type == pa.list_(pa.string())
    assert lists.to_pylist() == [oracle(cell) for cell in cells]
    part = plain_lists(pa.array(["x", *cells], pa.string()).slice(1))
    assert part.to_pylist() == lists.to_pylist()


@pytest.mark.parametrize(
    "cells",
    [
        ['["a", "b"]', '["a","b"]'],
        ['["a"]', "[1]"],
        ['["]'],
        ['["a\\"", "b"]'],
        ['["a\tb"]'],
        ['["a", 1]'],
        ["[-0]"],
        ["[01]"],
        ["[1.0]"],
        ["[99999999999999999999]"],
        ["[1 , 2]"],
        ["[null]"],
        ["a"],
        ['["a" "b"]'],
        [' ["a"]'],
    ],
)
def test_other_lists_are_left_to_the_reader_of_json(cells):
    assert plain_lists(pa.array(cells, pa.string())) is None


@settings(deadline=None, max_examples=500)
@given(st.lists(st.lists(st.sampled_from(PIECES), max_size=8).map("".join), max_size=3))
def test_whatever_is_read_at_once_is_what_json_says(cells):
    lists = plain_lists(pa.array(cells, pa.string()))
    if lists is not None:
        assert lists.to_pylist() == [oracle(cell) for cell in cells]


@settings(deadline=None, max_examples=200)
@given(st.lists(st.lists(st.text('ab,"[] \\é', max_size=4), max_size=4), max_size=4))
def test_whatever_json_writes_is_read_back_or_left(lists):
    cells = pa.array([json.dumps(each, ensure_ascii=False) for each in lists], pa.string())
    received = plain_lists(cells)
    if received is not None:
        assert received.to_pylist() == lists
    elif not any(character in '"\\' for each in lists for text in each for character in text):
        assert any('", "' in cell for cell in cells.to_pylist())
