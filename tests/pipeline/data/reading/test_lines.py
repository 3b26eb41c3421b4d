"""Pieces of a file against an oracle that splits all of it at once."""

import io

import pytest

import pipeline.data.reading.lines as lines

CONTENTS = [
    b"a,b\r\n1,2\r\n\r\n3,\xc3\xa9\r\n\n\n4444444444444444,5\nlast",
    b"\n\n\n",
    b"no break",
    b"x\n" * 9,
    b"\xef\xbb\xbfa\nb\n",
    b"",
]


def starts_of(content):
    """Where each line starts, and its number."""
    offsets = [0, *(place + 1 for place, byte in enumerate(content) if byte == 10)]
    return {offset: number for number, offset in enumerate(offsets, 1) if offset < len(content)}


@pytest.mark.parametrize("content", CONTENTS)
def test_a_range_owns_the_lines_that_start_in_it(content, monkeypatch):
    starts = starts_of(content)
    for piece_bytes in range(1, len(content) + 2):
        monkeypatch.setattr(lines, "PIECE_BYTES", piece_bytes)
        for start in range(0, len(content) + 1, piece_bytes):
            for stop in (*range(start + piece_bytes, len(content) + 1, piece_bytes), None):
                before = lines.count_lines_in(io.BytesIO(content), 0, start).newlines
                found = list(lines.read_pieces(io.BytesIO(content), start, stop, before))
                owned = [at for at in starts if start <= at and (stop is None or at < stop)]
                end = min((at for at in starts if stop is not None and at >= stop), default=None)
                expected = content[owned[0] : end] if owned else b""
                assert b"".join(piece.data for piece in found) == expected
                for piece in found:
                    assert piece.line == starts[piece.offset]
                    parts = {at // piece_bytes for at in owned if _inside(at, piece)}
                    assert len(parts) == 1  # of the grid


def _inside(at, piece):
    return piece.offset <= at < piece.offset + len(piece.data)


def test_line_breaks_are_counted_in_the_range_alone(monkeypatch):
    monkeypatch.setattr(lines, "_COUNTED_AT_ONCE", 3)
    content = CONTENTS[0]
    for start in range(len(content)):
        for stop in range(start, len(content) + 2):
            counted = lines.count_lines_in(io.BytesIO(content), start, stop).newlines
            assert counted == content[start:stop].count(b"\n")


def test_a_line_without_end_is_refused_before_it_fills_the_memory(monkeypatch):
    monkeypatch.setattr(lines, "PIECE_BYTES", 1 << 10)
    monkeypatch.setattr(lines, "LONGEST_LINE", 1 << 20)
    endless = io.BytesIO(b"short\n" + b"x" * (3 << 20))
    with pytest.raises(OSError, match=r"a line is longer than 1 MB; is this a text file\?"):
        list(lines.read_pieces(endless))
    assert endless.tell() < 1.1 * (1 << 20)


def test_who_begins_inside_a_long_line_stops_at_the_end_of_his_range(monkeypatch):
    monkeypatch.setattr(lines, "PIECE_BYTES", 1 << 10)
    stream = io.BytesIO(b"x" * (1 << 20) + b"\nlast")
    assert list(lines.read_pieces(stream, 1 << 10, 1 << 11)) == []
    assert stream.tell() < 1 << 11
