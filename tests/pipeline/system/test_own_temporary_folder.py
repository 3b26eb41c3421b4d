"""What is left in the temporary folder goes with the command."""

import os
import subprocess
import sys
import tempfile

import pytest

from pipeline.system.own_temporary_folder import own_temporary_folder


@pytest.fixture
def shared(tmp_path, monkeypatch):
    """The temporary folder of the machine."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def test_what_this_process_and_its_children_leave_there_is_removed(shared):
    code = "import tempfile; print(tempfile.mkdtemp())"
    with own_temporary_folder():
        mine = tempfile.mkdtemp()
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        (folder,) = shared.iterdir()
        assert os.path.dirname(mine) == os.path.dirname(done.stdout.strip()) == str(folder)
    assert list(shared.iterdir()) == []
    assert tempfile.gettempdir() == os.environ["TMPDIR"] == str(shared)


def test_what_a_killed_command_left_goes_and_what_a_running_one_has_stays(shared):
    (shared / "concord-command-killed" / "x").mkdir(parents=True)
    (shared / "concord-faults-of-others").mkdir()
    with own_temporary_folder():
        first = tempfile.gettempdir()
        tempfile.tempdir = str(shared)  # as another command finds it
        with own_temporary_folder():
            assert os.path.isdir(first)
        assert not (shared / "concord-command-killed").exists()
    assert [path.name for path in shared.iterdir()] == ["concord-faults-of-others"]


def test_where_there_is_no_room_the_command_goes_on_without(shared, monkeypatch):
    (shared / "file").touch()
    monkeypatch.setattr(tempfile, "tempdir", str(shared / "file" / "below"))
    with own_temporary_folder():
        assert os.environ["TMPDIR"] == str(shared)
