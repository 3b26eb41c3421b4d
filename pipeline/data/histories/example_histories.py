"""What happened before: for each example, the earlier events of its key, most recent ones kept."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.feature_spec import NO_NAME_HAS

_NEVER = np.iinfo(np.int64).min
UNTIL = f"{NO_NAME_HAS}row/until"


@dataclass(frozen=True)
class Events:
    """Events of a history.

    Args:
        keys: Text of the key, one an event; events without a key belong to no example.
        times: int64 of shape (events,).
        columns: What is kept of each event. Events of the same key and time keep their order.
    """

    keys: pa.Array
    times: np.ndarray
    columns: Mapping[str, pa.Array]


@dataclass(frozen=True)
class EarlierLists:
    """Events before the log, as lists: everything of a key up to a time, oldest first.

    Args:
        keys: Text of the key, one a list.
        until: Time of the last event, int64 of shape (lists,). The latest list of a key counts.
        columns: Lists of text, aligned with each other.
    """

    keys: pa.Array
    until: np.ndarray
    columns: Mapping[str, pa.Array]


@dataclass(frozen=True)
class Histories:
    """What each example may see, as places in all events.

    Args:
        order: Indices of the events by key, then time.
        first: For each example, the first place in `order` that it may see.
        stop: The place behind the last one.
        columns: What is known of the events.
        lengths: Name of a sequence -> (column of the events, most steps kept).
    """

    order: np.ndarray
    first: np.ndarray
    stop: np.ndarray
    columns: Mapping[str, pa.Array]
    lengths: Mapping[str, tuple[str, int]]

    def lists(self, start: int, count: int) -> dict[str, pa.Array]:
        """The sequences of `count` examples from `start`: name -> lists of text, oldest first."""
        first, stop = self.first[start : start + count], self.stop[start : start + count]
        return {
            name: _lists(self.columns[column], self.order, np.maximum(first, stop - length), stop)
            for name, (column, length) in self.lengths.items()
        }


def histories_of(
    keys: pa.Array,
    times: np.ndarray,
    events: Events,
    lengths: Mapping[str, tuple[str, int]],
    earlier: EarlierLists | None = None,
) -> Histories:
    """Finds, for each example, the events of its key strictly before its time.

    Where `earlier` has a list for the key, examples later than its `until` see that list and then
    the events after `until`: the events of the log up to `until` are in the list already. Other
    examples see the log's events alone.

    Args:
        keys: Text of each example's key.
        times: Time of each example, int64 of shape (examples,).
        events: Events of the log; the examples may be among them.
        lengths: Name of the result -> (column of the events, most steps kept).
        earlier: Events before the log.

    Returns:
        Where they are. An example without a key has no history.
    """
    codes = _Codes(keys, events.keys, earlier.keys if earlier else pa.nulls(0, pa.string()))
    example_codes, event_codes, list_codes = codes.parts
    event_times, from_list = events.times, np.zeros(len(event_codes), bool)
    columns = dict(events.columns)
    until = np.full(codes.count + 1, _NEVER)  # the last place is for rows without a key
    if earlier is not None:
        np.maximum.at(until, list_codes, earlier.until)
        latest = np.flatnonzero((until[list_codes] == earlier.until) & (list_codes >= 0))
        lists = {name: each.take(pa.array(latest)) for name, each in earlier.columns.items()}
        counts = _lengths(next(iter(lists.values())))
        event_codes = np.concatenate([event_codes, np.repeat(list_codes[latest], counts)])
        event_times = np.concatenate([event_times, np.repeat(earlier.until[latest], counts)])
        from_list = np.concatenate([from_list, np.ones(counts.sum(), bool)])
        columns = {
            name: pa.concat_arrays([column, lists[name].flatten()])
            for name, column in columns.items()
        }
    until[-1] = _NEVER
    order = np.lexsort((from_list, event_times, event_codes))  # stable: ties keep their order
    first, stop = _windows(
        example_codes,
        times,
        event_codes[order],
        event_times[order],
        from_list[order],
        until[example_codes],
    )
    return Histories(order, first, stop, columns, lengths)


def _windows(
    codes: np.ndarray,
    times: np.ndarray,
    event_codes: np.ndarray,
    event_times: np.ndarray,
    from_list: np.ndarray,
    until: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """First and one past the last event that each example may see, in events sorted by place.

    The place of an event is (key, time, comes from a list) in one whole number, so that a binary
    search finds all windows at once.
    """
    moments = np.unique(np.concatenate([event_times, times, until]))

    def place(code: np.ndarray, time: np.ndarray, after_log: np.ndarray | int) -> np.ndarray:
        return (code * len(moments) + np.searchsorted(moments, time)) * 2 + after_log

    places = place(event_codes, event_times, from_list)
    stop = np.searchsorted(places, place(codes, times, 0))
    sees_list = times > until
    begin = np.where(sees_list, until, _NEVER)
    # Before the first moment there is nothing, so a list that does not exist cuts nothing off.
    first = np.searchsorted(places, place(codes, begin, sees_list & (until != _NEVER)))
    without_key = codes < 0
    return np.where(without_key, 0, first), np.where(without_key, 0, stop)


def _lists(values: pa.Array, order: np.ndarray, first: np.ndarray, stop: np.ndarray) -> pa.Array:
    """Lists of values[order[first:stop]], one for each pair."""
    counts = stop - first
    offsets = np.concatenate([[0], np.cumsum(counts)])
    picked = np.arange(offsets[-1]) + np.repeat(first - offsets[:-1], counts)
    values = values.take(pa.array(order[picked]))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values)


def _lengths(lists: pa.Array) -> np.ndarray:
    counts = pc.fill_null(pc.list_value_length(lists), 0)
    return counts.to_numpy(zero_copy_only=False).astype(np.int64)


class _Codes:
    """The keys of several columns as small whole numbers; -1 where there is none."""

    def __init__(self, *columns: pa.Array):
        encoded = pa.concat_arrays([*columns]).dictionary_encode()
        indices = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False)
        self.count = len(encoded.dictionary)
        cuts = np.cumsum([len(column) for column in columns])[:-1]
        self.parts = np.split(indices.astype(np.int64), cuts)
