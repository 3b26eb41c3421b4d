"""What may vary: choices and ranges, and mistakes in them as sentences."""

import pytest

from features.errors import ConfigError
from pipeline.config.config_files import load_config
from pipeline.tuning.search_space import SearchSpace

SPACE = """
train.learning_rate: {low: 0.001, high: 0.1, log: true}
model.embedding.embedding_dim: [4, 8]
model.branches.deep.units: [[16], [16, 8]]
train.batch_size: {low: 64, high: 256, step: 64}
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "space.yaml"
    path.write_text(SPACE)
    return path


def test_a_file_and_texts_laid_over_it(file):
    space = SearchSpace.read(file, ["model.embedding.embedding_dim=[2, 3, 5]"])
    pytest.importorskip("optuna")
    distributions = space.distributions()
    assert list(distributions) == space.names
    assert distributions["model.embedding.embedding_dim"].choices == ("2", "3", "5")
    assert distributions["train.learning_rate"].log
    assert distributions["train.batch_size"].step == 64
    assert distributions["train.batch_size"].__class__.__name__ == "IntDistribution"


def test_what_was_drawn_is_what_the_configuration_gets(file):
    drawn = {
        "model.branches.deep.units": "[16, 8]",
        "model.embedding.embedding_dim": "8",
        "train.learning_rate": 0.0123,
        "train.batch_size": 128,
    }
    overrides = SearchSpace.read(file, []).overrides(drawn)
    config = load_config("movielens_100k/deep", overrides)
    assert config.model.branches["deep"].options["units"] == [16, 8]
    assert config.model.embedding.embedding_dim == 8
    assert config.train.learning_rate == 0.0123
    assert config.train.batch_size == 128


@pytest.mark.parametrize(
    ("searched", "sentence"),
    [
        ([], "--search: no setting varies"),
        (["train.epochs"], "--search 'train.epochs' is no KEY=CHOICES"),
        (["train.epochs=[1"], "--search 'train.epochs=[1' is no KEY=CHOICES"),
        (["train.epochs=[1]"], "needs a list of two or more choices"),
        (["train.epochs=3"], "needs a list of two or more choices"),
        (["train.epochs={low: 3, high: 2}"], "low must be below high. Received: 3 and 2"),
        (["train.epochs={low: 0, high: 2, log: true}"], "numbers are above 0 and have no step"),
        (["train.epochs={low: 0, hihg: 2}"], "hihg is not a setting"),
        (["data.split.test=[0.1, 0.2]"], "data.split.test cannot vary"),
        (["train.monitor=[auc, logloss]"], "train.monitor cannot vary"),
    ],
)
def test_mistakes_are_sentences(searched, sentence):
    with pytest.raises(ConfigError) as raised:
        SearchSpace.read(None, searched)
    assert sentence in str(raised.value)


def test_a_file_that_is_not_there_is_one(tmp_path):
    with pytest.raises(ConfigError, match=r"gone.yaml cannot be read"):
        SearchSpace.read(tmp_path / "gone.yaml", [])
