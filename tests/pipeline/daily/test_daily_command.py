"""`concord daily`, as a user types it, on small logs with planted tastes."""

import csv
import json
from collections import Counter

import numpy as np
import pytest

from pipeline.daily import stages
from pipeline.system.lock import only_job_at
from serving.server.lifecycle.models_config import read_config
from tests.pipeline.daily.small_days import ROWS, write_config, write_day


def read(path):
    return json.loads(path.read_text())


def test_mistakes_are_one_sentence_and_leave_nothing(concord, tmp_path):
    config = write_config(tmp_path)
    before = sorted(tmp_path.iterdir())
    for words, sentence in (
        (["--config", config, "--day", "28.11.2026"], "--day '28.11.2026' is no day"),
        (["--config", config], "a day needs --config and --day"),
        (["--config", config, "--day", "2026-11-28"], "logs/2026-11-28.csv is not there"),
        (["--rollback", "--day", "2026-11-28"], "--rollback and --promote go with --state alone"),
        (["--rollback"], "has no version in service that could be withdrawn"),
    ):
        done = concord("daily", "--state", tmp_path / "state", *words)
        assert done.returncode == 2
        assert sentence in done.stderr.replace("\n", " ")
        assert not (tmp_path / "state" / "service.json").exists()
    assert [path for path in sorted(tmp_path.iterdir()) if path.name != "state"] == before


def test_one_job_at_a_time_works_on_a_folder(concord, tmp_path):
    words = ["--config", write_config(tmp_path), "--day", "2026-11-28"]
    with only_job_at("state"):
        for asked in (words, ["--rollback"]):
            done = concord("daily", "--state", "state", *asked)
            assert done.returncode == 2
            assert "another job is working on state now" in done.stderr


def test_features_that_are_none_are_refused(concord, tmp_path):
    write_day(tmp_path / "logs", 28, rows=10)
    words = ["daily", "--config", write_config(tmp_path), "--day", "2026-11-28", "--state", "state"]
    done = concord(*words, "--set", "daily.bless.slices=[prize]")
    assert done.returncode == 2
    assert "daily.bless.slices names 'prize', which is no input" in done.stderr
    done = concord(*words, "--set", "daily.bless.slices=[price]")
    assert "'price', which is no categorical feature with tokens" in done.stderr


def test_files_that_make_no_bundle_are_refused_and_may_be_mended(concord, tmp_path):
    # TensorFlow shares tables of tokens by the path of their file inside a process: no other test
    # may build a bundle at this relative path.
    words = [
        "daily",
        "--config",
        write_config(tmp_path),
        "--day",
        "2026-11-28",
        "--state",
        "mended",
    ]
    words += ["--set", "features.item.min_count=6"]
    log = write_day(tmp_path / "logs", 28, rows=600)
    whole = log.read_text()
    log.write_text(whole.replace("click", "clicked", 1))
    done = concord(*words, "--stage", "build")
    assert done.returncode == 3, done.stderr
    assert "click" in read(tmp_path / "mended/days/2026-11-28/build.json")["reasons"][0]
    log.write_text(whole)
    assert concord(*words, "--stage", "build").returncode == 0
    first = read(tmp_path / "mended/days/2026-11-28/bundle/MANIFEST.json")
    assert concord(*words, "--stage", "build", "--again").returncode == 0
    assert read(tmp_path / "mended/days/2026-11-28/bundle/MANIFEST.json") == first
    assert concord(*words, "--stage", "check").returncode == 0
    _check_statistics(log, read(tmp_path / "mended/days/2026-11-28/statistics.json"))


def _check_statistics(log, statistics):
    """The statistics of a day beside those of its file."""
    rows = list(csv.DictReader(log.open()))
    assert statistics["rows"] == len(rows)
    clicks = [int(row["click"]) for row in rows]
    assert statistics["label_rate"] == pytest.approx(np.mean(clicks))
    counts = Counter(row["item"] for row in rows)
    tokens = statistics["features"]["item"]["tokens"]
    seen = {token: count / len(rows) for token, count in counts.items()}
    assert {token: share for token, share in tokens.items() if token != "(unknown)"}.items() <= (
        {token: pytest.approx(share) for token, share in seen.items()}.items()
    )
    assert sum(tokens.values()) == pytest.approx(1.0)
    assert 0.0 < tokens["(unknown)"] == pytest.approx(statistics["features"]["item"]["unknown"])
    assert statistics["features"]["price"]["missing"] == 0.0
    prices = np.array([float(row["price"]) for row in rows])
    counted = np.histogram(prices, 10)[0]
    np.testing.assert_allclose(statistics["features"]["price"]["histogram"]["counts"], counted)


