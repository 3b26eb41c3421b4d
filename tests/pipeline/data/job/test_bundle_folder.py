import json
import shutil

import pytest

from features.analysis import Analysis
from features.bundle import FORMAT_VERSION, BundleMetadata, Manifest, file_entry, open_bundle
from features.errors import BundleError
from features.specs import FeatureSet
from pipeline.data.job.bundle_folder import BundleFolder
from pipeline.system.files import write_complete


def fill(folder, fingerprint):
    """The least that `open_bundle` accepts."""
    metadata = BundleMetadata(
        format_version=FORMAT_VERSION,
        layout="block",
        block_rows=1,
        features=FeatureSet(features={"a": {"kind": "numeric"}}),
        analysis=Analysis(),
        columns=(),
        rows={},
        split_rule={},
        source="x",
    )
    with open(f"{folder}/metadata.json", "w") as file:
        file.write(metadata.model_dump_json())
    manifest = Manifest(
        format_version=FORMAT_VERSION,
        fingerprint=fingerprint,
        sources={},
        files={"metadata.json": file_entry(f"{folder}/metadata.json")},
    )
    with open(f"{folder}/MANIFEST.json", "w") as file:
        file.write(manifest.model_dump_json())


def build(out, fingerprint):
    folder = BundleFolder(str(out))
    folder.start()
    fill(folder.bundle, fingerprint)
    folder.publish()


def test_a_published_bundle_is_found_by_its_fingerprint(tmp_path):
    build(tmp_path / "out", "a")
    assert BundleFolder(f"{tmp_path}/out/").existing("a").manifest.fingerprint == "a"
    assert BundleFolder(str(tmp_path / "out")).existing("b") is None
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_the_old_bundle_stays_until_the_new_one_is_complete(tmp_path):
    build(tmp_path / "out", "old")
    folder = BundleFolder(str(tmp_path / "out"))
    folder.start()
    assert open_bundle(tmp_path / "out").manifest.fingerprint == "old"
    fill(folder.bundle, "new")
    folder.publish()
    assert open_bundle(tmp_path / "out").manifest.fingerprint == "new"


def test_what_a_dead_job_left_is_removed(tmp_path):
    dead = BundleFolder(str(tmp_path / "out"))
    dead.start()
    (tmp_path / "out.building" / "bundle" / "train-00000-of-00001.tfrecord").write_text("half")
    with pytest.raises(BundleError, match="not a data bundle"):
        open_bundle(tmp_path / "out")
    build(tmp_path / "out", "a")
    assert [path.name for path in (tmp_path / "out").iterdir() if "train" in path.name] == []


def test_a_death_between_the_two_renames_loses_nothing(tmp_path):
    build(tmp_path / "out", "old")
    (tmp_path / "out.building").mkdir()
    (tmp_path / "out").rename(tmp_path / "out.building" / "old")
    assert BundleFolder(str(tmp_path / "out")).existing("old").manifest.fingerprint == "old"


def test_a_death_after_the_second_rename_leaves_the_new_bundle(tmp_path):
    build(tmp_path / "out", "new")
    (tmp_path / "out.building" / "old").mkdir(parents=True)
    folder = BundleFolder(str(tmp_path / "out"))
    assert folder.existing("new").manifest.fingerprint == "new"
    build(tmp_path / "out", "newer")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_what_a_dead_job_left_goes_also_where_the_bundle_is_reused(tmp_path):
    build(tmp_path / "out", "a")
    dead = BundleFolder(str(tmp_path / "out"))
    dead.start()
    (tmp_path / "out.building" / "spill").mkdir()
    (tmp_path / "out.building" / "spill" / "0.blocks").write_text("rows that waited")
    (tmp_path / "out.building" / "old").mkdir()
    assert BundleFolder(str(tmp_path / "out")).existing("b") is None
    # Another bundle is to be built: not decided here.
    assert (tmp_path / "out.building" / "old").exists()
    assert BundleFolder(str(tmp_path / "out")).existing("a").manifest.fingerprint == "a"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_damaged_bundle_is_not_reused(tmp_path):
    build(tmp_path / "out", "a")
    (tmp_path / "out" / "metadata.json").write_text(json.dumps({"format_version": 0}))
    assert BundleFolder(str(tmp_path / "out")).existing("a") is None


NOT_OURS = {
    "no manifest": {"thesis.tex": "years of work"},
    "metadata alone": {"metadata.json": "my own work", "thesis.txt": "x"},
    "another manifest": {"MANIFEST.json": "my own work", "thesis.txt": "x"},
    "a manifest of JSON": {"MANIFEST.json": '{"files": {"thesis.txt": 1}}', "thesis.txt": "x"},
    "a manifest of a list": {"MANIFEST.json": "[]"},
}


