import numpy as np
import pytest

from features.bundle import read_metadata
from features.preprocessing import Preprocessor
from features.raw_tensors import from_arrow
from features.specs import FeatureSet
from serving.variants.narrow_bundle import _narrowed, narrow_bundle

CLICKS = ("clicked_item", "clicked_tag")


def preprocessed(bundle, rows):
    metadata = bundle.metadata
    preprocessor = Preprocessor(metadata.features, metadata.analysis, bundle.vocabulary_dir)
    rows = rows.select(metadata.features.raw_schema(("input",)).names)
    return preprocessor(from_arrow(rows, metadata.features))


@pytest.mark.parametrize(
    "kept",
    [("user",), CLICKS, ("price", "age", "hour"), ("item", "tags", "picture", *CLICKS)],
    ids=lambda each: each[0],
)
def test_what_is_kept_means_what_it_meant(bundle, rows, tmp_path, kept):
    narrow = narrow_bundle(bundle, kept, tmp_path / "narrow")
    expected, received = preprocessed(bundle, rows), preprocessed(narrow, rows)
    assert set(received) == set(kept)
    for name, value in received.items():
        np.testing.assert_array_equal(value, expected[name], err_msg=name)
    whole = {each.name: each for each in bundle.metadata.model_inputs()}
    assert list(narrow.metadata.model_inputs()) == [
        whole[each.name] for each in narrow.metadata.model_inputs()
    ]
    assert read_metadata(tmp_path / "narrow" / "metadata.json") == narrow.metadata
    files = {each.stem for each in (tmp_path / "narrow" / "vocabularies").iterdir()}
    assert files == set(narrow.metadata.features.vocabularies)


def test_nothing_is_written_where_everything_is_read(bundle, tmp_path):
    inputs = [each.name for each in bundle.metadata.features.inputs]
    assert narrow_bundle(bundle, inputs, tmp_path / "narrow") is bundle
    assert not (tmp_path / "narrow").exists()


def test_groups_and_histories_lose_what_is_gone(bundle, tmp_path):
    features = narrow_bundle(bundle, ("user", "price"), tmp_path / "narrow").metadata.features
    assert {name: list(each) for name, each in features.groups.items()} == {"user x item": ["user"]}
    assert features.histories == {}
    assert features.label is not None


def test_a_vocabulary_keeps_its_settings_without_the_feature_that_they_were_set_on():
    clicked = {"kind": "sequence", "vocabulary": "item", "separator": "|", "max_length": 2}
    features = FeatureSet.model_validate(
        {
            "features": {
                "item": {"kind": "categorical", "num_oov_buckets": 3, "min_count": 2},
                "clicked": clicked,
            }
        }
    )
    (left,) = _narrowed(features, ["clicked"]).vocabularies.values()
    assert (left.num_oov_buckets, left.min_count) == (3, 2)
