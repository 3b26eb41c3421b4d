"""The interaction modules on one example in float64, token by token."""

import numpy as np

ACTIVATIONS = {
    "linear": lambda x: x,
    "relu": lambda x: np.maximum(x, 0.0),
    "sigmoid": lambda x: 1.0 / (1.0 + np.exp(-x)),
    "swish": lambda x: x / (1.0 + np.exp(-x)),
    "tanh": np.tanh,
}


def randomize(layer, seed=0, scale=0.4):
    """Gives a built layer weights that are all different, biases and normalisations too."""
    rng = np.random.default_rng(seed)
    layer.set_weights([rng.normal(scale=scale, size=v.shape) for v in layer.weights])
    return layer


def value(variable):
    return variable.numpy().astype("float64")


def dense(layer, v):
    out = v @ value(layer.kernel)
    return out if layer.bias is None else out + value(layer.bias)


def mlp(layer, v):
    for linear in layer.linears:
        v = ACTIVATIONS[layer.activation](dense(linear, v))
    return v


def layer_norm(layer, x):
    rows = [(row - row.mean()) / np.sqrt(np.mean((row - row.mean()) ** 2) + 1e-5) for row in x]
    return np.array(rows) * value(layer.gamma) + value(layer.beta)


def token_linear(layer, x):
    kernel = value(layer.kernel)
    out = np.zeros((kernel.shape[1], x.shape[1]))
    for l in range(kernel.shape[1]):  # noqa: E741
        for m in range(len(x)):
            out[l] += kernel[m, l] * x[m]
    return out


def to_tokens(layer, v):
    h = v if layer.mlp is None else mlp(layer.mlp, v)
    flat = dense(layer.linear, h)
    return np.array([flat[i * layer.width :][: layer.width] for i in range(layer.num_tokens)])


def dot_module(layer, x):
    pairs = [sum(x[i] * x[j]) for i in range(len(x)) for j in range(i + 1, len(x))]
    return to_tokens(layer.out, np.array(pairs))


def cross_module(layer, x, keep_skip=False):
    x0 = np.concatenate(list(x))
    xl = x0
    for u, v, b in zip(
        value(layer.kernel_u), value(layer.kernel_v), value(layer.bias), strict=True
    ):
        xl = x0 * ((xl @ u) @ v + b) + xl
    return to_tokens(layer.out, xl if keep_skip else xl - x0)


def attention_module(layer, x, self_attention):
    h = layer_norm(layer.norms[0], x + self_attention(layer.attention, x))
    hidden = np.array([dense(layer.linear, mlp(layer.hidden, token)) for token in h])
    return token_linear(layer.out, layer_norm(layer.norms[1], h + hidden))


def dhen_layer(layer, x, self_attention=None):
    of = {
        "dot": dot_module,
        "cross": cross_module,
        "linear": token_linear,
        "self_attention": lambda module, x: attention_module(module, x, self_attention),
    }
    outputs = [of[n](m, x) for n, m in zip(layer.modules, layer.interactions, strict=True)]
    if layer.ensemble == "concat":
        y = np.concatenate(outputs)
    elif layer.ensemble == "sum":
        y = sum(outputs)
    else:
        y = sum(w * u for w, u in zip(value(layer.module_weights), outputs, strict=True))
    return layer_norm(layer.norm, y + (token_linear(layer.shortcut, x) if layer.shortcut else x))


def interaction_arch(layer, x, summary):
    z = np.concatenate([x, summary])
    if layer.interaction == "dot":
        return dot_module(layer.out, z)
    if layer.interaction == "cross":
        return cross_module(layer.out, z, keep_skip=True)  # no shortcut around this one
    for dhen in layer.dhen:
        z = dhen_layer(dhen, z)
    return to_tokens(layer.out, np.concatenate(list(z)))
