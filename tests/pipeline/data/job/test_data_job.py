"""The whole job on small files in the layout of MovieLens-100K."""

import gzip
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from features import storage
from features.bundle import open_bundle
from features.errors import BundleError, ConfigError, DataError, UserError
from features.records import decode_block
from features.schema import from_text
from features.specs import FeatureSet
from pipeline.data.job.data_job import build_bundle, fingerprint_of
from pipeline.data.reading.read import UnreadableError
from pipeline.data.settings.data_config import DataConfig, SplitConfig

ROWS = 600
FEATURES = FeatureSet(
    features={
        "user_id": {"kind": "categorical"},
        "age": {"kind": "numeric", "transform": "quantiles", "num_buckets": 4},
        "item_id": {"kind": "categorical", "min_count": 2},
        "genres": {"kind": "multivalued", "separator": " ", "max_length": 3},
        "seen": {
            "kind": "sequence",
            "history": "ratings",
            "column": "item_id",
            "vocabulary": "item_id",
            "max_length": 5,
        },
        "hour": {"kind": "categorical", "transform": "hour", "column": "timestamp"},
        "liked": {"role": "label", "column": "rating", "at_least": 4},
        "user": {"role": "group_key", "column": "user_id"},
        "timestamp": {"role": "timestamp"},
    },
    groups={"user_x_item": ("user_id", "item_id")},
    histories={"ratings": {"key": "user_id"}},
)


def write_log(folder, bad_line=None, rating=None, bad_users=0):
    """Files in the layout.

    `bad_line` replaces a line of the log, `rating` every rating; `bad_users` have no usable age.
    """
    rng = np.random.default_rng(1)
    folder.mkdir(exist_ok=True)
    lines = ["user_id:token\titem_id:token\trating:float\ttimestamp:float"]
    for row in range(ROWS):
        user, item, stars = rng.integers(1, 20), rng.integers(1, 30), rng.integers(1, 6)
        lines.append(f"{user}\t{item}\t{rating or stars}\t{880_000_000 + 1_000 * row}")
    if bad_line is not None:
        lines[5] = bad_line
    (folder / "ml-100k.inter").write_text("\n".join(lines) + "\n")
    users = ["user_id:token\tage:token\tgender:token\toccupation:token\tzip_code:token"]
    ages = ["old" if user <= bad_users else 20 + user for user in range(1, 20)]
    users += [f"{user}\t{age}\tM\tstudent\t12345" for user, age in enumerate(ages, 1)]
    (folder / "ml-100k.user").write_text("\n".join(users) + "\n")
    items = ["item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq"]
    items += [f"{item}\tTitle\t1990\tDrama Comedy" for item in range(2, 30)]  # not 1
    (folder / "ml-100k.item").write_text("\n".join(items) + "\n")
    return str(folder)


def config(path, **settings):
    return DataConfig(
        source="movielens_100k",
        path=path,
        block_rows=64,
        rows_per_shard=200,
        history_partitions=3,
        **settings,
    )


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    return write_log(tmp_path_factory.mktemp("ml-100k"))


@pytest.fixture(scope="module")
def bundle(log, tmp_path_factory):
    return build_bundle(FEATURES, config(log), str(tmp_path_factory.mktemp("built") / "bundle"))


def changed(change):
    """`FEATURES` with a change to its content."""
    content = FEATURES.model_dump()
    change(content)
    return FeatureSet(**content)


