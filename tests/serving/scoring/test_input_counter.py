"""What is counted of raw rows, beside what the data job's statistics count of the same."""

import numpy as np
import pytest

from features.input_shares import InputCounts, TrainingShares, training_shares
from features.preprocessing import Preprocessor
from features.raw_tensors import coded_tensors, from_arrow
from pipeline.data.writing.statistics import ALL, count_block
from serving.export_format import names
from serving.export_format.export_layout import SIGNATURES_FILE, TRAINING_SHARES
from serving.export_format.signature_table import read_table, user_columns
from serving.scoring.input_counter import InputCounter, input_counter
from serving.scoring.signature_inputs import signature_inputs

NOTHING = TrainingShares(rows=0, inputs={})


@pytest.fixture(scope="module")
def counter(exported, bundle):
    return InputCounter(exported, bundle.metadata, NOTHING)


@pytest.fixture
def counted(counter):
    """Counts by a function, and what it added."""

    def count(add):
        before = counter.counts()
        add(counter)
        return {
            name: InputCounts(*np.subtract(after, before[name]).tolist())
            for name, after in counter.counts().items()
        }

    return count


@pytest.fixture(scope="module")
def by_the_job(bundle, rows):
    """The same as statistics.json is made of."""
    features = bundle.metadata.features
    preprocessor = Preprocessor(features, bundle.metadata.analysis, bundle.vocabulary_dir)
    arrays = {name: each.numpy() for name, each in preprocessor(from_arrow(rows, features)).items()}
    counts = count_block(
        rows,
        arrays,
        features.model_copy(update={"features": {spec.name: spec for spec in features.inputs}}),
    )
    total = counts.pop(ALL)["rows"]
    return {
        name: InputCounts(total, each["missing"], each.get("tokens", 0), each.get("oov", 0))
        for name, each in counts.items()
        if features.features[name].kind != "embedding"
    }


@pytest.mark.parametrize("signature", [names.RAW_TENSORS, names.SERVING_DEFAULT, names.REGRESS])
def test_requests_are_counted_as_the_job_counts_rows(signature, counted, by_the_job, bundle, rows):
    inputs = signature_inputs(signature, rows, bundle.metadata.features)
    arrays = {name: each.numpy() for name, each in inputs.items()}
    counts = counted(lambda counter: counter.add_inputs(signature, arrays))
    assert {name: counts[name] for name in by_the_job} == by_the_job
    assert by_the_job["item"].unknown
    assert by_the_job["price"].missing
    assert by_the_job["clicked_tag"].tokens


def test_rows_of_predict_are_counted_alike(counted, by_the_job, bundle, rows):
    raw = coded_tensors(rows, bundle.metadata.features)
    counts = counted(lambda counter: counter.add_coded(raw))
    assert {name: counts[name] for name in by_the_job} == by_the_job


def test_of_rank_the_user_is_counted_once(counted, bundle, rows, exported):
    user = user_columns(read_table(exported / SIGNATURES_FILE))
    inputs = signature_inputs(names.RANK, rows, bundle.metadata.features, user)
    arrays = {name: each.numpy() for name, each in inputs.items()}
    counts = counted(lambda counter: counter.add_inputs(names.RANK, arrays))
    assert (counts["clicked_item"].rows, counts["item"].rows) == (1, len(rows))


def test_nothing_is_counted_of_no_rows(counted, bundle, rows):
    raw = coded_tensors(rows.slice(0, 0), bundle.metadata.features)
    assert set(counted(lambda counter: counter.add_coded(raw)).values()) == {InputCounts()}


def test_an_export_without_shares_has_no_counter(exported, bundle):
    assert not (exported / TRAINING_SHARES).exists()  # its bundle has no statistics
    assert training_shares(bundle) is None
    assert input_counter(exported, bundle.metadata) is None
