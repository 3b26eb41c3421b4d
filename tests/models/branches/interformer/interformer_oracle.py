"""The parts of InterFormer on one example in float64, event by event."""

import numpy as np

from tests.models.branches.dhen.interaction_oracle import (
    ACTIVATIONS,
    dense,
    layer_norm,
    mlp,
    token_linear,
    value,
)


def softmax_mean(scores, values):
    """Values averaged by the softmax of their scores; 0 of none."""
    if not scores:
        return 0.0
    weights = np.exp(np.array(scores) - max(scores))
    return sum(w * v for w, v in zip(weights / weights.sum(), values, strict=True))


def turned(x, position):
    """Every pair (i, i + half) of dimensions as a complex number, turned by an angle."""
    half = len(x) // 2
    out = x.copy()
    for i in range(half):
        turn = np.exp(1j * position * 10000.0 ** (-i / half))
        number = complex(x[i], x[i + half]) * turn
        out[i], out[i + half] = number.real, number.imag
    return out


def self_attention(layer, tokens, mask=None):
    qkv, out = value(layer.kernel_qkv), value(layer.kernel_out)
    valid = [t for t in range(len(tokens)) if mask is None or mask[t]]
    positions = layer.positions or [0] * len(tokens)
    result = np.tile(value(layer.bias), (len(tokens), 1))
    for head in range(layer.num_heads):
        query, key, val = (tokens @ qkv[:, part, head] for part in range(3))
        for s in range(len(tokens)):
            scores = [
                turned(query[s], positions[s])
                @ turned(key[t], positions[t])
                / np.sqrt(query.shape[1])
                for t in valid
            ]
            result[s] += softmax_mean(scores, [val[t] for t in valid]) @ out[head] if valid else 0
    return result


def pooling_attention(layer, events, mask):
    query, out = value(layer.kernel_q), value(layer.kernel_out)
    kernel_k, kernel_v = value(layer.kernel_kv)[:, 0], value(layer.kernel_kv)[:, 1]
    valid = [event for event, there in zip(events, mask, strict=True) if there]
    result = np.zeros((layer.num_seeds, events.shape[1]))
    for p, seed in enumerate(value(layer.seeds)):
        for head in range(layer.num_heads):
            q = seed @ query[:, head]
            scores = [q @ (event @ kernel_k[:, head]) / np.sqrt(len(q)) for event in valid]
            if valid:
                values = [event @ kernel_v[:, head] for event in valid]
                result[p] += softmax_mean(scores, values) @ out[head]
    return result


def self_masked_projection(layer, steps):
    guided = [step * dense(layer.mask, mlp(layer.hidden, step)) for step in steps]
    return np.array([dense(layer.combine, step) for step in guided])


def gate(layer, tokens):
    if layer.mode == "none":
        return tokens
    score = np.array([dense(layer.linear, token) for token in tokens])
    s = ACTIVATIONS[layer.activation]
    return s(tokens * score) if layer.mode == "paper" else tokens * s(score)


def last_events(events, mask, count):
    """The last `count` valid events; zeros before them where there are fewer."""
    there = (
        [event for event, valid in zip(events, mask, strict=True) if valid][-count:]
        if count
        else []
    )
    return [np.zeros(events.shape[1])] * (count - len(there)) + there


def cross_arch(layer, x, events, mask, recent, cls):
    """recent: the tokens themselves, as `last_events` gives them."""
    x_sum = gate(layer.gates[0], token_linear(layer.compress, x))
    parts = list(x_sum if cls is None else cls)
    if layer.pma is not None:
        parts += list(pooling_attention(layer.pma, events, mask))
    return x_sum, gate(layer.gates[1], np.array(parts + recent))


def sequence_arch(layer, events, cls, summary, mask):
    w_pffn = summary.T @ value(layer.kernel)  # (width, width)
    s = np.concatenate([cls, events])
    valid = [True] * len(cls) + list(mask)

    def pffn(tokens):
        return np.array([w_pffn @ token for token in tokens])

    if layer.residual:
        s = s + pffn(layer_norm(layer.norms[0], s))
        s = s + self_attention(layer.attention, layer_norm(layer.norms[1], s), valid)
    else:
        s = self_attention(layer.attention, pffn(s), valid)
    return s[: len(cls)], s[len(cls) :]
