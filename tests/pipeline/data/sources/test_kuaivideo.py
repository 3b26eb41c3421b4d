"""KuaiVideo in the layout of the challenge, and given vectors beside it."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import tensorflow as tf

from features.records import decode_block
from pipeline.config.config_files import load_config, load_dataset
from pipeline.data.job.data_job import build_bundle

CONFIG = Path(__file__).parents[4] / "configs/kuaivideo/dataset.yaml"
ROWS = 500


def make_rows():
    """user, photo, click, like, follow, time, playing time, duration; a time stands twice."""
    rng = np.random.default_rng(6)
    return [
        (
            *(rng.integers(5), 100 + rng.integers(20), int(rng.random() < 0.4)),
            *rng.integers(0, 2, 2),
            *(500 + row // 2, rng.integers(0, 60), 7 + rng.integers(0, 4)),
        )
        for row in range(ROWS)
    ]


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kuaishou")
    lines = ["\t".join(map(str, row)) for row in make_rows()]
    (folder / "train_interaction.txt").write_text("\n".join(lines) + "\n")
    lines = ["\t".join(map(str, (row[0], row[1], row[5], row[7]))) for row in make_rows()[:9]]
    (folder / "test_interaction.txt").write_text("\n".join(lines) + "\n")
    return folder


def vectors():
    """Of all videos but 100."""
    return np.random.default_rng(1).normal(size=(19, 4)).astype(np.float32)


def build(folder, out, settings=()):
    dataset = load_dataset(CONFIG, [f"data.path={folder}", *settings])
    return build_bundle(dataset.feature_set, dataset.data, str(out))


def rows_of(bundle):
    """All rows of all splits, as dicts of columns."""
    for split in ("train", "valid", "test"):
        for record in tf.data.TFRecordDataset(bundle.files(split)):
            block = decode_block(record.numpy(), bundle.metadata.columns)
            for row in range(len(block["time"])):
                yield {name: np.asarray(column)[row] for name, column in block.items()}


def as_tuples(rows, names):
    return sorted(tuple(tuple(np.atleast_1d(row[name]).tolist()) for name in names) for row in rows)


def test_clicked_and_not_clicked_videos_are_those_before_each_example(published, tmp_path):
    bundle = build(published, tmp_path / "bundle")
    assert sum(bundle.metadata.rows.values()) == ROWS
    assert bundle.statistics["tables"] == {"log": {"rows": ROWS, "rejected": 0}}
    known = Path(bundle.vocabulary_dir, "item_id.txt").read_text().splitlines()
    users = Path(bundle.vocabulary_dir, "user_id.txt").read_text().splitlines()

    def identity(token, tokens):
        return tokens.index(str(token)) + 2 if str(token) in tokens else 1

    expected, log = [], make_rows()
    for user, photo, click, _, _, time, _, _ in log:
        before = [row for row in log if row[0] == user and row[5] < time]
        row = {"user_id": identity(user, users), "item_id": identity(photo, known)}
        for name, wanted in (("pos_items", 1), ("neg_items", 0)):
            ids = [identity(each[1], known) for each in before if each[2] == wanted][-100:]
            row[name] = np.array(ids + [0] * (100 - len(ids)))
        expected.append({**row, "is_click": float(click), "time": time})
    names = ("time", "user_id", "item_id", "is_click", "pos_items", "neg_items")
    assert as_tuples(rows_of(bundle), names) == as_tuples(expected, names)


def test_given_vectors_stand_in_every_row_as_they_are(published, tmp_path):
    with h5py.File(published / "item_visual_emb.h5", "w") as file:
        file.create_dataset("key", data=np.arange(101, 120))
        file.create_dataset("value", data=vectors())
    visual = "features.item_visual={kind: embedding, dimension: 4}"
    bundle = build(published, tmp_path / "bundle", [visual])
    unknown = sum(row[1] == 100 for row in make_rows())
    assert bundle.statistics["joins"] == {"unmatched_item_visual": unknown}
    assert bundle.statistics["tables"]["item_visual"] == {"rows": 19, "rejected": 0}
    known = Path(bundle.vocabulary_dir, "item_id.txt").read_text().splitlines()
    vector_of = {
        (known.index(str(key)) + 2 if str(key) in known else None): vector
        for key, vector in zip(range(101, 120), vectors(), strict=True)
    }
    zero, seen = 0, 0
    for row in rows_of(bundle):
        if row["item_id"] > 1 and known[row["item_id"] - 2] != "100":
            np.testing.assert_array_equal(row["item_visual"], vector_of[int(row["item_id"])])
            seen += 1
        zero += not row["item_visual"].any()
    assert zero == unknown
    assert seen > ROWS / 2


def test_the_configuration_trains_the_default_network():
    assert load_config(CONFIG).model
