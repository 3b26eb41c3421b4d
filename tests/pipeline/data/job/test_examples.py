"""The whole read side on a small data set with every kind of trouble in it, and on real data."""

import gzip
import os
import tempfile
from pathlib import Path

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from apache_beam.testing.test_pipeline import TestPipeline
from apache_beam.testing.util import assert_that, equal_to

import pipeline.data.reading.lines as lines
import pipeline.data.reading.read as read
from features.errors import ConfigError, DataError
from features.specs import FeatureSet
from pipeline.data.job.examples import Examples, partitions_of
from pipeline.data.job.open_inputs import Inputs, open_inputs
from pipeline.data.settings.data_config import DataConfig
from pipeline.data.sources import SOURCES
from pipeline.data.sources.base import EarlierEvents, ParquetFile, SideTable, Source, TextFile
from pipeline.data.sources.input_file import InputFile

SPILL = tempfile.TemporaryDirectory()  # rows wait there for the limits of the splits
REPOSITORY = Path(__file__).parents[4]
DATA = Path(os.environ.get("CONCORD_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
SHOP = Source(
    name="shop",
    title="Shop",
    homepage="https://shop.example",
    terms="none",
    log=TextFile(("log_*.csv",)),
    side_tables=(
        SideTable("users", TextFile(("users.csv",)), key="user"),
        SideTable("items", TextFile(("items.csv",)), key="item"),
    ),
    earlier_events=EarlierEvents(
        ParquetFile(("earlier.parquet",)), "user", "until", "item", {"clicked": "clicks"}
    ),
)
FEATURES = FeatureSet.model_validate(
    {
        "features": {
            "clicked": {"role": "label"},
            "time": {"role": "timestamp"},
            "age": {"kind": "numeric"},
            "user": {"kind": "categorical"},
            "item": {"kind": "categorical"},
            "clicked_items": {
                "kind": "sequence",
                "history": "clicks",
                "column": "item",
                "vocabulary": "item",
                "max_length": 3,
            },
            "clicked_brands": {
                "kind": "sequence",
                "history": "clicks",
                "column": "brand",
                "max_length": 3,
            },
        },
        "histories": {"clicks": {"key": "user", "where": "clicked"}},
    }
)
LOG_A = b"time,user,item,clicked\n10,u1,i1,1\n20,u1,i2,0\n30,u1,i2,1\n40,u1,i1\n50,u2,i9,1\n"
LOG_B = b"clicked,item,user,time\n1,i1,u2,60\nx,i1,u2,70\n1,i2,u1,80\n0,i1,u2,80\n"
USERS = b"user,age\nu1,31\nu2,old\nu1,99\n,5\n"
ITEMS = b"item,brand\ni1,acme\ni2,bolt\ni3,\n"
EARLIER = {"user": ["u1", None], "until": [10, 11], "clicks": [["i3", "i2"], ["i1"]]}
# time, user -> label, age, clicked items, their brands
EXPECTED = {
    (10, "u1"): (1.0, 31.0, [], []),
    (20, "u1"): (0.0, 31.0, ["i3", "i2"], [None, "bolt"]),
    (30, "u1"): (1.0, 31.0, ["i3", "i2"], [None, "bolt"]),
    (50, "u2"): (1.0, None, [], []),
    (60, "u2"): (1.0, None, ["i9"], [None]),
    (80, "u1"): (1.0, 31.0, ["i3", "i2", "i2"], [None, "bolt", "bolt"]),
    (80, "u2"): (0.0, None, ["i9", "i1"], [None, "acme"]),
}


@pytest.fixture
def shop(tmp_path, monkeypatch):
    monkeypatch.setitem(SOURCES, "shop", SHOP)
    (tmp_path / "log_a.csv").write_bytes(LOG_A)
    (tmp_path / "log_b.csv.gz").write_bytes(gzip.compress(LOG_B))
    (tmp_path / "users.csv").write_bytes(USERS)
    (tmp_path / "items.csv").write_bytes(ITEMS)
    pq.write_table(pa.table(EARLIER), tmp_path / "earlier.parquet")
    return tmp_path


def config(path, **settings):
    return DataConfig(source="shop", path=str(path), history_partitions=3, **settings)


def read_side(p, path, features=FEATURES, **settings):
    data = config(path, **settings)
    return p | Examples(open_inputs(features, data), features, data, SPILL.name)


def rows_of(block):
    for row in block[2].to_pylist():
        yield (
            (row["time"], row["user"]),
            (row["clicked"], row["age"], row["clicked_items"], row["clicked_brands"]),
        )


def test_every_row_is_an_example_or_set_aside(shop, caplog):
    with TestPipeline() as p:
        out = read_side(p, shop)
        rows = out["blocks"] | beam.FlatMap(rows_of)
        assert_that(rows, equal_to(list(EXPECTED.items())), label="examples")
        entries = out["rejected"] | beam.Map(
            lambda e: (e["table"], os.path.basename(e["file"]), e["position"], e["reason"])
        )
        assert_that(
            entries,
            equal_to(
                [
                    ("log", "log_a.csv", 5, "3 columns instead of 4"),
                    ("log", "log_b.csv.gz", 3, "clicked must be 0 or 1, got 'x'"),
                    ("users", "users.csv", 3, "age must be a number, got 'old'"),
                    (
                        "users",
                        "users.csv",
                        4,
                        "user 'u1' stands on an earlier line, which is the one that counts",
                    ),
                    ("users", "users.csv", 5, "user must not be empty"),
                    ("earlier_events", "earlier.parquet", 2, "user must not be empty"),
                ]
            ),
            label="rejected",
        )
        texts = (
            out["rejected"]
            | beam.Filter(lambda entry: entry["table"] == "log")
            | "Text" >> beam.Map(lambda entry: (entry["row"], entry["fatal"]))
        )
        assert_that(texts, equal_to([("40,u1,i1", False), ("x,i1,u2,70", False)]), label="text")
        read = {"log": 9, "users": 4, "items": 3, "earlier_events": 2}
        kept = {"users": 1, "items": 3, "earlier_events": 1}
        for name, expected in (("rows_read", read), ("rows_kept", kept)):
            counts = out[name] | f"Sum:{name}" >> beam.CombinePerKey(sum)
            assert_that(counts, equal_to(list(expected.items())), label=name)
    assert "type hint" not in caplog.text  # Beam warns of those it cannot use


def test_equal_times_share_a_split_and_the_rule_is_told(shop):
    with TestPipeline() as p:
        out = read_side(p, shop, split={"by": "time", "valid": 0.2, "test": 0.2})
        times = out["blocks"] | beam.FlatMap(
            lambda block: [(block[1], time) for time in block[2].column("time").to_pylist()]
        )
        expected = [("train", 10), ("train", 20), ("train", 30), ("train", 50)]
        expected += [("valid", 60), ("test", 80), ("test", 80)]
        assert_that(times, equal_to(expected), label="splits")
        rule = {"by": "time", "valid": 0.2, "test": 0.2, "column": "time", "unit": "s"}
        rule |= {"validation": "clean", "valid_is_test": False}
        assert_that(
            out["split"], equal_to([{**rule, "valid_from": 60, "test_from": 80}]), label="rule"
        )


def test_rows_before_the_first_training_row_are_history_alone(shop):
    with TestPipeline() as p:
        split = {"by": "time", "valid": 0.5, "test": 0.25, "train_from": 50}
        out = read_side(p, shop, split=split)
        rows = out["blocks"] | beam.FlatMap(
            lambda block: [
                (block[1], row["time"], list(row["clicked_items"] or []))
                for row in block[2].to_pylist()
            ]
        )
        expected = [("train", 50, []), ("valid", 60, ["i9"]), ("test", 80, ["i9", "i1"])]
        # Of these, u1 clicked the last at 30, in a row that is no example; shares are of 4 rows.
        expected.append(("test", 80, ["i3", "i2", "i2"]))
        assert_that(rows, equal_to(expected), label="rows")
        rules = out["split"] | beam.Map(lambda rule: (rule["train_from"], rule["valid_from"]))
        assert_that(rules, equal_to([(50, 60)]), label="rule")
        alone = (
            out["rows_kept"] | beam.Filter(lambda kept: kept[0] == "log") | beam.CombinePerKey(sum)
        )
        assert_that(alone, equal_to([("log", 3)]), label="alone")


def test_blocks_do_not_depend_on_how_the_work_is_cut(shop):
    """Keys, order and contents are the same with files read in another order and number."""

    def described(block):
        return block[0], block[1], str(block[2].to_pylist())

    found = []
    for order in (slice(None), slice(None, None, -1)):
        target = shop / f"blocks{len(found)}"
        data = config(shop, split={"by": "time", "valid_from": 40, "test_from": 70})
        inputs = open_inputs(FEATURES, data)
        inputs = type(inputs)(**{**vars(inputs), "log": inputs.log[order]})
        with TestPipeline() as p:
            blocks = (p | Examples(inputs, FEATURES, data, SPILL.name))["blocks"]
            blocks | beam.Map(described) | beam.Map(repr) | beam.io.WriteToText(str(target))
        lines = [line for each in shop.glob(f"{target.name}-*") for line in each.open()]
        found.append(sorted(lines))
        assert len({line.split(",")[0] for line in lines}) == len(lines)
    assert found[0] == found[1]


def test_without_histories_or_side_tables_the_log_comes_through(shop):
    bare = FeatureSet.model_validate(
        {
            "features": {
                "clicked": {"role": "label"},
                "time": {"role": "timestamp"},
                "user": {"kind": "categorical"},
            }
        }
    )
    with TestPipeline() as p:
        blocks = read_side(p, shop, bare)["blocks"]
        rows = blocks | beam.FlatMap(
            lambda block: [tuple(r.values()) for r in block[2].to_pylist()]
        )
        expected = [(label, time, user) for (time, user), (label, *_) in EXPECTED.items()]
        assert_that(rows, equal_to(expected), label="rows")


def test_a_file_that_breaks_off_is_fatal(shop, monkeypatch):
    monkeypatch.setattr(lines, "PIECE_BYTES", 64)
    monkeypatch.setattr(read, "_BUFFER_BYTES", 64)
    content = LOG_B + b"1,i1,u1,90\n" * 2000
    (shop / "log_b.csv.gz").write_bytes(gzip.compress(content)[:-12])
    with TestPipeline() as p:
        fatal = read_side(p, shop)["rejected"] | beam.Filter(lambda entry: entry["fatal"])
        reasons = fatal | beam.Map(lambda entry: entry["reason"].split(" after line")[0])
        path = str(shop / "log_b.csv.gz")
        assert_that(reasons, equal_to([f"{path} is damaged or breaks off"]), label="fatal")


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"source": "shoop"}, ConfigError, "'shoop' is not a data set.*Did you mean shop"),
        ({"path": None}, DataError, r"data\.path is not set.*--set data\.path"),
        ({"path": "/nowhere"}, DataError, r"/nowhere/log_\*\.csv: no such file.*--set data\.path"),
        ({"log": ("random_*.csv",)}, DataError, r"random_\*\.csv: no such file"),
    ],
)
def test_missing_files_are_named_before_the_job_starts(shop, change, error, message):
    with pytest.raises(error, match=message):
        open_inputs(FEATURES, config(shop).model_copy(update=change))


