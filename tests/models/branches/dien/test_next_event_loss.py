import numpy as np
import pytest
import tensorflow as tf

from models.branches.dien.next_event_loss import NextEventLoss
from tests.models.layers import sequence_oracles as oracles
from tests.models.layers.sequence_oracles import call
from tests.replicas import per_replica


def events(length: int = 5) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "states": rng.normal(size=(6, length, 4)).astype("float32"),
        "keys": rng.normal(size=(6, length, 3)).astype("float32"),
        "negatives": rng.normal(size=(6, length, 3)).astype("float32"),
        "mask": np.arange(length) < np.array([[5], [0], [1], [3], [4], [5]]),
        "negatives_mask": np.arange(length) < np.array([[5], [3], [2], [5], [2], [4]]),
    }


def oracle(layer, states, keys, negatives, mask, negatives_mask):
    def log_probability(h, k):
        kernel, bias = oracles.weights_of(layer.score)
        x = oracles.mlp(layer.mlp, np.concatenate([h, k]).astype("float64"))
        return np.log(oracles.sigmoid((x @ kernel + bias).item()))

    losses = []
    for b, t in np.ndindex(len(mask), mask.shape[1] - 1):
        if mask[b, t + 1] and negatives_mask[b, t + 1]:
            if (keys[b, t + 1] == negatives[b, t + 1]).all():
                continue
            log_right = log_probability(states[b, t], keys[b, t + 1])
            wrong = np.exp(log_probability(states[b, t], negatives[b, t + 1]))
            losses.append(-log_right - np.log(1 - wrong))
    return np.mean(losses) if losses else 0.0


def test_matches_oracle():
    batch = events()
    layer = oracles.randomized(NextEventLoss([5, 4]), batch)
    np.testing.assert_allclose(call(layer, batch), oracle(layer, **batch), rtol=1e-5)


def test_a_negative_that_is_the_event_itself_does_not_count():
    batch = events()
    batch["negatives"][0, 2:] = batch["keys"][0, 2:]
    batch["negatives"][5, 1, 0] = batch["keys"][5, 1, 0]  # one number of three: another event
    layer = oracles.randomized(NextEventLoss([4]), batch)
    np.testing.assert_allclose(call(layer, batch), oracle(layer, **batch), rtol=1e-5)


def test_padding_changes_nothing():
    batch, longer = events(5), events(9)
    layer = oracles.randomized(NextEventLoss([4]), batch)
    for name in ("states", "keys", "negatives"):
        mask = longer["negatives_mask" if name == "negatives" else "mask"]
        longer[name][:, :5] = batch[name]
        longer[name][~mask] = 99.0
    np.testing.assert_allclose(call(layer, longer), call(layer, batch), rtol=1e-5)


@pytest.mark.parametrize("case", ["one_step", "all_empty", "no_negatives"])
def test_where_no_step_counts_loss_and_gradient_are_0(case):
    batch = events(1 if case == "one_step" else 5)
    if case != "one_step":
        batch["mask" if case == "all_empty" else "negatives_mask"][:] = False
    batch = {name: tf.constant(each) for name, each in batch.items()}
    layer = NextEventLoss([4])
    with tf.GradientTape() as tape:
        tape.watch([batch["states"], batch["keys"]])
        loss = call(layer, batch)
    gradients = tape.gradient(loss, [batch["states"], batch["keys"], *layer.trainable_variables])
    assert loss == 0.0
    for each in gradients:
        np.testing.assert_array_equal(each, np.zeros(each.shape))


def test_extreme_scores_stay_finite():
    batch = events()
    layer = oracles.randomized(NextEventLoss([4]), batch)
    layer.score.set_weights([each * 1e4 for each in layer.score.get_weights()])
    assert np.isfinite(call(layer, batch))


def test_shares_of_two_replicas_add_up(two_replicas):
    batch = events()
    with two_replicas.scope():
        layer = oracles.randomized(NextEventLoss([4]), batch)
    shares = per_replica(
        two_replicas,
        lambda *arrays: call(layer, dict(zip(batch, arrays, strict=True))),
        *batch.values(),
        at=1,
    )
    np.testing.assert_allclose(sum(shares), oracle(layer, **batch), rtol=1e-5)


def test_rejects_negatives_of_another_length():
    batch = events()
    batch["negatives"] = batch["negatives"][:, :3]
    with pytest.raises(ValueError, match=r"events \(6, 5, 3\) and negatives \(6, 3, 3\).*Declare"):
        call(NextEventLoss(), batch)
