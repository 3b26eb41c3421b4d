"""Lines of JSON and of Python literals: a row as Python reads it, or a reason; never a crash."""

import ast
import gzip
import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.data.reading import read
from pipeline.data.reading.json_lines import JsonLineParser
from pipeline.data.sources.base import JsonLinesFile

COLUMNS = {"user": "reviewerID", "tags": "tags", "category": "categories", "city": ("at", "city")}
PICKS = {"tags": "list", "category": "last_of_last"}
JSON = JsonLinesFile(("*.json",), COLUMNS, PICKS)
LITERALS = JsonLinesFile(("*.json",), COLUMNS, PICKS, python_literals=True)
WRITERS = {"json": (JSON, json.dumps), "literals": (LITERALS, repr)}


def parse(file, *lines, wanted=tuple(COLUMNS)):
    piece = b"\n".join(line if isinstance(line, bytes) else line.encode() for line in lines)
    parsed = JsonLineParser(file, wanted).parse(piece, 1)
    rows = dict(zip(parsed.lines.tolist(), parsed.rows.to_pylist(), strict=True))
    return rows, {bad.line: bad.reason for bad in parsed.bad}


def oracle(file, line):
    """A line's row in Python's own words; None where there is none."""

    def text(value):
        if isinstance(value, list | tuple | dict | set | bytes | complex) or value is ...:
            raise ValueError(value)
        if isinstance(value, bool):
            return str(int(value))
        if isinstance(value, str):
            value.encode()
        if isinstance(value, float) and abs(value) <= 2**53 and value == int(value):
            value = int(value)
        if value != value:  # nan
            return None
        return None if value in (None, "") else value if isinstance(value, str) else repr(value)

    try:
        if file.python_literals:
            found = ast.literal_eval(line)
        else:
            found = json.loads(line, parse_int=str, parse_constant=lambda _: 1 / 0)
        if not isinstance(found, dict):
            return None
        row = {"user": text(found.get("reviewerID")), "city": None}
        at = found.get("at")
        if at is not None:
            assert isinstance(at, dict)
            row["city"] = text(at.get("city"))
        tags = None if found.get("tags") == "" else found.get("tags")  # as in any other column
        assert tags is None or isinstance(tags, list | tuple)
        row["tags"] = None if tags is None else [text(tag) for tag in tags]
        category = found.get("categories")
        for _ in range(2):
            assert category is None or isinstance(category, list | tuple)
            category = category[-1] if category else None
        return {**row, "category": text(category)}
    except (ValueError, SyntaxError, TypeError, AttributeError, AssertionError, ArithmeticError):
        return None
    except (MemoryError, RecursionError):
        return None


@pytest.mark.parametrize("kind", WRITERS)
def test_values_become_text_and_missing_keys_missing_values(kind):
    file, write = WRITERS[kind]
    full = {"reviewerID": 'it\'s "ü"', "tags": ["a", True, None], "at": {"city": 7, "x": {}}}
    full["categories"] = [["Electronics", "GPS"], ["Electronics", "Headphones"]]
    turned = dict(reversed(full.items()))
    others = [{"reviewerID": 5.0, "at": None}, {"categories": [], "tags": []}, {"categories": [[]]}]
    rows, bad = parse(file, *map(write, (full, turned)), "", "\r", *map(write, others))
    row = {"user": 'it\'s "ü"', "tags": ["a", "1", None], "category": "Headphones", "city": "7"}
    nothing = dict.fromkeys(COLUMNS)
    assert rows == {
        1: row,
        2: row,
        5: {**nothing, "user": "5"},
        6: {**nothing, "tags": []},
        7: nothing,
    }
    assert bad == {}


def test_whole_numbers_of_json_stay_as_written_and_others_have_one_text():
    numbers = ["12345678901234567890", "-7", "9" * 5_000, "12.50", "12.0", "1e5", "0.00001"]
    rows, _ = parse(JSON, *(f'{{"reviewerID": {number}}}' for number in numbers))
    texts = [*numbers[:3], "12.5", "12", "100000", "1e-05"]
    assert [row["user"] for row in rows.values()] == texts