def test_a_missing_column_is_named_with_its_nearest(shop):
    (shop / "log_b.csv.gz").write_bytes(gzip.compress(LOG_B.replace(b"clicked", b"cliked")))
    with pytest.raises(DataError, match=r"log_b\.csv\.gz has no column 'clicked'.*cliked"):
        open_inputs(FEATURES, config(shop))
    spec = {"features": {"time": {"role": "timestamp"}, "brnd": {"kind": "categorical"}}}
    with pytest.raises(DataError, match=r"no column 'brnd', which feature 'brnd' needs.*brand"):
        open_inputs(FeatureSet.model_validate(spec), config(shop))


def test_the_label_must_stand_in_the_log(shop):
    spec = {
        "time": {"role": "timestamp"},
        "y": {"role": "label", "column": "age"},
        "user": {"kind": "categorical"},
    }
    with pytest.raises(DataError, match="column 'age', the label, stands in users"):
        open_inputs(FeatureSet.model_validate({"features": spec}), config(shop))


def test_a_plain_file_is_read_instead_of_its_compressed_twin(shop):
    (shop / "log_b.csv").write_bytes(LOG_B)
    names = [os.path.basename(file.path) for file in open_inputs(FEATURES, config(shop)).log]
    assert names == ["log_a.csv", "log_b.csv"]


