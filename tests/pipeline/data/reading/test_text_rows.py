import csv
import io
import random

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from pipeline.data.reading.text_rows import LineParser
from pipeline.data.sources.base import TextFile

COLUMNS = ("a", "b", "c")


def parse(piece, first_line=1, wanted=("a", "c"), **settings):
    parsed = LineParser(TextFile(("x",), **settings), COLUMNS, wanted).parse(piece, first_line)
    rows = {
        line: tuple(row.values())
        for line, row in zip(parsed.lines.tolist(), parsed.rows.to_pylist(), strict=True)
    }
    return rows, {bad.line: bad.reason for bad in parsed.bad}


def test_keeps_wanted_columns_and_reads_empty_as_missing():
    assert parse(b"1,2,3\n4,,\r\n,5,6", first_line=7) == (
        {7: ("1", "3"), 8: ("4", None), 9: (None, "6")},
        {},
    )


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"4,5", "2 columns instead of 3"),
        (b"4", "1 column instead of 3"),
        (b"4,5,6,7", "4 columns instead of 3"),
        (b"4,\xff,6", "not UTF-8 text: byte 0xff at position 3 of the line"),
        (b"4,5\r6,7,8", "a carriage return inside the line"),
        (b"4,5\0,6", "a NUL byte inside the line"),
        (b"\xef\xbb\xbf4,5,6", "a byte order mark before the line"),
    ],
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_bad_line_is_set_aside_and_spoils_no_other(line, reason, place):
    lines = [b"1,2,3", b"7,8,9"]
    lines.insert(place, line)
    for end in (b"", b"\n"):
        rows, bad = parse(b"\n".join(lines) + end)
        assert bad == {place + 1: reason}
        assert list(rows.values()) == [("1", "3"), ("7", "9")]
        assert place + 1 not in rows


@pytest.mark.parametrize("line", [b'"4,5,6', b'4,5,"6', b'4,"""5,6'])
def test_nothing_behind_a_quotation_mark_that_no_line_closes_becomes_a_row(line):
    rows, bad = parse(b"1,2,3\n" + line + b"\n\n7,8,9\n", wanted=("a",))
    assert rows == {1: ("1",)}
    assert bad == {
        2: 'a quotation mark (") is not closed on its line',
        4: 'inside of a quotation mark (") that line 2 opens and no line closes',
    }


def test_lines_that_a_stray_quotation_mark_runs_together_are_set_aside():
    """The mark that is to close it opens another value, in the middle of a line."""
    text = b'1,2,3\n4,"5,6\n7,8,9\n"a ""b""",8,"c"\n7,8,9\n"x" y,"1\n2",3\n'
    rows, bad = parse(text, wanted=COLUMNS)
    assert rows == {1: ("1", "2", "3"), 5: ("7", "8", "9"), 6: ("x y", "1\n2", "3")}
    assert sorted(bad) == [2, 3, 4]
    assert set(bad.values()) == {
        'inside of a quotation mark (") that is opened on line 2 and closed in the middle of a '
        "value on line 4: one of the two is too many"
    }


def test_a_line_break_in_quotes_belongs_to_its_cell():
    rows, bad = parse(b'1,2,3\n4,"5\n6",7\n"\n\n",\r\n,x\n8,"a\r\nb\r""",10\n', wanted=COLUMNS)
    assert rows == {
        1: ("1", "2", "3"),
        2: ("4", "5\n6", "7"),
        8: ("8", 'a\r\nb\r"', "10"),
    }
    assert bad == {
        4: "2 columns instead of 3 in the record of lines 4 to 6",
        6: "2 columns instead of 3 in the record of lines 4 to 6",
        7: "2 columns instead of 3",
    }


@pytest.mark.parametrize(
    ("bad_record", "reason"),
    [
        (b'4,"5\nx,good,1\n6"', "2 columns instead of 3 in the record of lines 1 to 3"),
        (b'4,"5\nx,good,1\n6",7,8', "4 columns instead of 3 in the record of lines 1 to 3"),
        (b'4,"5\nx,good,1\n\xff",7', "not UTF-8 text: byte 0xff at position 15 of the line"),
        (b'4,"5\nx,good,1\n\0",7', "a NUL byte inside the line"),
    ],
)
def test_no_line_of_a_bad_record_becomes_a_row(bad_record, reason):
    rows, bad = parse(bad_record + b"\n7,8,9\n")
    assert rows == {4: ("7", "9")}
    assert sorted(bad) == [1, 2, 3]
    assert all(each.startswith(reason) for each in bad.values())


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@given(records=st.lists(st.lists(st.text('",\n\ra é'), min_size=3, max_size=3), max_size=6))
def test_whatever_is_written_as_csv_is_read(records, end):
    written = io.StringIO(newline="")
    csv.writer(written, quoting=csv.QUOTE_ALL, lineterminator=end).writerows(records)
    rows, bad = parse(written.getvalue().encode(), wanted=COLUMNS)
    assert list(rows.values()) == [tuple(cell or None for cell in record) for record in records]
    assert bad == {}


