import json

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

from features.columns import columns_of
from features.inputs import InputSpec, model_inputs
from features.preprocessing import Preprocessor
from features.raw_tensors import from_arrow


@pytest.fixture(scope="module")
def inputs(features, analysis):
    return {spec.name: spec for spec in model_inputs(features, analysis)}


@pytest.fixture(scope="module")
def tensors(features, analysis, vocabulary_dir, rows):
    """Of the random rows and of a few extreme ones."""
    largest = float(np.finfo(np.float32).max)
    extreme = [{**rows[0], "price": price} for price in (largest, -largest, 1e-45, 0.0)]
    extreme += [{**rows[0], "seen": seen} for seen in (2**62, -(2**62))]
    batch = pa.RecordBatch.from_pylist(rows + extreme, features.raw_schema())
    return Preprocessor(features, analysis, vocabulary_dir)(from_arrow(batch, features))


def test_preprocessing_delivers_what_the_inputs_promise(inputs, tensors):
    assert list(inputs) == list(tensors)
    for name, spec in inputs.items():
        tensor = tensors[name].numpy()
        widths = {
            "multivalued": (spec.length,),
            "sequence": (spec.length,),
            "dense": (spec.dimension,),
        }
        assert tensor.shape[1:] == widths.get(spec.kind, ()), name
        assert tensor.dtype == ("float32" if spec.kind in ("numeric", "dense") else "int32"), name
        if tensor.dtype == "int32":
            assert tensor.min() >= 0, name
            assert tensor.max() < spec.vocabulary_size, name
        else:
            assert np.isfinite(tensor).all(), name


def test_records_store_what_preprocessing_delivers(features, tensors):
    columns = {column.name: column for column in columns_of(features)}
    assert list(columns) == list(features.features)
    for name, tensor in tensors.items():
        column = columns[name]
        assert column.dtype == tensor.dtype.name
        assert tuple(tensor.shape[1:]) == tuple(filter(None, [column.length, column.dimension]))


def test_a_vocabulary_has_the_same_size_wherever_it_is_named(inputs):
    sizes = {}
    for spec in inputs.values():
        if spec.vocabulary:
            sizes.setdefault(spec.vocabulary, set()).add(spec.vocabulary_size)
    assert {name: max(size) for name, size in sizes.items()} == {
        "city": 1 + 3 + 4,
        "genres": 1 + 1 + 2,
        "magnitude": 1 + 128,
        "level": 1 + 4,
        "hour": 1 + 24,
        "hour_in_delhi": 1 + 24,
        "weekday": 1 + 7,
        "weekday_in_lima": 1 + 7,
    }
    assert all(len(size) == 1 for size in sizes.values())


def test_every_id_of_a_vocabulary_can_come_out(inputs, tensors):
    ids = [tensors[name].numpy().ravel() for name in ("city", "born_in", "clicked_city", "trips")]
    assert set(np.concatenate(ids).tolist()) == set(range(inputs["city"].vocabulary_size))
    assert set(tensors["level"].numpy().tolist()) == set(range(inputs["level"].vocabulary_size))


def test_sequences_of_one_history_name_it_and_others_stand_alone(inputs):
    histories = {name: spec.history for name, spec in inputs.items() if spec.kind == "sequence"}
    assert histories == {"clicked_city": "clicks", "clicked_genre": "clicks", "trips": "trips"}
    assert inputs["genres"].history is None


def test_round_trips_through_json(inputs):
    for spec in inputs.values():
        assert InputSpec(**json.loads(json.dumps(spec.to_dict()))) == spec


def test_tensors_of_one_history_have_their_padding_in_the_same_places(tensors):
    np.testing.assert_array_equal(
        tf.cast(tensors["clicked_city"], tf.bool), tf.cast(tensors["clicked_genre"], tf.bool)
    )
