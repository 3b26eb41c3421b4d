"""A new day's network takes over what the day before has learnt, token by token."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import tensorflow as tf

from features.bundle import Bundle
from features.errors import ConfigError
from models.network import CooperativeNetwork
from pipeline.runs.run_dir import RunDir
from pipeline.training.id_maps import IdMap, earlier_metadata, id_maps
from pipeline.training.private_api import checkpoint_keys

_ROWS_AT_ONCE = 65_536  # of a table, moved together


@dataclass
class WarmStart:
    """Carries a finished run over to a network of a new bundle.

    Rows of tokens that both bundles know keep their weights and their optimizer's state, and so
    do the rows of missing and out-of-vocabulary ids; new tokens start as in any training; rows of
    dropped tokens leave. Dense weights keep everything, and the optimizer goes on counting its
    steps, as its moments need. Learning rates and dropout start as configured.

    One table of the earlier network is in memory at a time, beside the new network.

    Args:
        run: The earlier run, finished.
        bundle: The new bundle.

    Raises:
        ConfigError: The run is not finished, or kept no vocabularies.
    """

    run: RunDir
    bundle: Bundle
    maps: dict[str, IdMap] = field(init=False)

    def __post_init__(self) -> None:
        earlier = earlier_metadata(self.run)
        self._inputs = earlier.model_inputs()
        self.maps = dict(id_maps(earlier, str(self.run.bundle_copy), self.bundle))

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """Vocabulary -> `kept`, `new` and `dropped` tokens."""
        return {name: id_map.counts for name, id_map in self.maps.items()}

    def apply(self, network: CooperativeNetwork) -> None:
        """Fills a network; new tokens get the rows that the earlier network read for them.

        So it scores as the earlier network would. `start_new_tokens` then makes it the one to
        train.

        Args:
            network: Network to fill: compiled, its optimizer built.

        Raises:
            ConfigError: It has another shape than the earlier one.
        """
        checkpoint = str(self.run.best_checkpoint)
        reader = tf.train.load_checkpoint(checkpoint)
        keys = checkpoint_keys(checkpoint, network)
        tables = self._table_maps(network)
        moved = [
            (variable, keys.get(id(variable)), table)
            for variable, table in _carried_variables(network, list(tables))
        ]
        self._check_shapes(moved, reader.get_variable_to_shape_map(), tables)
        self._fresh = []
        for variable, key, table in moved:
            values = reader.get_tensor(key)
            if table is None:
                variable.assign(values)
                continue
            source, unknown, _ = tables[table]
            new = np.flatnonzero(source < 0)
            if len(new):
                self._fresh.append((variable, new, tf.gather(variable, new).numpy()))
            for rows in _chunks(np.flatnonzero(unknown >= 0)):
                _scatter(variable, rows, values[unknown[rows]])
            del values

    def start_new_tokens(self) -> None:
        """Gives new tokens their initial rows back."""
        for variable, rows, values in self._fresh:
            for part in _chunks(np.arange(len(rows))):
                _scatter(variable, rows[part], values[part])
        self._fresh = []

    def _table_maps(self, network: CooperativeNetwork) -> dict[int, tuple]:
        """Table -> for each of its rows the earlier row twice (as `IdMap`), and their number."""
        layout = network.embeddings.layout
        try:
            earlier = replace(layout, inputs=self._inputs)
        except ValueError as error:
            raise self._refused(f"its inputs do not fit: {error}") from None
        if list(earlier.places) != list(layout.places):
            raise self._refused(
                f"it embeds {', '.join(earlier.places)}, the new network {', '.join(layout.places)}"
            )
        table_maps = {}
        for position, table in enumerate(layout.tables):
            source = np.full(table.num_rows, -1, np.int64)
            unknown = source.copy()
            for name, place in layout.places.items():
                if place.table != position:
                    continue
                before, ids = earlier.places[name], self.maps[name]
                rows = slice(place.start, place.stop)
                if place.storage.is_plain and before.storage.is_plain:
                    source[rows] = np.where(ids.source < 0, -1, ids.source + before.start)
                    unknown[rows] = np.where(ids.unknown < 0, -1, ids.unknown + before.start)
                elif place.storage == before.storage and ids.is_unchanged:
                    source[rows] = unknown[rows] = np.arange(before.start, before.stop)
                else:
                    raise self._refused(
                        f"vocabulary {name} is compressed, its ids share rows, and its tokens "
                        "have changed: their rows cannot be told apart. Store it plainly"
                    )
            table_maps[position] = (source, unknown, earlier.tables[position].num_rows)
        return table_maps

    def _check_shapes(self, moved: list, shapes: dict, tables: dict) -> None:
        differences = []
        for variable, key, table in moved:
            expected = list(variable.shape)
            if table is not None:
                expected[0] = tables[table][2]
            name = variable.name.split(":")[0]
            if key is None:
                differences.append(f"has no {name}")
            elif shapes[key] != expected:
                differences.append(f"has {name} of shape {shapes[key]}, not {expected}")
        if differences:
            more = len(differences) - 3
            raise self._refused(
                "it " + ", ".join(differences[:3]) + (f", and {more} more" if more > 0 else "")
            )

    def _refused(self, reason: str) -> ConfigError:
        return ConfigError(
            f"--warm-start {self.run.path}: the network of that run has another shape: {reason}. "
            "Give both runs one `model`, `train.optimizer` and `train.tables`, or train without "
            "--warm-start."
        )


def _carried_variables(
    network: CooperativeNetwork, tables: list[int]
) -> Iterator[tuple[tf.Variable, int | None]]:
    """What is taken over, each with the table whose rows it has."""
    optimizer = network.optimizer
    names = {network.embeddings.tables[i].table.name.split(":")[0]: i for i in tables}
    rows = {name: network.embeddings.layout.tables[i].num_rows for name, i in names.items()}
    rate = optimizer.learning_rate
    for variable in (*network.weights, *optimizer.variables):
        if variable is rate or not (variable.dtype.is_floating or variable is optimizer.iterations):
            continue
        own = variable.name.split(":")[0]
        owners = [name for name in names if own == name or own.endswith(f"/{name}")]
        is_table = bool(owners) and variable.shape.rank and variable.shape[0] == rows[owners[0]]
        yield variable, names[owners[0]] if is_table else None


def _chunks(rows: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        yield rows[start : start + _ROWS_AT_ONCE]


def _scatter(variable: tf.Variable, rows: np.ndarray, values: np.ndarray) -> None:
    variable.scatter_update(tf.IndexedSlices(tf.constant(values), tf.constant(rows)))
