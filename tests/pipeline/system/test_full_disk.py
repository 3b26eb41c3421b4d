import errno
import os

import pytest
import tensorflow as tf

from pipeline.system.full_disk import full_disk, room_at

SAID = os.strerror(errno.ENOSPC)


def wrapped(inner):
    try:
        try:
            raise inner
        except Exception as error:
            raise RuntimeError("a step failed") from error
    except RuntimeError as error:
        return error


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(errno.ENOSPC, SAID, "out/a"), f"out/a: {SAID}"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "Disk quota exceeded"),
        (tf.errors.ResourceExhaustedError(None, None, f"out/b; {SAID}"), f"out/b; {SAID}"),
        (RuntimeError(f"first\nout/c; {SAID} [while running 'Write']"), "out/c; "),
    ],
)
def test_a_full_disk_is_found_whoever_wrapped_it(error, told):
    assert told in full_disk(error)
    assert told in full_disk(wrapped(error))


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EACCES, "Permission denied", "out/a"),
        tf.errors.ResourceExhaustedError(None, None, "OOM when allocating"),
        ValueError("x"),
    ],
)
def test_other_errors_are_none(error):
    assert full_disk(wrapped(error)) is None


def test_the_room_is_told_for_what_is_not_there_yet(tmp_path):
    assert room_at(str(tmp_path / "none" / "either")).endswith("B")
