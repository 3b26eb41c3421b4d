"""Files cut into parts: the same blocks of rows come out, wherever the cuts are."""

import gzip
import random

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from apache_beam.testing.test_pipeline import TestPipeline
from apache_beam.testing.util import assert_that, equal_to

import pipeline.data.reading.lines as lines
import pipeline.data.reading.ranges as ranges
import pipeline.data.reading.read as read
from pipeline.data.sources.base import ParquetFile, TextFile
from pipeline.data.sources.input_file import InputFile

CSV = TextFile(("*",))
BARE = TextFile(("*",), columns=("a", "b"))
CONTENT = "a,b\r\n1,é\r\n\r\n2,€ 8\n\n\nbad\n3,ü\r\n4,\n,5\n666666,777777777777\n8,9".encode()
EXPECTED = {
    2: ("1", "é"),
    4: ("2", "€ 8"),
    8: ("3", "ü"),
    9: ("4", None),
    10: (None, "5"),
    11: ("666666", "777777777777"),
    12: ("8", "9"),
}


def input_file(path, file, **changes):
    header = read.read_header(file, str(path))
    return InputFile("log", str(path), 0, header, size=path.stat().st_size, **changes)


def blocks_of(file, part):
    """All that a reader learns of a part."""
    cut = (part.start, part.stop, part.newlines)
    for block in read.read_blocks(file, part.path, part.header, ("a", "b"), *cut):
        positions = block.positions.tolist()
        rows = [tuple(row.values()) for row in block.rows.to_pylist()]
        bad = [(each.line, each.reason, each.text) for each in block.bad]
        yield block.key, positions, rows, bad, [block.text_of(line) for line in positions]


