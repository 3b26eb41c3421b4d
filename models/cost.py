"""What a network costs: parameters of each part, and floating point operations per example."""

import math
from collections.abc import Iterable

import tensorflow as tf
import tf_keras

from models.network import CooperativeNetwork

_MATRIX_PRODUCTS = ("MatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3")


def parts_of(network: CooperativeNetwork) -> dict[str, tf_keras.layers.Layer]:
    """Every part that has weights, by a name to show."""
    named = zip(network.branch_names, network._branch_layers, strict=True)
    losses = zip(network._cooperation_names, network._cooperation_layers, strict=True)
    parts = {
        "embeddings": network.embeddings,
        **{f"branch {name}": branch for name, branch in named},
        "alignment": network.alignment,
        "fusion": network.fusion,
        **({} if network.tower is None else {"tower": network.tower}),
        **{f"head {name}": head for name, head in network._heads.items()},
        **{f"loss {name}": loss for name, loss in losses},
    }
    return {name: part for name, part in parts.items() if part.weights}


def parameters_by_part(network: CooperativeNetwork) -> dict[str, int]:
    """Trainable parameters of each part that has any; a layer with several names counts once."""
    seen: set[int] = set()
    counts = {}
    for name, part in parts_of(network).items():
        weights = [each for each in part.trainable_weights if id(each) not in seen]
        seen |= {id(each) for each in weights}
        if weights:
            counts[name] = sum(each.shape.num_elements() for each in weights)
    return counts


def flops_per_example(network: CooperativeNetwork) -> int:
    """Floating point operations of the matrix products that score one example.

    A multiplication and an addition count as two, as is usual; elementwise operations and lookups
    are left out. Loops over time steps count as often as they run. Counted from the graph of a
    batch of one, as far as the prediction depends on it.
    """
    signature = {
        name: tf.TensorSpec((1, *spec.shape[1:]), spec.dtype)
        for name, spec in network.embeddings.signature.items()
    }

    @tf.function(autograph=False)
    def score(features):
        return network(features, training=False)["logit"]

    graph = score.get_concrete_function(signature).graph
    return _flops(graph, _needed(graph))


def _needed(graph) -> set[str]:
    """Names of the operations that the outputs depend on."""
    needed: set[str] = set()
    waiting = [tensor.op for tensor in graph.outputs]
    while waiting:
        operation = waiting.pop()
        if operation.name not in needed:
            needed.add(operation.name)
            waiting += [tensor.op for tensor in operation.inputs]
    return needed


def _flops(graph, needed: set[str] | None = None) -> int:
    total = 0
    for operation in graph.get_operations():
        if needed is not None and operation.name not in needed:
            continue
        if operation.type in _MATRIX_PRODUCTS:
            total += 2 * _size(operation.outputs[0].shape) * _contracted(operation)
        elif operation.type == "Einsum":
            total += _einsum_flops(operation)
        elif operation.type in ("While", "StatelessWhile"):
            body = graph._get_function(operation.get_attr("body").name)
            times = tf.get_static_value(operation.inputs[1])  # the most iterations
            total += (1 if times is None else int(times)) * _flops(body.graph)
        elif operation.type in ("PartitionedCall", "StatefulPartitionedCall"):
            total += _flops(graph._get_function(operation.get_attr("f").name).graph)
    return total


def _contracted(operation: tf.Operation) -> int:
    """The length that a matrix product sums over."""
    transposed = "transpose_a" if operation.type == "MatMul" else "adj_x"
    axis = -2 if operation.get_attr(transposed) else -1
    return operation.inputs[0].shape[axis]


def _einsum_flops(operation: tf.Operation) -> int:
    equation = operation.get_attr("equation").decode()
    subscripts = equation.partition("->")[0].split(",")
    if len(subscripts) < 2:
        return 0  # a transposition or a sum
    sizes = {}
    for letters, tensor in zip(subscripts, operation.inputs, strict=True):
        sizes |= dict(zip(letters, tensor.shape, strict=True))
    return 2 * _size(sizes.values())


def _size(shape: Iterable[int]) -> int:
    return math.prod(int(each) for each in shape)
