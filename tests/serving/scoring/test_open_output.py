import gzip
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from features.errors import DataError
from serving.scoring.open_output import open_output

ROOT = Path(__file__).parents[3]


def test_where_a_link_leads_is_written_and_the_link_stays(tmp_path):
    (tmp_path / "disk").mkdir()
    link = tmp_path / "out"
    link.symlink_to(tmp_path / "disk" / "scores")
    for text in ("onto nothing", "onto a file"):
        with open_output(str(link)) as file:
            file.write(text)
        assert link.is_symlink()
        assert (tmp_path / "disk" / "scores").read_text() == text
    assert [path.name for path in (tmp_path / "disk").iterdir()] == ["scores"]


@pytest.mark.parametrize("name", ["pipe", "pipe.gz"])
def test_a_pipe_is_written_through(tmp_path, name):
    pipe = tmp_path / name
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with open_output(str(pipe)) as file:
        file.write("scores")
    content = os.read(reading, 1 << 16)
    os.close(reading)
    assert (gzip.decompress(content) if name.endswith(".gz") else content) == b"scores"
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_device_stays_one():
    before = os.stat(os.devnull)
    with open_output(os.devnull) as file:
        file.write("scores")
    after = os.stat(os.devnull)
    assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)


def test_nothing_goes_to_a_pipe_before_an_error(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reading = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    rows = iter(["scores", 1])
    with pytest.raises(TypeError), open_output(str(tmp_path / "pipe")) as file:
        file.writelines(rows)
    assert os.read(reading, 100) == b""
    os.close(reading)


def test_links_that_lead_to_each_other_are_refused(tmp_path):
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(DataError, match="Too many levels"), open_output(str(tmp_path / "a")):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "log"])
def test_the_file_of_the_standard_output_is_written_behind_what_it_holds(tmp_path, name):
    code = "from serving.scoring.open_output import open_output\nimport sys\n"
    code += "with open_output(sys.argv[1]) as file: file.write('scores')"
    with (tmp_path / "log").open("a") as log:
        log.write("earlier ")
        log.flush()
        path = str(tmp_path / name)  # an absolute one stays as it is
        done = subprocess.run([sys.executable, "-c", code, path], stdout=log, cwd=ROOT)
        log.write(" later")
    assert done.returncode == 0
    assert (tmp_path / "log").read_text() == "earlier scores later"
    assert [path.name for path in tmp_path.iterdir()] == ["log"]
