"""How a network's inputs lie in embedding tables: the one place that everyone asks."""

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, get_args

import tensorflow as tf

from features.errors import did_you_mean
from features.inputs import InputSpec
from models.choices import Numeric
from models.embeddings.compressed_rows import Storage
from models.embeddings.embedding_inputs import (
    ID_KINDS,
    aligned_sequences,
    target_of_sequences,
    tensor_spec,
    vocabulary_sizes,
)
from models.embeddings.numeric_encoding import encoded_length


@dataclass(frozen=True)
class Place:
    """Where the rows of a vocabulary lie.

    Args:
        table: Position of the table among the layout's tables.
        start: Number of the vocabulary's first row in that table.
        storage: How its ids become rows, counted from `start`.
        embedding_dim: Columns of a row that belong to one embedding set.
    """

    table: int
    start: int
    storage: Storage
    embedding_dim: int

    @property
    def stop(self) -> int:
        """The row behind its last one."""
        return self.start + sum(self.storage.tables)


@dataclass(frozen=True)
class TableLayout:
    """Rows and columns of one embedding table.

    Args:
        num_rows: Number of rows.
        segments: Widths of the parts of a row that belong together: an embedding set's columns, a
            first-order weight.
        around_one: Ranges [start, stop) of rows that start around 1 instead of 0.
    """

    num_rows: int
    segments: Sequence[int]
    around_one: Sequence[Sequence[int]] = ()

    def __post_init__(self) -> None:
        _freeze(
            self,
            num_rows=int(self.num_rows),
            segments=tuple(int(columns) for columns in self.segments),
            around_one=tuple((int(start), int(stop)) for start, stop in self.around_one),
        )

    @property
    def columns(self) -> int:
        """Columns of weights in a row."""
        return sum(self.segments)

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON can hold them; `TableLayout(**layout.to_dict()) == layout`."""
        return {
            "num_rows": self.num_rows,
            "segments": list(self.segments),
            "around_one": [list(rows) for rows in self.around_one],
        }


@dataclass(frozen=True)
class EmbeddingLayout:
    """Inputs, their field embeddings, and the tables that hold their vocabularies' rows.

    Vocabularies whose rows have one embedding dimension lie below each other in one table. A row
    holds the columns of every embedding set, and behind them a column of first-order weights for
    each set that asks for one.

    Example:
        >>> inputs = [InputSpec("city", "categorical", "city", 10), InputSpec("age", "numeric")]
        >>> layout = EmbeddingLayout(inputs, embedding_dim=4, num_sets=2)
        >>> layout.field_names, layout.tables[0].num_rows, layout.tables[0].columns
        (('city', 'age'), 10, 8)

    Args:
        inputs: The network's inputs.
        embedding_dim: Length of a field embedding.
        num_sets: Number of independent sets of tables.
        first_order: Embedding sets that have first-order weights too.
        embedding_dims: By vocabulary, the embedding dimension of its rows, where it is not that
            of a field embedding.
        compressed: By vocabulary, options of `Storage`: `{"type": "hashed", "rows": 1000}`.
        numeric: What becomes of `numeric` inputs: `each` has a field embedding of its own; `mlp`
            makes one, the last, of all of them, by an MLP of each embedding set's own (CETNet,
            DHEN, Wukong: "dense features"); `periodic` gives each one a linear layer over sines
            and cosines of it (Gorishniy et al.). Of an input with `pieces` the layer has a
            piecewise-linear encoding in its place under any of them.
        numeric_units: Hidden layers of that MLP; none makes it one linear layer.
        set_dims: Length of a field embedding in each embedding set; none is `embedding_dim` in all
            of them. Not together with `embedding_dims`.
        given: By vocabulary, the length of vectors that are given for its ids and never trained,
            such as those of pictures. They lie in no table, and every input of the vocabulary
            projects them to its field embedding, step by step where it is a sequence.
        num_frequencies: Learned frequencies of each `periodic` input, in each embedding set.

    Raises:
        ValueError: An input is incomplete, inputs contradict each other, or an option is not
            possible or names no vocabulary.
    """

    inputs: Sequence[InputSpec]
    embedding_dim: int = 16
    num_sets: int = 1
    first_order: Sequence[int] = ()
    embedding_dims: Mapping[str, int] = field(default_factory=dict)
    compressed: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    numeric: Numeric = "each"
    numeric_units: Sequence[int] = ()
    set_dims: Sequence[int] = ()
    given: Mapping[str, int] = field(default_factory=dict)
    num_frequencies: int = 16

    def __post_init__(self) -> None:
        _freeze(
            self,
            inputs=tuple(self.inputs),
            first_order=tuple(sorted(set(self.first_order))),
            embedding_dims=dict(self.embedding_dims),
            compressed={name: dict(options) for name, options in self.compressed.items()},
            numeric_units=tuple(self.numeric_units),
            set_dims=tuple(self.set_dims),
            given=dict(self.given),
        )
        counts = [self.embedding_dim, self.num_sets, self.num_frequencies]
        if min([*counts, *self.embedding_dims.values()]) < 1:
            raise ValueError(
                "EmbeddingLayout: `embedding_dim`, `embedding_dims`, `num_sets` and "
                f"`num_frequencies` must be >= 1. Received: embedding_dim={self.embedding_dim}, "
                f"embedding_dims={self.embedding_dims}, num_sets={self.num_sets}, "
                f"num_frequencies={self.num_frequencies}."
            )
        if self.set_dims and (
            len(self.set_dims) != self.num_sets or min(self.set_dims) < 1 or self.embedding_dims
        ):
            raise ValueError(
                "EmbeddingLayout: `set_dims` must be a length >= 1 for each embedding set, without "
                f"`embedding_dims` of vocabularies. Received: set_dims={list(self.set_dims)}, "
                f"num_sets={self.num_sets}, embedding_dims={self.embedding_dims}."
            )
        embedding_sets = set(range(self.num_sets))
        if not set(self.first_order) <= embedding_sets or self.numeric not in get_args(Numeric):
            raise ValueError(
                "EmbeddingLayout: `first_order` must name embedding sets below "
                f"num_sets={self.num_sets}, `numeric` one of {', '.join(get_args(Numeric))}. "
                f"Received: first_order={list(self.first_order)}, numeric={self.numeric!r}."
            )
        _ = self.places, self.histories  # refuse what does not fit, now

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "EmbeddingLayout":
        """The layout whose `to_dict` gave these fields."""
        return cls(**{**fields, "inputs": [InputSpec(**spec) for spec in fields["inputs"]]})

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON can hold them."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
        }

    @cached_property
    def places(self) -> dict[str, Place]:
        """Where each vocabulary lies, in the order of appearance."""
        sizes = vocabulary_sizes(self.inputs)
        for option in ("embedding_dims", "compressed", "given"):
            for vocabulary in getattr(self, option):
                if option != "given" and vocabulary in self.given:
                    raise ValueError(
                        f"EmbeddingLayout: `{option}` names {vocabulary!r}, whose vectors are "
                        "`given`: they lie in no table. Remove one of them."
                    )
                if vocabulary not in sizes:
                    raise ValueError(
                        f"EmbeddingLayout: `{option}` names {vocabulary!r}, which is no "
                        f"vocabulary. {did_you_mean(vocabulary, list(sizes))}"
                    )
        rows_so_far: dict[int, int] = {}  # by embedding dimension, in the order of the tables
        places = {}
        for vocabulary, size in sizes.items():
            if vocabulary in self.given:
                continue
            try:
                storage = Storage(size, **self.compressed.get(vocabulary, {}))
            except ValueError as error:
                raise ValueError(f"EmbeddingLayout: vocabulary {vocabulary!r}: {error}") from None
            dim = self.embedding_dims.get(vocabulary, self.embedding_dim)
            start = rows_so_far.setdefault(dim, 0)
            place = Place(list(rows_so_far).index(dim), start, storage, dim)
            rows_so_far[dim] = place.stop
            places[vocabulary] = place
        return places

    @cached_property
    def tables(self) -> tuple[TableLayout, ...]:
        """The tables: one for each embedding dimension of rows."""
        by_table: dict[int, list[Place]] = {}
        for place in self.places.values():
            by_table.setdefault(place.table, []).append(place)
        return tuple(
            TableLayout(
                places[-1].stop,
                [*self._row_dims(places[-1].embedding_dim), *[1] * len(self.first_order)],
                [
                    (place.start + place.storage.tables[0], place.stop)
                    for place in places
                    if len(place.storage.tables) == 2
                ],
            )
            for _, places in sorted(by_table.items())
        )

    @cached_property
    def histories(self) -> dict[str, tuple[str, ...]]:
        """Names of the aligned `sequence` inputs of each history."""
        return aligned_sequences(self.inputs)

    @cached_property
    def targets(self) -> dict[str, str]:
        """The `categorical` input that the steps of each sequence are compared with, if any."""
        return target_of_sequences(self.inputs)

    @property
    def dims(self) -> tuple[int, ...]:
        """Length of a field embedding in each embedding set."""
        return tuple(self.set_dims) or (self.embedding_dim,) * self.num_sets

    @property
    def segments(self) -> tuple[int, ...]:
        """Widths of the parts of a row once it has the length of field embeddings."""
        return (*self.dims, *[1] * len(self.first_order))

    def set_columns(self, embedding_set: int, embedding_dim: int | None = None) -> range:
        """The columns of an embedding set.

        Args:
            embedding_set: Number of the set.
            embedding_dim: Length of the rows, where it is not that of field embeddings.
        """
        dims = self.dims if embedding_dim is None else self._row_dims(embedding_dim)
        start = sum(dims[:embedding_set])
        return range(start, start + dims[embedding_set])

    def _row_dims(self, embedding_dim: int) -> tuple[int, ...]:
        if embedding_dim == self.embedding_dim:
            return self.dims
        return (embedding_dim,) * self.num_sets

    @property
    def numeric_inputs(self) -> tuple[InputSpec, ...]:
        """The `numeric` inputs."""
        return tuple(spec for spec in self.inputs if spec.kind == "numeric")

    @property
    def joins_numeric(self) -> bool:
        """Whether one field embedding stands for all `numeric` inputs."""
        return self.numeric == "mlp" and bool(self.numeric_inputs)

    @cached_property
    def projected(self) -> tuple[InputSpec, ...]:
        """The inputs whose field embedding is a linear projection of their values."""
        kinds = ("dense",) if self.joins_numeric else ("numeric", "dense")
        return tuple(spec for spec in self.inputs if spec.kind in kinds or self.is_given(spec))

    def is_periodic(self, spec: InputSpec) -> bool:
        """Whether an input's field embedding is made of sines and cosines of it."""
        return self.numeric == "periodic" and spec.kind == "numeric" and not spec.pieces

    def projected_length(self, spec: InputSpec) -> int:
        """How many numbers of an input, one of `projected`, its projection reads."""
        if spec.kind == "dense":
            return spec.dimension
        if self.is_given(spec):
            return self.given[str(spec.vocabulary)]
        if self.is_periodic(spec):
            return 2 * self.num_frequencies
        return encoded_length(spec.pieces) if spec.pieces else 1

    def is_given(self, spec: InputSpec) -> bool:
        """Whether an input is ids of vectors that are given."""
        return spec.kind in ID_KINDS and spec.vocabulary in self.given

    @cached_property
    def given_sizes(self) -> dict[str, tuple[int, int]]:
        """By vocabulary of given vectors, number of ids and length."""
        sizes = vocabulary_sizes(self.inputs)
        return {name: (sizes[name], length) for name, length in self.given.items()}

    @cached_property
    def field_names(self) -> tuple[str, ...]:
        """Names of the field embeddings in their order: those of the inputs, `numeric` for the
        one that stands for all `numeric` inputs.
        """
        if not self.joins_numeric:
            return tuple(spec.name for spec in self.inputs)
        return (*(spec.name for spec in self.inputs if spec.kind != "numeric"), "numeric")

    def position_of(self, name: str) -> int:
        """Position of the field embedding that an input is in.

        Raises:
            ValueError: There is no such input.
        """
        if self.joins_numeric and name in [spec.name for spec in self.numeric_inputs]:
            return len(self.field_names) - 1
        return self.field_names.index(name)

    @property
    def signature(self) -> dict[str, tf.TensorSpec]:
        """Shape and dtype of every input tensor, batch size unknown."""
        return {spec.name: tensor_spec(spec) for spec in self.inputs}

    def place_of(self, spec: InputSpec) -> Place:
        """Where the rows of an input's vocabulary lie.

        Raises:
            KeyError: The input has no vocabulary.
        """
        if spec.vocabulary is None:
            raise KeyError(spec.name)
        return self.places[spec.vocabulary]

    def runs(self, broadcast: Collection[str] = ()) -> list[list[InputSpec]]:
        """The inputs in their order, neighbours whose rows can be treated as one together.

        Those are `categorical` inputs of the same table that are stored plainly; any other input is
        alone.

        Args:
            broadcast: Names of inputs that are given once for the whole batch, see
                `models.embeddings.broadcast`.
        """

        def key(spec: InputSpec) -> tuple[int, bool] | str:
            if spec.kind != "categorical" or self.is_given(spec):
                return spec.name
            if not self.place_of(spec).storage.is_plain:
                return spec.name
            return self.place_of(spec).table, spec.name in broadcast

        return [list(run) for _, run in itertools.groupby(self.inputs, key=key)]

    def id_runs(self, broadcast: Collection[str] = ()) -> list[list[InputSpec]]:
        """The runs whose inputs are ids of rows in tables; see `runs`."""
        return [
            run
            for run in self.runs(broadcast)
            if run[0].kind in ID_KINDS and not self.is_given(run[0])
        ]


def _freeze(layout: TableLayout | EmbeddingLayout, **fields: Any) -> None:
    """Sets fields of a frozen dataclass, while it is made, to values that cannot change."""
    for name, value in fields.items():
        object.__setattr__(layout, name, value)
