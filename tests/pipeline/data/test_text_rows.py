import random

import pytest

from pipeline.data.sources.base import TextFile
from pipeline.data.text_rows import LineParser

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
        (b'"4,5,6', 'a quotation mark (") is not closed on its line'),
        (b'4,5,"6', 'a quotation mark (") is not closed on its line'),
        (b"4,5\r6,7,8", "a carriage return inside the line"),
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


def test_two_lines_with_open_quotes_never_become_one_row():
    rows, bad = parse(b'1,2,3\n4,"5\n6",7\n8,9,10\n')
    assert list(rows) == [1, 4]
    assert list(bad) == [2, 3]


def test_blank_lines_are_no_rows_but_keep_their_numbers():
    assert parse(b"1,2,3\n\n\r\n4,5,6\n\n") == ({1: ("1", "3"), 4: ("4", "6")}, {})


def test_quotes_hold_delimiters_or_nothing_special():
    assert parse(b'"x,""y",2,3') == ({1: ('x,"y', "3")}, {})
    assert parse(b'"x\t2\t"', delimiter="\t", quoting=False) == ({1: ('"x', '"')}, {})


def test_any_mixture_of_good_and_bad_lines_is_accounted_for():
    good = [b"1,2,3", b'"a,b",,c', "é,2,ü".encode(), b'5" x,2,3']
    bad = [b"1,2", b"\xc3\x28,2,3", b'1,2,"3', b"1\r,2,3", b"1,2,3,4", b'"1\r']
    rng = random.Random(5)
    for _ in range(200):
        lines = rng.choices(good + bad + [b""], k=rng.randint(1, 40))
        rows, rejected = parse(b"\n".join(lines) + b"\n")
        assert set(rows) == {number for number, line in enumerate(lines, 1) if line in good}
        assert set(rejected) == {number for number, line in enumerate(lines, 1) if line in bad}
        for number, row in rows.items():
            assert row == parse(lines[number - 1])[0][1]