@pytest.mark.parametrize("files", NOT_OURS.values(), ids=NOT_OURS)
def test_a_folder_of_the_users_is_left_alone(tmp_path, files):
    for name, text in files.items():
        (tmp_path / "out").mkdir(exist_ok=True)
        (tmp_path / "out" / name).write_text(text)
    with pytest.raises(BundleError, match=r"not a data bundle: .* Remove it, or choose another"):
        BundleFolder(str(tmp_path / "out")).start()
    assert {path.name: path.read_text() for path in (tmp_path / "out").iterdir()} == files


def test_a_swap_that_fails_loses_nothing(tmp_path):
    build(tmp_path / "out", "old")
    folder = BundleFolder(str(tmp_path / "out"))
    folder.start()
    fill(folder.bundle, "new")
    shutil.rmtree(folder.bundle)  # the second rename finds nothing
    with pytest.raises(FileNotFoundError):
        folder.publish()
    folder.abandon()
    assert open_bundle(tmp_path / "out").manifest.fingerprint == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("name", ["out.building/notes.txt", "out.building/old/notes.txt"])
def test_a_folder_of_the_users_where_a_bundle_is_built_is_left_alone(tmp_path, name):
    build(tmp_path / "out", "a")
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).write_text("years of work")
    (tmp_path / "out.building" / "more.txt").touch()
    (tmp_path / "out.old").mkdir()
    with pytest.raises(BundleError, match=r"out\.building is where .* what no job left there"):
        BundleFolder(str(tmp_path / "out")).start()
    assert BundleFolder(str(tmp_path / "out")).existing("a") is not None
    shutil.rmtree(tmp_path / "out")
    assert BundleFolder(str(tmp_path / "out")).existing("a") is None
    assert (tmp_path / name).read_text() == "years of work"
    assert (tmp_path / "out.old").exists()


@pytest.mark.parametrize("out", [".", "..", "/", "../here"])
def test_the_folder_that_the_user_is_in_is_left_alone(tmp_path, monkeypatch, out):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(BundleError, match="is the working directory, or holds it"):
        BundleFolder(out).start()
    assert [path.name for path in tmp_path.iterdir()] == ["here"]


def test_a_link_of_the_users_in_a_bundle_is_left_alone(tmp_path):
    build(tmp_path / "out", "a")
    (tmp_path / "mine").mkdir()
    (tmp_path / "out" / "link").symlink_to(tmp_path / "mine")
    with pytest.raises(BundleError, match="files that this does not name"):
        BundleFolder(str(tmp_path / "out")).start()


@pytest.mark.parametrize("name", ["notes.txt", "deeper/notes.txt"])
def test_a_bundle_that_holds_a_file_of_the_users_is_left_alone(tmp_path, name):
    build(tmp_path / "out", "a")
    (tmp_path / "out" / name).parent.mkdir(exist_ok=True)
    (tmp_path / "out" / name).write_text("years of work")
    with pytest.raises(BundleError, match="files that this does not name"):
        BundleFolder(str(tmp_path / "out")).start()
    assert (tmp_path / "out" / name).read_text() == "years of work"


def test_the_copy_that_a_run_keeps_of_its_bundle_is_left_alone(tmp_path):
    build(tmp_path / "run", "a")
    (tmp_path / "run" / "MANIFEST.json").unlink()  # a run copies metadata and vocabularies
    with pytest.raises(BundleError, match="not a data bundle"):
        BundleFolder(str(tmp_path / "run")).start()
    assert (tmp_path / "run" / "metadata.json").exists()


def test_a_bundle_of_another_format_version_is_replaced(tmp_path):
    build(tmp_path / "out", "a")
    manifest = tmp_path / "out" / "MANIFEST.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "format_version": 0}))
    build(tmp_path / "out", "b")
    assert open_bundle(tmp_path / "out").manifest.fingerprint == "b"


def test_where_a_link_leads_a_bundle_is_replaced(tmp_path):
    build(tmp_path / "disk" / "bundle", "a")
    (tmp_path / "out").symlink_to(tmp_path / "disk" / "bundle")
    build(tmp_path / "out", "b")
    assert (tmp_path / "out").is_symlink()
    assert open_bundle(tmp_path / "disk" / "bundle").manifest.fingerprint == "b"
    assert [path.name for path in (tmp_path / "disk").iterdir()] == ["bundle"]


def test_a_failed_write_leaves_no_file(tmp_path):
    def write(temporary):
        with open(temporary, "w") as file:
            file.write("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_complete(f"{tmp_path}/sub/file.txt", write)
    assert list((tmp_path / "sub").iterdir()) == []
