"""All embedding tables of a network: which rows inputs read, and what becomes of them."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from features.inputs import InputSpec
from models.embedding_layout import ID_KINDS, as_specs, places, runs
from models.optimizers.rows import RowSlots
from models.row_table import Initializer, ReadRows, RowTable


@tf_keras.utils.register_keras_serializable(package="concord")
class BankTables(tf_keras.layers.Layer):
    """The rows of every vocabulary: one `RowTable` for each width of a row.

    A row holds the columns of every table set, and behind them the first-order weights. Where a
    vocabulary's rows have another width than tokens, each table set projects them to it by a
    matrix of the vocabulary's own, without bias (Ginart et al., Mixed Dimension Embeddings,
    arXiv:1909.11810v3, section 2.2).

    Args:
        inputs: The network's inputs, as `InputSpec`s or as their dicts; those that are no ids
            are left out.
        width: Length of a token.
        num_sets: Table sets.
        num_first_order: First-order weights of a row.
        widths: By vocabulary, the width of its rows, where it is not that of a token.
        compressed: By vocabulary, options of `Storage`, where ids have no rows of their own.
        slots: State of the optimizer behind the weights of a row.
        stddev: Standard deviation of the initial rows.
        initializer: Their distribution.

    Call arguments:
        features: Ids by input name, as `InputSpec` says.
        once: Names of those that have a batch of 1 and are the same for the whole batch.

    Returns:
        The ids by input name, each (B, k); for each run of inputs its rows (B, k, num_sets x
        width + num_first_order); and what was read of each table. B is 1 for what is given once.
    """

    def __init__(
        self,
        inputs: Sequence[InputSpec | Mapping[str, Any]],
        width: int,
        num_sets: int = 1,
        num_first_order: int = 0,
        widths: Mapping[str, int] | None = None,
        compressed: Mapping[str, Mapping[str, Any]] | None = None,
        slots: RowSlots | Sequence[float] | None = None,
        stddev: float = 1e-4,
        initializer: Initializer = "normal",
        **kwargs,
    ):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.inputs = as_specs(inputs)
        self.widths = dict(widths or {})
        self.compressed = {name: dict(each) for name, each in (compressed or {}).items()}
        self.places = places(self.inputs, width, self.widths, self.compressed)
        self.width, self.num_sets, self.num_first_order = width, num_sets, num_first_order
        self.stddev, self.initializer = float(stddev), initializer
        self.slots = RowSlots() if slots is None else RowSlots(*slots)
        self._inputs = [spec for spec in self.inputs if spec.kind in ID_KINDS]
        self._runs = runs(self.inputs, self.places)
        tables = {place.table: place for place in self.places.values()}  # the last one of each
        self.tables = [
            RowTable(
                place.stop,
                [place.width] * num_sets + [1] * num_first_order,
                self.slots,
                stddev,
                initializer,
                [
                    (each.start + each.storage.tables[0], each.stop)
                    for each in self.places.values()
                    if each.table == table and len(each.storage.tables) == 2
                ],
                name=f"rows_{place.width}",
            )
            for table, place in sorted(tables.items())
        ]

    def build(self, input_shape=None) -> None:
        for table in self.tables:
            table.build(())
        self.projections = {
            vocabulary: self.add_weight(
                f"{vocabulary}/projection",
                shape=(self.num_sets, place.width, self.width),
                initializer=tf_keras.initializers.RandomNormal(
                    stddev=(2.0 / (place.width + self.width)) ** 0.5  # Glorot, of one set
                ),
            )
            for vocabulary, place in self.places.items()
            if place.width != self.width
        }
        super().build(input_shape)

    def call(
        self,
        features: Mapping[str, tf.Tensor],
        training: bool | None = None,
        once: Collection[str] = (),
    ) -> tuple[dict[str, tf.Tensor], list[tf.Tensor], list[ReadRows]]:
        ids = {
            spec.name: features[spec.name]
            if spec.kind != "id"
            else features[spec.name][:, tf.newaxis]
            for spec in self._inputs
        }
        of_ids = [run for run in self.runs(once) if run[0].kind in ID_KINDS]
        together: dict[tuple[int, bool], list[int]] = {}  # numbers of runs that are read as one
        for i, run in enumerate(of_ids):
            key = (self._place(run[0]).table, run[0].name in once)
            together.setdefault(key, []).append(i)
        parts: dict[int, tf.Tensor] = {}  # by the number of the run
        read = []
        for (position, _), mine in sorted(together.items()):
            rows = [self._rows(of_ids[i], ids) for i in mine]
            values, unique = self.tables[position].look_up(tf.concat(rows, axis=1), training)
            read += [] if unique is None else [unique]
            # One split, not slices: the gradient of each slice would be as large as all rows.
            sizes = [each.shape[1] for each in rows]
            parts |= dict(zip(mine, tf.split(values, sizes, axis=1), strict=True))
        return ids, [self._token_rows(run, parts[i]) for i, run in enumerate(of_ids)], read

    def runs(self, once: Collection[str] = ()) -> list[list[InputSpec]]:
        """The runs of all inputs, those that are no ids included; see `embedding_layout.runs`."""
        return runs(self.inputs, self.places, once) if once else self._runs

    def drop_slots(self) -> None:
        """Lets go of the optimizer's state in the rows."""
        for table in self.tables:
            table.drop_slots()
        self.slots = RowSlots()

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "inputs": [spec.to_dict() for spec in self.inputs],
            "width": self.width,
            "num_sets": self.num_sets,
            "num_first_order": self.num_first_order,
            "widths": dict(self.widths),
            "compressed": {name: dict(each) for name, each in self.compressed.items()},
            "slots": list(self.slots),
            "stddev": self.stddev,
            "initializer": self.initializer,
        }

    def _place(self, spec: InputSpec):
        return self.places[spec.vocabulary]

    def _rows(self, run: Sequence[InputSpec], ids: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Rows of a run's ids, (B, k x rows per id); -1 for an id outside its vocabulary."""
        storage = self._place(run[0]).storage
        received = tf.concat([ids[spec.name] for spec in run], axis=1)  # (B, k)
        lengths = [max(spec.length, 1) for spec in run]
        # One row of bounds for each column of ids.
        starts = np.repeat([self._place(spec).start for spec in run], lengths)
        limits = np.repeat([self._place(spec).storage.num_ids for spec in run], lengths)
        known = (received >= 0) & (received < tf.constant(limits, tf.int32))
        start = tf.constant(starts, tf.int32)
        rows = [tf.where(known, start + each, -1) for each in storage.rows_of(received)]
        if len(rows) == 1:
            return rows[0]
        columns = received.shape[1] * len(rows)
        return tf.reshape(tf.stack(rows, axis=2), (-1, columns))

    def _token_rows(self, run: Sequence[InputSpec], rows: tf.Tensor) -> tf.Tensor:
        """Rows as read -> (B, k, num_sets x width + num_first_order)."""
        place = self._place(run[0])
        rows = place.storage.combined(rows)
        if place.width == self.width:
            return rows
        sizes = [place.width * self.num_sets, self.num_first_order]
        narrow, first_order = tf.split(rows, sizes, axis=2)
        narrow = tf.reshape(narrow, (-1, rows.shape[1], self.num_sets, place.width))
        each = [self.projections[spec.vocabulary] for spec in run]
        lengths = [max(spec.length, 1) for spec in run]
        kernels = tf.repeat(tf.stack(each), lengths, axis=0)  # (k, num_sets, row, width)
        tokens = tf.einsum("bkmw,kmwd->bkmd", narrow, kernels)
        tokens = tf.reshape(tokens, (-1, rows.shape[1], self.num_sets * self.width))
        return tf.concat([tokens, first_order], axis=2)
