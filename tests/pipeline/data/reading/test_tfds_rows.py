"""`tfds:NAME`: a small data set written in the layout of tensorflow-datasets, read by part."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from features.errors import ConfigError, DataError
from features.specs import FeatureSet
from pipeline.batches.dataset import column_arrays
from pipeline.data.job.data_job import build_bundle
from pipeline.data.job.open_inputs import open_inputs
from pipeline.data.reading import read_rows, tfds_rows
from pipeline.data.settings.data_config import DataConfig

COUNTS = {"train": 50, "validation": 10, "test": 12}
SHARDS = {"train": [20, 30], "validation": [10], "test": [12]}
FEATURES = FeatureSet.model_validate(
    {
        "features": {
            "city": {"kind": "categorical"},
            "row": {"kind": "numeric", "transform": "raw"},
            "tags": {"kind": "multivalued", "max_length": 4},
            "vector": {"kind": "embedding", "dimension": 2},
            "depth": {"kind": "numeric", "transform": "raw", "column": "user/depth"},
            "clicked": {"role": "label"},
        }
    }
)


def example(split, n):
    return {
        "city": f"Öl{n % 3}",
        "row": n + {"train": 0, "validation": 100, "test": 200}[split],
        "tags": [f"t{k}" for k in range(n % 4)],
        "vector": [n / 2, -n],
        "user": {"depth": float(n)},
        "clicked": n % 2 == 0,
        "picture": np.zeros((4, 4, 3), np.uint8),
    }


def write(folder: Path) -> Path:
    """What `download_and_prepare` leaves behind, several files of a split included."""
    features = tfds.features.FeaturesDict(
        {
            "city": tfds.features.Text(),
            "row": np.int64,
            "tags": tfds.features.Sequence(tfds.features.Text()),
            "vector": tfds.features.Tensor(shape=(2,), dtype=np.float32),
            "user": {"depth": np.float32},
            "clicked": np.bool_,
            "picture": tfds.features.Image(shape=(4, 4, 3)),
        }
    )
    folder.mkdir(parents=True)
    template = tfds.core.ShardedFileTemplate(
        data_dir=folder,
        template="{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
        dataset_name="shop",
        filetype_suffix="tfrecord",
    )
    splits = []
    for split, lengths in SHARDS.items():
        n = 0
        for shard, length in enumerate(lengths):
            name = f"shop-{split}.tfrecord-{shard:05d}-of-{len(lengths):05d}"
            with tf.io.TFRecordWriter(str(folder / name)) as writer:
                for _ in range(length):
                    encoded = features.encode_example(example(split, n))
                    writer.write(features.serialize_example(encoded))
                    n += 1
        splits.append(
            tfds.core.SplitInfo(
                name=split,
                shard_lengths=lengths,
                num_bytes=1,
                filename_template=template.replace(split=split),
            )
        )
    tfds.folder_dataset.write_metadata(
        data_dir=str(folder),
        features=features,
        split_infos=splits,
        filename_template=template,
        check_data=False,
    )
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write(tmp_path_factory.mktemp("tfds") / "shop" / "1.0.0")


def config(folder, **settings):
    split = settings.pop("split", {"by": "hash", "valid": 0.2, "test": 0.2})
    return DataConfig(source="tfds:shop", path=str(folder), split=split, **settings)


def test_features_become_columns_and_pictures_do_not(folder):
    inputs = open_inputs(FEATURES, config(folder))
    assert set(inputs.log[0].header) == {"city", "row", "tags", "vector", "user/depth", "clicked"}


@pytest.mark.parametrize(("part_rows", "size"), [(7, 3), (25, 100), (1_000, 8)])
def test_parts_hold_every_example_once_in_order_whatever_the_files(
    folder, monkeypatch, part_rows, size
):
    monkeypatch.setattr(tfds_rows, "PART_ROWS", part_rows)
    monkeypatch.setattr(read_rows, "MAX_ROWS", size)
    log = open_inputs(FEATURES, config(folder, log=("train",))).source.log
    wanted = ("city", "tags", "user/depth", "clicked", "vector")
    blocks = [
        block
        for part in range(len(log.parts()))
        for block in read_rows.generate_blocks(log, part, wanted)
    ]
    assert len({block.key for block in blocks}) == len(blocks)
    positions = [int(position) for block in blocks for position in block.positions]
    assert positions == list(range(1, COUNTS["train"] + 1))
    rows = [row for block in blocks for row in block.rows.to_pylist()]
    for n, row in enumerate(rows):
        expected = example("train", n)
        assert row["city"] == expected["city"]
        assert row["tags"] == expected["tags"]
        assert float(row["user/depth"]) == expected["user"]["depth"]
        assert row["clicked"] == str(int(expected["clicked"]))
        assert [float(value) for value in row["vector"]] == expected["vector"]
    assert blocks[0].text_of(2) == str(rows[1])


def rows_by_split(bundle):
    return {
        split: sorted(column_arrays(bundle, split, ["row"])["row"].astype(int).tolist())
        for split in ("train", "valid", "test")
    }


def test_its_splits_are_those_of_the_bundle_where_files_decide(folder, tmp_path):
    bundle = build_bundle(FEATURES, config(folder, split={"by": "files"}), str(tmp_path / "bundle"))
    assert rows_by_split(bundle) == {
        "train": list(range(50)),
        "valid": list(range(100, 110)),
        "test": list(range(200, 212)),
    }
    found = column_arrays(bundle, "valid", ["row", "depth", "vector", "clicked"])
    np.testing.assert_array_equal(found["depth"], found["row"] - 100)
    np.testing.assert_array_equal(found["vector"][:, 1], 100 - found["row"])
    np.testing.assert_array_equal(found["clicked"], found["row"] % 2 == 0)


def test_chosen_splits_are_told_apart_by_hash_and_a_change_of_files_is_seen(folder, tmp_path):
    data = config(folder, log=("train", "test"))
    bundle = build_bundle(FEATURES, data, str(tmp_path / "bundle"))
    found = [row for rows in rows_by_split(bundle).values() for row in rows]
    assert sorted(found) == [*range(50), *range(200, 212)]
    entries = open_inputs(FEATURES, data).source.log.configured("tfds:shop", data).contents("x")
    assert len(entries) == 3
    assert sorted(entry.sha256 for entry in entries.values()) == sorted(
        entry.sha256 for entry in bundle.manifest.sources.values()
    )


def test_a_bundle_of_layout_row_is_such_a_data_set(folder, tmp_path):
    first = build_bundle(FEATURES, config(folder, layout="row"), str(tmp_path / "first"))
    second_features = FeatureSet.model_validate(
        {
            "features": {
                "city": {"kind": "categorical"},
                "row": {"kind": "numeric", "transform": "raw"},
                "clicked": {"role": "label"},
            }
        }
    )
    data = config(
        first.path, split={"by": "files", "files": {"train": ["train"], "test": ["test"]}}
    )
    second = build_bundle(second_features, data, str(tmp_path / "second"))
    before, after = rows_by_split(first), rows_by_split(second)
    assert after["test"] == before["test"]
    assert sorted(after["train"] + after["valid"]) == before["train"]


def test_a_damaged_file_is_named(folder, tmp_path):
    broken = write(tmp_path / "shop" / "1.0.0")
    file = next(broken.glob("*train*00001*"))
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(DataError, match=r"1\.0\.0, split train, is damaged after row"):
        build_bundle(FEATURES, config(broken), str(tmp_path / "bundle"))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"log": ("trian",)}, "has no split 'trian'. Did you mean train?"),
        ({"rows": 5}, "has as many rows as it has. Remove data.rows"),
        (
            {"split": {"by": "files", "files": {"train": ["train"], "test": ["train"]}}},
            "names a split of the data set twice",
        ),
    ],
)
def test_settings_that_do_not_fit_are_refused(folder, settings, sentence):
    with pytest.raises(ConfigError, match=sentence):
        open_inputs(FEATURES, config(folder, **settings))


@pytest.mark.parametrize(
    ("source", "error", "sentence"),
    [
        ("tfds:", ConfigError, "names no data set. Write one behind it"),
        ("tfds:no_such_set", ConfigError, "Dataset no_such_set not found"),
        ("tfds:movielens/nope", ConfigError, "BuilderConfig nope not found"),
    ],
)
def test_an_unknown_data_set_is_a_sentence(tmp_path, source, error, sentence):
    with pytest.raises(error, match=sentence):
        open_inputs(FEATURES, config(tmp_path).model_copy(update={"source": source}))


def test_what_cannot_be_prepared_is_a_sentence(tmp_path, monkeypatch):
    def no_network(self, **_):
        raise ConnectionError("no network\nand more")

    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", no_network)
    data = config(tmp_path).model_copy(update={"source": "tfds:movielens/100k-ratings"})
    with pytest.raises(DataError, match=r"is not prepared in .*ConnectionError: no network\. "):
        open_inputs(FEATURES, data)
