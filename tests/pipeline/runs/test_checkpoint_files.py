"""Damaged checkpoints are found before anything is restored from them."""

import os

import pytest
import tensorflow as tf

from pipeline.runs.checkpoint_files import (
    checkpoint_at,
    checkpoints_in,
    damage_of,
    keep_only,
    latest_checkpoint,
)

DATA, INDEX = ".data-00000-of-00001", ".index"


@pytest.fixture
def folder(tmp_path):
    """Two checkpoints, of steps 9 and 10."""
    checkpoint = tf.train.Checkpoint(a=tf.Variable(tf.range(1000.0)), b=tf.Variable("text"))
    for step in (9, 10):
        checkpoint.write(str(checkpoint_at(tmp_path / "last", step)))
    return tmp_path / "last"


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


DAMAGES = {
    "cut data": lambda file: os.truncate(file(DATA), 100),
    "empty data": lambda file: os.truncate(file(DATA), 0),
    "flipped data": lambda file: flip(file(DATA)),
    "no data": lambda file: file(DATA).unlink(),
    "cut index": lambda file: os.truncate(file(INDEX), 60),
    "empty index": lambda file: os.truncate(file(INDEX), 0),
    "another index": lambda file: file(INDEX).write_bytes(b"<html>404 not found</html>"),
    "no index": lambda file: file(INDEX).unlink(),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damage_is_told_in_a_few_words(folder, damage):
    damage(lambda ending: folder / f"step-10{ending}")
    told = damage_of(folder / "step-10")
    assert told
    assert len(told) <= 200
    assert "\n" not in told
    assert damage_of(folder / "step-9") is None


def test_the_latest_is_that_of_the_highest_step_with_an_index(folder):
    assert checkpoints_in(folder) == [folder / "step-10", folder / "step-9"]
    (folder / "step-10.index").unlink()  # written last: its process was killed
    assert latest_checkpoint(folder) == folder / "step-9"
    assert latest_checkpoint(folder.parent / "none") is None


def test_what_is_not_kept_goes(folder):
    (folder / "step-1_temp").mkdir()
    for name in ("step-1_temp/part-0", "checkpoint", "step-101.index", "step-1.data-0"):
        (folder / name).write_text("left")
    keep_only(folder, [folder / "step-10"])
    assert {path.name for path in folder.iterdir()} == {f"step-10{DATA}", f"step-10{INDEX}"}
