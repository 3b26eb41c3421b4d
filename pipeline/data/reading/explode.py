"""Sessions of impressions, a list of shown items each, to one row for each shown item."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.errors import ConfigError, DataError, did_you_mean
from features.raw_texts import is_list, known_tokens, tokens
from pipeline.data.blocks.block_key import MAX_ROWS
from pipeline.data.reading.read import RowBlock
from pipeline.data.reading.text_rows import BadLine
from pipeline.data.settings.explode_config import ExplodeConfig


@dataclass(frozen=True)
class Explode:
    """Makes rows of the items of sessions.

    A session is rejected as a whole, with its reason: its rows would be wrong together.

    Args:
        settings: Which columns are lists.
        null_values: Texts that mean "missing", also inside of a list that is text.
    """

    settings: ExplodeConfig
    null_values: tuple[str, ...] = ("",)

    def check_header(self, path: str, header: Sequence[str], is_text: bool) -> None:
        """Refuses a log that lacks what is exploded.

        Args:
            path: A file of the log, for messages.
            header: Its columns.
            is_text: Whether it is delimited text, which has no lists.

        Raises:
            ConfigError: A name that a column of the log has, or no separator where one is needed.
            DataError: A column is missing.
        """
        for name in self.settings.read:
            if name not in header:
                raise DataError(
                    f"{path} has no column {name!r}, which data.explode needs. "
                    f"{did_you_mean(name, header)}"
                )
        for setting in ("label", "position", "session"):
            name = getattr(self.settings, setting)
            if name in header and name in self.settings.made:
                raise ConfigError(
                    f"data.explode makes a column {name!r}, which {path} has too. Give another "
                    f"name: data.explode.{setting}=NAME"
                )
        if is_text and self.settings.separator is None:
            raise ConfigError(
                f"data.explode.separator is not set, and in delimited text such as {path} lists "
                "are text. Say what stands between two values, such as data.explode.separator='|'."
            )

    def columns_of(self, header: Sequence[str]) -> tuple[str, ...]:
        """The columns of the rows that are made from a log with these columns."""
        kept = (name for name in header if name != self.settings.clicked)
        return *kept, *self.settings.made

    def raw_columns(self, wanted: Iterable[str]) -> tuple[str, ...]:
        """The columns of the log that must be read for these of the rows that are made.

        All lists are: which sessions are rejected must not follow from what features read.
        """
        of_the_log = (name for name in wanted if name not in self.settings.made)
        return tuple(dict.fromkeys((*of_the_log, *self.settings.read)))

    def blocks(
        self, blocks: Iterable[RowBlock], wanted: Sequence[str], file_index: int
    ) -> Iterator[RowBlock]:
        """The rows of blocks of sessions, at most `MAX_ROWS` of a block at a time.

        Args:
            blocks: With the columns `raw_columns(wanted)`, of one file.
            wanted: Columns of the rows.
            file_index: The file's place among those of the log.

        Returns:
            Blocks whose `items` and `records` are set. Their keys lie between those of the blocks
            that they are made from.
        """
        for block in blocks:
            yield from self._explode(block, wanted, file_index)

    def _explode(
        self, block: RowBlock, wanted: Sequence[str], file_index: int
    ) -> Iterator[RowBlock]:
        rows = block.rows
        lists = {name: self._lists(rows.column(name)) for name in self.settings.lists}
        items = lists[self.settings.items]
        reasons = _misfits(lists, self.settings.items)
        clicks = None
        if self.settings.clicked is not None:
            clicked = self._lists(rows.column(self.settings.clicked))
            clicks = _clicks(items, clicked, self.settings, reasons)
        bad = sorted([*block.bad, *_bad_lines(block, reasons)], key=lambda each: each.line)
        good = np.setdiff1d(np.arange(len(rows)), list(reasons)).astype(np.int64)
        lengths = items.lengths[good]
        cuts = _cuts(lengths) if len(good) or bad else []
        for first, behind in cuts:
            sessions = good[first:behind]
            parents = np.repeat(sessions, lengths[first:behind])
            places = _places(lengths[first:behind])
            columns: dict[str, pa.Array] = {}
            for name in wanted:
                if name in lists:
                    columns[name] = lists[name].values_at(parents, places)
                elif name == self.settings.position:
                    columns[name] = pa.array(places + 1).cast(pa.string())
                elif name == self.settings.session:
                    names = [f"{file_index}:{line}" for line in block.positions[sessions].tolist()]
                    columns[name] = pa.array(names, pa.string()).take(
                        pa.array(np.repeat(np.arange(len(sessions)), lengths[first:behind]))
                    )
                elif clicks is not None and name == self.settings.label:
                    is_clicked = clicks[items.starts[parents] + places]
                    columns[name] = pa.array(is_clicked).cast(pa.int8()).cast(pa.string())
                else:
                    columns[name] = rows.column(name).take(pa.array(parents))
            key = block.key + (int(sessions[0]) if len(sessions) else 0)
            yield replace(
                block,
                key=key,
                rows=pa.RecordBatch.from_pydict(columns),
                positions=block.positions[parents],
                bad=bad,
                items=places + 1,
                records=len(sessions),
            )
            bad = []

    def _lists(self, column: pa.Array) -> "_Lists":
        if not is_list(column.type):
            column = self._known(column)
            if self.settings.separator is not None:
                column = pc.split_pattern(column, self.settings.separator)
            else:  # one value is a list of one
                valid = pc.is_valid(column).to_numpy(zero_copy_only=False)
                offsets = np.concatenate([[0], np.cumsum(valid)])
                mask = pa.array(~valid)
                column = pa.ListArray.from_arrays(
                    pa.array(offsets, pa.int32()), column.drop_null(), mask=mask
                )
        values = self._known(column.flatten())
        lengths = pc.list_value_length(column)
        return _Lists(
            values, pc.fill_null(lengths, 0).to_numpy(), lengths.is_null().to_numpy(False)
        )

    def _known(self, column: pa.Array) -> pa.Array:
        """Texts as they are, null where one is empty or means "missing"."""
        missing = pc.is_null(known_tokens(column, self.null_values))
        return pc.if_else(missing, pa.scalar(None, pa.string()), column)


class _Lists:
    """Lists of text.

    Args:
        values: All of their values, one list after the other.
        lengths: Values of each list, int of shape (rows,); 0 where it is missing.
        missing: Which lists are missing, bool of shape (rows,).
    """

    def __init__(self, values: pa.Array, lengths: np.ndarray, missing: np.ndarray):
        self.values, self.missing = values, missing
        self.lengths = lengths.astype(np.int64)
        self.starts = np.cumsum(self.lengths) - self.lengths

    @property
    def parents(self) -> np.ndarray:
        """The row of each value."""
        return np.repeat(np.arange(len(self.lengths)), self.lengths)

    def values_at(self, rows: np.ndarray, places: np.ndarray) -> pa.Array:
        """The value at a place, from 0, of each of these rows; null where the list is missing."""
        return self.values.take(pa.array(self.starts[rows] + places, mask=self.missing[rows]))


def _bad_lines(block: RowBlock, reasons: dict[int, str]) -> list[BadLine]:
    positions = block.positions.tolist()
    return [
        BadLine(positions[row], reason, block.text_of(positions[row]))
        for row, reason in sorted(reasons.items())
    ]


def _misfits(lists: dict[str, _Lists], name: str) -> dict[int, str]:
    """Session -> why its lists make no rows."""
    reasons: dict[int, str] = {}
    items = lists[name]
    for row in np.flatnonzero(items.lengths == 0).tolist():
        reasons[row] = f"{name} shows no items"
    for row in np.flatnonzero(items.lengths > MAX_ROWS).tolist():
        reasons[row] = f"{name} shows {items.lengths[row]:,} items, where {MAX_ROWS:,} are the most"
    nothing = np.flatnonzero(items.values.is_null().to_numpy(False))
    for row, place in zip(items.parents[nothing].tolist(), nothing.tolist(), strict=True):
        reasons.setdefault(row, f"item {place - items.starts[row] + 1} of {name} is missing")
    for other, values in lists.items():
        for row in np.flatnonzero(~values.missing & (values.lengths != items.lengths)).tolist():
            reasons.setdefault(
                row,
                f"{other} has {values.lengths[row]:,} values for the {items.lengths[row]:,} items "
                f"of {name}",
            )
    return reasons


def _clicks(
    items: _Lists, clicked: _Lists, settings: ExplodeConfig, reasons: dict[int, str]
) -> np.ndarray:
    """Whether each of all items was clicked, bool; adds why clicks of a session tell nothing."""
    together = pa.concat_arrays([tokens(items.values), tokens(clicked.values)])
    encoded = together.dictionary_encode()
    codes = encoded.indices.fill_null(-1).to_numpy().astype(np.int64)
    shown, chosen = codes[: len(items.values)], codes[len(items.values) :]
    # One number for each pair of session and item; a click on nothing is none.
    radix = len(encoded.dictionary) + 1
    shown_pairs = items.parents * radix + shown
    chosen_pairs = (clicked.parents * radix + chosen)[chosen >= 0]
    pairs, counts = np.unique(shown_pairs, return_counts=True)
    for pair in np.unique(chosen_pairs).tolist():
        place = int(np.searchsorted(pairs, pair))
        times = int(counts[place]) if place < len(pairs) and pairs[place] == pair else 0
        if times == 1:
            continue
        row, item = pair // radix, encoded.dictionary[pair % radix].as_py()
        how = "is not among" if not times else f"stands {times} times in"
        reasons.setdefault(row, f"{settings.clicked} {item!r} {how} {settings.items}")
    return np.isin(shown_pairs, chosen_pairs)


def _cuts(lengths: np.ndarray) -> list[tuple[int, int]]:
    """Neighbouring sessions that have at most `MAX_ROWS` items together; one empty part of none."""
    cuts, first, together = [], 0, 0
    for session, length in enumerate(lengths.tolist()):
        if together + length > MAX_ROWS and together:
            cuts.append((first, session))
            first, together = session, 0
        together += length
    return [*cuts, (first, len(lengths))]


def _places(lengths: np.ndarray) -> np.ndarray:
    """0, 1, ... for each session."""
    starts = np.cumsum(lengths) - lengths
    return np.arange(int(lengths.sum())) - np.repeat(starts, lengths)
