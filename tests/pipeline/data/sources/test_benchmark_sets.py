"""Criteo, Avazu and the open benchmark's files: every id against plain Python."""

import csv
import gzip
import os
from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest
import tensorflow as tf

from pipeline.config.config_files import load_dataset
from pipeline.data.job.data_job import build_bundle
from tests.pipeline.data.sources import fixtures_benchmark as fixtures
from tests.pipeline.data.sources.text_oracle import TextOracle, rows_in

REPOSITORY = Path(__file__).parents[4]
DATA = Path(os.environ.get("CONCORD_TEST_DATA", REPOSITORY.parent / "shared" / "data"))


def build(name, folder, out, *settings):
    """The bundle of a data set's configuration, its features, and what the job would be told."""
    file = REPOSITORY / "configs" / name / "dataset.yaml"
    config = load_dataset(file, [f"data.path={folder}", *settings])
    return build_bundle(config.feature_set, config.data, str(out)), config.feature_set


def check(bundle, features, splits):
    """Every split's rows are what plain Python makes of the rows that belong there."""
    oracle = TextOracle(features, splits["train"])
    assert set(splits) == {"train", "valid", "test"}
    for split, rows in splits.items():
        assert Counter(rows_in(bundle, split)) == Counter(map(oracle.encode, rows)), split
    assert bundle.metadata.rows == {split: len(rows) for split, rows in splits.items()}


@pytest.mark.parametrize("name", ["criteo_x1", "criteo_x4", "avazu_x1", "avazu_x4"])
def test_the_publishers_three_files_are_the_three_splits(name, tmp_path):
    splits = getattr(fixtures, f"write_{name}")(tmp_path)
    bundle, features = build(name, tmp_path, tmp_path / "out")
    check(bundle, features, splits)
    rule = bundle.metadata.split_rule
    assert rule == {"by": "files", "validation": "clean", "valid_is_test": False}


@pytest.mark.parametrize("name", ["amazonelectronics_x1", "taobaoad_x1", "kuaivideo_x1"])
@pytest.mark.parametrize("validation", ["clean", "published"])
def test_without_a_file_of_its_own_validation_is_clean_or_as_published(name, validation, tmp_path):
    if name == "kuaivideo_x1":
        pytest.importorskip("h5py")
    splits = getattr(fixtures, f"write_{name}")(tmp_path)
    setting = f"data.split.validation={validation}"
    bundle, features = build(name, tmp_path, tmp_path / "out", setting)
    if name == "kuaivideo_x1":
        for row in (row for rows in splits.values() for row in rows):
            item = int(row["item_id"])
            row["item_visual"] = " ".join(str(item + step / 64) for step in range(64))
    if validation == "published":
        check(bundle, features, {**splits, "valid": splits["test"]})
        assert bundle.statistics["rows"] == sum(map(len, splits.values())) + len(splits["test"])
        return
    place = list(features.features).index(features.group_key.name)
    chosen = {row[place] for row in rows_in(bundle, "valid")}
    key = features.group_key.column
    is_chosen = {
        row[key]: int(tf.strings.to_hash_bucket_fast(row[key], 2**63 - 1)) in chosen
        for row in splits["train"]
    }
    assert 0 < sum(is_chosen.values()) < 0.4 * len(is_chosen)
    valid = [row for row in splits["train"] if is_chosen[row[key]]]
    train = [row for row in splits["train"] if not is_chosen[row[key]]]
    check(bundle, features, {"train": train, "valid": valid, "test": splits["test"]})


@pytest.mark.parametrize("validation", ["clean", "published"])
def test_avazu_is_split_by_its_days(validation, tmp_path):
    rows = fixtures.write_avazu(tmp_path)
    setting = f"data.split.validation={validation}"
    bundle, features = build("avazu", tmp_path, tmp_path / "out", setting)
    by_day = {}
    for row in rows:
        by_day.setdefault(datetime.strptime(row["hour"], "%y%m%d%H").date(), []).append(row)
    *earlier, before, last = sorted(by_day)
    clean = validation == "clean"
    splits = {
        "train": [row for day in [*earlier, *([] if clean else [before])] for row in by_day[day]],
        "valid": by_day[before] if clean else by_day[last],
        "test": by_day[last],
    }
    check(bundle, features, splits)
    rule = bundle.metadata.split_rule
    assert (rule["valid_from"], rule["test_from"]) == (
        (14103000, 14103100) if clean else (14103100, 14103100)
    )


def test_criteo_reads_train_txt_and_splits_it_at_random(tmp_path):
    rows = fixtures.write_criteo(tmp_path)
    bundle, features = build("criteo", tmp_path, tmp_path / "out", "data.split.valid=0.2")
    # Which row goes where is the hash's affair; each goes somewhere, with its own counts.
    numbers = [name for name in features.features if name.startswith("I")]
    places = [list(features.features).index(name) for name in numbers]
    found = Counter(
        tuple(row[place] for place in places)
        for split in ("train", "valid", "test")
        for row in rows_in(bundle, split)
    )
    oracle = TextOracle(features, rows)
    assert found == Counter(tuple(oracle.encode(row)[place] for place in places) for row in rows)


def real(*parts):
    path = DATA.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"{'/'.join(parts)} is not here: set CONCORD_TEST_DATA to the data sets")
    return path


def test_real_rows_of_criteo_have_the_ids_of_plain_python(tmp_path):
    columns = ["label", *fixtures.CRITEO_COLUMNS]
    splits = {}
    for split, name in (("train", "train_7200.txt.gz"), ("test", "sample_4584.txt.gz")):
        with gzip.open(real("criteo", name), "rt") as file:
            lines = file.read().splitlines()
        splits[split] = [dict(zip(columns, line.split("\t"), strict=True)) for line in lines]
    bundle, features = build(
        "criteo",
        DATA / "criteo",
        tmp_path / "out",
        "data.split={by: files, validation: published, "
        "files: {train: [train_7200.txt], test: [sample_4584.txt]}}",
        "features.I1.transform=ln_squared",  # as criteo_x4 has it
    )
    check(bundle, features, {**splits, "valid": splits["test"]})
    assert bundle.statistics["tables"]["log"] == {"rows": 11_784, "rejected": 0}


def test_real_rows_of_avazu_have_the_ids_of_plain_python(tmp_path):
    with gzip.open(real("avazu", "train_9999.csv.gz"), "rt", newline="") as file:
        rows = list(csv.DictReader(file))
    splits = {"train": rows[:8000], "valid": rows[8000:9000], "test": rows[9000:]}
    for split, part in splits.items():
        fixtures.write_csv(tmp_path / f"{split}.csv", list(rows[0]), part)
    bundle, features = build("avazu_x4", tmp_path, tmp_path / "out")
    check(bundle, features, splits)
