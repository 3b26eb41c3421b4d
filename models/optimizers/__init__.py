"""Optimizers for networks with large embedding tables.

| optimizer | rows that a step moves | state of a row of D weights |
|---|---|---|
| `LazyAdam` | those of the batch | 2 D, or 2 D + 1 with `correct_skipped`; inside the row |
| `RowwiseAdagrad` | those of the batch | 1 for each embedding set; inside the row |
| `FusedAdam` | all | 2 D, in variables of its own |

`NetworkOptimizer` is what a network is compiled with: one of these for the tables, another
optimizer for everything else. `make_optimizer` builds it from a configuration's names.
"""

from models.embeddings.row_slots import RowSlots, TableRows, mark_table, table_rows
from models.optimizers.fused_adam import FusedAdam
from models.optimizers.lazy_adam import LazyAdam
from models.optimizers.make import make_optimizer, row_slots_of
from models.optimizers.network_optimizer import NetworkOptimizer
from models.optimizers.rowwise_adagrad import RowwiseAdagrad

__all__ = [
    "FusedAdam",
    "LazyAdam",
    "NetworkOptimizer",
    "RowSlots",
    "RowwiseAdagrad",
    "TableRows",
    "make_optimizer",
    "mark_table",
    "row_slots_of",
    "table_rows",
]
