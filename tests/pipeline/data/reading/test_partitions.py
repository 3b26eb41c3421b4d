"""Folders of Hive partitions: their names are columns, in inspect's samples and in the job."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.specs import FeatureSet
from pipeline.batches.dataset import column_arrays
from pipeline.data.job.data_job import build_bundle
from pipeline.data.reading.match import match_log
from pipeline.data.reading.partitions import partition_names, partition_value, relative_path
from pipeline.data.reading.read import read_blocks, read_header
from pipeline.data.settings.data_config import DataConfig
from pipeline.data.sources.base import ParquetFile, TextFile


def test_names_are_those_of_the_folders_below_the_log():
    path = "/a=1/log/dt=2026-11-01/country=NO/part.parquet"
    assert partition_names("/a=1/log", path) == ("dt", "country")
    assert partition_names("/a=1/log/", path) == ("dt", "country")
    assert partition_names("/a=1/log", "/a=1/log/x=1.parquet") == ()
    assert relative_path("/a=1/log/", path) == "dt=2026-11-01/country=NO/part.parquet"


@pytest.mark.parametrize(
    ("folder", "value"),
    [
        ("dt=2026-11-01", "2026-11-01"),
        ("dt=a%20b%2Fc", "a b/c"),
        ("dt=a=b", "a=b"),
        ("dt=__HIVE_DEFAULT_PARTITION__", None),
        ("dt=", None),
        ("other=1", None),
    ],
)
def test_a_value_is_what_stands_behind_the_name(folder, value):
    assert partition_value(f"/log/{folder}/part.parquet", "dt") == value


def test_files_of_partitions_are_found_and_what_is_beside_them_is_not(tmp_path):
    for name in ("dt=1/a.csv", "dt=1/_SUCCESS.csv", "dt=2/h=3/b.csv", "other/c.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x\n1\n")
    for name in ("README.txt", "d.csv", "LICENSE.txt", "readme_now.csv.csv", "requirements.txt"):
        (tmp_path / name).write_text("x\n1\n")
    found = match_log(str(tmp_path), ["*.csv", "*.txt"])
    assert [relative_path(str(tmp_path), path) for path in found] == [
        *("d.csv", "dt=1/a.csv", "dt=2/h=3/b.csv"),
    ]


@pytest.mark.parametrize("wanted", [("dt", "x"), ("x", "dt"), ("dt",), ("x",)])
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_columns_come_in_the_order_that_is_asked_for(tmp_path, kind, wanted):
    (tmp_path / "dt=5").mkdir()
    path = str(tmp_path / "dt=5" / f"p.{kind}")
    file = ParquetFile(("*",), partitions=("dt",))
    if kind == "csv":
        file = TextFile(("*",), partitions=("dt",))
        (tmp_path / "dt=5" / "p.csv").write_text("x,y\n1,2\n3,4\n")
    else:
        pq.write_table(pa.table({"x": [1, 3], "y": [2, 4]}), path)
    header = read_header(file, path)
    assert header == ("x", "y", "dt")
    (block,) = read_blocks(file, path, header, wanted)
    expected = {"x": ["1", "3"], "dt": ["5", "5"]}
    assert block.rows.to_pydict() == {name: expected[name] for name in wanted}


def test_a_bundle_has_the_partition_as_a_feature(tmp_path):
    for day in range(3):
        folder = tmp_path / "log" / f"day=d{day}"
        folder.mkdir(parents=True)
        rows = {"click": [0, 1] * 20, "user": [f"u{n % 7}" for n in range(40)]}
        pq.write_table(pa.table(rows), folder / "part-0.parquet")
    features = FeatureSet(
        features={
            "click": {"role": "label"},
            "user": {"kind": "categorical"},
            "day": {"kind": "categorical"},
        }
    )
    split = {"by": "hash", "valid": 0.0, "test": 0.2}
    data = DataConfig(source="parquet", path=str(tmp_path / "log"), split=split)
    bundle = build_bundle(features, data, str(tmp_path / "bundle"))
    assert sum(bundle.metadata.rows.values()) == 120
    ids = column_arrays(bundle, "train", ["day"])["day"]
    assert len(set(ids.tolist())) == 3
