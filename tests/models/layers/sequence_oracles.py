"""Slow float64 versions of what several layers of sequences are made of."""

import numpy as np

from models.layers.mlp import MLP


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def weights_of(layer) -> list[np.ndarray]:
    return [each.astype("float64") for each in layer.get_weights()]


def call(layer, batch: dict, **kwargs):
    """The layer on its arguments by name; Keras wants the first one by position."""
    (_, x), *others = batch.items()
    return layer(x, **dict(others), **kwargs)


def randomized(layer, batch: dict):
    """The layer, built on the batch, with random weights: zero biases and alphas too."""
    call(layer, batch)
    rng = np.random.default_rng(1)
    for variable in layer.weights:
        value = 0.5 * rng.normal(size=variable.shape)
        variable.assign(np.abs(value) if "variance" in variable.name else value)
    return layer


def mlp(layer: MLP, x):
    """An MLP in inference, without batch normalisation: ReLU, tanh or Dice."""
    for i, linear in enumerate(layer.linears):
        kernel, bias = weights_of(linear)
        x = x @ kernel + bias
        if layer.activation == "dice":
            alpha, mean, variance = weights_of(layer.dices[i])
            p = sigmoid((x - mean) / np.sqrt(variance + 1e-9))
            x = p * x + (1 - p) * alpha * x
        else:
            x = {"relu": lambda x: np.maximum(x, 0.0), "tanh": np.tanh}[layer.activation](x)
    return x


def attention(layer, target, keys, mask):
    """`TargetAttention` on one example, step by step."""
    scores = []
    for k in keys:
        pair = np.concatenate([target, k, target - k, target * k])
        scores.append((mlp(layer.mlp, pair) @ weights_of(layer.score)[0]).item())
        if not layer.softmax:
            scores[-1] += weights_of(layer.score)[1].item()
    return softmax(scores, mask) if layer.softmax else np.where(mask, scores, 0.0)


def softmax(scores, mask):
    """Over the steps of one example where mask is True."""
    powers = np.where(mask, np.exp(scores), 0.0)
    return powers / powers.sum() if mask.any() else powers


def gru(rnn, steps, mask):
    """All states of an RNN over Keras' GRUCell on one example."""
    kernel, recurrent, (bias, recurrent_bias) = weights_of(rnn)
    h = np.zeros(len(recurrent))
    states = []
    for x, valid in zip(steps, mask, strict=True):
        if valid:
            x_z, x_r, x_c = np.split(x @ kernel + bias, 3)
            h_z, h_r, h_c = np.split(h @ recurrent + recurrent_bias, 3)
            z, r = sigmoid(x_z + h_z), sigmoid(x_r + h_r)
            h = z * h + (1 - z) * np.tanh(x_c + r * h_c)
        states.append(h)
    return np.array(states)


def attentional_gru(layer, x, weights, mask):
    """The last state of `AttentionalGRU` on one example."""
    if layer.update == "aigru":
        return gru(layer.rnn, x * weights[:, np.newaxis], mask)[-1]
    kernel, recurrent, bias, recurrent_bias = weights_of(layer.rnn)
    n = layer.units
    part = {"c": slice(n), "r": slice(n, 2 * n), "u": slice(2 * n, 3 * n)}
    h = np.zeros(n)
    for x_t, a, valid in zip(x, weights, mask, strict=True):
        if not valid:
            continue
        inputs = {gate: x_t @ kernel[:, at] + bias[at] for gate, at in part.items()}
        state = {gate: h @ recurrent[:, at] for gate, at in part.items()}
        r = sigmoid(inputs["r"] + state["r"])
        c = np.tanh(inputs["c"] + r * (state["c"] + recurrent_bias))
        if layer.update == "augru":
            a = a * sigmoid(inputs["u"] + state["u"])
        h = (1 - a) * h + a * c
    return h
