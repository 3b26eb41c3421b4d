"""Files of this machine and of an object store are read and written by the same functions."""

import subprocess
import sys
import uuid

import pytest

from features import storage


@pytest.fixture(params=["local", "ram"])
def folder(request, tmp_path):
    """A folder of this machine, or of a store that TensorFlow knows: its own, in memory."""
    return str(tmp_path) if request.param == "local" else f"ram://{uuid.uuid4().hex}"


def test_reads_back_what_it_wrote(folder):
    storage.make_folders(f"{folder}/a/b")
    storage.write_bytes(f"{folder}/a/b/x", b"\xff\n1")
    storage.write_bytes(f"{folder}/a/y", b"")
    assert storage.read_bytes(f"{folder}/a/b/x") == b"\xff\n1"
    assert storage.size_of(f"{folder}/a/b/x") == 3
    with storage.opened(f"{folder}/a/b/x") as file:
        assert (file.read(1), file.read()) == (b"\xff", b"\n1")
    assert sorted(storage.names_in(f"{folder}/a")) == ["b", "y"]
    assert sorted(storage.files_below(f"{folder}/a")) == ["b/x", "y"]
    assert storage.is_folder(f"{folder}/a")
    assert not storage.is_folder(f"{folder}/a/y")


def test_a_link_to_a_folder_is_a_file_and_what_cannot_be_listed_is_told(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "x").touch()
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "link").symlink_to(tmp_path / "elsewhere")
    assert storage.files_below(str(tmp_path / "a")) == ["link"]
    with pytest.raises(FileNotFoundError):
        storage.files_below(str(tmp_path / "gone"))


def test_renames_over_a_file_copies_and_removes(folder):
    storage.make_folders(folder)
    for name in ("old", "new"):
        storage.write_bytes(f"{folder}/{name}", name.encode())
    storage.rename(f"{folder}/new", f"{folder}/old")
    storage.copy(f"{folder}/old", f"{folder}/copy")
    assert storage.read_bytes(f"{folder}/copy") == b"new"
    assert not storage.exists(f"{folder}/new")
    storage.remove(f"{folder}/old")
    assert not storage.exists(f"{folder}/old")
    storage.make_folders(f"{folder}/tree/branch")
    storage.write_bytes(f"{folder}/tree/branch/leaf", b"")
    storage.remove_tree(f"{folder}/tree")
    assert not storage.exists(f"{folder}/tree/branch/leaf")
    storage.remove_tree(f"{folder}/tree")  # there is none: nothing happens


@pytest.mark.parametrize("read", [storage.read_bytes, storage.size_of])
def test_a_file_that_is_not_there_is_one_error_everywhere(folder, read):
    assert not storage.exists(f"{folder}/gone")
    with pytest.raises(FileNotFoundError):
        read(f"{folder}/gone")


def test_what_is_removed_behind_a_link_stays(tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    storage.remove_tree(str(tmp_path / "link"))
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_files_of_this_machine_need_no_tensorflow(tmp_path):
    code = (
        "import sys; from features.bundle import read_manifest; from features import storage\n"
        f"storage.write_bytes({str(tmp_path / 'x')!r}, b'1')\n"
        f"assert storage.read_bytes({str(tmp_path / 'x')!r}) == b'1'\n"
        f"assert read_manifest({str(tmp_path)!r}) is None\n"
        "assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
