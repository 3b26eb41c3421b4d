"""What no file says of a training follows from its data: one rule a setting, each with its reason.

Defaults and presets are made for logs of millions of rows. On a small log they make a few steps an
epoch, of a network with more weights than rows. Below `LARGE` training rows the settings here take
their place, unless a file or `--set` says otherwise.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from features.bundle import Bundle
from features.errors import ConfigError
from models.spec.network_config import NetworkConfig
from pipeline.config.run_config import RunConfig, TrainConfig

LARGE = 1_000_000  # training rows from which on defaults and presets hold as they are
_STEPS = 100  # of an epoch, that a batch should leave
_RARER = 2  # rows of the rarer label that a batch should have
_SEEN = 2_000  # steps after which a network of such a size has seen enough
_L2_ROWS = 2_000.0  # l2 times rows: rows of tables with a standard deviation of 0.022
_DENSE_WEIGHTS = 50_000_000  # of tables, that Adam may move at every step
_STDDEV = 0.01


@dataclass(frozen=True)
class DataSize:
    """What the rules look at.

    Args:
        rows: Number of training rows.
        label_rate: Share of them whose label is 1; 0.5 where it is not known.
        tokens: Rows of all tables together.
    """

    rows: int
    label_rate: float
    tokens: int

    @classmethod
    def of(cls, bundle: Bundle) -> "DataSize":
        """That of a bundle."""
        metadata = bundle.metadata
        tables = {spec.vocabulary: spec.vocabulary_size for spec in metadata.model_inputs()}
        rate = None
        if bundle.has_statistics:
            rate = bundle.statistics["splits"]["train"]["label_rate"]
        return cls(metadata.rows["train"], 0.5 if rate is None else rate, sum(tables.values()))


@dataclass(frozen=True)
class Fitted:
    """A setting that follows from the data.

    Args:
        setting: Its place, such as `train.batch_size`.
        value: What it is now.
        reason: Why, in a few words.
    """

    setting: str
    value: Any
    reason: str

    def __str__(self) -> str:
        return f"{self.setting} {self.value}: {self.reason}"


def fit_to_data(
    config: RunConfig, size: DataSize, earlier: RunConfig | None = None
) -> tuple[RunConfig, list[Fitted]]:
    """Gives the settings that no file of the user's says the values that fit the data.

    Args:
        config: Configuration from `load_config`; one that was made in any other way says all.
        size: Of the training data.
        earlier: Configuration of the run that this one starts from: its shapes are kept.

    Returns:
        The configuration, and what was changed, in the order of the settings.
    """
    changes = list(_training(config, size)) if size.rows < LARGE else []
    if earlier is not None:
        changes += _shapes_of(earlier, config)
    elif size.rows < LARGE:
        changes += _embedding(config, size)
    changes = [
        change
        for change in changes
        if not config.is_given(change.setting) and _value_at(config, change.setting) != change.value
    ]
    sizes = list(_sizes(config, size)) if earlier is None and size.rows < LARGE else []
    try:
        return _with(config, [*changes, *sizes]), [*changes, *sizes]
    except ConfigError:  # some part asks for widths that fit each other
        return _with(config, changes), changes


# What a warm start takes over with the weights, beside widths.
_SHAPES = (
    "model.embedding.embedding_dim",
    "model.embedding.stddev",
    "train.tables.optimizer",
    "model.embedding.l2",
)


def _training(config: RunConfig, size: DataSize) -> Iterator[Fitted]:
    batch = config.train.batch_size
    if not config.is_given("train.batch_size"):
        batch, why = _batch_size(size)
        yield Fitted("train.batch_size", batch, why)
    steps = math.ceil(size.rows / batch)
    epochs = min(50, max(10, math.ceil(_SEEN / steps)))
    yield Fitted("train.epochs", epochs, f"at least {_SEEN:,} steps, of {steps:,} an epoch")
    yield Fitted("train.patience", 3, "validation metrics of few rows go up and down")
    yield Fitted("train.patience_steps", _STEPS, "an epoch of a small log is too short to judge by")
    yield Fitted("train.learning_rate", 1e-3, "Adam's own")
    yield Fitted("train.reduce_on_plateau", None, "training ends where validation stops improving")
    yield Fitted("train.monitor", {"auc": 1.0, "logloss": 1.0}, "what is served is a probability")


def _batch_size(size: DataSize) -> tuple[int, str]:
    """A power of two with steps enough an epoch, and rows enough of the rarer label."""
    rarer = max(min(size.label_rate, 1.0 - size.label_rate), 1e-6)
    by_steps = _power_of_two(size.rows / _STEPS)
    by_label = _power_of_two(2 * _RARER / rarer) if rarer < 0.5 else 1
    if by_label > by_steps and by_label <= size.rows / 20:
        return min(4096, by_label), f"some {_RARER} rows of the rarer label in each"
    batch = min(4096, max(32, by_steps))
    return batch, f"{math.ceil(size.rows / batch):,} steps an epoch of {size.rows:,} rows"


def _embedding(config: RunConfig, size: DataSize) -> Iterator[Fitted]:
    embedding = config.model.embedding
    dimension = min(embedding.embedding_dim, 8 if size.rows < 50_000 else 16)
    yield Fitted("model.embedding.embedding_dim", dimension, f"{size.rows:,} rows teach no more")
    if not config.is_given("model.embedding.initializer"):
        why = "from 1e-4 a small log's steps are over before rows have grown"
        yield Fitted("model.embedding.stddev", max(_STDDEV, embedding.stddev), why)
    if config.is_given("model.embedding.l2_batch"):
        return
    dense = size.tokens * dimension <= _DENSE_WEIGHTS
    if dense and not config.is_given("train.tables.optimizer"):
        why = "moves all rows, as l2 over whole tables needs"
        yield Fitted("train.tables.optimizer", "adam", why)
    if dense and (
        not config.is_given("train.tables.optimizer") or config.train.tables.optimizer == "adam"
    ):
        why = f"{_L2_ROWS:,.0f} over the rows: rare tokens stay near 0"
        yield Fitted("model.embedding.l2", float(f"{_L2_ROWS / size.rows:.2g}"), why)


def _sizes(config: RunConfig, size: DataSize) -> Iterator[Fitted]:
    """Hidden layers of at most the square root of the rows, two or three of them.

    A network in which a file says any width is left alone: widths have to fit each other.
    """
    most = max(16, 2 ** math.floor(math.log2(math.sqrt(size.rows))))
    depth = 2 if size.rows < 100_000 else 3
    network = config.model.model_dump(mode="json")
    units = {
        f"{place}.{name}": value
        for place, options in _parts(network)
        for name, value in options.items()
        if name.endswith("units") and value is not None
    }
    if any(map(config.is_given, units)):
        return
    for setting, value in units.items():
        fits = _at_most(value, most, depth)
        if fits != value:
            yield Fitted(setting, fits, f"{size.rows:,} rows: {depth} layers of {most} at most")


def _at_most(units: Any, most: int, depth: int) -> Any:
    """The last layers are kept: what they hand on has one width in all branches."""
    if isinstance(units, list):
        return [min(each, most) for each in units][-depth:]
    return min(units, most)


def _parts(network: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name in ("alignment", "fusion", "tower"):
        if network.get(name):
            yield f"model.{name}", network[name]
    for name, branch in network["branches"].items():
        yield f"model.branches.{name}", branch


def _shapes_of(earlier: RunConfig, config: RunConfig) -> list[Fitted]:
    """The shapes that an earlier run has, where no file says others."""
    network = earlier.model.model_dump(mode="json")
    settings = list(_SHAPES)
    for place, options in _parts(network):
        settings += [f"{place}.{name}" for name in options if name.endswith("units")]
    why = "that of the run that this one starts from"
    return [
        Fitted(setting, _value_at(earlier, setting), why)
        for setting in settings
        if _has(config, setting)
    ]


def _with(config: RunConfig, changes: list[Fitted]) -> RunConfig:
    """The configuration with other values.

    Raises:
        ConfigError: The network's parts do not fit each other.
    """
    content = {
        "train": config.train.model_dump(mode="json"),
        "model": config.model.model_dump(mode="json"),
    }
    for change in changes:
        *places, name = change.setting.split(".")
        section = content
        for place in places:
            section = section[place]
        section[name] = change.value
    fitted = config.model_copy(
        update={
            "train": TrainConfig.model_validate(content["train"]),
            "model": NetworkConfig.model_validate(content["model"]),
        }
    )
    if content["model"] != config.model.model_dump(mode="json"):
        fitted.check_network()
    return fitted


def _has(config: RunConfig, setting: str) -> bool:
    try:
        _value_at(config, setting)
    except (KeyError, TypeError):
        return False
    return True


def _value_at(config: RunConfig, setting: str) -> Any:
    section, *places = setting.split(".")
    value: Any = getattr(config, section).model_dump(mode="json")
    for place in places:
        value = value[place]
    return value


def _power_of_two(number: float) -> int:
    """The largest that is not above a number, at least 1."""
    return 2 ** max(0, math.floor(math.log2(max(1.0, number))))
