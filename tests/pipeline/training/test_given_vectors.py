from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
import tensorflow as tf

from features.bundle import Bundle
from features.errors import ConfigError
from pipeline.training.given_vectors import fill_given_vectors


def fill(folder, dimension=2, tokens="7\n42\n9", keys=(42, 5, 7)):
    """What the network has for padding, out of vocabulary, 7, 42 and 9."""
    vocabularies = Path(Bundle(str(folder), None, None).vocabulary_dir)
    vocabularies.mkdir()
    (vocabularies / "pictures.txt").write_text(tokens)
    with h5py.File(folder / "vectors.h5", "w") as file:
        file.create_dataset("key", data=list(keys))
        file.create_dataset("value", data=np.arange(2.0 * len(keys)).reshape(-1, 2))
    vectors = tf.Variable(tf.ones((5, 2)))
    given = {"pictures": SimpleNamespace(path="vectors.h5", dimension=dimension)}
    config = SimpleNamespace(
        model=SimpleNamespace(embedding=SimpleNamespace(given=given)),
        data=SimpleNamespace(path=str(folder)),
    )
    network = SimpleNamespace(embeddings=SimpleNamespace(given={"pictures": vectors}))
    fill_given_vectors(network, config, Bundle(str(folder), None, None))
    return vectors.numpy().tolist()


def test_every_token_gets_the_vector_of_its_key_and_others_zeros(tmp_path):
    assert fill(tmp_path) == [[0, 0], [0, 0], [4, 5], [0, 1], [0, 0]]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dimension": 3}, r"given.pictures.*vectors of 2 numbers, and `dimension` says 3"),
        ({"keys": (1, 2)}, r"a vector for none of the 3 tokens"),
    ],
)
def test_vectors_that_do_not_fit_are_refused(settings, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        fill(tmp_path, **settings)
