"""What training keeps in memory: told before the first step, refused where it cannot fit."""

from collections.abc import Iterable
from dataclasses import dataclass

import tensorflow as tf

from features.errors import ConfigError
from models.embeddings import EmbeddingLayout
from models.embeddings.row_slots import RowSlots, table_rows
from pipeline.system.available_memory import available_bytes, size

# Numbers that an optimizer keeps for each weight in variables of its own; the state of the other
# optimizers of tables lies in the rows.
_BESIDE = {"adam": 2, "adagrad": 1}
_BYTES = 4  # of float32; weights and moments have no other type


@dataclass(frozen=True)
class Memory:
    """Bytes that stay allocated through training, of one replica.

    Args:
        rows: Rows of all tables together.
        tables: The tables' weights and the optimizer's state for them.
        dense: All other weights and the optimizer's state for them.
        available: What this machine or this process's control group had left, before either was
            created.
    """

    rows: int
    tables: int
    dense: int
    available: int

    def __str__(self) -> str:
        return (
            f"memory: tables {size(self.tables)} ({self.rows:,} rows, with the optimizer's "
            f"state), other weights {size(self.dense)} (likewise), of {size(self.available)} "
            "available; activations, gradients and input come on top"
        )


def tables_bytes(layout: EmbeddingLayout, slots: RowSlots | None, optimizer: str) -> int:
    """Bytes of the tables of a layout, with the optimizer's state for them.

    Example:
        >>> from features.inputs import InputSpec
        >>> inputs = [InputSpec("city", "categorical", "city", 1000)]
        >>> tables_bytes(EmbeddingLayout(inputs, 10), None, "adam") == 1000 * 10 * 3 * 4
        True

    Args:
        layout: Layout of the embeddings.
        slots: State of the optimizer in the rows, where it keeps it there.
        optimizer: Name of the optimizer, as in `train.tables.optimizer`.
    """
    beside, state = _BESIDE.get(optimizer, 0), slots or RowSlots()
    return sum(
        table.num_rows * (table.columns * (1 + beside) + state.columns(table.segments)) * _BYTES
        for table in layout.tables
    )


def check_tables_fit(
    layout: EmbeddingLayout,
    slots: RowSlots | None,
    optimizer: str,
    available: int | None = None,
    copies: int = 1,
) -> None:
    """Refuses tables that cannot fit, before they are created.

    Args:
        layout: Layout of the embeddings.
        slots: State of the optimizer in the rows, where it keeps it there.
        optimizer: As for `tables_bytes`.
        available: Bytes that are left; None asks this machine. Memory of GPUs is not looked at.
        copies: Replicas that keep the tables in this machine's memory.

    Raises:
        ConfigError: The tables alone, with the optimizer's state, exceed the memory available.
    """
    needed = copies * tables_bytes(layout, slots, optimizer)
    available = available_bytes() if available is None else available
    if needed <= available:
        return
    rows = sum(table.num_rows for table in layout.tables)
    largest = max(
        (spec for spec in layout.inputs if spec.vocabulary), key=lambda spec: spec.vocabulary_size
    )
    cheaper = "" if optimizer == "rowwise_adagrad" else ", or use tables.optimizer rowwise_adagrad"
    raise ConfigError(
        f"the embedding tables need {size(needed)} ({rows:,} rows with the state of {optimizer}"
        f"{f', {copies} times' * (copies > 1)}), and {size(available)} are available. Give the "
        f"vocabularies fewer entries by min_count (the largest, {largest.vocabulary}, has "
        f"{largest.vocabulary_size:,}), lower embedding.embedding_dim, share rows by "
        f"embedding.compressed{cheaper}."
    )


def memory_of(
    weights: Iterable[tf.Variable], dense_optimizer: str, tables_optimizer: str, available: int
) -> Memory:
    """The memory of a network's trainable weights and of what optimizers keep for them.

    Args:
        weights: Trainable weights of the network; shapes alone are looked at.
        dense_optimizer: Name of the optimizer of dense weights, as in `train.optimizer`.
        tables_optimizer: Name of that of tables, as in `train.tables.optimizer`.
        available: Bytes that `available_bytes` gave before the network was created.
    """
    rows = tables = dense = 0
    for weight in weights:
        marked, count = table_rows(weight), weight.shape.num_elements()
        if marked is None:
            dense += count * (1 + _BESIDE.get(dense_optimizer, 0)) * _BYTES
        else:
            rows += weight.shape[0]
            beside = weight.shape[0] * marked.weights * _BESIDE.get(tables_optimizer, 0)
            tables += (count + beside) * _BYTES
    return Memory(rows, tables, dense, available)
