"""The average of the weights: its equation, what is validated and kept, and what is trained on."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from pipeline.evaluation.scores import score_split
from pipeline.runs.run_dir import RunDir
from pipeline.training.average_weights import AverageWeights
from pipeline.training.train import load_network, train
from tests.pipeline.training.test_train import configured


def network():
    made = tf_keras.Sequential([tf_keras.layers.Dense(2), tf_keras.layers.BatchNormalization()])
    made.build((None, 3))
    return made


def test_is_the_even_mean_at_first_and_forgets_later():
    made, decay, steps = network(), 0.75, 9
    average = AverageWeights(made, decay)
    rng = np.random.default_rng(1)
    expected = [np.zeros(w.shape) for w in made.trainable_variables]
    for step in range(1, steps + 1):
        for place, weight in enumerate(made.trainable_variables):
            weight.assign(rng.normal(size=weight.shape))
            rate = max(1.0 - decay, 1.0 / step)
            expected[place] = (1.0 - rate) * expected[place] + rate * weight.numpy()
        average.update()
    own = [weight.numpy() for weight in made.trainable_variables]
    average.swap()
    for weight, mean in zip(made.trainable_variables, expected, strict=True):
        np.testing.assert_allclose(weight, mean, atol=1e-5)
    average.swap()
    for weight, value in zip(made.trainable_variables, own, strict=True):
        np.testing.assert_array_equal(weight, value)


def test_two_replicas_average_as_one(two_replicas):
    with two_replicas.scope():
        mirrored = network()
    average, alone = AverageWeights(mirrored, 0.5), AverageWeights(network(), 0.5)
    assert len(average.averages) == len(alone.averages) == 4
    for value in (1.0, 2.0, 6.0):
        for weight in mirrored.trainable_variables:
            weight.assign(tf.fill(weight.shape, value))
        average.update()
    average.swap()
    for weight in mirrored.trainable_variables:
        np.testing.assert_allclose(weight.numpy(), 3.75)  # ((1 + 2) / 2 + 6) / 2


@pytest.fixture(scope="module")
def bundle(random_bundle):
    return random_bundle


def test_the_average_is_validated_and_kept_and_training_goes_on_from_the_weights(bundle, tmp_path):
    histories, runs = {}, {}
    for average in (None, 0.9):
        run = runs[average] = RunDir(tmp_path / str(average))
        config = configured(bundle, epochs=2, average=average)
        run.begin(config, bundle)
        histories[average] = train(config, bundle, run).history
    # The steps are the same; what is validated is not.
    assert histories[None]["loss"] == histories[0.9]["loss"]
    assert histories[None]["val_logloss"] != histories[0.9]["val_logloss"]
    config = configured(bundle, epochs=2, average=0.9)
    kept = score_split(load_network(config, bundle, runs[0.9]), bundle, "valid", 64)
    found = kept.training_metrics()["logloss"]
    assert any(found == pytest.approx(value, abs=1e-9) for value in histories[0.9]["val_logloss"])


def test_an_interrupted_training_goes_on_with_its_average(bundle, tmp_path):
    run, config = RunDir(tmp_path / "run"), configured(bundle, epochs=3, average=0.9)
    run.begin(config, bundle)
    whole = train(config, bundle, run).history
    run.begin(config, bundle)
    train(configured(bundle, epochs=1, average=0.9), bundle, run)
    resumed = train(config, bundle, run, resume=True).history
    assert resumed == whole


def test_is_for_one_process(bundle):
    with pytest.raises(ValueError, match=r"train.average is for train.strategy=mirrored"):
        configured(bundle, average=0.9, strategy="multi_worker")