@pytest.mark.parametrize(
    ("file", "line", "reason"),
    [
        (JSON, '{"reviewerID": "a"', "not JSON: Expecting ',' delimiter"),
        (JSON, '{"reviewerID": "a"} {"reviewerID": "b"}', "not JSON: Extra data"),
        (JSON, '{"reviewerID": NaN}', "not JSON: NaN is no number"),
        (JSON, "[" * 100_000, "not JSON: nested too deeply"),
        (JSON, '["a"]', r"not an object: \['a'\]"),
        (JSON, b'{"reviewerID": "\xff"}', "not UTF-8 text: byte 0xff at position 17 of the line"),
        (JSON, '{"reviewerID": "\\ud800"}', "user is not text: it holds half a character"),
        (JSON, '{"reviewerID": ["a"]}', r"user must be one value, got \['a'\]"),
        (JSON, '{"tags": "a"}', "tags must be a list of values, got 'a'"),
        (JSON, '{"tags": [["a"]]}', r"tags must be a list of values, got \[\['a'\]\]"),
        (JSON, '{"categories": ["a"]}', r"category must be a list of lists of values, got \['a'\]"),
        (JSON, '{"at": "home"}', "city stands inside an object, got 'home'"),
        (JSON, json.dumps({"x": "y" * 2**20}), "a line of 1,048,585 bytes, where 1,048,576 are"),
        (LITERALS, "{'reviewerID': __import__('os').getcwd()}", "not Python literal: .*no literal"),
        (LITERALS, "{'reviewerID': f'{1}'}", "not Python literal: \"f'}\" is no literal"),
        (LITERALS, "{'reviewerID': " + "-" * 100_000 + "1}", "not Python literal: '-----"),
        (LITERALS, "{'reviewerID': 9**9**9**9}", r"not Python literal: .* is no literal"),
        (LITERALS, "{'a': " + "[" * 60 + "]" * 60 + "}", "not Python literal: nested too deeply"),
        (LITERALS, "{'a': " + "(" * 1_000_000, "not Python literal: nested too deeply"),
        (LITERALS, "{'reviewerID': true}", "not Python literal: 'true}' is no literal"),
        (LITERALS, "{'reviewerID': nan}", "not Python literal"),
        (LITERALS, "{[]: 1}", "not Python literal: unhashable type"),
        (LITERALS, "{'reviewerID': '\\ud800'}", "user is not text"),
        (LITERALS, "{'reviewerID': 012}", "not Python literal: .*leading zeros"),
        (LITERALS, "{'reviewerID': b'a'}", "not Python literal"),
        (LITERALS, "{\"a\\'b': 1}", "not Python literal"),
        (LITERALS, "{'a': '", "not Python literal"),
        (LITERALS, "{'reviewerID': '\0'}", "not Python literal: a null character"),
        (LITERALS, "{'a': " + "9" * 5_000 + "}", "not Python literal: Exceeds the limit"),
    ],
)  # fmt: skip
def test_a_line_that_is_no_row_is_rejected_alone(file, line, reason):
    good = "{'reviewerID': 'a'}" if file is LITERALS else '{"reviewerID": "a"}'
    rows, bad = parse(file, good, line, good)
    assert {number: row["user"] for number, row in rows.items()} == {1: "a", 3: "a"}
    assert list(bad) == [2]
    assert re.match(reason, bad[2]), bad[2]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["city", "x", "categories"]), inner, max_size=2)
    ),
    max_leaves=6,
)
OBJECTS = st.dictionaries(
    st.sampled_from(["reviewerID", "tags", "categories", "at", "x"]), VALUES, max_size=4
)
JUNK = st.text("{}[]()'\":, \\u0b-+.eE19TrueFalsNotn\t#fb*xé", max_size=12)


