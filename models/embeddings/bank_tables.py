"""All embedding tables of a network: which rows inputs read, and what becomes of them."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import tensorflow as tf
import tf_keras

from features.inputs import InputSpec
from models.embeddings.embedding_layout import EmbeddingLayout
from models.embeddings.row_slots import RowSlots
from models.embeddings.row_table import Initializer, ReadRows, RowTable
from models.layers.axis_length import axis_length


class LookedUp(NamedTuple):
    """What a batch reads of the tables.

    ids: By input name, int32 (B, k); B is 1 for what is given once.
    rows: For each run of ids, float32 (B, k, num_sets x embedding_dim + first-order weights); B
        is 1 likewise.
    read: The rows that were read, a `ReadRows` for each table in training.
    """

    ids: dict[str, tf.Tensor]
    rows: list[tf.Tensor]
    read: list[ReadRows]


@tf_keras.utils.register_keras_serializable(package="concord")
class BankTables(tf_keras.layers.Layer):
    """The rows of every vocabulary: one `RowTable` for each embedding dimension of rows.

    Where a vocabulary's rows have another dimension than field embeddings, each embedding set
    projects them to it by a matrix of the vocabulary's own, without bias (Ginart et al., Mixed
    Dimension Embeddings, arXiv:1909.11810v3, section 2.2).

    Args:
        layout: Inputs and tables; inputs that are no ids are left out.
        slots: State of the optimizer behind the weights of a row.
        stddev: Standard deviation of the initial rows.
        initializer: Distribution of the initial rows.

    Call arguments:
        features: Ids by input name, as `InputSpec` says.
        broadcast: Names of those that have a batch of 1 and are the same for the whole batch.

    Returns:
        `LookedUp`.
    """

    def __init__(
        self,
        layout: EmbeddingLayout,
        slots: RowSlots | Sequence[float] | None = None,
        stddev: float = 1e-4,
        initializer: Initializer = "normal",
        **kwargs,
    ):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.layout = layout
        self.stddev, self.initializer = float(stddev), initializer
        self.slots = RowSlots() if slots is None else RowSlots(*slots)
        self.tables = [
            RowTable(table, self.slots, stddev, initializer, name=f"rows_{table.segments[0]}")
            for table in layout.tables
        ]

    def build(self, input_shape: Any = None) -> None:
        for table in self.tables:
            table.build(())
        embedding_dim = self.layout.embedding_dim
        self.projections = {
            vocabulary: self.add_weight(
                f"{vocabulary}/projection",
                shape=(self.layout.num_sets, place.embedding_dim, embedding_dim),
                initializer=tf_keras.initializers.RandomNormal(
                    stddev=(2.0 / (place.embedding_dim + embedding_dim)) ** 0.5  # Glorot, one set
                ),
            )
            for vocabulary, place in self.layout.places.items()
            if place.embedding_dim != embedding_dim
        }
        super().build(input_shape)

    def call(
        self,
        features: Mapping[str, tf.Tensor],
        training: bool | None = None,
        broadcast: Collection[str] = (),
    ) -> LookedUp:
        runs = self.layout.id_runs(broadcast)
        ids = {
            spec.name: features[spec.name][:, tf.newaxis]
            if spec.kind == "categorical"
            else features[spec.name]
            for run in runs
            for spec in run
        }
        together: dict[tuple[int, bool], list[int]] = {}  # numbers of runs that are read as one
        for i, (first, *_) in enumerate(runs):
            key = (self.layout.place_of(first).table, first.name in broadcast)
            together.setdefault(key, []).append(i)
        parts: dict[int, tf.Tensor] = {}  # by the number of the run
        read = []
        for (position, _), numbers in sorted(together.items()):
            rows = [self._rows(runs[i], ids) for i in numbers]
            values, unique = self.tables[position].look_up(tf.concat(rows, axis=1), training)
            read += [] if unique is None else [unique]
            # One split, not slices: the gradient of each slice would be as large as all rows.
            split = tf.split(values, [axis_length(row_numbers, 1) for row_numbers in rows], axis=1)
            for number, row_numbers, part in zip(numbers, rows, split, strict=True):
                part.set_shape((*row_numbers.shape, values.shape[2]))  # one unknown hides all
                parts[number] = part
        embeddings = [self._embeddings(run, parts[i]) for i, run in enumerate(runs)]
        return LookedUp(ids, embeddings, read)

    def drop_slots(self) -> None:
        """Lets go of the optimizer's state in the rows."""
        for table in self.tables:
            table.drop_slots()
        self.slots = RowSlots()

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "layout": self.layout.to_dict(),
            "slots": list(self.slots),
            "stddev": self.stddev,
            "initializer": self.initializer,
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "BankTables":
        return cls(**{**config, "layout": EmbeddingLayout.from_dict(config["layout"])})

    def _rows(self, run: Sequence[InputSpec], ids: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Rows of a run's ids, (B, k x rows per id); -1 for an id outside its vocabulary."""
        places = [self.layout.place_of(spec) for spec in run]
        storage = places[0].storage
        received = tf.concat([ids[spec.name] for spec in run], axis=1)  # (B, k)
        # Bounds for each column of ids; what has several columns is alone in its run.
        starts = tf.constant([place.start for place in places], tf.int32)
        limits = tf.constant([place.storage.num_ids for place in places], tf.int32)
        known = (received >= 0) & (received < limits)
        rows = [tf.where(known, starts + row, -1) for row in storage.rows_of(received)]
        if len(rows) == 1:
            return rows[0]
        columns = axis_length(received, 1) * len(rows)
        return tf.reshape(tf.stack(rows, axis=2), (-1, columns))

    def _embeddings(self, run: Sequence[InputSpec], rows: tf.Tensor) -> tf.Tensor:
        """Rows as read -> (B, k, num_sets x embedding_dim + first-order weights)."""
        layout, place = self.layout, self.layout.place_of(run[0])
        rows = place.storage.combined(rows)
        if place.embedding_dim == layout.embedding_dim:
            return rows
        sizes = [place.embedding_dim * layout.num_sets, len(layout.first_order)]
        narrow, first_order = tf.split(rows, sizes, axis=2)
        k = axis_length(rows, 1)
        narrow = tf.reshape(narrow, (-1, k, layout.num_sets, place.embedding_dim))
        kernels = tf.stack([self.projections[str(spec.vocabulary)] for spec in run])
        if len(run) == 1:  # of one or several columns
            kernels = tf.repeat(kernels, k, axis=0)
        embeddings = tf.einsum("bkmw,kmwd->bkmd", narrow, kernels)  # kernels (k, sets, row, d)
        columns = layout.num_sets * layout.embedding_dim
        embeddings = tf.reshape(embeddings, (-1, k, columns))
        return tf.concat([embeddings, first_order], axis=2)
