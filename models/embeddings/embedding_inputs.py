"""What the inputs of an embedding bank must say, and what their tensors look like."""

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import get_args

import tensorflow as tf

from features.inputs import InputKind, InputSpec

ID_KINDS = ("categorical", "multivalued", "sequence")


def tensor_spec(spec: InputSpec) -> tf.TensorSpec:
    """Shape and dtype of an input's tensor, batch size unknown."""
    tails = {"multivalued": (spec.length,), "sequence": (spec.length,), "dense": (spec.dimension,)}
    dtype = tf.int32 if spec.kind in ID_KINDS else tf.float32
    return tf.TensorSpec((None, *tails.get(spec.kind, ())), dtype, name=spec.name)


def vocabulary_sizes(inputs: Sequence[InputSpec]) -> dict[str, int]:
    """Ids of each vocabulary, in order of appearance.

    Raises:
        ValueError: An input is incomplete, or two inputs contradict each other.
    """
    sizes: dict[str, int] = {}
    names = set()
    for spec, problem in itertools.chain.from_iterable(map(_problems, inputs)):
        raise ValueError(f"EmbeddingLayout: input {spec.name!r} {problem}. Received: {spec}.")
    for spec in inputs:
        if spec.name in names:
            raise ValueError(f"EmbeddingLayout: two inputs are named {spec.name!r}. Rename one.")
        names.add(spec.name)
        if spec.vocabulary is None or spec.kind not in ID_KINDS:
            continue
        if spec.vocabulary_size != sizes.setdefault(spec.vocabulary, spec.vocabulary_size):
            raise ValueError(
                f"EmbeddingLayout: inputs that share vocabulary {spec.vocabulary!r} must give it "
                f"one size. Received: {sizes[spec.vocabulary]} and {spec.vocabulary_size} ids."
            )
    if not names:
        raise ValueError("EmbeddingLayout: expected at least one input. Received: none.")
    return sizes


def _problems(spec: InputSpec) -> Iterator[tuple[InputSpec, str]]:
    if spec.kind not in get_args(InputKind):
        yield spec, f"must be of one of the kinds {', '.join(get_args(InputKind))}"
    if spec.kind in ID_KINDS and (not spec.vocabulary or spec.vocabulary_size < 1):
        yield spec, "points into a table, so it needs a vocabulary and its size"
    if spec.kind in ("multivalued", "sequence") and spec.length < 1:
        yield spec, "needs its padded length, >= 1"
    if spec.kind == "dense" and spec.dimension < 1:
        yield spec, "needs its dimension, >= 1"


def aligned_sequences(inputs: Sequence[InputSpec]) -> dict[str, tuple[str, ...]]:
    """Names of the `sequence` inputs of each history.

    Raises:
        ValueError: Sequences of one history have different lengths.
    """
    histories: dict[str, list[InputSpec]] = {}
    for spec in inputs:
        if spec.kind == "sequence":
            histories.setdefault(spec.history or spec.name, []).append(spec)
    for history, specs in histories.items():
        if len({spec.length for spec in specs}) > 1:
            received = ", ".join(f"{spec.name} {spec.length}" for spec in specs)
            raise ValueError(
                f"EmbeddingLayout: the sequences of history {history!r} describe the same events, "
                f"so they must have one length. Received: {received}."
            )
    return {history: tuple(spec.name for spec in specs) for history, specs in histories.items()}


def target_of_sequences(inputs: Sequence[InputSpec]) -> dict[str, str]:
    """The `categorical` input that the steps of each sequence are compared with, if there is one.

    It is the first one that shares the sequence's vocabulary: the shown item, for clicked items.
    """
    first: dict[str | None, str] = {}
    for spec in inputs:
        if spec.kind == "categorical":
            first.setdefault(spec.vocabulary, spec.name)
    return {
        spec.name: first[spec.vocabulary]
        for spec in inputs
        if spec.kind == "sequence" and spec.vocabulary in first
    }


def checked_tensors(
    layer: str,
    signature: Mapping[str, tf.TensorSpec],
    features: Mapping[str, tf.Tensor],
    sequences: Collection[str] = (),
) -> dict[str, tf.Tensor]:
    """The features that a signature names, cast to its types.

    Args:
        layer: Name of the layer that was called, for the error.
        signature: Shape and dtype of each tensor by input name.
        sequences: Names of those that may have fewer steps, or a number that the graph does not
            know.
        features: Tensors by input name; others than the signature's are ignored.

    Raises:
        ValueError: One is missing or has another shape.
    """
    tensors = {}
    for name, expected in signature.items():
        if name not in features:
            raise ValueError(
                f"{layer}: input {name!r} is missing, of shape {expected.shape} and type "
                f"{expected.dtype.name}. Received: {sorted(features)}."
            )
        received = tf.convert_to_tensor(features[name])
        shape = expected.shape
        if name in sequences and received.shape.rank == 2:
            steps, most = received.shape[1], shape[1]
            if steps is None or 1 <= steps < most:
                shape = tf.TensorShape([shape[0], steps])
        if not received.shape.is_compatible_with(shape):
            raise ValueError(
                f"{layer}: input {name!r} must have shape {expected.shape}"
                f"{', or fewer steps' if name in sequences else ''}. Received: {received.shape}."
            )
        tensors[name] = tf.ensure_shape(tf.cast(received, expected.dtype), shape)
        if shape.rank == 2 and shape[1] is None:
            tensors[name] = _one_step_at_least(tensors[name])
    return tensors


def _one_step_at_least(ids: tf.Tensor) -> tf.Tensor:
    """Ids (batch, steps): a replica that gets no row of a last batch is given no step either."""
    padded = tf.pad(ids, [[0, 0], [0, tf.maximum(1 - tf.shape(ids)[1], 0)]])
    padded.set_shape((ids.shape[0], None))
    return padded
