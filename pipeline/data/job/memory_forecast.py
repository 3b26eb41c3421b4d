"""Memory of a job on one machine: foreseen from a sample, told, refused where it cannot fit.

The local runner holds what it shuffles: all rows as they are written, and before that, where they
meet others of their key, all rows as they were read. Rows that wait for the analysis lie on disk.
"""

import logging
from dataclasses import dataclass

import pyarrow.orc as orc
import pyarrow.parquet as pq
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems

from features.columns import columns_of
from features.errors import ConfigError
from features.specs import FeatureSet
from pipeline.data.blocks.accounts import ROWS_READ, SESSIONS
from pipeline.data.blocks.arrow_bytes import RecordBatchCoder
from pipeline.data.blocks.carried_columns import only_columns, text_columns
from pipeline.data.job.open_inputs import Inputs
from pipeline.data.reading.read import DAMAGED, decompressed
from pipeline.data.reading.read_rows import ReadRows
from pipeline.data.settings.data_config import DataConfig, NegativesConfig
from pipeline.data.sources.base import ExampleFile, File, ParquetFile, RecordFile, VectorFile
from pipeline.data.sources.input_file import InputFile
from pipeline.data.sources.parts import RowParts
from pipeline.system.available_memory import available_bytes, size

log = logging.getLogger(__name__)
# Fitted to peaks measured on Criteo's layout (written) and on KuaiRand-Pure (by key).
CONSTANT = 1_150_000_000  # TensorFlow, Arrow, Beam, what threads hold, shards being written
COPIES_WRITTEN = 1.3  # of a row as it is written, its share of the counted tokens included
COPIES_BY_KEY = 1.5  # of a row as it was read, where rows are shuffled by a key
_SIDE_COLUMN = 12  # bytes of a value that joined the row
_SIDE_COPIES = 6  # of a file of a side table: its text compresses well
_FILL = 0.5  # of a list's greatest length
_SAMPLE = 4 << 20
_SAMPLED_FILES = 3


@dataclass(frozen=True)
class Foreseen:
    """What a job will need.

    Args:
        rows: About how many rows the log has.
        bytes: At the worst moment, about.
    """

    rows: int
    bytes: int


def check_memory(
    inputs: Inputs, features: FeatureSet, data: DataConfig, available: int | None = None
) -> None:
    """Tells what the job will need, and refuses what will not fit.

    Args:
        inputs: What is read.
        features: What the columns mean.
        data: `memory_gb` replaces what the machine says.
        available: Bytes; None asks the machine.

    Raises:
        ConfigError: It needs more than there is; says what to do.
    """
    foreseen = foresee(inputs, features, data)
    if foreseen is None:
        return  # the files cannot be read, and the job will say why
    limit = available_bytes() if available is None else available
    whose = "are available"
    if data.memory_gb is not None:
        limit, whose = round(data.memory_gb * 1e9), f"data.memory_gb={data.memory_gb:g} allows"
    log.info(
        "needs about %s of memory for %s rows; %s %s",
        size(foreseen.bytes),
        f"{foreseen.rows:,}",
        size(limit),
        whose,
    )
    if foreseen.bytes > limit:
        fewer = "data.rows" if inputs.generated else "data.log"
        raise ConfigError(
            f"the job would need about {size(foreseen.bytes)} of memory for {foreseen.rows:,} "
            f"rows, and {size(limit)} {whose}: on one machine the job holds all rows that it "
            f"shuffles. Read fewer rows ({fewer}), use data.runner=FlinkRunner, which spills to "
            "disk, or a machine with more memory. If you know better, set data.memory_gb."
        )


def foresee(inputs: Inputs, features: FeatureSet, data: DataConfig) -> Foreseen | None:
    """Estimates rows and memory from the first rows of some files; None where none can be read."""
    rows = _rows_of_the_log(inputs)
    behind = _rows_behind_the_reader(inputs, features)
    if rows is None or behind is None:
        return None
    read, rows_a_record = behind
    rows = round(rows * rows_a_record)
    if inputs.source.negatives is not None:
        rows *= 1 + (data.negatives or NegativesConfig()).per_positive
    a_row = COPIES_WRITTEN * _bytes_written(features)
    by_key = inputs.source.negatives is not None or data.split.by == "last"
    if features.histories or by_key:  # never at the same time as the other
        joined = sum(len(columns) for table, columns in inputs.columns.items() if table != "log")
        a_row = max(a_row, COPIES_BY_KEY * (read + _SIDE_COLUMN * joined))
    others = sum(file.size or 0 for file in inputs.files if file.table != "log")
    return Foreseen(rows, round(CONSTANT + rows * a_row + _SIDE_COPIES * others))


def _rows_of_the_log(inputs: Inputs) -> int | None:
    log = inputs.source.log
    if isinstance(log, RowParts):
        return sum(part.rows for part in log.parts())
    files = inputs.log
    sampled = sorted({0, len(files) // 2, len(files) - 1})[:_SAMPLED_FILES]
    of_samples = [rows_of(log, files[index]) for index in sampled]
    known = [
        (rows, files[index].size or 0)
        for rows, index in zip(of_samples, sampled, strict=True)
        if rows is not None
    ]
    if not known:
        return None
    rows, sizes = (sum(column) for column in zip(*known, strict=True))
    return round(rows * sum(file.size or 0 for file in files) / max(sizes, 1))


def rows_of(file: File, input_file: InputFile) -> int | None:
    """About how many rows a file has, from its beginning and its size; None where it is damaged."""
    path = input_file.path
    try:
        with FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED) as raw:
            if isinstance(file, ParquetFile):
                return pq.ParquetFile(raw).metadata.num_rows
            if isinstance(file, RecordFile) and file.format == "orc":
                return orc.ORCFile(raw).nrows
            if isinstance(file, VectorFile | RecordFile | ExampleFile) or input_file.size is None:
                return None
            content = decompressed(raw, path)  # which closes `raw` when it goes
            sample = content.read(_SAMPLE)
            lines, used = sample.count(b"\n"), raw.tell()
    except DAMAGED:
        return None
    if len(sample) < _SAMPLE:  # all of it
        return lines + (not sample.endswith(b"\n") and bool(sample))
    return round(input_file.size * lines / max(used, 1))


def _rows_behind_the_reader(inputs: Inputs, features: FeatureSet) -> tuple[float, float] | None:
    """Bytes of a row of the log as it travels behind the reader, and how many a record becomes."""
    columns = inputs.columns["log"]
    reader = ReadRows(
        inputs.source.log,
        columns,
        only_columns(features, set(columns)),
        texts=sorted(text_columns(features)),
        explode=inputs.explode,
    )
    for file in inputs.log[:_SAMPLED_FILES]:
        read = dict.fromkeys((file.table, SESSIONS), 0)
        for element in reader.read(file):
            if isinstance(element, tuple):
                block = element[1]
                records = read[SESSIONS] or read[file.table]
                a_row = len(RecordBatchCoder().encode(block)) / len(block)
                return a_row, read[file.table] / records
            if element.tag == ROWS_READ:  # else it is for others
                table, rows = element.value
                read[table] += rows
    return None


def _bytes_written(features: FeatureSet) -> float:
    """Of a row as records hold it."""
    written = 0.0
    for column in columns_of(features):
        length = _FILL * column.length if column.length else column.dimension or 1
        written += length * column.little_endian.itemsize
    return written
