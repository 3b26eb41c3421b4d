"""The `data:` section of a configuration: which rows are read, how they are split and written."""

from datetime import UTC, date, datetime
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from features.config import StrictModel
from features.errors import ConfigError


class SplitConfig(StrictModel):
    """How rows are told apart into train, valid and test.

    `by: time` puts the latest rows into test, the ones before into valid, the rest into train.
    Rows of the same time always fall into the same split. Either `valid` and `test` give shares
    of the rows, met as nearly as equal times allow, or `valid_from` and `test_from` give the first
    moment of each split.

    `by: hash` is for data without times: a hash of `data.seed` and the row's place in the log, or
    of its `key`, chooses the split. `valid` and `test` are the chances of a row, or of a key.

    Args:
        by: See above.
        key: Column of the log whose equal values stay together; for `by: hash`.
        valid: Share of all rows, in [0, 1).
        test: Share of all rows, in [0, 1).
        valid_from: ISO 8601 date or time (UTC where it names no zone), or a number in the unit of
            the timestamp column.
        test_from: As `valid_from`, and later.
    """

    by: Literal["time", "hash"] = "time"
    key: str | None = None
    valid: float = Field(0.1, ge=0.0, lt=1.0)
    test: float = Field(0.1, ge=0.0, lt=1.0)
    valid_from: int | str | None = None
    test_from: int | str | None = None

    # In place of pydantic's own check, which would tell of `valid_from.int` and `valid_from.str`.
    @field_validator("valid_from", "test_from", mode="plain")
    @classmethod
    def _is_moment(cls, moment: Any) -> int | str | None:
        if isinstance(moment, date):  # what YAML makes of 2022-05-05
            return moment.isoformat()
        if isinstance(moment, float) and moment.is_integer():
            return int(moment)
        if moment is None or (isinstance(moment, int | str) and not isinstance(moment, bool)):
            return moment
        raise ValueError(
            "must be an ISO date or time such as 2022-05-05, or a whole number in the unit of the "
            f"timestamp column. Received: {moment!r}."
        )

    @model_validator(mode="after")
    def _check(self) -> "SplitConfig":
        if self.by == "hash" and (self.valid_from, self.test_from) != (None, None):
            raise ValueError(
                "split.by=hash has no moments. Give the shares valid and test instead of "
                "valid_from and test_from, or set split.by to time."
            )
        if self.by == "time" and self.key is not None:
            raise ValueError(
                f"split.by=time splits by the timestamp alone. Received: split.key={self.key!r}. "
                "Remove key, or set split.by to hash."
            )
        if (self.valid_from is None) != (self.test_from is None):
            given = "valid_from" if self.test_from is None else "test_from"
            raise ValueError(
                f"split names {given} alone. Give both valid_from and test_from, or neither."
            )
        if self.valid + self.test >= 1.0:
            raise ValueError(
                f"split gives valid={self.valid} and test={self.test} of the rows, which leaves "
                "none to train on. Their sum must be below 1."
            )
        return self

    def starts(self, unit: Literal["s", "ms"]) -> tuple[int, int] | None:
        """`valid_from` and `test_from` in `unit`s since 1970, or None where shares are used.

        Raises:
            ConfigError: One is not a time, or test starts before valid.
        """
        if self.valid_from is None or self.test_from is None:
            return None
        valid, test = _moment(self.valid_from, unit), _moment(self.test_from, unit)
        if valid > test:
            raise ConfigError(
                f"split.valid_from={self.valid_from} is later than split.test_from="
                f"{self.test_from}. Test rows must be the latest: exchange the two."
            )
        return valid, test


class DataConfig(StrictModel):
    """The `data:` section.

    Args:
        source: Name in `pipeline.data.sources.SOURCES`.
        path: Folder of the data set's files. A source that can fetch itself needs none.
        log: Glob patterns under `path` that replace the source's own choice of log files.
        rows: How many rows a generated data set has; files have as many as they have.
        split: See `SplitConfig`.
        max_rejected_share: The job fails when more than this share of a table's rows, be it the
            log or a table that joins it, cannot be used.
        history_partitions: Number of parts, by key, that histories are built in.
        layout: `block` puts `block_rows` rows into one record, `row` one.
        block_rows: Rows of a record in the block layout.
        rows_per_shard: Rows of a file, on average.
        seed: Seed of the global shuffle, of a split by hash, and of generated rows.
        runner: Beam runner that executes the job; one of `pipeline.data.runner.RUNNERS`.
        runner_options: Its options, as on a command line: `--flink_master=localhost:8081`.
    """

    source: str
    path: str | None = None
    log: tuple[str, ...] | None = None
    rows: int | None = Field(None, ge=1)
    split: SplitConfig = SplitConfig()
    max_rejected_share: float = Field(0.01, ge=0.0, le=1.0)
    history_partitions: int = Field(64, ge=1, le=65_536)
    layout: Literal["block", "row"] = "block"
    block_rows: int = Field(4096, ge=1)
    rows_per_shard: int = Field(250_000, ge=1)
    seed: int = Field(0, ge=0)
    runner: str = "DirectRunner"
    runner_options: tuple[str, ...] = ()


def _moment(value: int | str, unit: Literal["s", "ms"]) -> int:
    """A configured moment as a whole number of `unit`s since 1970-01-01 UTC."""
    if isinstance(value, int):
        return value
    try:
        moment = datetime.fromisoformat(value)
    except ValueError as error:
        raise ConfigError(
            f"split: {value!r} is not a moment. Write an ISO date or time such as 2022-05-05 or "
            "2022-05-05T12:00:00+08:00, or a number in the unit of the timestamp column."
        ) from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * {"s": 1, "ms": 1000}[unit])
