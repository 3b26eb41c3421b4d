"""Raw rows from Parquet files, whose values have the texts that the data job reads."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from features.errors import DataError, did_you_mean
from features.raw_texts import NotTextError, has_text, texts
from features.specs import FeatureSet
from serving.scoring.json_rows import UntypedBlock


def parquet_blocks(path: str, features: FeatureSet, block_rows: int) -> Iterator[UntypedBlock]:
    """Blocks of rows; their lines are the numbers of the rows, from 1.

    Raises:
        DataError: The file is no Parquet file, is damaged, or lacks a column.
    """
    names = list(dict.fromkeys(spec.raw_name for spec in features.inputs))
    number = 1
    try:
        file = pq.ParquetFile(path)
        for name in names:
            if name not in file.schema_arrow.names:
                raise DataError(
                    f"{path} has no column {name!r}. {did_you_mean(name, file.schema_arrow.names)} "
                    "Where it is missing from every row, add it with nulls."
                )
        for batch in file.iter_batches(block_rows, columns=names):
            columns = [_read(batch, name, path) for name in names]
            rows = pa.RecordBatch.from_arrays(columns, names)
            yield UntypedBlock(rows, list(range(number, number + len(rows))), {})
            number += len(rows)
    except pa.ArrowException as error:
        raise DataError(
            f"{path} cannot be read as Parquet after row {number - 1:,}: {error}. Make it again."
        ) from None


def _read(batch: pa.RecordBatch, name: str, path: str) -> pa.Array:
    column = batch.column(name)
    try:  # what has no text is refused with its row, as it is in JSON
        return texts(column) if has_text(column.type) else column
    except NotTextError as error:
        raise DataError(
            f"{path}: column {name!r} cannot be read: {error}. Convert it to text."
        ) from None
