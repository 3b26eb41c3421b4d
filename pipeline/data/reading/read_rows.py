"""Files to typed rows, as a Beam transform: what does not fit is set aside with its position."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.bundle import SPLITS
from features.prefetch import prefetched
from features.raw import Reasons, coerce
from features.raw_texts import known_tokens, tokens
from features.specs import FeatureSet
from pipeline.data.blocks.accounts import (
    REJECTED,
    ROWS,
    ROWS_KEPT,
    ROWS_READ,
    SESSIONS,
    rejected,
)
from pipeline.data.blocks.block_key import MAX_ROWS, block_key
from pipeline.data.blocks.carried_columns import POSITION, SPLIT, flag, text
from pipeline.data.reading.explode import Explode
from pipeline.data.reading.ranges import CutFiles
from pipeline.data.reading.read import RowBlock, UnreadableError, read_blocks
from pipeline.data.sources.base import File
from pipeline.data.sources.input_file import InputFile
from pipeline.data.sources.parts import RowParts

_TRUE, _FALSE = pa.array(["1"]), pa.array(["0"])


class ReadRows(beam.PTransform):
    """Reads the files of one table.

    Input: `InputFile`s. Outputs:

    - `rows`: (block key, RecordBatch) with the typed columns of the features that the table
      holds, the text of `texts` and the truth of `flags`, named as in
      `pipeline.data.blocks.carried_columns`; and `SPLIT`, where the file belongs to one.
    - `rejected`: see `rejected`.
    - `rows_read`: (table, number of rows, good or not) of each block.
    - `rows_kept`: where rows are items of sessions, ("sessions", good ones): these are a table of
      their own in `rows_read` and among the rejected too.

    Args:
        file: How to read the files, or how to compute what stands for them.
        columns: Columns that are needed.
        features: The features that are read from them, as `only_columns` gives them.
        texts: Columns to carry on as text.
        flags: Columns that must be 0, 1 or missing, which counts as 0.
        required: Columns without which a row is of no use.
        keep_positions: Whether rows carry their position, as `POSITION`.
        null_values: Column -> further texts that mean "missing" in it, for `texts`.
        explode: How sessions become rows, where the files hold such; `columns` are those of the
            rows.
        coded: Whether tokens travel as places in a dictionary of their block.
    """

    def __init__(
        self,
        file: File | RowParts,
        columns: Sequence[str],
        features: FeatureSet,
        texts: Iterable[str] = (),
        flags: Sequence[str] = (),
        required: Sequence[str] = (),
        keep_positions: bool = False,
        null_values: Mapping[str, Sequence[str]] | None = None,
        explode: Explode | None = None,
        coded: bool = False,
    ):
        super().__init__()
        self._file = file
        self._columns = tuple(columns)
        self._features = features
        self._texts = sorted(set(texts) & set(columns))
        self._flags = sorted(set(flags) & set(columns))
        self._required = tuple(required)
        self._keep_positions = keep_positions
        self._null_values = dict(null_values or {})
        self._explode = explode
        self._coded = coded

    @property
    def schema(self) -> pa.Schema:
        """Columns of `rows`."""
        fields = list(self._features.raw_schema())
        fields += [pa.field(text(name), pa.string()) for name in self._texts]
        fields += [pa.field(flag(name), pa.bool_()) for name in self._flags]
        if self._keep_positions:
            fields.append(pa.field(POSITION, pa.int64()))
        return pa.schema(fields)

    def expand(self, files):  # noqa: ANN001, ANN201  (several outputs)
        return (
            files
            | "Parts" >> self._parts()
            | "Read"
            >> beam.FlatMap(self.read)
            .with_outputs(REJECTED, ROWS_READ, ROWS_KEPT, main=ROWS)
            .with_output_types(tuple[int, pa.RecordBatch])
        )

    def read(self, file: InputFile) -> Iterator[Any]:
        """All that is in a file: blocks of good rows, and tagged what else there is to say."""
        try:
            blocks = ((block, *self.typed(block)) for block in self._blocks(file))
            for block, typed, reasons in prefetched(blocks):
                yield from self._outputs(block, typed, reasons, file)
        except UnreadableError as error:
            fatal = rejected(file.table, file.path, 0, str(error), "", fatal=True)
            yield beam.pvalue.TaggedOutput(REJECTED, fatal)

    def _parts(self) -> beam.PTransform:
        return beam.Reshuffle() if isinstance(self._file, RowParts) else CutFiles(self._file)

    def _blocks(self, file: InputFile) -> Iterator[RowBlock]:
        if self._explode is None:
            return self._raw_blocks(file, self._columns)
        raw = self._raw_blocks(file, self._explode.raw_columns(self._columns))
        return self._explode.blocks(raw, self._columns, file.index)

    def _raw_blocks(self, file: InputFile, columns: tuple[str, ...]) -> Iterator[RowBlock]:
        if isinstance(self._file, RowParts):
            return generate_blocks(self._file, file.index, columns)
        return read_blocks(
            self._file,
            file.path,
            file.header,
            columns,
            file.start,
            file.stop,
            file.newlines,
        )

    def _outputs(
        self, block: RowBlock, typed: pa.RecordBatch, reasons: Reasons, file: InputFile
    ) -> Iterator[Any]:
        of_items = block.items is not None
        table = SESSIONS if of_items else file.table
        for bad in block.bad:
            yield beam.pvalue.TaggedOutput(
                REJECTED, rejected(table, file.path, bad.line, bad.reason, bad.text)
            )
        for row, reason in sorted(reasons.items()):
            position = int(block.positions[row])
            if block.items is not None:
                reason = f"item {block.items[row]}: {reason}"
            entry = rejected(file.table, file.path, position, reason, block.text_of(position))
            yield beam.pvalue.TaggedOutput(REJECTED, entry)
        records = block.records if of_items else len(block.rows)
        yield beam.pvalue.TaggedOutput(ROWS_READ, (table, records + len(block.bad)))
        if of_items:
            yield beam.pvalue.TaggedOutput(ROWS_KEPT, (table, records))
            yield beam.pvalue.TaggedOutput(ROWS_READ, (file.table, len(block.rows)))
        if len(typed):
            if file.split is not None:
                split = np.full(len(typed), SPLITS.index(file.split), np.int8)
                typed = typed.append_column(SPLIT, pa.array(split))
            yield block_key(file.index, block.key), typed

    def typed(self, block: RowBlock) -> tuple[pa.RecordBatch, Reasons]:
        """The good rows with all columns that are carried on; row -> reason for the others."""
        rows = block.rows
        columns: dict[str, pa.Array] = {
            text(name): known_tokens(rows.column(name), self._null_values.get(name, ()))
            for name in self._texts
        }
        reasons: Reasons = {}
        for name in self._flags:
            columns[flag(name)] = _truth(rows.column(name), name, reasons)
        for name in self._required:
            column = columns.get(text(name), rows.column(name))
            for row in np.flatnonzero(column.is_null()):
                reasons.setdefault(int(row), f"{name} must not be empty")
        if self._keep_positions:
            columns[POSITION] = pa.array(block.positions)
        if not self._features.features:
            good = np.setdiff1d(np.arange(len(rows)), list(reasons)).astype(np.int64)
            return pa.RecordBatch.from_pydict(columns).take(pa.array(good)), reasons
        typed, good, misfits = coerce(rows, self._features, coded=self._coded)
        if reasons:
            kept = np.array([row not in reasons for row in good.tolist()], bool)
            typed, good = typed.filter(pa.array(kept)), good[kept]
        reasons = misfits | reasons
        carried = columns
        if reasons:
            carried = {name: column.take(pa.array(good)) for name, column in columns.items()}
        named = dict(zip(typed.schema.names, typed.columns, strict=True))
        return pa.RecordBatch.from_pydict(named | carried), reasons


def generate_blocks(log: RowParts, part: int, wanted: tuple[str, ...]) -> Iterator[RowBlock]:
    """The rows of a part; positions are row numbers, from 1, of what the part is cut from.

    Args:
        log: As `RowParts.configured` returned it.
        part: From 0.
        wanted: Columns to compute or read.
    """
    start = log.parts()[part].first
    for rows in log.blocks(part, wanted, MAX_ROWS):
        positions = np.arange(start + 1, start + len(rows) + 1)
        yield RowBlock(start, rows, positions, [], _text_of(rows, start))
        start += len(rows)


def _text_of(rows: pa.RecordBatch, start: int):
    return lambda position: str(rows.slice(position - 1 - start, 1).to_pylist()[0])


def _truth(column: pa.Array, name: str, reasons: Reasons) -> pa.Array:
    truths = tokens(column)
    true = pc.is_in(truths, _TRUE)
    unknown = pc.and_not(pc.invert(true), pc.or_(pc.is_in(truths, _FALSE), pc.is_null(truths)))
    if pc.any(unknown).as_py():
        for row in np.flatnonzero(unknown):
            got = column[int(row)].as_py()
            reasons.setdefault(int(row), f"{name} must be 0 or 1, got {got!r}")
    return true
