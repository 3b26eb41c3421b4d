import shutil
import threading
from pathlib import Path

import pytest

from features.bundle import open_bundle
from features.errors import BundleError
from pipeline.batches.dataset import column_arrays, refusing_damage
from pipeline.data.job.bundle_folder import BundleFolder
from pipeline.system.bundle_readers import reading, unread
from tests.waiting import wait_until


@pytest.fixture
def bundle(random_bundle, tmp_path):
    shutil.copytree(random_bundle.path, tmp_path / "bundle")
    return open_bundle(tmp_path / "bundle")


def build_another(bundle):
    """What a build with other settings does at the end: the same files, another fingerprint."""
    folder = BundleFolder(bundle.path)
    folder.start()
    shutil.copytree(bundle.path, folder.bundle, dirs_exist_ok=True)
    manifest = Path(folder.bundle, "MANIFEST.json")
    manifest.write_text(manifest.read_text().replace('"random"', '"another"'))
    folder.publish()


def test_a_bundle_that_is_read_is_not_replaced(bundle, tmp_path):
    with (
        reading(bundle),
        reading(bundle),
        pytest.raises(BundleError, match=r"is read by another command now.*--bundle"),
    ):
        build_another(bundle)
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]
    build_another(bundle)
    assert open_bundle(bundle.path).manifest.fingerprint == "another"


def test_a_finished_build_waits_for_who_began_to_read_meanwhile(bundle, caplog):
    folder = BundleFolder(bundle.path)
    folder.start()
    shutil.copytree(bundle.path, folder.bundle, dirs_exist_ok=True)
    with reading(bundle):
        publishing = threading.Thread(target=folder.publish)
        publishing.start()
        wait_until(lambda: "waiting for its end" in caplog.text)
        column_arrays(bundle, "train", ["row"])
    publishing.join()
    assert not Path(folder.bundle).exists()


def test_a_reader_that_comes_after_a_swap_sees_that_another_lies_there(bundle):
    build_another(bundle)
    with pytest.raises(BundleError, match="was replaced by a build with other"), reading(bundle):
        pass


def test_a_bundle_that_is_gone_is_refused(bundle):
    shutil.rmtree(bundle.path)
    with (
        pytest.raises(BundleError, match=r"cannot be read: No such file.*Build it again"),
        reading(bundle),
    ):
        pass


def test_whoever_reads_without_a_lock_is_told_that_the_bundle_was_replaced(bundle):
    """As on a file system that has none, or in an object store."""
    with pytest.raises(BundleError, match="was replaced by a build"), refusing_damage(bundle):
        build_another(bundle)


def test_whoever_reads_what_was_removed_is_told(bundle):
    def removed_before_it_is_opened():
        shutil.rmtree(bundle.path)
        column_arrays(bundle, "train", ["row"])

    with pytest.raises(BundleError, match="was removed while it was read"), refusing_damage(bundle):
        removed_before_it_is_opened()


def test_nobody_waits_for_a_place_where_there_are_no_locks(bundle, monkeypatch):
    def refuse(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", refuse)
    with reading(bundle), unread(bundle.path):
        pass
