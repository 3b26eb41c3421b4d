"""Memory of the job: rows foreseen from samples, and the refusal before anything is built."""

import bz2
import gzip
import logging
import lzma
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.errors import ConfigError
from features.specs import FeatureSet
from pipeline.data.job import memory_forecast
from pipeline.data.job.data_job import build_bundle
from pipeline.data.job.open_inputs import open_inputs
from pipeline.data.settings.data_config import DataConfig
from pipeline.data.sources import SOURCES
from pipeline.data.sources.base import ParquetFile, Source, TextFile
from pipeline.data.sources.input_file import InputFile

CSV = TextFile(("log_*.csv",))
FEATURES = FeatureSet(
    features={"clicked": {"role": "label"}, "item": {"kind": "categorical", "min_count": 1}}
)
MORE = {"items": {"kind": "multivalued", "column": "tags", "separator": " ", "max_length": 100}}
SPLIT = {"by": "hash"}
SHOP = Source("shop", "Shop", "https://shop.example", "none", CSV)


@pytest.fixture
def shop(tmp_path, monkeypatch):
    monkeypatch.setitem(SOURCES, "shop", SHOP)
    rng = random.Random(0)
    for part, count in (("a", 3_000), ("b", 9_000), ("c", 100)):
        rows = "".join(f"{row % 2},i{rng.randrange(9_999)},a b\n" for row in range(count))
        (tmp_path / f"log_{part}.csv").write_text("clicked,item,tags\n" + rows)
    return tmp_path


def seen(path, features=FEATURES, **settings):
    data = DataConfig(source="shop", path=str(path), split=SPLIT, **settings)
    return memory_forecast.foresee(open_inputs(features, data), features, data)


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_rows_are_foreseen_from_the_beginning_of_a_file(tmp_path, monkeypatch, pack):
    monkeypatch.setattr(memory_forecast, "_SAMPLE", 1 << 21)
    rng = random.Random(1)
    content = "".join(f"{rng.random()},{row % 2}\n" for row in range(200_000)).encode()
    suffix = {gzip.compress: ".gz", bz2.compress: ".bz2", lzma.compress: ".xz"}.get(pack, "")
    path = tmp_path / f"log.csv{suffix}"
    path.write_bytes(pack(content))
    file = InputFile("log", str(path), 0, ("a", "b"), size=path.stat().st_size)
    tolerance = 0.5 if pack in (bz2.compress, lzma.compress) else 0.1  # they read large blocks
    assert memory_forecast.rows_of(CSV, file) == pytest.approx(200_000, rel=tolerance)
    small = tmp_path / f"small.csv{suffix}"
    small.write_bytes(pack(content[:1_000]))
    file = InputFile("log", str(small), 0, ("a", "b"), size=small.stat().st_size)
    assert memory_forecast.rows_of(CSV, file) == len(content[:1_000].splitlines())


def test_parquet_knows_its_rows_and_damage_is_not_judged_here(tmp_path):
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"a": list(range(77))}), path)
    file = InputFile("log", str(path), 0, ("a",), size=path.stat().st_size)
    assert memory_forecast.rows_of(ParquetFile(("x",)), file) == 77
    path.write_bytes(path.read_bytes()[:-9])
    assert memory_forecast.rows_of(ParquetFile(("x",)), file) is None


def test_more_rows_and_longer_ones_need_more(shop):
    few = seen(shop, log=("log_a.csv",))
    many = seen(shop)
    assert few.rows == pytest.approx(3_000, rel=0.01)
    assert many.rows == pytest.approx(12_100, rel=0.05)
    assert memory_forecast.CONSTANT < few.bytes < many.bytes
    wide = FeatureSet(features=FEATURES.model_dump(exclude_defaults=True)["features"] | MORE)
    assert seen(shop, wide).bytes > many.bytes + many.rows * memory_forecast.COPIES_WRITTEN * 100


def test_rows_that_meet_by_key_are_held_as_they_were_read(shop):
    for path in shop.glob("log_*.csv"):
        path.write_text(path.read_text().replace(",a b\n", ",5\n"))
    features = FEATURES.model_dump(exclude_defaults=True)["features"]
    lists = {"kind": "sequence", "history": "past", "column": "item", "vocabulary": "item"}
    features |= {"time": {"role": "timestamp", "column": "tags"}}
    features |= {"items": {**lists, "max_length": 2}}
    by_key = FeatureSet(features=features, histories={"past": {"key": "item"}})
    alone = FeatureSet(features={name: features[name] for name in ("clicked", "item", "time")})
    more = seen(shop, by_key).bytes - seen(shop, alone).bytes
    assert more > 12_000 * memory_forecast.COPIES_BY_KEY


def test_the_need_is_told_before_the_job_starts(shop, caplog):
    data = DataConfig(source="shop", path=str(shop), split=SPLIT)
    with caplog.at_level(logging.INFO):
        memory_forecast.check_memory(
            open_inputs(FEATURES, data), FEATURES, data, available=21 * 10**9
        )
    (line,) = [each for each in caplog.messages if each.startswith("needs about")]
    assert line.endswith("rows; 21 GB are available")
    assert line.startswith("needs about 1.2 GB")


def test_a_job_that_will_not_fit_is_refused_with_what_to_do(shop):
    data = DataConfig(source="shop", path=str(shop), split=SPLIT)
    inputs = open_inputs(FEATURES, data)
    with pytest.raises(
        ConfigError, match=r"would need about 1\.2 GB of memory .* rows, and 100 MB"
    ):
        memory_forecast.check_memory(inputs, FEATURES, data, available=10**8)
    data = data.model_copy(update={"memory_gb": 0.2})
    remedy = r"200 MB data\.memory_gb=0\.2 allows.*\(data\.log\).*FlinkRunner.*set data\.memory_gb"
    with pytest.raises(ConfigError, match=remedy):
        build_bundle(FEATURES, data, str(shop / "out"))
    assert not [path.name for path in shop.iterdir() if path.name.startswith("out")]


def test_a_log_without_rows_is_left_to_the_job(shop):
    (shop / "log_d.csv").write_text("clicked,item,tags\n")
    assert seen(shop, log=("log_d.csv",)) is None
