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


@pytest.mark.parametrize("is_link", [False, True])
def test_a_file_of_the_users_that_is_called_as_a_lock_is_left_alone(tmp_path, is_link):
    (tmp_path / "poetry.lock").write_text("years of versions")
    out = "poetry"
    if is_link:
        (tmp_path / "link.lock").symlink_to(tmp_path / "poetry.lock")
        out = "link"
    with pytest.raises(BundleError, match="another folder"), only_job_at(str(tmp_path / out)):
        pass
    assert (tmp_path / "poetry.lock").read_text() == "years of versions"
    assert (tmp_path / f"{out}.lock").exists()
