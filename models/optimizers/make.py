"""The optimizer that a configuration names."""

from collections.abc import Mapping
from typing import Any, Literal, TypeVar

import tf_keras

from features.errors import ConfigError, did_you_mean
from models.embeddings.row_slots import RowSlots
from models.optimizers.fused_adam import FusedAdam
from models.optimizers.lazy_adam import LazyAdam
from models.optimizers.network_optimizer import NetworkOptimizer
from models.optimizers.rowwise_adagrad import RowwiseAdagrad
from models.optimizers.schedules import ScheduleType, make_schedule

DenseName = Literal["adam", "adagrad", "sgd"]
TablesName = Literal["lazy_adam", "adam", "rowwise_adagrad"]

_T = TypeVar("_T")

# As torch.optim.Adam, with which reczoo/FuxiCTR trains.
_ADAM: dict[str, Any] = {"epsilon": 1e-8, "adaptive_epsilon": True}
_DENSE = {
    "adam": lambda rate: FusedAdam(rate, **_ADAM),
    "adagrad": tf_keras.optimizers.Adagrad,
    "sgd": tf_keras.optimizers.SGD,
}
_TABLES = {
    "lazy_adam": lambda rate, correct: LazyAdam(rate, correct_skipped=correct, **_ADAM),
    "adam": lambda rate, correct: FusedAdam(rate, **_ADAM),
    "rowwise_adagrad": lambda rate, correct: RowwiseAdagrad(rate),
}


def make_optimizer(
    learning_rate: float = 1e-3,
    *,
    optimizer: DenseName = "adam",
    tables: TablesName = "lazy_adam",
    tables_learning_rate: float | None = None,
    correct_skipped: bool = False,
    schedule: ScheduleType = "constant",
    warmup_steps: int = 0,
    decay_steps: int | None = None,
    end: float = 0.1,
    clip_norm: float | None = None,
) -> NetworkOptimizer:
    """A network's optimizer, of settings as the `train:` section has them.

    Adam has the epsilon of PyTorch, and applies it as PyTorch does, so that rates of published
    settings carry over.

    Args:
        learning_rate: Learning rate of the dense weights.
        optimizer: Optimizer of the dense weights.
        tables: Optimizer of the embedding tables. The network must be built with slots for it:
            `row_slots`.
        tables_learning_rate: Learning rate of the tables; None is that of the dense weights.
        correct_skipped: Whether moments decay for the steps that passed over a row; see `LazyAdam`,
            the only optimizer that has it.
        schedule: How the learning rates go on after the warm-up; see `make_schedule`.
        warmup_steps: Steps over which the rates rise linearly from 0.
        decay_steps: Steps from the end of the warm-up to the end of the decay.
        end: Factor of the rates at the end of the decay.
        clip_norm: Gradients are scaled down to this global norm; None leaves them alone.

    Raises:
        ConfigError: There is no such optimizer or schedule.
    """
    return NetworkOptimizer(
        _named(_DENSE, optimizer, "optimizer")(learning_rate),
        _named(_TABLES, tables, "tables.optimizer")(learning_rate, correct_skipped),
        schedule=make_schedule(schedule, warmup_steps, decay_steps, end),
        global_clipnorm=clip_norm,
        tables_ratio=(tables_learning_rate or learning_rate) / learning_rate,
    )


def row_slots_of(name: TablesName, correct_skipped: bool = False) -> RowSlots:
    """What the optimizer of this name keeps behind the weights of a table's row.

    Example:
        >>> row_slots_of("lazy_adam").columns([16, 16])
        64

    Args:
        name: Name of the optimizer, as `train.tables.optimizer` has it.
        correct_skipped: Whether moments decay for the steps that passed over a row.

    Raises:
        ConfigError: There is no such optimizer.
    """
    # Without an optimizer: its variables would be TensorFlow's first before a strategy is chosen.
    slots = {
        "lazy_adam": RowSlots(per_column=2, per_row=int(correct_skipped)),
        "adam": RowSlots(),
        "rowwise_adagrad": RowSlots(per_segment=1),
    }
    return _named(slots, name, "tables.optimizer")


def _named(factories: Mapping[str, _T], name: str, setting: str) -> _T:
    if name not in factories:
        raise ConfigError(
            f"train.{setting} must be one of {', '.join(factories)}. Received: {name!r}. "
            + did_you_mean(name, factories)
        )
    return factories[name]