@pytest.mark.slow
def test_kuairand_reads_as_published():
    folder = DATA / "kuairand_pure"
    if not folder.is_dir():
        pytest.skip(f"needs the real data in {folder}")
    content = yaml.safe_load((REPOSITORY / "configs/kuairand_pure/dataset.yaml").read_text())
    data = DataConfig(**{**content.pop("data"), "path": str(folder)})
    del content["export"]  # about exports, not about the data
    features = FeatureSet.model_validate(content)
    inputs = open_inputs(features, data)

    def lengths(block):
        rows = block[2]
        histories = ("shown_videos", "clicked_videos", "liked_videos", "long_viewed_videos")
        counts = [len(rows.column(name).flatten()) for name in histories]
        return [len(rows), sum(rows.column("is_click").to_pylist()), *counts]

    with TestPipeline() as p:
        out = p | Examples(inputs, features, data, SPILL.name)
        totals = (
            out["blocks"]
            | beam.Map(lengths)
            | beam.CombineGlobally(lambda all: [sum(column) for column in zip(*all, strict=True)])
            | beam.Map(lambda sums: (sums[:2], all(0 < each < 50 * sums[0] for each in sums[2:])))
        )
        assert_that(totals, equal_to([([198_895, 87_752.0], True)]), label="totals")
        assert_that(out["rejected"], equal_to([]), label="rejected")


