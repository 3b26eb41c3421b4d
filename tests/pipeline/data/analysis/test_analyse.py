import random
from collections import Counter
from pathlib import Path

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pytest
from apache_beam.testing.test_pipeline import TestPipeline
from apache_beam.testing.util import assert_that, equal_to

from features.specs import FeatureSet
from pipeline.data.analysis.analyse import Analyse, boundaries_of
from pipeline.data.analysis.histogram import AdaptiveHistogram, float32_keys


def feature_set(**item):
    return FeatureSet(
        features={
            "item": {"kind": "categorical", **item},
            "tags": {"kind": "multivalued", "max_length": 2},
            "past": {
                "kind": "sequence",
                "history": "clicks",
                "column": "item",
                "max_length": 3,
                "vocabulary": "item",
            },
            "price": {"kind": "numeric"},
            "age": {"kind": "numeric", "transform": "quantiles", "num_buckets": 4},
            "label": {"role": "label"},
            "time": {"role": "timestamp"},
        },
        histories={"clicks": {"key": "item"}},
    )


def blocks_of(features, sizes=(40, 0, 25, 60, 7)):
    rng = np.random.default_rng(11)
    blocks = []
    for key, rows in enumerate(sizes):
        items = [f"i{i}" for i in rng.zipf(1.5, rows) % 30]
        columns = {
            "item": [None if rng.random() < 0.1 else item for item in items],
            "tags": [[f"g{i}" for i in rng.integers(0, 9, rng.integers(0, 5))] for _ in items],
            "past": [["never counted"]] * rows,
            "price": (rng.normal(size=rows) * 1e3).tolist(),
            "age": rng.integers(10, 90, rows).astype(float).tolist(),
            "label": [1.0] * rows,
            "time": [0] * rows,
        }
        split = "valid" if key == 3 else "train"
        batch = pa.RecordBatch.from_pydict(columns, features.raw_schema())
        blocks.append((key, split, batch))
    return blocks


def analyse(blocks, features, folder, check):
    """Runs the transform; `check` says True of the one `Fitted` that must come out."""
    with TestPipeline() as p:
        fitted = p | beam.Create(blocks) | Analyse(features, str(folder))
        assert_that(fitted | "Check" >> beam.Map(check), equal_to([True]), label="fitted")


def train_values(blocks, column):
    return [v for _, split, b in blocks if split == "train" for v in b[column].to_pylist()]


def test_vocabularies_hold_the_training_tokens_and_nothing_else(tmp_path):
    features = feature_set(min_count=2)
    blocks = blocks_of(features)
    counts = Counter(item for item in train_values(blocks, "item") if item)
    expected = sorted((t for t in counts if counts[t] >= 2), key=lambda t: (-counts[t], t))
    sizes = {"item": len(expected), "tags": 9}
    analyse(blocks, features, tmp_path, lambda fitted: fitted.analysis.vocabulary_sizes == sizes)
    assert Path(tmp_path, "item.txt").read_text().splitlines() == expected
    assert sorted(Path(tmp_path, "tags.txt").read_text().split()) == [f"g{i}" for i in range(9)]


def test_summaries_and_row_counts(tmp_path):
    features = feature_set()
    blocks = blocks_of(features)
    price = np.array(train_values(blocks, "price"), np.float64)
    ages = np.sort(train_values(blocks, "age"))

    def check(fitted):
        found = fitted.analysis.numeric["price"]
        np.testing.assert_allclose(
            [found.count, found.mean, found.variance, found.minimum, found.maximum],
            [len(price), price.mean(), price.var(), price.min(), price.max()],
            rtol=1e-12,
        )
        boundaries = fitted.analysis.numeric["age"].boundaries
        assert list(boundaries) == [ages[len(ages) * i // 4] for i in (1, 2, 3)]
        return fitted.rows == {"train": 72, "valid": 60} and not fitted.problems

    analyse(blocks, features, tmp_path, check)


def test_bytes_do_not_depend_on_the_order_of_the_blocks(tmp_path):
    features = feature_set(max_tokens=5)
    blocks = blocks_of(features, sizes=(33,) * 12)
    seen = []
    for run in range(2):
        folder = tmp_path / str(run)
        random.Random(run).shuffle(blocks)
        out = folder / "fitted.json"

        def save(fitted, out=out):
            out.write_text(fitted.analysis.model_dump_json())
            return True

        analyse(blocks, features, folder, save)
        seen.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert seen[0].keys() == {"fitted.json", "item.txt", "tags.txt"}
    assert seen[0] == seen[1]


@pytest.mark.parametrize(
    ("settings", "column", "problem"),
    [
        ({"min_count": 1000}, None, "none of its .* tokens occurs min_count=1,000.*to at most"),
        ({}, [None] * 10, "'item'.*no value in any of the 10 training rows.*Check its `column`"),
    ],
    ids=["all are rare", "all are missing"],
)
def test_an_empty_vocabulary_is_a_problem_with_a_remedy(tmp_path, settings, column, problem):
    features = feature_set(**settings)
    blocks = blocks_of(features, sizes=(10,))
    if column:
        key, split, batch = blocks[0]
        blocks = [(key, split, batch.set_column(0, "item", pa.array(column, pa.string())))]

    def check(fitted):
        (sentence,) = fitted.problems
        with pytest.raises(ValueError, match=problem):
            raise ValueError(sentence)
        return True

    analyse(blocks, features, tmp_path, check)


def histogram(values):
    found = AdaptiveHistogram()
    found.add(float32_keys(np.array(values, np.float32)))
    return found


def test_boundaries_part_the_values_and_never_repeat():
    spec = feature_set().features["age"]
    assert boundaries_of(histogram([0.0] * 90 + [1.5] * 5 + [-2.0] * 5), spec) == (0.0,)
    assert boundaries_of(histogram([7.0] * 9), spec) == ()
    assert boundaries_of(histogram([]), spec) == ()
    assert boundaries_of(histogram(range(8)), spec) == (2.0, 4.0, 6.0)
