"""How inputs are laid out in the one embedding table, and what of them cannot be."""

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import tensorflow as tf

from features.errors import closest
from features.inputs import InputKind, InputSpec
from models.compressed_rows import Storage

ID_KINDS = ("id", "ids", "steps")


def as_specs(inputs: Sequence[InputSpec | Mapping[str, Any]]) -> tuple[InputSpec, ...]:
    """Inputs, given as such or as their dicts."""
    return tuple(InputSpec(**each) if isinstance(each, Mapping) else each for each in inputs)


def tensor_spec(spec: InputSpec) -> tf.TensorSpec:
    """Shape and dtype of an input's tensor, batch size unknown."""
    tails = {"ids": (spec.length,), "steps": (spec.length,), "vector": (spec.dimension,)}
    dtype = tf.int32 if spec.kind in ID_KINDS else tf.float32
    return tf.TensorSpec((None, *tails.get(spec.kind, ())), dtype, name=spec.name)


@dataclass(frozen=True)
class Place:
    """Where the rows of a vocabulary lie.

    Args:
        table: Position of the table in the bank.
        start: Its first row there.
        storage: How its ids become rows, counted from `start`.
        width: Columns of a row that belong to one table set.
    """

    table: int
    start: int
    storage: Storage
    width: int

    @property
    def stop(self) -> int:
        return self.start + sum(self.storage.tables)


def places(
    inputs: Sequence[InputSpec],
    width: int,
    widths: Mapping[str, int],
    compressed: Mapping[str, Mapping[str, Any]],
) -> dict[str, Place]:
    """Where each vocabulary lies: those of one width below each other in one table.

    Args:
        inputs: The inputs.
        width: Of rows that `widths` does not name.
        widths: By vocabulary.
        compressed: Options of `Storage` by vocabulary, for those that are not stored plainly.

    Raises:
        ValueError: An input is incomplete, inputs contradict each other, or an option names no
            vocabulary.
    """
    sizes = vocabulary_sizes(inputs)
    for option, named in (("widths", widths), ("compressed", compressed)):
        for vocabulary in named:
            if vocabulary not in sizes:
                raise ValueError(
                    f"EmbeddingBank: `{option}` names {vocabulary!r}, which is no vocabulary. "
                    f"{closest(vocabulary, list(sizes))}"
                )
    tables: dict[int, int] = {}  # width of a row -> rows so far
    found = {}
    for vocabulary, size in sizes.items():
        try:
            storage = Storage(size, **compressed.get(vocabulary, {}))
        except ValueError as error:
            raise ValueError(f"EmbeddingBank: vocabulary {vocabulary!r}: {error}") from None
        own = widths.get(vocabulary, width)
        place = Place(
            list(tables).index(own) if own in tables else len(tables),
            tables.get(own, 0),
            storage,
            own,
        )
        tables[own] = place.stop
        found[vocabulary] = place
    return found


def vocabulary_sizes(inputs: Sequence[InputSpec]) -> dict[str, int]:
    """Ids of each vocabulary, in order of appearance.

    Raises:
        ValueError: An input is incomplete, or two inputs contradict each other.
    """
    sizes: dict[str, int] = {}
    names = set()
    for spec, problem in itertools.chain.from_iterable(map(_problems, inputs)):
        raise ValueError(f"EmbeddingBank: input {spec.name!r} {problem}. Received: {spec}.")
    for spec in inputs:
        if spec.name in names:
            raise ValueError(f"EmbeddingBank: two inputs are named {spec.name!r}. Rename one.")
        names.add(spec.name)
        if spec.kind in ID_KINDS and spec.vocabulary_size != sizes.setdefault(
            spec.vocabulary, spec.vocabulary_size
        ):
            raise ValueError(
                f"EmbeddingBank: inputs that share vocabulary {spec.vocabulary!r} must give it one "
                f"size. Received: {sizes[spec.vocabulary]} and {spec.vocabulary_size} ids."
            )
    if not names:
        raise ValueError("EmbeddingBank: expected at least one input. Received: none.")
    return sizes


def _problems(spec: InputSpec) -> Iterator[tuple[InputSpec, str]]:
    if spec.kind not in get_args(InputKind):
        yield spec, f"must be of one of the kinds {', '.join(get_args(InputKind))}"
    if spec.kind in ID_KINDS and (not spec.vocabulary or spec.vocabulary_size < 1):
        yield spec, "points into a table, so it needs a vocabulary and its size"
    if spec.kind in ("ids", "steps") and spec.length < 1:
        yield spec, "needs its padded length, >= 1"
    if spec.kind == "vector" and spec.dimension < 1:
        yield spec, "needs its dimension, >= 1"


def aligned_steps(inputs: Sequence[InputSpec]) -> dict[str, tuple[str, ...]]:
    """Names of the `steps` inputs of each history."""
    histories: dict[str, list[InputSpec]] = {}
    for spec in inputs:
        if spec.kind == "steps":
            histories.setdefault(spec.history or spec.name, []).append(spec)
    for history, specs in histories.items():
        if len({spec.length for spec in specs}) > 1:
            received = ", ".join(f"{spec.name} {spec.length}" for spec in specs)
            raise ValueError(
                f"EmbeddingBank: the sequences of history {history!r} describe the same events, so "
                f"they must have one length. Received: {received}."
            )
    return {history: tuple(spec.name for spec in specs) for history, specs in histories.items()}


def targets(inputs: Sequence[InputSpec]) -> dict[str, str]:
    """The `id` input that each sequence's steps are to be compared with, where there is one.

    It is the first one that shares the sequence's vocabulary: the shown item, for clicked items.
    """
    first: dict[str, str] = {}
    for spec in inputs:
        if spec.kind == "id":
            first.setdefault(spec.vocabulary, spec.name)
    return {
        spec.name: first[spec.vocabulary]
        for spec in inputs
        if spec.kind == "steps" and spec.vocabulary in first
    }


def runs(
    inputs: Sequence[InputSpec], found: Mapping[str, Place], once: Collection[str] = ()
) -> list[list[InputSpec]]:
    """The inputs in their order, neighbours whose rows can be treated as one together.

    Those are `id` inputs of the same table that are stored plainly; any other input is alone.

    Args:
        inputs: The inputs.
        found: Where each vocabulary lies.
        once: Names of inputs that are given once for the whole batch, see `models.given_once`.
    """

    def key(spec: InputSpec) -> tuple[int, bool] | str:
        if spec.kind != "id" or not found[spec.vocabulary].storage.is_plain:
            return spec.name
        return found[spec.vocabulary].table, spec.name in once

    return [list(run) for _, run in itertools.groupby(inputs, key=key)]


def checked(
    layer: str, signature: Mapping[str, tf.TensorSpec], features: Mapping[str, tf.Tensor]
) -> dict[str, tf.Tensor]:
    """The features that a signature names, cast to its types.

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
        if not received.shape.is_compatible_with(expected.shape):
            raise ValueError(
                f"{layer}: input {name!r} must have shape {expected.shape}. "
                f"Received: {received.shape}."
            )
        tensors[name] = tf.ensure_shape(tf.cast(received, expected.dtype), expected.shape)
    return tensors
