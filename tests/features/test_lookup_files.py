"""Vocabularies that take the place of others in one process: the new tokens get the new ids."""

import pytest
import tensorflow as tf

from features.analysis import Analysis
from features.lookup_files import name_of_vocabulary
from features.preprocessing import Preprocessor
from features.specs import FeatureSet

FEATURES = FeatureSet(
    features={
        "click": {"name": "click", "kind": "numeric", "role": "label"},
        "city": {"name": "city", "kind": "categorical"},
    },
    groups={},
)


def ids_of(folder, tokens):
    layer = Preprocessor(FEATURES, Analysis(vocabulary_sizes={"city": 2}), str(folder))
    return layer.lookups["city"](tf.constant(tokens)).numpy().tolist()


@pytest.mark.parametrize("words", [["oslo", "rome"], ["bern", "oslo"]])
def test_a_folder_that_is_replaced_has_its_own_ids(words, tmp_path):
    first = tmp_path / "city.txt"
    first.write_text("rome\nbern\n")
    assert ids_of(tmp_path, ["rome", "bern", "oslo"]) == [2, 3, 1]
    first.unlink()
    first.write_text("".join(f"{word}\n" for word in words))  # as long as the one before
    expected = [words.index(city) + 2 if city in words else 1 for city in ("rome", "bern", "oslo")]
    assert ids_of(tmp_path, ["rome", "bern", "oslo"]) == expected
    assert ids_of(tmp_path, ["rome", "bern", "oslo"]) == expected  # once more


def test_one_content_has_one_name(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("a\n")
    name = name_of_vocabulary(str(path))
    assert name == name_of_vocabulary(str(path)) == str(path)
    path.write_text("bcd\n")
    other = name_of_vocabulary(str(path))
    assert other != name
    with open(other) as file:
        assert file.read() == "bcd\n"
    assert name_of_vocabulary("gs://bucket/a.txt") == "gs://bucket/a.txt"