MB = 1 << 20


def inputs_of_size(*sizes, events=(), suffix=""):
    def files(table, each):
        return tuple(
            InputFile(table, f"{table}{index}.csv{suffix}", index, (), size=size)
            for index, size in enumerate(each)
        )

    source = SOURCES["taobao_ad"]
    logs = {"behavior_log": files("behavior_log", events)} if events else {}
    return Inputs(source, files("log", sizes), {}, (), {}, logs)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (inputs_of_size(None), 64),
        (inputs_of_size(1), 64),
        (inputs_of_size(64 * 48 * MB), 64),
        (inputs_of_size(64 * 48 * MB, 1), 65),
        (inputs_of_size(48 * MB, events=(99 * 48 * MB,)), 100),
        (inputs_of_size(100 * 12 * MB, suffix=".gz"), 100),
        (inputs_of_size(10**15), 65_536),
    ],
)
def test_partitions_stay_small_and_are_neither_too_few_nor_too_many(given, expected):
    assert partitions_of(given) == expected


def test_computed_rows_count_too():
    generated = SOURCES["synthetic:image2product"]
    data = DataConfig(source=generated.name, rows=50_000_000)
    log = generated.log.configured(generated.name, data)
    source = type(generated)(**{**vars(generated), "log": log})
    given = Inputs(source, (), {}, (), {"log": log.columns})
    assert partitions_of(given) == -(-50_000_000 * len(log.columns) * 8 // (48 * MB))
