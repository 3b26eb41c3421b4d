import json
from pathlib import Path

import pytest

from features.bundle import (
    FORMAT_VERSION,
    BundleMetadata,
    Manifest,
    file_entry,
    open_bundle,
    read_metadata,
)
from features.columns import columns_of
from features.errors import BundleError
from features.inputs import model_inputs


@pytest.fixture
def metadata(features, analysis):
    return BundleMetadata(
        format_version=FORMAT_VERSION,
        layout="block",
        block_rows=4096,
        features=features,
        analysis=analysis,
        columns=columns_of(features),
        rows={"train": 3, "valid": 1},
        split_rule={"by": "time", "valid_from": 2**40},
        source="a test",
    )


RECORDS = {
    "valid-00000-of-00001.tfrecord": 1,
    "train-00001-of-00002.tfrecord": 1,
    "train-00000-of-00002.tfrecord": 2,
    "training-notes.tfrecord": 5,  # of no split
}


@pytest.fixture
def bundle_dir(metadata, tmp_path):
    """A bundle whose records are never read here."""
    contents = {
        "metadata.json": metadata.model_dump_json(),
        "statistics.json": '{"train": {"rows": 3}}',
        "vocabularies/city.txt": "Oslo\n",
        **{name: f"records of {name}" for name in RECORDS},
    }
    for name, content in contents.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content, "utf-8")
    manifest = Manifest(
        format_version=FORMAT_VERSION,
        fingerprint="f",
        sources={},
        files={name: file_entry(str(tmp_path / name), RECORDS.get(name)) for name in contents},
    )
    (tmp_path / "MANIFEST.json").write_text(manifest.model_dump_json(), "utf-8")
    return tmp_path


def edit(path: Path, **changes) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **changes}), "utf-8")


def unlist(bundle_dir: Path, name: str) -> None:
    """Takes a file off the manifest, so that its own content is what gets judged."""
    manifest = json.loads((bundle_dir / "MANIFEST.json").read_text("utf-8"))
    del manifest["files"][name]
    edit(bundle_dir / "MANIFEST.json", files=manifest["files"])


@pytest.mark.parametrize("verify", [False, True])
def test_opens_what_was_written(bundle_dir, metadata, features, analysis, verify):
    bundle = open_bundle(bundle_dir, verify=verify)
    assert bundle.metadata == metadata
    assert bundle.metadata.model_inputs() == model_inputs(features, analysis)
    assert bundle.statistics == {"train": {"rows": 3}}
    assert Path(bundle.vocabulary_dir, "city.txt").read_text("utf-8") == "Oslo\n"
    assert read_metadata(bundle_dir / "metadata.json") == metadata


def test_the_files_of_a_split_are_its_records_in_order(bundle_dir):
    bundle = open_bundle(bundle_dir)
    assert [Path(each).name for each in bundle.files("train")] == [
        "train-00000-of-00002.tfrecord",
        "train-00001-of-00002.tfrecord",
    ]
    assert bundle.files("valid") == [str(bundle_dir / "valid-00000-of-00001.tfrecord")]
    assert bundle.files("test") == []


def refusal(path, verify=False) -> str:
    with pytest.raises(BundleError) as caught:
        open_bundle(path, verify)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_folder_without_a_manifest_is_no_bundle(bundle_dir):
    (bundle_dir / "MANIFEST.json").unlink()
    assert "it has no MANIFEST.json. Build it: python -m pipeline build-bundle" in refusal(
        bundle_dir
    )
    assert "is not a data bundle" in refusal(bundle_dir / "nowhere")


@pytest.mark.parametrize("version", [FORMAT_VERSION + 1, None, str(FORMAT_VERSION)])
@pytest.mark.parametrize("name", ["MANIFEST.json", "metadata.json"])
def test_another_format_version_is_refused_before_anything_else(bundle_dir, name, version):
    if name == "metadata.json":
        unlist(bundle_dir, name)
    edit(bundle_dir / name, format_version=version, a_key_of_the_future=1)
    message = refusal(bundle_dir)
    assert f"{name} was written with format version {version}, but this code reads" in message
    assert "Rebuild the bundle: python -m pipeline build-bundle" in message


def test_a_missing_file_is_named(bundle_dir):
    (bundle_dir / "train-00001-of-00002.tfrecord").unlink()
    assert "train-00001-of-00002.tfrecord is in the manifest but not in" in refusal(bundle_dir)


def test_a_truncated_file_is_named_with_both_sizes(bundle_dir):
    path = bundle_dir / "train-00001-of-00002.tfrecord"
    path.write_bytes(path.read_bytes()[:-1])
    size = path.stat().st_size
    assert f"{path} has {size} bytes, but the manifest says {size + 1}. Rebuild" in refusal(
        bundle_dir
    )


def test_a_changed_byte_outside_of_the_records_is_always_found(bundle_dir):
    path = bundle_dir / "vocabularies" / "city.txt"
    path.write_text("Lima\n", "utf-8")
    assert f"{path} has another checksum than the manifest says" in refusal(bundle_dir)


def test_a_changed_byte_of_a_record_is_found_when_asked_for(bundle_dir):
    path = bundle_dir / "train-00001-of-00002.tfrecord"
    path.write_bytes(path.read_bytes().replace(b"r", b"s", 1))
    open_bundle(bundle_dir)
    assert f"{path} has another checksum than the manifest says" in refusal(bundle_dir, True)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[1]", b"3"])
def test_a_manifest_that_is_not_one_is_refused(bundle_dir, content):
    (bundle_dir / "MANIFEST.json").write_bytes(content)
    assert "Rebuild the bundle" in refusal(bundle_dir)


def test_an_unknown_key_in_the_metadata_is_answered_with_the_nearest_one(bundle_dir):
    unlist(bundle_dir, "metadata.json")
    edit(bundle_dir / "metadata.json", block_row=1)
    message = refusal(bundle_dir)
    assert "metadata.json: block_row is not a setting. Did you mean block_rows?" in message
    assert message.endswith("Rebuild the bundle.")


def test_metadata_that_is_gone_is_named(bundle_dir):
    unlist(bundle_dir, "metadata.json")
    (bundle_dir / "metadata.json").unlink()
    assert "metadata.json does not exist. Rebuild the bundle." in refusal(bundle_dir)


def test_a_file_larger_than_one_read_has_the_checksum_of_all_of_it(tmp_path):
    path = tmp_path / "large"
    path.write_bytes(b"x" * ((1 << 22) + 1))
    entry = file_entry(str(path), rows=3)
    assert (entry.size, entry.rows) == ((1 << 22) + 1, 3)
    path.write_bytes(b"x" * (1 << 22) + b"y")
    assert file_entry(str(path)).sha256 != entry.sha256
