import apache_beam as beam
import numpy as np
import pyarrow as pa
import pytest
from apache_beam.testing.test_pipeline import TestPipeline
from apache_beam.testing.util import assert_that, equal_to

from features.analysis import Analysis
from pipeline.data.analysis.analyse import Fitted
from pipeline.data.blocks.arrow_bytes import to_bytes
from pipeline.data.writing.shuffle import Shuffle, ShuffleConfig, gather, scatter, sub_blocks

SCHEMA = pa.schema([("row", pa.int64())])


def block(key, rows):
    return pa.record_batch({"row": pa.array(range(key * rows, (key + 1) * rows))})


def shuffled(num_blocks, rows, shards, seed=0, order=1):
    """Row numbers of each shard, the work done in one order of blocks or the other."""
    parts = {shard: [] for shard in range(shards)}
    for key in range(num_blocks)[::order]:
        for shard, part in scatter(block(key, rows), "train", key, shards, seed):
            parts[shard].append((key, to_bytes(part)))
    return [
        gather(parts[shard], SCHEMA, "train", shard, seed)["row"].to_pylist()
        for shard in range(shards)
    ]


def test_no_row_is_lost_or_doubled():
    rows = [row for shard in shuffled(num_blocks=9, rows=111, shards=4) for row in shard]
    assert sorted(rows) == list(range(999))


def test_the_order_of_the_work_does_not_matter():
    assert shuffled(7, 50, 3) == shuffled(7, 50, 3, order=-1)


def test_the_seed_does_matter():
    assert shuffled(7, 50, 3, seed=1) != shuffled(7, 50, 3, seed=2)


def test_splits_and_shards_draw_from_streams_of_their_own():
    def scattered(split):
        return [part.to_pydict() for _, part in scatter(block(0, 50), split, 0, 3, seed=0)]

    def gathered(shard):
        sub_blocks = [(0, to_bytes(block(0, 50)))]
        return gather(sub_blocks, SCHEMA, "train", shard, seed=0).to_pydict()

    assert scattered("train") != scattered("valid")
    assert gathered(0) != gathered(1)


def test_blocks_draw_from_streams_of_their_own():
    first, second = (
        [part["row"].to_pylist() for _, part in scatter(block(key, 50), "train", key, 3, seed=0)]
        for key in (0, 1)
    )
    assert [[row + 50 for row in part] for part in first] != second


@pytest.mark.parametrize("shards", [1, 5])
def test_every_row_is_equally_likely_at_every_place(shards):
    # Chi-squared over (source row, place): 400 seeds of 20 rows in 4 blocks.
    counts = np.zeros((20, 20))
    for seed in range(400):
        places = [row for shard in shuffled(4, 5, shards, seed) for row in shard]
        counts[places, np.arange(20)] += 1
    chi2 = ((counts - 20) ** 2 / 20).sum()
    degrees = 19 * 19
    assert abs(chi2 - degrees) < 5 * np.sqrt(2 * degrees)


def test_neighbours_do_not_stay_neighbours():
    (rows,) = shuffled(num_blocks=20, rows=500, shards=1)
    adjacent = np.abs(np.diff(rows)) == 1
    assert adjacent.sum() < 10  # 2 are expected by chance


def test_a_shard_that_no_row_chose_comes_out_empty():
    fitted = Fitted(Analysis(), {"train": 1, "valid": 0})
    with TestPipeline() as p:
        # One row per shard is wanted of one row and of none: a single shard, then none.
        side = p | "Fitted" >> beam.Create([fitted])
        nothing = list(sub_blocks(block(0, 0), "train", 0, ShuffleConfig(0, 1), fitted))
        parts = p | "Parts" >> beam.Create(nothing)
        shards = parts | Shuffle(ShuffleConfig(0, 1), beam.pvalue.AsSingleton(side))
        rows = shards | "Rows" >> beam.MapTuple(
            lambda key, parts: (key, gather(parts, SCHEMA, *key, 0).num_rows)
        )
        assert_that(rows, equal_to([(("train", 0), 0)]), label="rows")


def test_nothing_comes_out_where_the_analysis_found_problems():
    fitted = Fitted(Analysis(), {"train": 5}, ("feature 'a' is empty",))
    with TestPipeline() as p:
        side = p | "Fitted" >> beam.Create([fitted])
        shards = (
            p
            | "Parts" >> beam.Create([])
            | Shuffle(ShuffleConfig(0, 1), beam.pvalue.AsSingleton(side))
        )
        assert_that(shards, equal_to([]), label="shards")
