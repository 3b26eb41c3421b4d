"""Numbers of a bundle under `log` and `piecewise`, against float64 over its own training rows."""

import itertools
import math

import numpy as np
import pytest

from features.errors import ConfigError
from features.specs import FeatureSet
from pipeline.batches.dataset import column_arrays
from pipeline.data.job.data_job import build_bundle
from pipeline.data.settings.data_config import DataConfig

ROWS, BUCKETS = 300, 6
FEATURES = {
    "features": {
        "click": {"role": "label"},
        "row": {"kind": "numeric", "transform": "raw"},
        "log": {"kind": "numeric", "transform": "log", "column": "count"},
        "pieces": {
            "kind": "numeric",
            "transform": "piecewise",
            "num_buckets": BUCKETS,
            "column": "count",
        },
        "vector": {"kind": "embedding", "dimension": 2, "separator": "|", "transform": "zscore"},
        "as_it_is": {"kind": "embedding", "dimension": 2, "separator": "|", "column": "vector"},
    }
}


def settings(folder, **others):
    split = {"by": "hash", "valid": 0.2, "test": 0.2}
    return DataConfig(source="csv", path=str(folder), split=split, **others)


def vector_of(row):
    """Two numbers around 900, or none."""
    return "" if row % 10 == 0 else f"{800 + row}|{(row * 37) % 200 + 900}"


@pytest.fixture(scope="module")
def counts():
    """Mostly zero, some missing, some negative, and a long tail."""
    rng = np.random.default_rng(3)
    numbers = np.where(rng.random(ROWS) < 0.5, 0, rng.lognormal(2, 2, ROWS).astype(int))
    numbers = np.where(rng.random(ROWS) < 0.1, -numbers, numbers).astype(float)
    return np.where(rng.random(ROWS) < 0.1, np.nan, numbers)


@pytest.fixture(scope="module")
def folder(counts, tmp_path_factory):
    folder = tmp_path_factory.mktemp("numbers")
    lines = [
        f"{row},{'' if math.isnan(count) else int(count)},{row % 2},{vector_of(row)}"
        for row, count in enumerate(counts)
    ]
    (folder / "log.csv").write_text("\n".join(["row,count,click,vector", *lines]) + "\n")
    return folder


@pytest.fixture(scope="module")
def bundle(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("numbers") / "bundle"
    return build_bundle(FeatureSet.model_validate(FEATURES), settings(folder), str(out))


def test_numbers_match_an_oracle_over_the_training_rows(bundle, counts):
    splits = {
        split: column_arrays(bundle, split, ["row", "log", "pieces"])
        for split in ("train", "valid", "test")
    }
    train = counts[splits["train"]["row"].astype(int)]
    train = sorted(float(count) for count in train if not math.isnan(count))

    def logarithm(x):
        return math.copysign(math.log(1 + abs(x)), x)

    logs = [logarithm(count) for count in train]
    mean = math.fsum(logs) / len(logs)
    deviation = math.sqrt(math.fsum((each - mean) ** 2 for each in logs) / len(logs))
    ranks = [i * len(train) // BUCKETS for i in range(1, BUCKETS)]
    edges = sorted({train[0], train[-1], *(train[rank] for rank in ranks)})

    def place(x):
        pieces = list(itertools.pairwise(edges))
        passed = [min(max((x - low) / (high - low), 0.0), 1.0) for low, high in pieces]
        return math.fsum(passed) / len(pieces)

    for arrays in splits.values():
        for row, log, pieces in zip(arrays["row"], arrays["log"], arrays["pieces"], strict=True):
            count = counts[int(row)]
            missing = math.isnan(count)
            expected = 0.0 if missing else (logarithm(count) - mean) / deviation
            assert log == pytest.approx(expected, abs=1e-5)
            assert pieces == pytest.approx(-1.0 if missing else place(count), abs=1e-6)
    inputs = {spec.name: spec for spec in bundle.metadata.model_inputs()}
    assert inputs["pieces"].pieces == len(edges) - 1 < BUCKETS  # half of the rows are 0
    assert (inputs["log"].kind, inputs["log"].pieces) == ("numeric", 0)


def test_vectors_are_scaled_by_all_their_numbers_and_missing_ones_stay_zeros(bundle):
    train, test = (
        column_arrays(bundle, split, ["row", "vector", "as_it_is"]) for split in ("train", "test")
    )
    given = [number for vector in train["as_it_is"].tolist() if any(vector) for number in vector]
    mean = math.fsum(given) / len(given)
    deviation = math.sqrt(math.fsum((each - mean) ** 2 for each in given) / len(given))
    for row, vector in zip(test["row"].astype(int).tolist(), test["vector"], strict=True):
        numbers = [float(each) for each in vector_of(row).split("|") if each]
        expected = [(each - mean) / deviation for each in numbers] or [0.0, 0.0]
        np.testing.assert_allclose(vector, expected, atol=1e-5)
    assert (test["row"] % 10 == 0).any()


def test_a_later_day_keeps_the_scales_and_another_transform_is_refused(bundle, folder, tmp_path):
    later = tmp_path / "later"
    later.mkdir()
    lines = (folder / "log.csv").read_text().splitlines()
    (later / "log.csv").write_text("\n".join([lines[0], *lines[1:150]]) + "\n")
    data = settings(later, vocabularies={"from": bundle.path, "mode": "frozen"})
    again = build_bundle(FeatureSet.model_validate(FEATURES), data, str(tmp_path / "bundle"))
    assert again.metadata.analysis.numeric == bundle.metadata.analysis.numeric
    raw = {**FEATURES["features"]["log"], "transform": "raw"}
    changed = {"features": {**FEATURES["features"], "log": raw}}
    with pytest.raises(ConfigError, match=r"transform=raw, and in .* log"):
        build_bundle(FeatureSet.model_validate(changed), data, str(tmp_path / "other"))
