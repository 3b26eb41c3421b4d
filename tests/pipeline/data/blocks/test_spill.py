import os

import apache_beam as beam
import pyarrow as pa
import pytest
from apache_beam.testing.test_pipeline import TestPipeline
from apache_beam.testing.util import assert_that, equal_to

from features.dictionaries import with_dictionaries
from pipeline.data.blocks.spill import Spill, WriteSpill, opened


def block(key, size):
    rows = pa.RecordBatch.from_pydict(
        {
            "token": pa.array([f"{key}-{row % 3}" for row in range(size)], pa.string()),
            "tokens": pa.array([["x"] * (row % 4) for row in range(size)], pa.list_(pa.string())),
        }
    )
    return key, "train" if key % 2 else "test", rows


BLOCKS = [block(key, size) for key, size in enumerate([5, 1, 0, 4000, 7])]


def plain(element):
    key, label, rows = element
    return key, label, opened(rows).to_pylist()


@pytest.mark.parametrize("change", [lambda rows: rows, with_dictionaries])
def test_blocks_come_back_as_they_went_by_way_of_files(tmp_path, change):
    blocks = [(key, label, change(rows)) for key, label, rows in BLOCKS]
    with TestPipeline() as p:
        back = p | beam.Create(blocks, reshuffle=False) | Spill(str(tmp_path / "new"))
        assert_that(back | beam.Map(plain), equal_to([plain(each) for each in BLOCKS]))
    assert os.listdir(tmp_path / "new")


def test_a_place_is_told_only_when_its_file_is_complete(tmp_path):
    writer = WriteSpill(str(tmp_path))
    writer.start_bundle()
    for each in BLOCKS:
        assert writer.process(each) is None
    places = [told.value for told in writer.finish_bundle()]
    for expected, place in zip(reversed(BLOCKS), reversed(places), strict=True):
        assert opened(place[2]).equals(expected[2])
        assert opened(expected[2]) is expected[2]


def test_each_bundle_has_a_file_of_its_own_and_an_empty_one_none(tmp_path):
    writer = WriteSpill(str(tmp_path))
    for blocks in ([BLOCKS[0]], [], [BLOCKS[1]]):
        writer.start_bundle()
        for each in blocks:
            writer.process(each)
        assert len(list(writer.finish_bundle())) == len(blocks)
    assert len(os.listdir(tmp_path)) == 2
