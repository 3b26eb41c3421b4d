"""The job reads through Beam's file systems and writes through TensorFlow's: no disk is needed."""

import io
from pathlib import Path

import pytest
import tensorflow as tf
from apache_beam.io.filesystem import BeamIOError, FileMetadata, FileSystem
from apache_beam.io.filesystems import FileSystems

import pipeline.data.reading.lines as lines
import pipeline.data.reading.ranges as ranges
from features.bundle import open_bundle
from features.errors import DataError
from features.specs import FeatureSet
from pipeline.data.job.data_job import build_bundle
from pipeline.data.settings.data_config import DataConfig
from pipeline.data.sources import SOURCES
from pipeline.data.sources.base import SideTable, Source, TextFile

FEATURES = FeatureSet(
    features={
        "clicked": {"role": "label"},
        "item": {"kind": "categorical"},
        "price": {"kind": "numeric"},
    }
)
LOG = "clicked,item\n" + "".join(f"{row % 3 % 2},i{row % 7}\n" for row in range(90))
ITEMS = "item,price\n" + "".join(f"i{row},{row}.5\n" for row in range(7))
SHOP = Source(
    name="shop",
    title="Shop",
    homepage="https://shop.example",
    terms="none",
    log=TextFile(("log_*.csv",)),
    side_tables=(SideTable("items", TextFile(("items.csv",)), key="item"),),
)


class Shelf(FileSystem):
    """Files of one process, under shelf://."""

    files: dict[str, bytes] = {}

    @classmethod
    def scheme(cls):
        return "shelf"

    def join(self, basepath, *paths):
        return "/".join([basepath.rstrip("/"), *paths])

    def split(self, path):
        return tuple(path.rsplit("/", 1))

    def has_dirs(self):
        return False

    def _list(self, folder):
        for path, content in self.files.items():
            if path.startswith(folder):
                yield FileMetadata(path, len(content))

    def open(self, path, mime_type=None, compression_type=None):
        if path not in self.files:
            raise BeamIOError(f"{path} is not on the shelf")
        return io.BytesIO(self.files[path])

    def metadata(self, path):
        return FileMetadata(path, len(self.files[path]))

    def size(self, path):
        return len(self.files[path])

    def exists(self, path):
        return path in self.files

    def mkdirs(self, path):
        raise NotImplementedError

    create = copy = rename = last_updated = checksum = delete = mkdirs


@pytest.fixture
def shop(tmp_path, monkeypatch):
    monkeypatch.setitem(SOURCES, "shop", SHOP)
    content = {"log_1.csv": LOG.encode(), "items.csv": ITEMS.encode()}
    for name, data in content.items():
        (tmp_path / name).write_bytes(data)
    files = {f"shelf://data/{name}": data for name, data in content.items()}
    monkeypatch.setattr(Shelf, "files", files)
    return tmp_path


def build(path, out):
    data = DataConfig(source="shop", path=str(path), split={"by": "hash", "valid": 0.2}, seed=2)
    return build_bundle(FEATURES, data, str(out))


def contents(folder):
    return {
        f"{parent}/{name}".removeprefix(str(folder)): tf.io.gfile.GFile(
            f"{parent}/{name}", "rb"
        ).read()
        for parent, _, names in tf.io.gfile.walk(str(folder))
        for name in names
    }


def test_input_and_output_need_no_local_disk(shop, monkeypatch):
    expected = contents(build(shop, shop / "bundle").path)
    monkeypatch.setattr(lines, "PIECE_BYTES", 1 << 20)
    out = "ram://store/bundle"
    bundle = build("shelf://data", out)
    assert bundle.path == out
    assert contents(out) == expected
    assert open_bundle(out, verify=True).metadata.rows == bundle.metadata.rows
    assert tf.io.gfile.listdir("ram://store") == ["bundle"]


def test_files_of_other_systems_are_cut_like_local_ones(shop, monkeypatch):
    monkeypatch.setattr(lines, "PIECE_BYTES", 64)
    whole = contents(build(shop, shop / "bundle").path)
    monkeypatch.setattr(ranges, "RANGE_PIECES", 1)
    assert contents(build("shelf://data", shop / "cut").path) == whole


def test_a_file_that_is_missing_elsewhere_is_named(shop, monkeypatch):
    monkeypatch.setattr(Shelf, "files", {})
    with pytest.raises(DataError, match=r"shelf://data/log_\*\.csv: no such file"):
        build("shelf://data", shop / "bundle")
    assert not Path(shop, "bundle").exists()
    assert FileSystems.get_filesystem("shelf://x").scheme() == "shelf"
