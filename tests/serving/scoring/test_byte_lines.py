import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import DataError
from serving.scoring.byte_lines import ByteLines, decoded


class InPieces(io.BytesIO):
    """A file that gives a few bytes at a time, as compressed ones and pipes do, and may break."""

    def __init__(self, content: bytes, size: int, error: Exception | None = None) -> None:
        super().__init__(content)
        self._size, self._error = size, error

    def read1(self, size: int = -1, /) -> bytes:
        piece = super().read1(min(self._size, size))
        if not piece and self._error is not None:
            raise self._error
        return piece


@settings(deadline=None, max_examples=300)
@given(
    st.lists(st.sampled_from([b"\n", b"a", b"\r\n", b"\r", b"\xff"])).map(b"".join),
    st.integers(1, 5),
    st.lists(st.integers(0, 4)),
)
def test_lines_are_those_of_the_file_however_they_are_taken(content, size, steps):
    lines, taken = ByteLines(InPieces(content, size)), b""
    for count in steps:
        if count:
            piece = lines.peek(count)
            assert lines.peek(count) == piece
            lines.skip(piece, len(io.BytesIO(piece).readlines()))
            taken += piece
        else:
            line = next(lines, b"")
            if line:
                lines.put_back(line)
                assert next(lines) == line
            taken += line
        assert lines.number == len(io.BytesIO(taken).readlines())
    assert taken == content[: len(taken)]
    assert list(lines) == io.BytesIO(content[len(taken) :]).readlines()


def test_as_many_lines_are_shown_as_are_asked_for():
    lines = ByteLines(InPieces(b"a\nb\nc", 1))
    shown = [lines.peek(count) for count in (1, 2, 3, 4)]
    assert shown == [b"a\n", b"a\nb\n", b"a\nb\nc", b"a\nb\nc"]


@pytest.mark.parametrize("size", [1, 2, 100])
def test_an_error_of_reading_comes_behind_the_whole_lines_before_it(size):
    lines = ByteLines(InPieces(b"a\nb\nbroken o", size, EOFError("cut")))
    assert lines.peek(2) == b"a\nb\n"
    assert lines.peek(3) == b""
    assert [next(lines), next(lines)] == [b"a\n", b"b\n"]
    for _ in range(2):
        with pytest.raises(EOFError, match="cut"):
            next(lines)


def test_only_the_lines_that_are_asked_for_are_decoded():
    lines = ByteLines(io.BytesIO("\ufeffé\n\ufeff\n".encode() + b"\xff\nc"))
    texts = decoded(lines, "rows.csv", "utf-8")
    assert [next(texts), next(texts)] == ["é\n", "\ufeff\n"]
    with pytest.raises(DataError, match=r"rows\.csv, line 3: is not UTF-8 text"):
        next(texts)
    assert list(decoded(lines, "rows.csv", "utf-8")) == ["c"]
