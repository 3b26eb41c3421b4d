"""Files that are named after splits."""

import pytest

from pipeline.inspection.split_files import files_of_splits, split_of


@pytest.mark.parametrize(
    ("path", "split"),
    [
        ("train.csv", "train"),
        ("train_sample.csv.gz", "train"),
        ("ctr-training-000.parquet", "train"),
        ("val.csv", "valid"),
        ("dev.jsonl", "valid"),
        ("validation/part-0.csv", "valid"),
        ("TestSet.csv", "test"),
        ("criteo_sample.te.txt", "test"),
        ("latest.csv", None),
        ("train_test.csv", None),
        ("clicks.csv", None),
    ],
)
def test_a_name_is_that_of_one_split_or_of_none(path, split):
    assert split_of(path) == split


def test_every_file_must_belong_to_a_split():
    assert files_of_splits(["test.csv", "train.csv", "valid.csv"]) == {
        "train": ["train.csv"],
        "valid": ["valid.csv"],
        "test": ["test.csv"],
    }
    assert files_of_splits(["train.csv", "val.csv"]) == {
        "train": ["train.csv"],
        "test": ["val.csv"],
    }
    assert files_of_splits(["train_1.csv", "train_2.csv"]) is None
    assert files_of_splits(["train.csv", "test.csv", "more.csv"]) is None
    assert files_of_splits(["log.csv"]) is None
