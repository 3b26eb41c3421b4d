import numpy as np
import pyarrow as pa
import pytest

from features.dictionaries import with_dictionaries

ROWS = [
    {"token": "a", "tokens": ["x", "y", "x"], "number": 1.5},
    {"token": None, "tokens": None, "number": None},
    {"token": "", "tokens": [], "number": 0.0},
    {"token": "ü", "tokens": ["y", None, ""], "number": -1.0},
    {"token": "a", "tokens": ["x"], "number": 2.0},
]
SCHEMA = pa.schema(
    [("token", pa.string()), ("tokens", pa.list_(pa.string())), ("number", pa.float32())]
)
BLOCK = pa.RecordBatch.from_pylist(ROWS, SCHEMA)


@pytest.mark.parametrize("cut", [slice(None), slice(0, 0), slice(1, 4), slice(4, 5)])
def test_values_stay_as_they_are_also_in_slices(cut):
    part = BLOCK.slice(cut.start or 0, len(ROWS[cut]))
    coded = with_dictionaries(part)
    coded.validate(full=True)
    assert coded.to_pylist() == ROWS[cut]
    assert with_dictionaries(coded).equals(coded)


def test_dictionaries_hold_what_the_rows_need_and_nothing_else():
    coded = with_dictionaries(BLOCK.slice(3, 2))
    assert sorted(coded.column("token").dictionary.to_pylist()) == ["a", "ü"]
    assert set(coded.column("tokens").flatten().dictionary.to_pylist()) == {"y", "", "x"}
    assert coded.column("number").type == pa.float32()


def test_dictionaries_are_cut_to_the_rows_that_are_left():
    coded = with_dictionaries(BLOCK)
    for cut in (slice(3, 5), slice(1, 2), slice(0, 0), slice(0, 5)):
        part = with_dictionaries(coded.slice(cut.start, cut.stop - cut.start))
        part.validate(full=True)
        assert part.to_pylist() == ROWS[cut]
        tokens = part.column("token").dictionary.to_pylist()
        assert sorted(tokens) == sorted({row["token"] for row in ROWS[cut]} - {None})


def test_repeated_tokens_take_less_room():
    tokens = np.random.default_rng(0).integers(50, size=4096)
    rows = pa.RecordBatch.from_pydict({"token": [f"a long token {each}" for each in tokens]})
    assert with_dictionaries(rows).nbytes < rows.nbytes / 3
