import pytest

from features.errors import BundleError
from pipeline.system.lock import only_job_at


def test_a_second_job_at_the_same_place_is_refused_until_the_first_ends(tmp_path):
    out = str(tmp_path / "out")
    with (
        only_job_at(out),
        pytest.raises(BundleError, match="another job is working"),
        only_job_at(out + "/"),
    ):
        pass
    with only_job_at(out):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_lock_that_a_dead_job_left_does_not_hold(tmp_path):
    (tmp_path / "out.lock").touch()
    with only_job_at(str(tmp_path / "out")):
        pass


def test_a_place_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(BundleError, match=r"file/out cannot be written: .*another folder"),
        only_job_at(str(tmp_path / "file" / "out")),
    ):
        pass
