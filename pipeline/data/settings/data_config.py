"""The `data:` section of a configuration: which rows are read, how they are split and written."""

from datetime import date, datetime, timezone
from typing import Any, Literal

from pydantic import (
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from features.config import Count, CountFromZero, StrictModel
from features.errors import ConfigError
from features.feature_spec import TimeUnit, UtcOffset
from pipeline.data.settings.explode_config import ExplodeConfig
from pipeline.data.settings.file_config import EventsConfig, FormatConfig, TableConfig

_RESERVED = ("log", "sessions", "earlier_events")  # what statistics.json calls tables of its own
_MOST_DAYS = 36_500
_MOST_NEGATIVES = 10_000  # of an example
# Names of the sources of files of the user's own.
OWN_KINDS = ("csv", "parquet", "jsonl", "tfrecord", "libsvm", "libffm", "orc", "avro")


class SplitConfig(StrictModel):
    """How rows are told apart into train, valid and test.

    `by: time` puts the latest rows into test, the ones before into valid, the rest into train.
    Rows of the same time always fall into the same split. Either `valid` and `test` give shares
    of the rows, met as nearly as equal times allow, or `valid_from` and `test_from` give the first
    moment of each split.

    `by: day` puts the last `test_days` days of the log into test, the `valid_days` before them
    into valid.

    `by: hash` is for data without times: a hash of `data.seed` and the row's place in the log, or
    of its `key`, chooses the split. `valid` and `test` are the chances of a row, or of a key.

    `by: files` takes the publisher's files as they are. Where they give no validation rows, the
    share `valid` of the training rows, by the hash of a row or of its `key`, becomes valid.

    `by: last` puts the latest row of each `key` into test, the one before it into valid.

    `validation: published` is the protocol of benchmarks that tune on their test rows: these stand
    in valid as well, and the rows that would be valid under `clean` are trained on. `valid`,
    `valid_from` and `valid_days` then mean nothing. Validation rows that a publisher gives as
    files of their own are used under either.

    Args:
        by: How rows are told apart: one of the ways described above.
        key: Column of the log whose equal values stay together; for `by: hash`, `files`, `last`.
        valid: Share of all rows (`by: files`: of the training rows), in [0, 1).
        test: Share of all rows, in [0, 1).
        valid_from: ISO 8601 date or time (UTC where it names no zone), or a number in the unit of
            the timestamp column.
        test_from: As `valid_from`, and later.
        train_from: As `valid_from`, and earlier: rows before it are events of histories and stand
            in no split, and shares are those of the rows from it on; for `by: time` and `day`.
        valid_days: How many days before the test days are valid; for `by: day`.
        test_days: How many of the last days are test; for `by: day`.
        utc_offset_hours: Time zone in which days begin; for `by: day`.
        validation: `clean` keeps valid and test apart; `published`: see above.
        files: Split -> glob patterns under `data.path`, in place of the source's own; for
            `by: files`.
    """

    by: Literal["time", "day", "hash", "files", "last"] = "time"
    key: str | None = None
    valid: float = Field(default=0.1, ge=0.0, lt=1.0)
    test: float = Field(default=0.1, ge=0.0, lt=1.0)
    valid_from: int | str | None = None
    test_from: int | str | None = None
    train_from: int | str | None = None
    valid_days: int = Field(default=1, ge=0, le=_MOST_DAYS)
    test_days: int = Field(default=1, ge=1, le=_MOST_DAYS)
    utc_offset_hours: UtcOffset = 0.0
    validation: Literal["clean", "published"] = "clean"
    files: dict[Literal["train", "valid", "test"], tuple[str, ...]] | None = None

    # In place of pydantic's own check, which would tell of `valid_from.int` and `valid_from.str`.
    @field_validator("valid_from", "test_from", "train_from", mode="plain")
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
        self._check_moments()
        self._check_only_for("train_from", None, ("time", "day"))
        self._check_only_for("key", None, ("hash", "files", "last"))
        self._check_only_for("valid_days", 1, ("day",))
        self._check_only_for("test_days", 1, ("day",))
        self._check_only_for("utc_offset_hours", 0.0, ("day",))
        self._check_only_for("files", None, ("files",))
        if self.by == "last" and self.key is None:
            raise ValueError(
                "split.by=last puts the last row of each key into test, and names no key. Set "
                "split.key to a column of the log, such as user_id."
            )
        if self.files is not None and {"train", "test"} - self.files.keys():
            raise ValueError(
                f"split.files must name train and test files. Received: {', '.join(self.files)}. "
                "Only `valid` may be left out."
            )
        if self.valid + self.test >= 1.0:
            raise ValueError(
                f"split gives valid={self.valid} and test={self.test} of the rows, which leaves "
                "none to train on. Their sum must be below 1."
            )
        return self

    def _check_moments(self) -> None:
        given = [name for name in ("valid_from", "test_from") if getattr(self, name) is not None]
        if given and self.by != "time":
            raise ValueError(
                f"split.by={self.by} has no moments. Remove {' and '.join(given)}, or set split.by "
                "to time."
            )
        alone_is_enough = self.validation == "published" and given == ["test_from"]
        if len(given) == 1 and not alone_is_enough:
            raise ValueError(
                f"split names {given[0]} alone. Give both valid_from and test_from, or neither."
            )

    def _check_only_for(self, name: str, unset: Any, rules: tuple[str, ...]) -> None:
        value = getattr(self, name)
        if value != unset and self.by not in rules:
            raise ValueError(
                f"split.{name}={value!r} is for split.by={' or '.join(rules)}. Received: "
                f"split.by={self.by}. Remove {name}, or change split.by."
            )

    def first(self, unit: TimeUnit) -> int | None:
        """First moment of the training rows as a raw time of `unit`; None where none is given.

        Raises:
            ConfigError: It is no time, or valid or test starts before it.
        """
        if self.train_from is None:
            return None
        first, starts = _moment(self.train_from, unit), self.starts(unit)
        if starts is not None and first >= min(starts):
            raise ConfigError(
                f"split.train_from={self.train_from} leaves no time to train on before "
                f"split.valid_from={self.valid_from} and split.test_from={self.test_from}. Name an "
                "earlier moment."
            )
        return first

    def starts(self, unit: TimeUnit) -> tuple[int, int] | None:
        """First moments of valid and test as raw times of `unit`; None where they are not given.

        Under `validation: published` both are `test_from`.

        Raises:
            ConfigError: One is not a time, or test starts before valid.
        """
        if self.test_from is None:
            return None
        test = _moment(self.test_from, unit)
        if self.validation == "published" or self.valid_from is None:
            return test, test
        valid = _moment(self.valid_from, unit)
        if valid > test:
            raise ConfigError(
                f"split.valid_from={self.valid_from} is later than split.test_from="
                f"{self.test_from}. Test rows must be the latest: exchange the two."
            )
        return valid, test


class NegativesConfig(StrictModel):
    """Examples of what did not happen, for a log that holds positives only.

    Of the built-in sources those with such a log say themselves what stands where; of data of
    one's own `key` and `item` do.

    Args:
        per_positive: How many items that the user never touched are drawn for each example.
        min_history: How many of a user's first events are no examples, but history alone.
        key: Column of the log whose value the events of one user share.
        item: Column of the log with what was chosen.
        label: Name of the column that is made, 1 for what was chosen and 0 for what was drawn.
        context: Further columns of the log that hold for whatever item, such as the user's age:
            rows with drawn items repeat them.
    """

    per_positive: int = Field(default=1, ge=1, le=_MOST_NEGATIVES)
    min_history: CountFromZero = 1
    key: str | None = Field(default=None, min_length=1)
    item: str | None = Field(default=None, min_length=1)
    label: str = Field(default="label", min_length=1)
    context: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> "NegativesConfig":
        if (self.key is None) != (self.item is None):
            given, missing = ("key", "item") if self.item is None else ("item", "key")
            raise ValueError(
                f"negatives names {given}={getattr(self, given)!r} and no {missing}. Set both: the "
                "columns of the user and of what was chosen."
            )
        columns = [name for name in (self.key, self.item, self.label) if name is not None]
        if len(set(columns)) < len(columns):
            raise ValueError(
                f"negatives names a column twice. Received: {', '.join(columns)}. The user, the "
                "item and the label that is made are three columns."
            )
        return self

    @model_serializer(mode="wrap")
    def _without_unset(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leaves out what built-in sources say: bundles of before these settings stay the same."""
        content: dict[str, Any] = dump(self)
        if self.key is None:
            for setting in ("key", "item", "label", "context"):
                content.pop(setting, None)
        return content


class VocabulariesConfig(StrictModel):
    """Whose ids a bundle keeps, so that a model can be trained on from the weights of that day.

    Means, deviations and quantiles of numeric features are also taken over under either mode: the
    weights know no other scale.

    Args:
        from: Folder of the earlier bundle.
        mode: `frozen` takes its vocabularies as they are, and tokens that they lack are out of
            vocabulary. `extended` appends, behind the tokens of each, those new ones that occur
            `min_count` times in the new training rows, most frequent first, as far as
            `max_tokens`, the most of old and new ones together, leaves room; old tokens never
            leave. A feature that the earlier bundle lacks is analysed as ever under `extended`,
            and refused under `frozen`.
    """

    # `from` is no name that Python allows.
    model_config = ConfigDict(serialize_by_alias=True)

    bundle: str = Field(alias="from")
    mode: Literal["frozen", "extended"]


class DataConfig(StrictModel):
    """The `data:` section.

    Args:
        source: Name in `pipeline.data.sources.SOURCES`, or `tfds:NAME` for a data set of
            tensorflow-datasets.
        path: Folder of the data set's files; for files of your own also a single file, for
            `tfds:` its data_dir or the folder of one data set. A source that can fetch itself
            needs none.
        log: Glob patterns under `path` that replace the source's own choice of log files; of a
            `tfds:` source, names of its splits.
        format: How delimited text is read, for `source: csv`; see `FormatConfig`.
        tables: Name -> a table that joins the log, for files of your own; see `TableConfig`.
        events: Name -> events that histories may be collected from, for files of your own; see
            `EventsConfig`.
        explode: How rows that show several items become a row an item; see `ExplodeConfig`.
        rows: How many rows a generated data set has; files have as many as they have.
        split: See `SplitConfig`.
        negatives: See `NegativesConfig`; None takes its defaults where the source needs any.
        train_positives: Share of the positive training rows that is kept, drawn row by row with
            the seed. Vocabularies, moments, histories, valid and test rows are those of the whole
            log: what is rare is the label.
        negatives_kept: Share of the negatives that the log still has, where it was thinned before:
            predictions and metrics are those of the whole log. Nothing is left out here.
        vocabularies: See `VocabulariesConfig`; None: the training rows' own.
        max_rejected_share: The job fails when more than this share of a table's rows, be it the
            log or a table that joins it, cannot be used.
        max_unmatched_share: The job fails when more than this share of the log's rows find no row
            in a table that joins it.
        history_partitions: Number of parts, by key, that histories are built in; one of them is in
            memory at a time. Unless given it follows from the size of the files.
        layout: `block` puts `block_rows` rows into one record, `row` one.
        block_rows: Rows of a record in the block layout.
        rows_per_shard: Rows of a file, on average.
        seed: Seed of the global shuffle, of a split by hash, of drawn negatives, of the positives
            that `train_positives` keeps, and of generated rows.
        memory_gb: Memory that the job may take on one machine, in 10^9 bytes; None asks the
            machine. A job that is foreseen to need more is refused.
        runner: Beam runner that executes the job; one of `pipeline.data.runners.runner.RUNNERS`.
        runner_options: Its options, as on a command line: `--flink_master=localhost:8081`.
    """

    source: str
    path: str | None = None
    log: tuple[str, ...] | None = None
    format: FormatConfig = FormatConfig()
    tables: dict[str, TableConfig] = {}
    events: dict[str, EventsConfig] = {}
    explode: ExplodeConfig | None = None
    rows: int | None = Field(default=None, ge=1)
    split: SplitConfig = SplitConfig()
    negatives: NegativesConfig | None = None
    train_positives: float = Field(default=1.0, gt=0.0, le=1.0)
    negatives_kept: float = Field(default=1.0, gt=0.0, le=1.0)
    vocabularies: VocabulariesConfig | None = None
    max_rejected_share: float = Field(default=0.01, ge=0.0, le=1.0)
    max_unmatched_share: float = Field(default=0.95, ge=0.0, le=1.0)
    history_partitions: int | None = Field(default=None, ge=1, le=65_536)
    layout: Literal["block", "row"] = "block"
    block_rows: int = Field(default=4096, ge=1, le=1_000_000)
    rows_per_shard: Count = 250_000
    seed: int = Field(default=0, ge=0, lt=1 << 63)
    memory_gb: float | None = Field(default=None, gt=0.0, le=1e6)
    runner: str = "DirectRunner"
    runner_options: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _check_own_files(self) -> "DataConfig":
        for name, sources in (("format", ("csv",)), ("tables", OWN_KINDS), ("events", OWN_KINDS)):
            given = getattr(self, name) != type(self).model_fields[name].default
            if given and self.source not in sources:
                raise ValueError(
                    f"{name} is for files of your own. Received: source={self.source!r}. Set "
                    f"source to {' or '.join(sources)}, or remove {name}."
                )
        for name in self.events:
            if name in self.tables or name in _RESERVED:
                taken = "data.tables" if name in self.tables else "the job's own account of rows"
                raise ValueError(
                    f"events names {name!r}, which {taken} uses too. Give it another name."
                )
        return self

    @model_validator(mode="after")
    def _check_negatives(self) -> "DataConfig":
        if self.negatives is not None and self.negatives_kept < 1.0:
            raise ValueError(
                f"negatives_kept={self.negatives_kept} corrects for negatives of the log that were "
                "left out of it, and negatives draws them anew. Remove one of the two."
            )
        return self


def _moment(value: int | str, unit: TimeUnit) -> int:
    """A configured moment as a raw time of `unit`."""
    if isinstance(value, int):
        return value
    try:
        moment = datetime.fromisoformat(value.replace("Z", "+00:00"))  # Python 3.10 reads no Z
    except ValueError as error:
        raise ConfigError(
            f"split: {value!r} is not a moment. Write an ISO date or time such as 2022-05-05 or "
            "2022-05-05T12:00:00+08:00, or a number in the unit of the timestamp column."
        ) from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    if unit == "yymmddhh":
        return int(moment.astimezone(timezone.utc).strftime("%y%m%d%H"))
    return round(moment.timestamp() * {"s": 1, "ms": 1000}[unit])
