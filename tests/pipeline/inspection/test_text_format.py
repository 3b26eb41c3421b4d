"""How delimited text is written: header or row, delimiter, encoding."""

import pytest

from pipeline.inspection.text_format import delimiter_of, head_of, is_row, looks_like_a_table


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (["", "user", "conv"], ["0", "7", "1"], False),  # an index
        (["", "a", "b"], ["0", "7", "1"], False),
        (["", "u2", "3"], ["u1", "u3", "4"], True),
        (["", "oslo", "red"], ["b", "lima", "blue"], True),  # a row that lacks a value
        (["", "0", "1", "2"], ["0", "5", "7", "1"], False),
        (["0", "1", "2", "3"], ["0", "5", "7", "1"], False),
        (["0", "1"], ["1", "5"], True),
        (["user", "7", "click"], ["a", "b", "0"], False),
        (["1", "5", "68fd1e64"], ["0", "3", "287e684f"], True),
        (["user", "item", ""], ["1", "2", ""], False),
        (["user", "item"], ["1", "2"], False),
    ],
)
def test_the_first_line_is_a_row_or_names_columns(first, second, expected):
    assert is_row(first, second) == expected


def test_the_label_that_was_given_makes_a_header():
    assert is_row(["2019", "2020", "gain"], ["1", "2", "0"])
    assert not is_row(["2019", "2020", "gain"], ["1", "2", "0"], "gain")


@pytest.mark.parametrize(
    ("lines", "delimiter"),
    [
        (["a,b;c", "d,e;f"], ","),
        (["user;price", "7;1,50", "8;2,25"], ";"),
        (["1,50;2,5;7,1", "3,25;2,0;9,9"], ";"),
        (["1\t2,5\t3", "4\t5,6\t7"], "\t"),
        (["1::1193::5", "1::661::3"], "::"),
        (["1\x012\x013", "4\x015\x016"], "\x01"),
        (["1 2 3", "4 5 6"], " "),
        (["only", "one"], ","),
        (['"a,b",c', '"d,e",f'], ","),
        (["user,items", 'u1,"5,6,7"', 'u2,"8"'], ","),
    ],
)
def test_the_delimiter_cuts_every_line_alike(lines, delimiter):
    assert delimiter_of(lines) == delimiter


def test_prose_is_no_table():
    assert not looks_like_a_table(["About this log", "", "It has rows, and columns; many.", "End"])
    assert looks_like_a_table(["user,click", "a,1", "b,0"])
    assert looks_like_a_table(["user,note,click", 'a,"of two', 'lines",1', "b,one,0"] * 9)


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        ("a,é\n".encode(), "utf-8"),
        (b"\xef\xbb\xbfa,b\r\n", "utf-8"),
        ("a,é\n".encode("latin-1"), "latin-1"),
        ("a,5 €\n".encode("cp1252"), "cp1252"),
        (b"a,b\n" + "1,é\n".encode("latin-1"), "latin-1"),  # not in the first line
    ],
)
def test_the_encoding_is_found_and_marks_and_line_ends_are_no_text(tmp_path, content, encoding):
    (tmp_path / "log.csv").write_bytes(content)
    lines, found = head_of(str(tmp_path / "log.csv"))
    assert found == encoding
    assert lines[0][0] == "a"
    assert not lines[0].endswith("\r")