def test_a_record_that_the_next_lines_may_close_is_left_over():
    parser = LineParser(TextFile(("x",)), COLUMNS, COLUMNS)
    piece = b'1,2,3\n4,"5\n6\n'
    parsed = parser.parse(piece, 1, last=False)
    assert (parsed.lines.tolist(), parsed.bad, piece[-parsed.rest :]) == ([1], [], b'4,"5\n6\n')


def test_blank_lines_are_no_rows_but_keep_their_numbers():
    assert parse(b"1,2,3\n\n\r\n4,5,6\n\n") == ({1: ("1", "3"), 4: ("4", "6")}, {})


def test_quotes_hold_delimiters_or_nothing_special():
    assert parse(b'"x,""y",2,3') == ({1: ('x,"y', "3")}, {})
    assert parse(b'"x\t2\t"', delimiter="\t", quoting=False) == ({1: ('"x', '"')}, {})


def test_any_mixture_of_good_and_bad_lines_is_accounted_for():
    good = [b"1,2,3", b'"a,b",,c', "é,2,ü".encode(), b'5" x,2,3']
    bad = [b"1,2", b"\xc3\x28,2,3", b'1,"2""",3,"4"', b"1\r,2,3", b"1,2,3,4", b'"1"\r']
    rng = random.Random(5)
    for _ in range(200):
        lines = rng.choices(good + bad + [b""], k=rng.randint(1, 40))
        rows, rejected = parse(b"\n".join(lines) + b"\n")
        assert set(rows) == {number for number, line in enumerate(lines, 1) if line in good}
        assert set(rejected) == {number for number, line in enumerate(lines, 1) if line in bad}
        for number, row in rows.items():
            assert row == parse(lines[number - 1])[0][1]


MOVIES = {"delimiter": "::", "quoting": False, "encoding": "latin-1"}


def test_a_delimiter_of_several_characters_and_another_encoding():
    piece = 'é::a:b::"q"\r\n4::::6\n::5,5::\n'.encode("latin-1")
    assert parse(piece, wanted=COLUMNS, **MOVIES) == (
        {1: ("é", "a:b", '"q"'), 2: ("4", None, "6"), 3: (None, "5,5", None)},
        {},
    )


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"4::5", "2 columns instead of 3"),
        (b"4:5:6", "1 column instead of 3"),
        (b"4::5::6::7", "4 columns instead of 3"),
        (b"4::5\x1f::6", "a unit separator (0x1f) inside the line"),
        (b"4\x1f5\x1f6", "a unit separator (0x1f) inside the line"),
        (b"4::5\r6::7", "a carriage return inside the line"),
    ],
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_bad_line_with_long_delimiters_spoils_no_other(line, reason, place):
    lines = [b"1::2::\xe9", b"7::8::9"]
    lines.insert(place, line)
    rows, bad = parse(b"\n".join(lines), **MOVIES)
    assert bad == {place + 1: reason}
    assert list(rows.values()) == [("1", "é"), ("7", "9")]


def test_what_is_not_in_the_encoding_is_named():
    rows, bad = parse(b"1::2::3\n4::\xe9::6\n", delimiter="::", quoting=False, encoding="ascii")
    assert (rows, bad) == (
        {1: ("1", "3")},
        {2: "not ASCII text: byte 0xe9 at position 4 of the line"},
    )


def test_the_text_of_a_bad_line_keeps_its_delimiters():
    parser = LineParser(TextFile(("x",), **MOVIES), COLUMNS, COLUMNS)
    assert [each.text for each in parser.parse(b"\xe9::2\n", 1).bad] == ["é::2"]


@settings(deadline=None)
@given(
    st.lists(
        st.lists(
            st.text(st.characters(codec="latin-1", exclude_characters=":\r\n\x1f\0"), min_size=1),
            min_size=3,
            max_size=3,
        ),
        max_size=8,
    )
)
def test_whatever_is_written_with_long_delimiters_is_read(rows):
    piece = "".join("::".join(row) + "\n" for row in rows).encode("latin-1")
    found, bad = parse(piece, wanted=COLUMNS, **MOVIES)
    assert (list(found.values()), bad) == ([tuple(row) for row in rows], {})


def test_quotes_and_long_delimiters_do_not_go_together():
    with pytest.raises(ValueError, match=r"delimiter='::', quoting=True\. Set quoting=False"):
        TextFile(("x",), delimiter="::")
