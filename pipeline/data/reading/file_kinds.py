"""Files of other kinds than expected, told by their first bytes or by how their lines look."""

import re
from dataclasses import dataclass

from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems

from features.errors import DataError
from pipeline.data.reading.read import DAMAGED, open_file, open_gzip

_HEAD_BYTES = 1 << 16
_LINES = 20


@dataclass(frozen=True)
class FileKind:
    """A kind of file that is another one than expected.

    Args:
        name: What it is, with its article.
        remedy: How to convert it, a sentence.
        source: The `data.source` that reads it; None where none does.
    """

    name: str
    remedy: str
    source: str | None = None


def _read_as(source: str, name: str) -> FileKind:
    return FileKind(name, f"Set data.source to {source}.", source)


def _with_pandas(reader: str) -> str:
    return f"Write it as Parquet: pandas.{reader}(FILE).to_parquet('log.parquet')."


_UNPACK = "Unpack it and give the files inside; single files may end in .gz, .bz2 or .xz."
_UTF_16 = FileKind("UTF-16 text", "Convert it: iconv -f UTF-16 -t UTF-8 FILE > log.csv.")
_FIRST_BYTES: tuple[tuple[bytes, FileKind], ...] = (
    (b"PK\x03\x04", FileKind("a zip archive", _UNPACK)),
    (b"7z\xbc\xaf\x27\x1c", FileKind("a 7z archive", _UNPACK)),
    (b"Rar!", FileKind("a RAR archive", _UNPACK)),
    (b"\x1f\x8b", FileKind("compressed by gzip", "Let its name end in .gz.")),
    (b"BZh", FileKind("compressed by bzip2", "Let its name end in .bz2.")),
    (b"\xfd7zXZ\x00", FileKind("compressed by xz", "Let its name end in .xz.")),
    (b"\x28\xb5\x2f\xfd", FileKind("compressed by zstd", "Unpack it: zstd -d FILE.")),
    (b"\x04\x22\x4d\x18", FileKind("compressed by lz4", "Unpack it: lz4 -d FILE.")),
    (b"\xff\x06\x00\x00sNaPpY", FileKind("compressed by snappy", "Unpack it.")),
    (b"ORC", _read_as("orc", "an ORC file")),
    (b"Obj\x01", _read_as("avro", "an Avro file")),
    (b"PAR1", FileKind("a Parquet file", "Let its name end in .parquet.", "parquet")),
    (b"ARROW1", FileKind("an Arrow file", _with_pandas("read_feather"))),
    (b"FEA1", FileKind("a Feather file", _with_pandas("read_feather"))),
    (b"\x89HDF", FileKind("an HDF5 file", _with_pandas("read_hdf"))),
    (b"\x93NUMPY", FileKind("an array of numpy", "Write its columns as CSV or Parquet.")),
    (b"SQLite format 3", FileKind("an SQLite database", "Export the table as CSV: sqlite3 -csv.")),
    (b"\xd0\xcf\x11\xe0", FileKind("an old Excel workbook", _with_pandas("read_excel"))),
    (b"%PDF", FileKind("a PDF document", "Give the table as CSV or Parquet.")),
    (b"\x80\x02", FileKind("a pickle of Python", _with_pandas("read_pickle"))),
    (b"\x80\x03", FileKind("a pickle of Python", _with_pandas("read_pickle"))),
    (b"\x80\x04", FileKind("a pickle of Python", _with_pandas("read_pickle"))),
    (b"\x80\x05", FileKind("a pickle of Python", _with_pandas("read_pickle"))),
    (b"SEQ\x06", FileKind("a SequenceFile of Hadoop", "Write it as Parquet or CSV.")),
    (b"\xff\xfe", _UTF_16),
    (b"\xfe\xff", _UTF_16),
)
# Sources of files that are no lines of text.
_BINARY = ("parquet", "orc", "avro", "tfrecord")
_EXCEL = FileKind("an Excel workbook", _with_pandas("read_excel"))
_NUMPY_ARCHIVE = FileKind("an archive of numpy arrays", "Write its arrays as columns of Parquet.")
_TAR = FileKind("a tar archive", _UNPACK)
_TFRECORD = _read_as("tfrecord", "a TFRecord file")
_LIBFFM = _read_as("libffm", "libffm text, `label field:index:value ...`")
_LIBSVM = _read_as("libsvm", "libsvm text, `label index:value ...`")
_LINES_LIKE: tuple[tuple[re.Pattern, FileKind], ...] = (
    (
        re.compile(r"[-+]?[\d.]+([ \t]+[^\s:,]+:[^\s:,]+:[^\s:,]+)+\s*"),
        _LIBFFM,
    ),
    (
        re.compile(r"[-+]?[\d.]+([ \t]+(qid|\d+):[^\s:,]+)+\s*(#.*)?"),
        _LIBSVM,
    ),
    (
        re.compile(r"[-+]?\d[\d.]*( [\d.]+)?( '?[^\s|]+)? ?\|[^\s|]* [^|]+(\|[^\s|]* [^|]+)*"),
        FileKind("text for Vowpal Wabbit, `label |namespace feature ...`", "Give it as columns."),
    ),
)
_FIRST_TEXT: tuple[tuple[str, FileKind], ...] = (
    (
        r"@(relation|attribute)\b",
        FileKind(
            "an ARFF file",
            "Its rows stand behind @data: write them as CSV, the attributes' names as first line.",
        ),
    ),
    (
        r"version https://git-lfs",
        FileKind("a pointer of Git LFS, not the file", "Fetch the file: git lfs pull."),
    ),
    (
        r"<!doctype html|<html",
        FileKind("a web page", "Download the file again: the server may have asked for a login."),
    ),
    (r"<\?xml", FileKind("XML", "Write its rows as CSV or JSON lines.")),
    (
        r"(--.*\n\s*)*(create|insert|drop|begin)\s+(table|into|database|transaction)\b",
        FileKind("a dump of SQL", "Load it into a database, and export the table as CSV."),
    ),
    (
        r"\[\s*[{\[]",
        FileKind("one JSON array", "Write an object a line: jq -c '.[]' FILE > log.jsonl."),
    ),
)
_JSON_LINES = FileKind("JSON lines", "Let its name end in .jsonl.", "jsonl")
_ONE_OBJECT = FileKind(
    "one JSON object over several lines", "Write an object a line: jq -c . FILE > log.jsonl."
)


