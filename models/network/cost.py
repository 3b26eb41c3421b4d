"""What a network costs: parameters of each part, and floating point operations per example."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator

import tensorflow as tf
import tf_keras

from models.embeddings.row_slots import table_rows
from models.network.cooperative_network import CooperativeNetwork, Features
from models.private_keras import graph_of_function

_MATRIX_PRODUCTS = ("MatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3")


def parts_of(network: CooperativeNetwork) -> dict[str, tf_keras.layers.Layer]:
    """Every part that has weights, by a name to show."""
    parts = {
        "embeddings": network.embeddings,
        **{f"branch {name}": branch for name, branch in network.branches.items()},
        "alignment": network.alignment,
        "fusion": network.fusion,
        **({} if network.tower is None else {"tower": network.tower}),
        **{f"projection {name}": layer for name, layer in network.projections.items()},
        **{f"head {name}": head for name, head in network.head_layers.items()},
        **{f"loss {name}": loss for name, loss in network.cooperation_losses.items()},
    }
    return {name: part for name, part in parts.items() if part.weights}


def parameters_by_part(network: CooperativeNetwork) -> dict[str, int]:
    """Trainable parameters of each part that has any; a layer with several names counts once."""
    seen: set[int] = set()
    counts = {}
    for name, part in parts_of(network).items():
        weights = [weight for weight in part.trainable_weights if id(weight) not in seen]
        seen |= {id(weight) for weight in weights}
        if weights:
            counts[name] = sum(map(num_parameters, weights))
    return counts


def num_parameters(weight: tf.Variable) -> int:
    """Trained numbers of a variable, without an optimizer's state in the rows of a table."""
    rows = table_rows(weight)
    return weight.shape.num_elements() if rows is None else weight.shape[0] * rows.weights


def flops_per_example(network: CooperativeNetwork) -> int:
    """Floating point operations of the matrix products that score one example.

    A multiplication and an addition count as two, as is usual; elementwise operations and lookups
    are left out, as are convolutions. Loops over time steps count as often as they run at most,
    those of unknown length once. Counted from the graph of a batch of one, as far as the
    prediction depends on it.
    """
    return sum(flops_by_layer(network).values())


def flops_by_layer(network: CooperativeNetwork) -> dict[str, int]:
    """`flops_per_example`, told apart by the layers that the network calls.

    Returns:
        Operations by the name of the layer, such as a branch's; those of no layer under "".
        Layers without matrix products are left out.
    """
    signature = {
        name: tf.TensorSpec((1, *spec.shape[1:]), spec.dtype)
        for name, spec in network.embeddings.layout.signature.items()
    }

    @tf.function(autograph=False)
    def score(features: Features) -> tf.Tensor:
        return network(features, training=False).logit

    graph = score.get_concrete_function(signature).graph
    flops: Counter[str] = Counter()
    for operation, count in _products(graph, _needed(graph)):
        scopes = [*operation.split("/"), "", ""]
        place = scopes.index(network.name) + 1 if network.name in scopes else -1
        flops[scopes[place]] += count
    return dict(flops)


def _needed(graph: tf.Graph) -> set[str]:
    """Names of the operations that the outputs depend on."""
    needed: set[str] = set()
    waiting = [tensor.op for tensor in graph.outputs]
    while waiting:
        operation = waiting.pop()
        if operation.name not in needed:
            needed.add(operation.name)
            waiting += [tensor.op for tensor in operation.inputs]
    return needed


def _products(graph: tf.Graph, needed: set[str] | None = None) -> Iterator[tuple[str, int]]:
    """Name and FLOPs of every operation that multiplies matrices, or calls what does."""
    for operation in graph.get_operations():
        if needed is not None and operation.name not in needed:
            continue
        if operation.type in _MATRIX_PRODUCTS:
            flops = 2 * _size(operation.outputs[0].shape) * _contracted(operation)
        elif operation.type == "Einsum":
            flops = _einsum_flops(operation)
        elif operation.type in ("While", "StatelessWhile"):
            flops = _iterations(graph, operation) * _called_flops(graph, operation, "body")
        elif operation.type in ("PartitionedCall", "StatefulPartitionedCall"):
            flops = _called_flops(graph, operation, "f")
        else:
            continue
        yield operation.name, flops


def _called_flops(graph: tf.Graph, operation: tf.Operation, attribute: str) -> int:
    called = graph_of_function(graph, operation.get_attr(attribute).name)
    return sum(flops for _, flops in _products(called))


def _iterations(graph: tf.Graph, loop: tf.Operation) -> int:
    """How often a loop runs: `maximum_iterations`, or what its counter is compared with."""
    condition = graph_of_function(graph, loop.get_attr("cond").name)
    places = {tensor.name: i for i, tensor in enumerate(condition.inputs)}
    bounds = [tf.get_static_value(loop.inputs[1])]
    for operation in condition.get_operations():
        if operation.type == "Less":
            bound = operation.inputs[1]
            outer = loop.inputs[places[bound.name]] if bound.name in places else bound
            bounds.append(_static_size(outer))
    known = [int(bound) for bound in bounds if bound is not None and bound >= 0]
    return min(known, default=1)


def _static_size(tensor: tf.Tensor) -> int | None:
    """The value of a constant, or of one entry of a tensor's shape as Keras' loops take it."""
    entry = tensor.op
    if entry.type != "StridedSlice":
        return tf.get_static_value(tensor)
    source = entry.inputs[0].op
    is_shape = source.type == "Shape"
    shape = source.inputs[0].shape if is_shape else tf.get_static_value(source.outputs[0])
    return None if shape is None else shape[int(tf.get_static_value(entry.inputs[1])[0])]


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
    sizes: dict[str, int] = {}
    for letters, tensor in zip(subscripts, operation.inputs, strict=True):
        before, dots, behind = letters.partition("...")
        # The axes under the dots, from the last: dots that broadcast share their sizes.
        hidden = len(tensor.shape) - len(before) - len(behind)
        names = [*before, *(f"...{i}" for i in range(hidden, 0, -1) if dots), *behind]
        for name, size in zip(names, tensor.shape, strict=True):
            sizes[name] = max(sizes.get(name, 1), size or 1)
    return 2 * _size(sizes.values())


def _size(shape: Iterable[int]) -> int:
    return math.prod(int(each or 1) for each in shape)  # a size that is not known counts as 1