@pytest.mark.slow
def test_two_days_are_published_a_bad_one_is_not_and_a_rollback_goes_back(
    concord, tmp_path, monkeypatch
):
    config, state = write_config(tmp_path), tmp_path / "state"
    write_day(tmp_path / "logs", 27)
    write_day(tmp_path / "logs", 28)
    write_day(tmp_path / "logs", 29, no_price=True)
    words = ["daily", "--config", config, "--state", "state", "--day"]
    assert concord(*words, "2026-11-27").returncode == 0

    # The machine fails behind the export: what was finished is not done again.
    with monkeypatch.context() as patched:
        patched.setattr(stages, "put_in_service", _fails)
        with pytest.raises(ZeroDivisionError):
            concord(*words, "2026-11-28")
    trained = (state / "days/2026-11-28/run/scores.npz").stat().st_mtime_ns
    exported = (state / "days/2026-11-28/run/export/1/saved_model.pb").stat().st_mtime_ns
    done = concord(*words, "2026-11-28")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("done before, kept") == 4
    assert (state / "days/2026-11-28/run/scores.npz").stat().st_mtime_ns == trained
    export = state / "days/2026-11-28/run/export"
    assert [path.name for path in export.iterdir()] == ["1"]
    assert (export / "1/saved_model.pb").stat().st_mtime_ns == exported
    _check_second_day(state)

    served = (state / "service.json").read_text(), (state / "models.config").read_text()
    done = concord(*words, "2026-11-29")
    assert done.returncode == 3, done.stderr
    assert "price: missing in 99.9 % of the rows" in done.stdout.replace("\n", " ")
    assert ((state / "service.json").read_text(), (state / "models.config").read_text()) == served
    assert not (state / "days/2026-11-29/run").exists()
    done = concord(*words, "2026-11-27")
    assert "2026-11-27 was version 1" in done.stdout
    assert concord("daily", "--rollback", "--state", "state").returncode == 0
    assert dict(read_config(state / "models.config")[0].labels) == {"stable": 1, "canary": 1}
    lines = [json.loads(line) for line in (state / "history.jsonl").read_text().splitlines()]
    assert [line["decision"] for line in lines] == ["published", "withdrawn", "refused"]
    assert "missing in 99.9 % of the rows" in (state / "index.html").read_text()


def _check_second_day(state):
    """The second day goes on from the first, and was compared with it on equal rows."""
    day = state / "days/2026-11-28"
    bundles = [read(state / f"days/2026-11-{n}/bundle/metadata.json") for n in (27, 28)]
    first = read(state / "days/2026-11-27/bundle/MANIFEST.json")["fingerprint"]
    assert bundles[1]["vocabularies_from"] == {"mode": "extended", "fingerprint": first}
    items = [
        (state / f"days/2026-11-{n}/bundle/vocabularies/item.txt").read_text() for n in (27, 28)
    ]
    assert items[1].startswith(items[0])
    metrics, blessed = read(day / "run/metrics.json"), read(day / "bless.json")["facts"]
    previous = metrics["warm_start"]["previous"]["test"]["metrics"]["fused"]
    new = metrics["evaluation"]["test"]["metrics"]["fused"]
    for name, values in blessed["metrics"].items():
        assert values["in_service"] == pytest.approx(previous[name], abs=1e-9), name
        assert values["candidate"] == pytest.approx(new[name], abs=1e-9), name
    assert {each["token"] for each in blessed["slices"]} == {"g0", "g1", "g2"}
    assert read(day / "check.json")["facts"]["rows"] == ROWS
    (model,) = read_config(state / "models.config")
    assert dict(model.labels) == {"stable": 2, "canary": 2}
    assert sorted(path.name for path in (state / "serving").iterdir()) == ["1", "2"]


def _fails(*arguments):
    raise ZeroDivisionError
