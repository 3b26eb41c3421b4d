"""Files appear whole, or not at all."""

import os

import pytest

from pipeline.system.files import read_json, write_json, write_text


def test_reads_back_what_it_wrote(tmp_path):
    path = str(tmp_path / "new" / "file.json")
    write_json(path, {"å": [1, None]})
    assert read_json(path) == {"å": [1, None]}


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "file.txt"
    write_text(str(path), "old")

    def full(*_, **__):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="disk full"):
        write_text(str(path), "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
