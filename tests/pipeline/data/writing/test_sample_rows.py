import json

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pytest
from apache_beam.testing.test_pipeline import TestPipeline
from apache_beam.testing.util import assert_that, equal_to

from pipeline.data.writing.sample_rows import LeastRows, SampleRows

SIZES = [40, 1, 200, 7, 0, 52]  # rows of blocks; keys are their places


def block(key, size, split="test"):
    """Rows that know where they stand, every third without a name."""
    rows = [
        {"key": key, "row": row, "name": None if row % 3 == 0 else f"ü{row}"} for row in range(size)
    ]
    schema = pa.schema([("key", pa.int64()), ("row", pa.int64()), ("name", pa.string())])
    return key, split, pa.RecordBatch.from_pylist(rows, schema)


def sample(seed, size, sizes=SIZES):
    """What `SampleRows` must give, without Beam: the least priorities of all blocks together."""
    candidates = []
    for key, rows in enumerate(sizes):
        priorities = np.random.default_rng([seed, key]).integers(0, 2**62, rows).tolist()
        candidates += zip(priorities, block(key, rows)[2].to_pylist(), strict=True)
    rows = [row for _, row in sorted(candidates, key=lambda each: each[0])[:size]]
    present = [{name: value for name, value in row.items() if value is not None} for row in rows]
    return [json.dumps(row, ensure_ascii=False) for row in present]


def test_accumulators_of_parts_merge_to_the_same_rows():
    least = LeastRows(20, seed=3)
    parts = [least.create_accumulator() for _ in range(3)]
    for key, rows in enumerate(SIZES):
        parts[key % 3] = least.add_input(parts[key % 3], block(key, rows))
    assert least.extract_output(least.merge_accumulators(parts)) == sample(3, 20)


@pytest.mark.parametrize("order", [1, -1])
def test_any_order_and_cut_of_blocks_gives_the_same_rows_of_the_split_alone(order):
    blocks = [block(key, size) for key, size in enumerate(SIZES)]
    blocks += [block(key + 10, 90, split) for key, split in enumerate(("train", "valid"))]
    with TestPipeline() as p:
        rows = p | beam.Create(blocks[::order], reshuffle=order > 0) | SampleRows("test", 20, 3)
        assert_that(rows, equal_to([sample(seed=3, size=20)]))


@pytest.mark.parametrize("sizes", [[3, 4], [], [0]])
def test_fewer_rows_than_asked_for_all_come_and_none_give_an_empty_list(sizes):
    blocks = [block(key, size) for key, size in enumerate(sizes)] + [block(9, 5, "train")]
    with TestPipeline() as p:
        rows = (
            p
            | beam.Create(blocks)
            | SampleRows("test", 20, 3)
            | beam.Map(lambda rows: sorted((r["key"], r["row"]) for r in map(json.loads, rows)))
        )
        every = [(key, row) for key, size in enumerate(sizes) for row in range(size)]
        assert_that(rows, equal_to([every]))


def test_missing_values_are_left_out_and_others_stay_readable():
    rows = {each["row"]: each for each in map(json.loads, sample(0, 40, [40]))}
    assert len(rows) == 40
    for row, content in rows.items():
        expected = {"key": 0, "row": row} | ({} if row % 3 == 0 else {"name": f"ü{row}"})
        assert content == expected
    assert "ü" in "".join(sample(0, 40, [40]))  # not escaped


def test_every_row_is_as_likely_as_any_other_whatever_the_size_of_its_block():
    seeds, size, total = 600, 30, sum(SIZES)
    hits = {(key, row): 0 for key, rows in enumerate(SIZES) for row in range(rows)}
    for seed in range(seeds):
        for row in map(json.loads, sample(seed, size)):
            hits[row["key"], row["row"]] += 1
    counts = np.array(list(hits.values()))
    assert counts.sum() == seeds * size
    expected = seeds * size / total
    # Without replacement the variance of a count is less than its mean, by 1 - size / total.
    chi_squared = np.sum((counts - expected) ** 2) / (expected * (1 - size / total))
    freedom = total - 1
    assert abs(chi_squared - freedom) < 4 * np.sqrt(2 * freedom)
    for key, rows in enumerate(SIZES):
        found = sum(hits[key, row] for row in range(rows))
        assert abs(found - rows * expected) <= 4 * np.sqrt(rows * expected)


def test_another_seed_chooses_other_rows():
    assert set(sample(1, 20)) != set(sample(2, 20))