@st.composite
def damaged(draw, write):
    """A written object with a piece of it cut out and something put in its place."""
    line = write(draw(OBJECTS))
    start = draw(st.integers(0, len(line)))
    stop = draw(st.sampled_from([start, start + 1, start + 4, len(line)]))
    return line[:start] + draw(JUNK) + line[stop:]


@pytest.mark.parametrize("kind", WRITERS)
@settings(max_examples=300, deadline=None)
@given(data=st.data())
@pytest.mark.filterwarnings("ignore::SyntaxWarning", "ignore::DeprecationWarning")
def test_fuzz_each_line_gives_what_python_reads_or_is_rejected(kind, data):
    file, write = WRITERS[kind]
    written = OBJECTS.map(write)
    lines = data.draw(st.lists(written | damaged(write) | JUNK, min_size=1, max_size=3))
    lines = [line for line in lines if line.strip()]
    rows, bad = parse(file, *lines)
    assert sorted([*rows, *bad]) == list(range(1, len(lines) + 1))
    for number, line in enumerate(lines, 1):
        if number in rows:
            assert rows[number] == oracle(file, line)
        else:  # bytes, sets and other things of Python's that no data set holds are refused too
            assert file.python_literals or oracle(file, line) is None


@settings(max_examples=200, deadline=None)
@given(OBJECTS)
def test_no_written_object_is_refused_that_python_reads(found):
    for file, write in WRITERS.values():
        rows, bad = parse(file, write(found))
        expected = oracle(file, write(found))
        assert rows.get(1) == expected
        assert (1 in bad) == (expected is None)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60))
def test_fuzz_bytes(line):
    for file, _ in WRITERS.values():
        rows, bad = parse(file, line)
        assert rows.keys().isdisjoint(bad)


def test_files_are_read_like_delimited_ones(tmp_path):
    lines = [b"\xef\xbb\xbf" + b'{"reviewerID": "u0"}', b"{", b'{"reviewerID": "u2"}']
    (tmp_path / "x.json.gz").write_bytes(gzip.compress(b"\r\n".join(lines)))
    path = str(tmp_path / "x.json.gz")
    assert read.read_header(JSON, path) == tuple(COLUMNS)
    [block] = read.read_blocks(JSON, path, tuple(COLUMNS), ("user",))
    assert block.key == 0
    assert block.positions.tolist() == [1, 3]
    assert block.rows.to_pydict() == {"user": ["u0", "u2"]}
    assert [bad.line for bad in block.bad] == [2]
    assert block.text_of(3) == '{"reviewerID": "u2"}'


def test_a_pick_of_no_column_is_refused():
    with pytest.raises(ValueError, match="picks name column 'tag', which is not declared"):
        JsonLinesFile(("x",), {"tags": "tags"}, {"tag": "list"})


@pytest.mark.parametrize(
    "value",
    [
        "-0",
        "[-0]",
        "-0.0",
        "-0e0",
        str(2**63),
        str(2**64),
        str(-(2**63) - 1),
        f"[1, {10**25}]",
        "1e400",
        "1E5",
        "9007199254740993",
        '"\\ud800"',
        '["\\ud800"]',
        "NaN",
        '["a", 1, 1.5, true, null, ""]',
        '""',
        "[]",
        "{}",
        "[" * 795 + "]" * 795,
        "[" * 1000 + "]" * 1000,
    ],
)
def test_what_the_two_readers_of_json_take_for_different_values_is_pythons(value):
    made = (f'{{"reviewerID": {value}}}', f'{{"tags": {value}}}', f'{{"tags": [{value}, "a"]}}')
    other = '{"reviewerID": 1.5, "tags": ["x"]}'  # columns are made at once, or value by value
    for line in (*made, f'{{"reviewerID": 7, "reviewerID": {value}}}'):
        for lines in ([line], [line, other], [other, line]):
            rows, bad = parse(JSON, *lines)
            for number, each in enumerate(lines, 1):
                expected = oracle(JSON, each)
                assert rows.get(number) == expected
                assert (number in bad) == (expected is None)
