import bz2
import gzip
import io
import lzma

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import pipeline.data.reading.lines as lines
import pipeline.data.reading.read as read
from features.errors import DataError
from pipeline.data.sources.base import ParquetFile, TextFile

CSV = TextFile(("*.csv",))


def write(tmp_path, content, name="log.csv"):
    path = tmp_path / name
    path.write_bytes(content)
    return str(path)


def rows_of(file, path, wanted=("b",)):
    header = read.read_header(file, path)
    found = {}
    for block in read.read_blocks(file, path, header, wanted):
        found |= dict(zip(block.positions.tolist(), block.rows.to_pylist(), strict=True))
    return found


@pytest.mark.parametrize("compress", [lambda data: data, gzip.compress, lzma.compress])
def test_pieces_give_the_rows_of_the_whole_with_their_lines(tmp_path, monkeypatch, compress):
    monkeypatch.setattr(lines, "PIECE_BYTES", 64)
    monkeypatch.setattr(read, "MAX_ROWS", 3)
    content = b"a,b\n" + b"".join(f"x,{line}\n".encode() for line in range(2, 202))
    suffix = {b"\x1f\x8b": ".gz", b"\xfd7": ".xz"}.get(compress(content)[:2], "")
    path = write(tmp_path, compress(content), "log.csv" + suffix)
    assert rows_of(CSV, path) == {line: {"b": str(line)} for line in range(2, 202)}
    keys = [block.key for block in read.read_blocks(CSV, path, ("a", "b"), ("b",))]
    assert keys == sorted(set(keys))
    assert len(keys) > 50
    block = next(read.read_blocks(CSV, path, ("a", "b"), ("b",)))
    assert block.text_of(3) == "x,3"


@pytest.mark.parametrize(
    ("suffix", "compress"),
    [("", bytes), (".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)],
)
def test_closing_what_a_file_holds_closes_the_file(suffix, compress):
    raw = io.BytesIO(compress(b"a,b\n"))
    with read.decompressed(raw, f"log.csv{suffix}") as content:
        assert content.read() == b"a,b\n"
    assert raw.closed


def test_the_header_names_columns_in_any_order(tmp_path):
    path = write(tmp_path, b"\xef\xbb\xbfid:token\tclass:token_seq\r\n1\tA B\r\n", "ml.item")
    atomic = TextFile(
        ("x",), delimiter="\t", quoting=False, typed_header=True, rename={"class": "genres"}
    )
    assert read.read_header(atomic, path) == ("id", "genres")
    assert rows_of(atomic, path, ("genres", "id")) == {2: {"genres": "A B", "id": "1"}}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty: expected a first line that names the columns"),
        (b"a,b,a\n", "the first line names a twice"),
        (b",a,\n", "names '' twice"),
        (b"\xff\xfe\n", "cannot be read.*Download it again"),
    ],
)
def test_a_file_without_usable_header_is_refused(tmp_path, content, message):
    with pytest.raises(DataError, match=message):
        read.read_header(CSV, write(tmp_path, content))


@pytest.mark.parametrize("damage", [lambda data: data[:-20], lambda data: data[:-8] + b"x" * 8])
def test_damaged_compression_names_the_file_and_the_place(tmp_path, damage):
    content = b"a,b\n" + b"".join(f"{line},{line**3}\n".encode() for line in range(300_000))
    path = write(tmp_path, damage(gzip.compress(content)), "log.csv.gz")
    blocks = read.read_blocks(CSV, path, ("a", "b"), ("b",))
    with pytest.raises(read.UnreadableError, match=r"log\.csv\.gz is damaged .* after line [\d,]+"):
        list(blocks)


def test_parquet_values_become_text_and_lists_stay_lists(tmp_path):
    path = str(tmp_path / "x.parquet")
    pq.write_table(pa.table({"a": [1, None], "b": [[3, 4], []]}), path)
    assert rows_of(ParquetFile(("x",)), path, ("a", "b")) == {
        1: {"a": "1", "b": ["3", "4"]},
        2: {"a": None, "b": []},
    }


def test_parquet_columns_of_structs_are_no_columns_and_nan_is_missing(tmp_path):
    path = str(tmp_path / "x.parquet")
    vectors = pa.array([[0.5, 2.0], [1.0, 3.0]], pa.list_(pa.float32(), 2))
    columns = {
        "number": [float("nan"), 1650000000000.0],
        "struct": [{"x": 1}, None],
        "deep": [[[1]], None],
        "vector": vectors,
        "truth": [[True, False], None],
    }
    pq.write_table(pa.table(columns), path)
    file = ParquetFile(("x",))
    assert read.read_header(file, path) == ("number", "vector", "truth")
    assert rows_of(file, path, ("number", "vector", "truth")) == {
        1: {"number": None, "vector": ["0.5", "2"], "truth": ["1", "0"]},
        2: {"number": "1650000000000", "vector": ["1", "3"], "truth": None},
    }


def test_truncated_parquet_is_refused(tmp_path):
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"a": list(range(1000))}), path)
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(DataError, match=r"x\.parquet cannot be read"):
        read.read_header(ParquetFile(("x",)), str(path))


def test_a_column_that_is_no_text_is_named_and_the_others_can_be_read(tmp_path):
    path = str(tmp_path / "log.parquet")
    pq.write_table(pa.table({"a": [b"\xff\xd8", b"ok"], "b": [1, 2]}), path)
    file = ParquetFile(("*",))
    assert rows_of(file, path) == {1: {"b": "1"}, 2: {"b": "2"}}
    with pytest.raises(
        read.UnreadableColumnError, match="column 'a' cannot be read: it holds bytes"
    ) as e:
        rows_of(file, path, ("a", "b"))
    assert e.value.column == "a"
    assert "damaged" not in str(e.value)