def contents(folder):
    """Path inside the folder -> bytes, for all its files."""
    paths = [path for path in Path(folder).rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def test_a_bundle_has_every_file_it_should_and_verifies(bundle, log):
    assert open_bundle(bundle.path, verify=True).metadata.rows == {
        "train": 480,
        "valid": 60,
        "test": 60,
    }
    records = {name for name, entry in bundle.manifest.files.items() if entry.rows is not None}
    assert contents(bundle.path).keys() == records | {
        "MANIFEST.json",
        "metadata.json",
        "schema.pbtxt",
        "raw_schema.pbtxt",
        "statistics.json",
        "sample_rows.jsonl",
        "rejected/rows.jsonl",
        "vocabularies/user_id.txt",
        "vocabularies/item_id.txt",
        "vocabularies/genres.txt",
    }
    assert bundle.manifest.files.keys() == contents(bundle.path).keys() - {"MANIFEST.json"}
    assert bundle.statistics["splits"]["train"]["features"]["age"] == {"missing_rate": 0.0}
    lines = Path(log, "ml-100k.inter").read_text().splitlines()
    unmatched = sum(line.split("\t")[1] == "1" for line in lines)
    assert bundle.statistics["joins"] == {"unmatched_items": unmatched, "unmatched_users": 0}
    assert len(from_text(Path(bundle.path, "schema.pbtxt").read_text()).feature) == 9


def test_records_hold_what_the_metadata_says(bundle):
    columns = bundle.metadata.columns
    rows = [
        decode_block(record, columns)
        for record in tf.data.TFRecordDataset(bundle.files("test"))  # the latest moments
    ]
    times = np.concatenate([row["timestamp"] for row in rows])
    assert sorted(times) == [880_000_000 + 1_000 * row for row in range(540, 600)]
    for spec in bundle.metadata.model_inputs():
        values = np.concatenate([row[spec.name] for row in rows])
        if spec.vocabulary_size:
            assert values.max() < spec.vocabulary_size


def test_building_again_elsewhere_gives_the_same_bytes(bundle, log, tmp_path):
    copy = shutil.copytree(log, tmp_path / "copy of the data")
    again = build_bundle(FEATURES, config(str(copy)), str(tmp_path / "again"))
    assert contents(again.path) == contents(bundle.path)


def test_the_same_configuration_reuses_the_bundle_at_once(bundle, log, monkeypatch):
    monkeypatch.setattr("pipeline.data.job.build.new_pipeline", None)  # would fail if called
    before = os.stat(f"{bundle.path}/MANIFEST.json")
    again = build_bundle(FEATURES, config(log, max_rejected_share=0.5), bundle.path)
    assert again.manifest == bundle.manifest
    assert os.stat(f"{bundle.path}/MANIFEST.json") == before


def test_fingerprints_tell_settings_features_and_files_apart(bundle, log):
    sources = bundle.manifest.sources
    flink = {"runner": "FlinkRunner", "runner_options": ["--parallelism=8"]}
    same = fingerprint_of(FEATURES, config("/elsewhere", **flink), sources)
    assert same == bundle.manifest.fingerprint
    renamed = {f"{name}2": entry for name, entry in sources.items()}
    fewer = changed(lambda content: content.pop("groups"))
    others = {
        fingerprint_of(FEATURES, config(log, seed=1), sources),
        fingerprint_of(FEATURES, config(log, layout="row"), sources),
        fingerprint_of(FEATURES, config(log, train_positives=0.5), sources),
        fingerprint_of(FEATURES, config(log, negatives_kept=0.5), sources),
        fingerprint_of(FEATURES, config(log, split=SplitConfig(train_from=5)), sources),
        fingerprint_of(fewer, config(log), sources),
        fingerprint_of(FEATURES, config(log), renamed),
    }
    assert len(others | {same}) == 8


def test_the_share_of_negatives_is_kept_with_the_rows_and_changes_none(bundle, log, tmp_path):
    thinned = build_bundle(FEATURES, config(log, negatives_kept=0.25), str(tmp_path / "thinned"))
    assert thinned.metadata.negatives_kept == 0.25
    assert bundle.metadata.negatives_kept == 1.0
    changed_files = {
        name
        for name, entry in thinned.manifest.files.items()
        if entry != bundle.manifest.files.get(name)
    }
    assert changed_files == {"metadata.json"}
    with pytest.raises(ValueError, match=r"negatives_kept=0.25 corrects for negatives of the log"):
        config(log, negatives_kept=0.25, negatives={"per_positive": 2})


def test_another_configuration_replaces_the_bundle_only_when_it_succeeds(log, tmp_path):
    out = str(tmp_path / "bundle")
    first = build_bundle(FEATURES, config(log), out)
    with pytest.raises(DataError, match="split 'test' is empty"):
        build_bundle(FEATURES, config(log, split=too_late()), out)
    assert open_bundle(out, verify=True).manifest == first.manifest
    second = build_bundle(FEATURES, config(log, seed=1), out)
    assert second.manifest.fingerprint != first.manifest.fingerprint
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def too_late():
    return SplitConfig(valid_from=880_300_000, test_from="2030-01-01")


@pytest.mark.parametrize(
    ("changes", "settings", "sentence"),
    [
        (
            {"bad_line": "7\t8\tfive\t880000000"},
            {"max_rejected_share": 0.001},
            "table 'log': 1 of its 600 rows could not be used.*line 6.*rating must be a number, "
            "got 'five'.*rejected.jsonl. Mend the data",
        ),
        ({"bad_line": "7\t8"}, {"max_rejected_share": 0.0}, "1 of its 600 rows"),
        (
            {"bad_users": 3},
            {},
            "table 'users': 3 of its 19 rows could not be used, 15.8%.*ml-100k.user, line 2: age",
        ),
        ({"rating": 5}, {}, "one class only: the label 'liked' is 1 in all .*at_least=4"),
        ({}, {"split": too_late()}, "split 'test' is empty.*to moments inside the data"),
    ],
    ids=["not a number", "too few columns", "users", "one class", "empty split"],
)
def test_bad_input_leaves_a_sentence_and_nothing_else(tmp_path, changes, settings, sentence):
    path = write_log(tmp_path / "log", **changes)
    with pytest.raises(DataError, match=sentence):
        build_bundle(FEATURES, config(path, **settings), str(tmp_path / "out"))
    left = {entry.name for entry in tmp_path.iterdir()} - {"log"}
    assert left == ({"out.rejected.jsonl"} if {"bad_line", "bad_users"} & set(changes) else set())
    if left:
        lines = (tmp_path / "out.rejected.jsonl").read_text().splitlines()
        first, count = (2, 3) if "bad_users" in changes else (6, 1)
        assert (json.loads(lines[0])["position"], len(lines)) == (first, count)


def test_a_compressed_file_that_breaks_off_is_named(tmp_path):
    path = Path(write_log(tmp_path / "log"))
    whole = gzip.compress((path / "ml-100k.inter").read_bytes(), mtime=0)
    (path / "ml-100k.inter").unlink()
    (path / "ml-100k.inter.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"ml-100k\.inter\.gz .*ended.* Download it again"):
        build_bundle(FEATURES, config(str(path)), str(tmp_path / "out"))
    assert [entry.name for entry in tmp_path.iterdir()] == ["log"]


def test_damage_that_workers_find_late_ends_the_job_with_their_sentence(log, tmp_path, monkeypatch):
    def read_blocks(file, path, *args):
        raise UnreadableError(f"{path} breaks off after line 70,000. Download it again.")

    monkeypatch.setattr("pipeline.data.reading.read_rows.read_blocks", read_blocks)
    with pytest.raises(DataError, match=r"breaks off after line 70,000.*2 more such problems"):
        build_bundle(FEATURES, config(log), str(tmp_path / "out"))
    assert list(tmp_path.iterdir()) == []


CHANGES = {
    "rewritten": lambda text: text.replace("\t1\t", "\t5\t"),
    "shorter": lambda text: text[: len(text) // 2],
    "longer": lambda text: text + text[text.index("\n") + 1 :],
    "written again": lambda text: text,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_file_that_changes_while_it_is_read_makes_no_bundle(tmp_path, monkeypatch, change):
    path = write_log(tmp_path / "log")
    log_file = tmp_path / "log" / "ml-100k.inter"

    def run_and_change(_):
        log_file.write_text(change(log_file.read_text()))

    monkeypatch.setattr("pipeline.data.job.build.run", run_and_change)
    with pytest.raises(DataError, match=r"ml-100k\.inter changed while the job read it"):
        build_bundle(FEATURES, config(path), str(tmp_path / "out"))
    assert [each.name for each in tmp_path.iterdir()] == ["log"]


def test_a_file_that_changes_and_makes_a_step_fail_is_the_reason(tmp_path, monkeypatch):
    path = write_log(tmp_path / "log")

    def change_and_fail(_):
        (tmp_path / "log" / "ml-100k.user").unlink()
        raise RuntimeError("a step failed")

    monkeypatch.setattr("pipeline.data.job.build.run", change_and_fail)
    with pytest.raises(DataError, match=r"ml-100k\.user cannot be read: No such file"):
        build_bundle(FEATURES, config(path), str(tmp_path / "out"))


def test_an_empty_vocabulary_names_feature_and_remedy(log, tmp_path):
    features = changed(lambda content: content["features"]["genres"].update(min_count=10_000))
    with pytest.raises(DataError, match=r"'genres'.*min_count=10,000.*Set features\.genres\.min"):
        build_bundle(features, config(log), str(tmp_path / "out"))
    assert list(tmp_path.iterdir()) == []


def test_a_few_bad_rows_are_set_aside_and_the_rest_is_used(tmp_path):
    path = write_log(tmp_path / "log", bad_line="7\t8\tfive\t880000000")
    bundle = build_bundle(FEATURES, config(path), str(tmp_path / "out"))
    assert sum(bundle.metadata.rows.values()) == ROWS - 1
    assert bundle.statistics["tables"] == {
        "items": {"rows": 28, "rejected": 0},
        "log": {"rows": ROWS, "rejected": 1},
        "users": {"rows": 19, "rejected": 0},
    }
    (line,) = Path(bundle.path, "rejected", "rows.jsonl").read_text().splitlines()
    assert json.loads(line)["reason"] == "rating must be a number, got 'five'"


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"runner": "DirctRunner"}, "DirctRunner is not .* Did you mean DirectRunner"),
        (
            {"runner": "SparkRunner", "runner_options": ["--spark_job_server_jar=/no.jar"]},
            "data.runner=SparkRunner could not start: .*no.jar",
        ),
    ],
)
def test_a_runner_that_cannot_be_used_leaves_a_sentence_and_nothing_else(
    log, tmp_path, settings, sentence
):
    with pytest.raises(ConfigError, match=sentence):
        build_bundle(FEATURES, config(log, **settings), str(tmp_path / "out"))
    assert list(tmp_path.iterdir()) == []