def refuse_other_kinds(path: str, expected: str) -> None:
    """Refuses a file that is of a known kind, and not of the one that it is to be read as.

    Args:
        path: The file; what cannot be opened is left to whoever reads it.
        expected: Name of a source of files of one's own, such as `csv`.

    Raises:
        DataError: The sentence names the kind, and how to read or convert it.
    """
    kind = kind_of(path, expected)
    if kind is not None:
        where = f"data.source={expected!r} does not read" if kind.source else "is not read here"
        raise DataError(f"{path} is {kind.name}, which {where}. {kind.remedy}")


def kind_of(path: str, expected: str) -> FileKind | None:
    """The kind of a file that is not what is expected; None where it may well be that.

    Args:
        path: The file.
        expected: Name of a source of files of one's own, such as `csv`.
    """
    try:
        if expected in _BINARY:
            with FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED) as stream:
                head = stream.read(_HEAD_BYTES)
            kind = _of_bytes(path, head)
            if expected == "tfrecord" and kind is not None and kind.name.endswith("gzip"):
                with open_gzip(path) as stream:
                    kind = _of_bytes(path, stream.read(_HEAD_BYTES))
        else:
            with open_file(path) as stream:
                head = stream.read(_HEAD_BYTES)
            kind = _of_bytes(path, head) or _of_text(head, expected)
    except DAMAGED:
        return None
    return None if kind is not None and kind.source == expected else kind


def _of_bytes(path: str, head: bytes) -> FileKind | None:
    for first, kind in _FIRST_BYTES:
        if head.startswith(first):
            if first == b"PK\x03\x04" and (b"[Content_Types].xml" in head or b"xl/" in head):
                return _EXCEL
            name = head[30 : 30 + int.from_bytes(head[26:28], "little")]
            if first == b"PK\x03\x04" and name.endswith(b".npy"):
                return _NUMPY_ARCHIVE
            return kind
    if head[257:262] == b"ustar":
        return _TAR
    # The length of the first record, its checksum, and an Example's first field.
    if head[4:8] == b"\0\0\0\0" and head[12:13] == b"\n":
        return _TFRECORD
    if path.lower().endswith(".npz"):
        return _NUMPY_ARCHIVE
    return None


def _of_text(head: bytes, expected: str) -> FileKind | None:
    text = head.decode("utf-8-sig", errors="replace").lstrip()
    for pattern, kind in _FIRST_TEXT:
        if re.match(pattern, re.sub(r"\A(\s*%.*\n)+", "", text).lstrip(), re.IGNORECASE):
            return kind
    if expected == "jsonl":
        return _ONE_OBJECT if re.match(r"\{\s*\n", text) else None
    if re.match(r'\{\s*"', text):
        return _JSON_LINES
    lines = [line.rstrip("\r") for line in text.split("\n")[:_LINES] if line.strip()]
    if len(lines) > 1 and len(head) == _HEAD_BYTES:
        lines = lines[:-1]  # perhaps cut
    # A label and a time, 1 and 12:30, look like a row of one feature.
    of_several = sum(len(line.split()) > 2 for line in lines)
    for shape, kind in _LINES_LIKE:
        if 2 * of_several > len(lines) and all(shape.fullmatch(line) for line in lines):
            return kind
    return None
