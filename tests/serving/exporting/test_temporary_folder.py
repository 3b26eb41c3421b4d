import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from serving.exporting.export import publish_version
from serving.exporting.temporary_folder import temporary_folder

ROOT = Path(__file__).parents[3]


def test_nothing_is_left_of_a_folder_that_was_not_renamed(tmp_path):
    def interrupted():
        with temporary_folder(tmp_path) as folder:
            (folder / "file").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_folders_that_were_made_for_it_go_with_it_unless_something_is_in_them(tmp_path):
    def interrupted(base):
        with temporary_folder(base):
            assert base.is_dir()
            raise KeyboardInterrupt

    for inside in (tmp_path / "a" / "b", tmp_path / "c" / "d"):
        with pytest.raises(KeyboardInterrupt):
            interrupted(inside)
        (tmp_path / "c").mkdir(exist_ok=True)  # the second time it was there before
    assert [each.name for each in tmp_path.iterdir()] == ["c"]
    with temporary_folder(tmp_path / "e" / "f") as folder:
        folder.rename(tmp_path / "e" / "f" / "1")
    assert (tmp_path / "e" / "f" / "1").is_dir()


def test_a_renamed_folder_stays_and_others_may_read_it(tmp_path):
    with temporary_folder(tmp_path) as folder:
        assert folder.name.startswith(".")
        folder.rename(tmp_path / "1")
    assert [each.name for each in tmp_path.iterdir()] == ["1"]
    mask = os.umask(0)
    os.umask(mask)
    assert (tmp_path / "1").stat().st_mode & 0o777 == 0o777 & ~mask


def test_folders_of_live_processes_are_left_alone(tmp_path):
    with temporary_folder(tmp_path) as first, temporary_folder(tmp_path) as second:
        assert first != second
        assert first.is_dir()
        assert second.is_dir()


def test_folders_of_killed_processes_are_removed(tmp_path):
    code = (
        "import sys, time; from pathlib import Path\n"
        "from serving.exporting.temporary_folder import temporary_folder\n"
        "with temporary_folder(Path(sys.argv[1])) as folder:\n"
        "    (folder / 'half').touch(); print('ready', flush=True); time.sleep(60)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"ready\n"
        with temporary_folder(tmp_path):
            assert len(list(tmp_path.glob(".exporting-*/half"))) == 1  # it lives
        process.send_signal(signal.SIGKILL)
    assert len(list(tmp_path.glob(".exporting-*/half"))) == 1
    with temporary_folder(tmp_path):
        assert list(tmp_path.glob(".exporting-*/half")) == []


def test_exports_at_the_same_time_never_share_a_version(tmp_path):
    workers = 8
    barrier = Barrier(workers)

    def one(content: int) -> tuple[int, str]:
        with temporary_folder(tmp_path) as folder:
            (folder / "content").write_text(str(content))
            barrier.wait()
            return content, publish_version(folder, tmp_path).name

    with ThreadPoolExecutor(workers) as pool:
        published = list(pool.map(one, range(workers)))
    assert sorted(int(name) for _, name in published) == list(range(1, workers + 1))
    for content, name in published:
        assert (tmp_path / name / "content").read_text() == str(content)


def test_a_version_that_was_taken_a_moment_ago_is_never_overwritten(tmp_path, monkeypatch):
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "content").touch()
    answers = iter([tmp_path / "1", tmp_path / "2"])  # the first one is out of date
    monkeypatch.setattr("serving.exporting.export.next_version", lambda base: next(answers))
    with temporary_folder(tmp_path) as folder:
        assert publish_version(folder, tmp_path) == tmp_path / "2"
    assert (tmp_path / "1" / "content").exists()
