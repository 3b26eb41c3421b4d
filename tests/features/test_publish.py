import errno
import os

import pytest

from features.publish import publish


@pytest.fixture
def calls(monkeypatch):
    """What was brought to the disk, by inode, and renamed, in order."""
    noted, replace = [], os.replace
    monkeypatch.setattr(os, "fsync", lambda number: noted.append(os.fstat(number).st_ino))
    monkeypatch.setattr(os, "replace", lambda a, b: (noted.append("renamed"), replace(a, b)))
    return noted


def test_a_file_is_on_the_disk_before_its_name_and_the_name_afterwards(tmp_path, calls):
    (tmp_path / "written").write_text("content")
    (tmp_path / "name").write_text("older")
    publish(tmp_path / "written", tmp_path / "name")
    inode = (tmp_path / "name").stat().st_ino
    assert calls == [inode, "renamed", tmp_path.stat().st_ino]
    assert (tmp_path / "name").read_text() == "content"


def test_everything_below_a_folder_is_on_the_disk_before_its_name(tmp_path, calls):
    for name in ("a", "deep/b", "deep/deeper/c"):
        (tmp_path / "written" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "written" / name).write_text(name)
    below = {path.stat().st_ino for path in (tmp_path / "written").rglob("*")}
    folder = (tmp_path / "written").stat().st_ino
    publish(tmp_path / "written", tmp_path / "name")
    before, after = calls[: calls.index("renamed")], calls[calls.index("renamed") + 1 :]
    assert set(before) == below | {folder}
    assert after == [tmp_path.stat().st_ino]


def test_a_folder_with_content_is_never_replaced(tmp_path):
    for name in ("written", "name"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    with pytest.raises(OSError):
        publish(tmp_path / "written", tmp_path / "name")
    assert (tmp_path / "name" / "file").read_text() == "name"


@pytest.mark.parametrize(("number", "fatal"), [(errno.EINVAL, False), (errno.EIO, True)])
def test_a_file_system_that_cannot_is_no_reason_and_a_disk_that_fails_is_one(
    tmp_path, monkeypatch, number, fatal
):
    def fail(_):
        raise OSError(number, os.strerror(number))

    (tmp_path / "written").write_text("content")
    monkeypatch.setattr(os, "fsync", fail)
    if fatal:
        with pytest.raises(OSError, match="error"):
            publish(tmp_path / "written", tmp_path / "name")
        assert not (tmp_path / "name").exists()
    else:
        publish(tmp_path / "written", tmp_path / "name")
        assert (tmp_path / "name").read_text() == "content"
