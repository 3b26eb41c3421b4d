import apache_beam as beam
import numpy as np
import pyarrow as pa
import pytest
from apache_beam.testing.test_pipeline import TestPipeline
from apache_beam.testing.util import assert_that, equal_to

import pipeline.data.blocks.arrow_bytes  # noqa: F401
import pipeline.data.blocks.scatter as scatter_module
from features.errors import DataError
from pipeline.data.blocks.carried_columns import text
from pipeline.data.blocks.scatter import Scatter, gather


def blocks(coded):
    """Three blocks of each of two labels; a row knows its label, block and place."""
    rng = np.random.default_rng(4)
    made = []
    for label in ("a", "b"):
        for number in range(3):
            keys = pa.array([f"k{each}" if each else None for each in rng.integers(0, 9, 40)])
            names = pa.array([f"{label}{number}.{row:02}" for row in range(40)])
            lists = pa.array([[f"x{row}"] * (row % 3) for row in range(40)])
            if coded:
                keys, names = keys.dictionary_encode(), names.dictionary_encode()
                lists = pa.ListArray.from_arrays(lists.offsets, lists.values.dictionary_encode())
            columns = {text("key"): keys, "name": names, "list": lists}
            made.append((label, number, pa.RecordBatch.from_pydict(columns)))
    return made


@pytest.mark.parametrize("coded", [False, True], ids=["text", "dictionaries"])
@pytest.mark.parametrize("bundle", [1, 2, 6])
def test_rows_of_a_key_meet_in_their_order_however_they_are_bundled(coded, bundle):
    made = blocks(coded)
    parts = []
    for start in range(0, 6, bundle):
        scatter = Scatter("key", 5)
        scatter.start_bundle()
        for block in made[start : start + bundle]:
            parts += scatter.process(block)
        parts += [each.value for each in scatter.finish_bundle()]
    partitions, seen = {}, []
    for partition, part in parts:
        partitions.setdefault(partition, []).append(part)
    keys_of = {}
    for partition, found in partitions.items():
        np.random.default_rng(bundle).shuffle(found)
        for label, rows in gather(found).items():
            names = rows.column("name").to_pylist()
            assert names == sorted(names)
            assert {name[0] for name in names} == {label}
            assert rows.column("list").to_pylist() == [
                [f"x{int(name[-2:])}"] * (int(name[-2:]) % 3) for name in names
            ]
            seen += names
            for key in rows.column(text("key")).to_pylist():
                assert keys_of.setdefault(key, partition) == partition
    assert sorted(seen) == sorted(
        name for _, _, rows in made for name in rows.column("name").to_pylist()
    )


def test_what_waits_is_cut_when_it_is_enough_and_at_the_end_of_a_bundle(monkeypatch):
    monkeypatch.setattr(scatter_module, "_ROWS_PER_PART", 50)
    scatter = Scatter("key", 2)
    scatter.start_bundle()
    rows = [len(list(scatter.process(block))) for block in blocks(coded=False)[:4]]
    assert rows == [0, 0, 2, 0]  # 120 rows are more than 2 x 50
    assert sum(len(each.value[1][1]) for each in scatter.finish_bundle()) == 40


def test_a_part_that_arrow_cannot_hold_is_told_in_a_sentence():
    # Lists of nulls have offsets, and no bytes: a third of 2 GB each, in no memory.
    lists = pa.ListArray.from_arrays(pa.array([0, 1 << 30], pa.int32()), pa.nulls(1 << 30))
    part = pa.RecordBatch.from_pydict({"list": lists, scatter_module.BLOCK: pa.array([0])})
    with pytest.raises(DataError, match=r"3 rows .* Raise data\.history_partitions\.$"):
        gather([("a", part)] * 3)


def test_runs_in_a_pipeline():
    with TestPipeline() as p:
        found = (
            p
            | beam.Create(blocks(coded=True)).with_output_types(tuple[str, int, pa.RecordBatch])
            | beam.ParDo(Scatter("key", 4)).with_output_types(
                tuple[int, tuple[str, pa.RecordBatch]]
            )
            | beam.GroupByKey()
            | beam.FlatMap(lambda each: [(k, len(v)) for k, v in gather(each[1]).items()])
            | beam.CombinePerKey(sum)
        )
        assert_that(found, equal_to([("a", 120), ("b", 120)]))
