import pytest
import tensorflow as tf

from features.errors import ExportError
from features.raw_tensors import MISSING_TIME, dense_specs
from features.specs import FeatureSet
from serving.exporting.column_sides import candidate_columns, raw_columns
from tests.serving.conftest import FEATURES

USER = {"user_id:token", "clicked_item", "clicked_tag"}
COLUMNS = {spec.raw_name for spec in FEATURES.inputs}


def test_columns_are_the_dense_tensors_of_the_preprocessing_graph():
    expected = dense_specs(FEATURES)
    found = raw_columns(FEATURES)
    assert list(found) == list(expected)
    for column, template in found.items():
        assert template.column == column
        assert tf.as_dtype(template.dtype) == expected[column].dtype
        assert list(template.shape) == expected[column].shape.as_list()


def test_what_is_missing_is_what_the_graph_takes_for_missing():
    missing = {column: each.missing for column, each in raw_columns(FEATURES).items()}
    assert missing["time"] == MISSING_TIME
    assert (missing["price"], missing["item"], missing["tags"], missing["picture"]) == (
        ("NaN", "", "", 0.0)
    )


def test_by_default_histories_and_their_key_are_the_users():
    assert candidate_columns(FEATURES) == COLUMNS - USER


def test_without_histories_everything_is_the_candidates():
    features = FeatureSet.model_validate(
        {"features": {"a": {"kind": "categorical"}, "label": {"role": "label"}}}
    )
    assert candidate_columns(features) == {"a"}


def test_named_features_are_the_candidates():
    # `hour` and the timestamp of role `time` read one column, but only inputs count.
    assert candidate_columns(FEATURES, ["hour", "item", "hour"]) == {"time", "item"}
    assert candidate_columns(FEATURES, ["user"]) == {"user_id:token"}


@pytest.mark.parametrize(
    ("candidates", "message"),
    [
        (["item", "clicked_tagg"], r"'clicked_tagg', .* Did you mean clicked_tag\?"),
        (["label"], "'label', which is no input feature"),
        ([], "names none of the input features"),
        ([spec.name for spec in FEATURES.inputs], "names all of the input features"),
        (["clicked_tag"], r"'clicked_item' and 'clicked_tag', .* from history 'clicks'\. Name"),
    ],
)
def test_candidates_that_cannot_be_told_apart_are_refused(candidates, message):
    with pytest.raises(ExportError, match=message):
        candidate_columns(FEATURES, candidates)


def test_features_of_one_column_stand_on_one_side():
    time = {"kind": "categorical", "column": "time"}
    features = FeatureSet.model_validate(
        {
            "features": {
                "item": {"kind": "categorical"},
                "hour": {**time, "transform": "hour"},
                "day": {**time, "transform": "weekday"},
            }
        }
    )
    with pytest.raises(ExportError, match=r"parts .*'hour' and 'day', .* from column 'time'"):
        candidate_columns(features, ["item", "day"])
    assert candidate_columns(features, ["hour", "day"]) == {"time"}
