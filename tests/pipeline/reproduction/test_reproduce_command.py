"""`concord reproduce`, as a user types it, with a table of two rows on small files."""

import json

import pytest
import yaml

from tests.pipeline.small_movielens import write_small_movielens

TABLE = {
    "title": "A taught network",
    "paper": "A paper",
    "config": "movielens_100k/dataset",
    "data_sets": {},
    "metrics": ["auc", "gauc"],
    "baseline": "DNN",
    "rows": {"DNN": {"preset": "dnn"}, "EnKD": {"preset": "enkd", "teachers": ["DNN"]}},
}


def test_lists_the_tables(concord):
    done = concord("reproduce")
    assert done.returncode == 0, done.stderr
    titles = dict(line.split(None, 1) for line in done.stdout.splitlines()[:-1] if line)
    assert titles["mbcnet_table_6"] == "What MBCnet's parts are worth"


def test_mistakes_are_said_before_anything_is_built(concord, tmp_path):
    done = concord("reproduce", "mbcnet_table_66")
    assert done.returncode == 2
    assert "error: 'mbcnet_table_66' is no table." in done.stderr
    done = concord("reproduce", "mbcnet_table_6", "--only", "MBCnet")
    assert done.returncode == 2
    assert "is the baseline, which is always there" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_trains_what_is_missing_and_goes_on(concord, tmp_path):
    write_small_movielens(tmp_path / "data")
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(TABLE))
    command = ["reproduce", "own.yaml", "--data", str(tmp_path / "data"), "--seeds", "1"]
    command += ["--set", "train.epochs=1", "--set", "data.history_partitions=4", "--out", "table"]
    done = concord(*command)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "table/table.json").read_text())
    assert set(report["rows"]) == {"DNN", "EnKD"}
    assert len(report["rows"]["EnKD"]["auc"]["to_baseline"]) == 3
    taught = yaml.safe_load((tmp_path / "table/EnKD/seed_1/config.yaml").read_text())
    assert taught["train"]["teachers"] == [str(tmp_path / "table/DNN/seed_1")]
    page = (tmp_path / "table/table.md").read_text()
    assert "reproduce own.yaml --config movielens_100k/dataset" in page
    assert str(tmp_path) not in page
    checkpoints = {p: p.stat().st_mtime_ns for p in (tmp_path / "table").rglob("*.index")}
    again = concord(*command)
    assert again.returncode == 0, again.stderr
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "table").rglob("*.index")} == checkpoints
    assert json.loads((tmp_path / "table/table.json").read_text()) == report
    other = concord(*command, "--set", "train.learning_rate=0.01")
    assert other.returncode == 2
    assert "DNN/seed_1 holds a finished run of other settings" in other.stderr
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "table").rglob("*.index")} == checkpoints
