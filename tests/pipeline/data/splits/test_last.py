import json

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.bundle import SPLITS
from features.specs import FeatureSet
from pipeline.data.blocks.carried_columns import SPLIT, text
from pipeline.data.job.data_job import build_bundle
from pipeline.data.settings.data_config import DataConfig
from pipeline.data.sources import SOURCES
from pipeline.data.sources.base import Source, TextFile
from pipeline.data.splits.last import LeaveLastOut


@pytest.mark.parametrize("clean", [True, False])
@settings(deadline=None)
@given(rows=st.lists(st.tuples(st.sampled_from(["a", "b", None]), st.integers(-3, 3)), max_size=12))
def test_the_last_row_of_each_key_is_test(clean, rows):
    keys, times = zip(*rows, strict=True) if rows else ((), ())
    batch = pa.RecordBatch.from_pydict(
        {text("k"): pa.array(keys, pa.string()), "t": pa.array(times, pa.int64())}
    )
    for column in (batch, batch.set_column(0, text("k"), batch.column(0).dictionary_encode())):
        found = LeaveLastOut("k", "t", clean)(column).column(SPLIT)
        assert found.type == pa.int8()
        expected = {}
        for key in set(keys):
            of_key = [number for number in range(len(rows)) if keys[number] == key]
            of_key.sort(key=lambda number: times[number])  # stable
            names = ["train"] * len(of_key) + ["valid" if clean else "train", "test"]
            expected |= dict(zip(reversed(of_key), reversed(names), strict=False))
        assert [SPLITS[split] for split in found.to_pylist()] == [
            expected[number] for number in range(len(rows))
        ]


@pytest.mark.parametrize("validation", ["clean", "published"])
def test_a_bundle_of_rated_items_leaves_the_last_ones_out(tmp_path, monkeypatch, validation):
    source = Source("rated", "Rated", "https://rated.example", "none", TextFile(("*.csv",)))
    monkeypatch.setitem(SOURCES, "rated", source)
    rows = [f"u{n % 10},{n // 10},{time},{(n + time) % 2}" for n in range(40) for time in (7, 3)]
    (tmp_path / "log.csv").write_text("\n".join(["user,item,time,y", *rows, ",1,1,1", ""]))
    spec = {"y": {"role": "label"}, "time": {"role": "timestamp"}, "user": {"kind": "categorical"}}
    split = {"by": "last", "key": "user", "validation": validation}
    settings = {"source": "rated", "path": str(tmp_path), "max_rejected_share": 0.1}
    bundle = build_bundle(
        FeatureSet.model_validate({"features": spec}),
        DataConfig(**settings, split=split),
        str(tmp_path / "bundle"),
    )
    clean = validation == "clean"
    assert bundle.metadata.rows == {"train": 70 - 10 * clean, "valid": 10, "test": 10}
    rule = bundle.metadata.split_rule
    assert (rule["by"], rule["key"], rule["validation"]) == ("last", "user", validation)
    tables = json.loads((tmp_path / "bundle/statistics.json").read_text())["tables"]
    assert tables == {"log": {"rows": 81, "rejected": 1}}