def cut(file, whole):
    """The parts, each knowing the breaks before it."""
    counted = [ranges.with_line_count(part, True)[1] for part in ranges.parts_of(file, whole)]
    random.Random(3).shuffle(counted)
    return list(ranges.number_lines((0, counted)))


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte order mark"])
@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n\n"], ids=["open", "break", "blank"])
def test_any_cut_of_a_text_file_gives_the_rows_of_the_whole(tmp_path, monkeypatch, mark, end):
    path = tmp_path / "log.csv"
    path.write_bytes(mark + CONTENT + end)
    whole = input_file(path, CSV)
    for piece_bytes in range(1, whole.size + 2):
        monkeypatch.setattr(lines, "PIECE_BYTES", piece_bytes)
        expected = list(blocks_of(CSV, whole))
        rows = {at: row for block in expected for at, row in zip(block[1], block[2], strict=True)}
        assert rows == EXPECTED
        assert [bad[0] for block in expected for bad in block[3]] == [7]
        keys = [block[0] for block in expected]
        assert keys == sorted(set(keys))
        for pieces in (1, 2, 3, 7):
            monkeypatch.setattr(ranges, "RANGE_PIECES", pieces)
            parts = cut(CSV, whole)
            assert len(parts) == max(1, -(-whole.size // (pieces * piece_bytes)))
            assert [block for part in parts for block in blocks_of(CSV, part)] == expected


QUOTED = b'a,b\n1,"x\ny"\n2,"p,""q\n\n""",\n3,"5"" z"\n4,8" w\n5,"\n6,7\n"\n8,9\n'


def test_any_cut_of_quoted_text_gives_the_rows_of_the_whole(tmp_path, monkeypatch):
    path = tmp_path / "log.csv"
    path.write_bytes(QUOTED)
    whole = input_file(path, CSV)
    for piece_bytes in range(1, whole.size + 2):
        monkeypatch.setattr(lines, "PIECE_BYTES", piece_bytes)
        expected = list(blocks_of(CSV, whole))
        rows = {at: row for block in expected for at, row in zip(block[1], block[2], strict=True)}
        assert rows == {
            2: ("1", "x\ny"),
            7: ("3", '5" z'),
            8: ("4", '8" w'),
            9: ("5", "\n6,7\n"),
            12: ("8", "9"),
        }
        assert [bad[0] for block in expected for bad in block[3]] == [4, 6]
        keys = [block[0] for block in expected]
        assert keys == sorted(set(keys))
        for pieces in (1, 2, 7):
            monkeypatch.setattr(ranges, "RANGE_PIECES", pieces)
            parts = cut(CSV, whole)
            assert [block for part in parts for block in blocks_of(CSV, part)] == expected


def test_files_without_line_breaks_in_quotes_are_cut_as_others_are(tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "PIECE_BYTES", 8)
    monkeypatch.setattr(ranges, "RANGE_PIECES", 1)
    path = tmp_path / "log.csv"
    path.write_bytes(b'a,b\n1,"xyz"\n' + b'"2","3"\n' * 20)
    parts = cut(CSV, input_file(path, CSV))
    assert len(parts) > 1
    assert len({part.start for part in parts}) == len(parts)


def test_a_quotation_without_end_is_refused_before_it_fills_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "PIECE_BYTES", 16)
    monkeypatch.setattr(read, "LONGEST_LINE", 64)
    path = tmp_path / "log.csv"
    path.write_bytes(b'a,b\n1,"2\n' + b"3,4\n" * 50)
    with pytest.raises(read.UnreadableError, match=r'mark \("\) on line 2 is not closed within'):
        list(blocks_of(CSV, input_file(path, CSV)))


def test_a_mark_before_the_first_value_is_no_part_of_it(tmp_path):
    path = tmp_path / "log.csv"
    path.write_bytes(b"\xef\xbb\xbf1,2\n\xef\xbb\xbf3,4\n5,6\n")
    ((_, positions, rows, bad, _),) = blocks_of(BARE, input_file(path, BARE))
    assert (positions, rows) == ([1, 3], [("1", "2"), ("5", "6")])
    assert [(each[0], each[1]) for each in bad] == [(2, "a byte order mark before the line")]


def test_compressed_files_stay_whole_and_give_the_blocks_of_the_plain_one(tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "PIECE_BYTES", 8)
    monkeypatch.setattr(ranges, "RANGE_PIECES", 1)
    plain, packed = tmp_path / "log.csv", tmp_path / "packed.csv.gz"
    plain.write_bytes(CONTENT)
    packed.write_bytes(gzip.compress(CONTENT))
    (part,) = ranges.parts_of(CSV, input_file(packed, CSV))
    assert (part.start, part.stop) == (0, None)
    assert list(blocks_of(CSV, part)) == list(blocks_of(CSV, input_file(plain, CSV)))


@pytest.mark.parametrize("group_rows", [1, 3, 40, 1_000])
def test_any_cut_of_a_parquet_file_gives_the_blocks_of_the_whole(tmp_path, monkeypatch, group_rows):
    monkeypatch.setattr(ranges, "MAX_ROWS", 10)
    monkeypatch.setattr(read, "MAX_ROWS", 10)
    path = tmp_path / "log.parquet"
    table = pa.table({"b": [f"t{row}" for row in range(107)], "a": list(range(107))})
    pq.write_table(table, path, row_group_size=group_rows)
    file = ParquetFile(("*",))
    whole = input_file(path, file)
    expected = list(blocks_of(file, whole))
    rows = [row for block in expected for row in block[2]]
    assert rows == [(str(row), f"t{row}") for row in range(107)]
    assert [at for block in expected for at in block[1]] == list(range(1, 108))
    for piece_bytes in (1, 200, 1 << 20):
        monkeypatch.setattr(lines, "PIECE_BYTES", piece_bytes)
        monkeypatch.setattr(ranges, "RANGE_PIECES", 1)
        parts = ranges.parts_of(file, whole)
        assert len(parts) > 1 or piece_bytes > 1 or group_rows == 1_000
        assert [block for part in parts for block in blocks_of(file, part)] == expected


def test_workers_count_the_lines_of_large_files_only(tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "PIECE_BYTES", 8)
    monkeypatch.setattr(ranges, "RANGE_PIECES", 2)
    counted = []
    monkeypatch.setattr(ranges.lines, "count_lines_in", _watched(counted))
    large, small = tmp_path / "large.csv", tmp_path / "small.csv"
    large.write_bytes(CONTENT)
    small.write_bytes(b"a,b\n1,2\n")
    files = [input_file(large, CSV), InputFile("log", str(small), 1, ("a", "b"), size=8)]
    with TestPipeline() as p:
        parts = p | beam.Create(files) | ranges.CutFiles(CSV)
        found = parts | beam.Map(lambda part: (part.index, part.start, part.newlines))
        starts = range(0, len(CONTENT), 16)
        expected = [(0, start, CONTENT[:start].count(b"\n")) for start in starts]
        assert_that(found, equal_to([*expected, (1, 0, 0)]))
    assert sorted(counted) == [8] + [16] * (len(starts) - 1)  # of the last part the beginning


def _watched(counted):
    original = lines.count_lines_in

    def count(stream, start, stop, quotes):
        counted.append(stop - start)
        return original(stream, start, stop, quotes)

    return count


def test_an_empty_file_is_one_part(tmp_path):
    path = tmp_path / "log.csv"
    path.write_bytes(b"")
    (part,) = ranges.parts_of(BARE, InputFile("log", str(path), 0, ("a", "b"), size=0))
    assert list(blocks_of(BARE, part)) == []