def test_a_bug_in_a_step_keeps_its_traceback(log, tmp_path, monkeypatch):
    def read_blocks(*args):
        raise KeyError("a bug")

    monkeypatch.setattr("pipeline.data.reading.read_rows.read_blocks", read_blocks)
    with pytest.raises(Exception, match="a bug") as caught:
        build_bundle(FEATURES, config(log), str(tmp_path / "out"))
    assert not isinstance(caught.value, UserError)
    assert list(tmp_path.iterdir()) == []


def test_a_feature_set_without_a_label_is_refused(log, tmp_path):
    features = changed(lambda content: content["features"].pop("liked"))
    with pytest.raises(ConfigError, match="role `label`"):
        build_bundle(features, config(log), str(tmp_path / "out"))


# What the program at the end of this file asks leave for.
FILE_FUNCTIONS = (
    *((storage, name) for name in ("exists", "make_folders", "opened", "read_bytes", "remove")),
    *((storage, name) for name in ("remove_tree", "rename", "write_bytes")),
    (tf.io.gfile, "GFile"),  # what workers write as it comes
)


def start_build(log, out):
    """Starts this file as a program, which asks for leave before each step on files."""
    program = [sys.executable, __file__, log, out]
    root = str(Path(__file__).parents[4])
    environment = {**os.environ, "PYTHONPATH": root}
    return subprocess.Popen(
        program, cwd=root, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


def let_step(process):
    """Gives leave for one step; False where the program has ended instead of asking."""
    if process.stdout.readline() != b"step\n":
        return False
    process.stdin.write(b"\n")
    process.stdin.flush()
    return True


def steps_of_a_build(log, out, monkeypatch):
    """How often a whole build asks for leave."""
    steps = itertools.count()
    with monkeypatch.context() as patch:
        for module, name in FILE_FUNCTIONS:
            patch.setattr(module, name, counting(getattr(module, name), steps))
        build_bundle(FEATURES, config(log), out)
    return next(steps)


def counting(function, calls):
    """The function, which draws from the counter at each call."""

    def call(*args, **kwargs):
        next(calls)
        return function(*args, **kwargs)

    return call


@pytest.mark.slow
def test_killed_early_late_or_between_it_leaves_a_whole_bundle_or_none(
    bundle, log, tmp_path, monkeypatch
):
    out = str(tmp_path / "bundle")
    steps = steps_of_a_build(log, out, monkeypatch)
    assert steps > 20
    shutil.rmtree(out)
    rng = random.Random(9)
    found = {"none": 0, "old": 0, "new": 0}
    old = None
    # Without and with an older bundle in its place; the last fifth, which replaces it, in both.
    for fifth, older in ((1, False), (4, False), (2, True), (4, True)):
        if older and old is None:
            old = contents(build_bundle(FEATURES, config(log, seed=1), out).path)
        with start_build(log, out) as process:
            # Not by the clock, so that the first fifth of a job is that on any machine.
            for _ in range(int(steps * (fifth + rng.random()) / 5)):
                assert let_step(process)
            process.send_signal(signal.SIGKILL)
        try:
            left = contents(open_bundle(out, verify=True).path)
        except BundleError:
            found["none"] += 1
            continue
        assert left in (old, contents(bundle.path))
        found["old" if left == old else "new"] += 1
        if left != old:  # it had its place already: make room for the next one
            shutil.rmtree(out)
    assert found["none"]
    assert found["old"]
    again = build_bundle(FEATURES, config(log), out)
    assert contents(again.path) == contents(bundle.path)
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def asking_for_leave(function, lock):
    """The function, which tells the test of each call and waits for it to agree."""

    def call(*args, **kwargs):
        with lock:
            print("step", flush=True)
            sys.stdin.readline()
        return function(*args, **kwargs)

    return call


if __name__ == "__main__":
    lock = threading.Lock()
    for module, name in FILE_FUNCTIONS:
        setattr(module, name, asking_for_leave(getattr(module, name), lock))
    build_bundle(FEATURES, config(sys.argv[1]), sys.argv[2])
