"""What histories need of event logs: their columns, and one clock for events and examples."""

from features.errors import ConfigError, did_you_mean
from features.specs import FeatureSet
from pipeline.data.sources.base import EventLog, Source
from pipeline.data.sources.own import OWN_FILES

_PER_SECOND = {"s": 1, "ms": 1000}


def event_columns(features: FeatureSet, history: str) -> list[str]:
    """Columns of the events, of whatever log, that the sequences of a history hold."""
    used = (spec.column for spec in features.features.values() if spec.history == history)
    return list(dict.fromkeys(used))


def needed_events(features: FeatureSet, source: Source) -> dict[str, tuple[str, ...]]:
    """Event log -> its columns that histories need: key and time, conditions, steps.

    Raises:
        ConfigError: A history names a log that the source does not have, or another key than its
            events have, or their times and those of the examples cannot be compared.
    """
    needed: dict[str, dict[str, None]] = {}
    for name, history in features.histories.items():
        if history.events is None:
            continue
        log = source.events.get(history.events)
        if log is None:
            known = did_you_mean(history.events, source.events) if source.events else "It has none."
            if source.name in OWN_FILES and not source.events:
                known = (
                    f"Say where they lie: data.events.{history.events}="
                    "{path: FILE, key: COLUMN, time: COLUMN}."
                )
            raise ConfigError(
                f"history {name!r} takes events={history.events!r}, which "
                f"data.source={source.name!r} does not have. {known}"
            )
        if history.key != log.key:
            raise ConfigError(
                f"history {name!r} is kept by {history.key!r}, and the events of "
                f"{history.events!r} by {log.key!r}. Set its `key` to {log.key}."
            )
        clocks(features, log)
        columns = needed.setdefault(history.events, dict.fromkeys([log.key, log.time]))
        columns |= dict.fromkeys([*history.conditions, *event_columns(features, name)])
    return {name: tuple(columns) for name, columns in needed.items()}


def clocks(features: FeatureSet, log: EventLog) -> tuple[int, int]:
    """What times of examples, and of events, are multiplied by to count the same thing.

    Raises:
        ConfigError: There is no such pair of numbers.
    """
    unit = features.required("timestamp").unit
    if log.unit in (None, unit):
        return 1, 1
    if unit not in _PER_SECOND:
        raise ConfigError(
            f"the timestamp counts in {unit}, a local time, and events in {log.unit} since 1970: "
            "the two cannot be compared. Give the log a timestamp in s or ms."
        )
    finest = max(_PER_SECOND[unit], _PER_SECOND[log.unit])
    return finest // _PER_SECOND[unit], finest // _PER_SECOND[log.unit]
