"""Random bytes against the parsers: the row of an oracle, or a rejected one."""

import csv
import io
import json
import random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.errors import DataError
from features.raw import coerce
from features.specs import FeatureSet
from pipeline.data.reading.read import UnreadableError, read_blocks, read_header
from pipeline.data.reading.text_rows import LineParser
from pipeline.data.sources.base import ParquetFile, TextFile

SEEDS = range(1000)
COLUMNS = ("a", "b", "c")
PARTS = [b",", b",", b",", b"\t", b"::", b'"', b'""', b"\r", b"\n", b"\r\n", b"\0", b" ", b"1"]
PARTS += [b"-0.5", b"text", "é€".encode(), "é".encode("latin-1"), b"\xef\xbb\xbf", b"\x1f", b"\x1a"]
FORMATS = [
    {},
    {"quoting": False, "delimiter": "\t"},
    {"quoting": False, "delimiter": "::"},
    {"encoding": "latin-1"},
]


def by_csv(line, quoting=True, delimiter=",", encoding="utf-8"):
    """The values of a line by Python's own means; None where it is no row."""
    try:
        text = line.removesuffix(b"\n").removesuffix(b"\r").decode(encoding)
    except UnicodeDecodeError:
        return None
    if not quoting:
        values = text.split(delimiter)
    else:
        values = next(csv.reader(text.splitlines(keepends=True), delimiter=delimiter), [])
    return tuple(value or None for value in values) if len(values) == len(COLUMNS) else None


def garbled(rng):
    lines = []
    for _ in range(rng.randint(1, 12)):
        line = [b"x,y,z", b'"q ""r""",,s', b"1\t2\t3", b"4::5::6"][rng.randrange(4)]
        for _ in range(rng.choice((0, 0, 1, 2, 5))):
            at = rng.randint(0, len(line))
            line = line[:at] + rng.choice(PARTS) + line[at + rng.randint(0, 2) :]
        lines.append(line)
    return rng.choice((b"\n", b"\n", b"\r\n")).join(lines) + rng.choice((b"", b"\n"))


@pytest.mark.parametrize("settings", FORMATS, ids=["csv", "tabs", "colons", "latin-1"])
def test_every_line_is_the_row_that_python_reads_or_rejected(settings):
    parser = LineParser(TextFile(("x",), **settings), COLUMNS, COLUMNS)
    kept = 0
    for seed in SEEDS:
        piece = garbled(random.Random(seed))
        parsed = parser.parse(piece, 1)
        rows = dict(zip(parsed.lines.tolist(), parsed.rows.to_pylist(), strict=True))
        bad = {each.line for each in parsed.bad}
        assert not bad & rows.keys()
        lines = piece.split(b"\n")
        if not lines[-1]:
            lines.pop()
        number = 1
        while number <= len(lines):
            record = lines[number - 1]
            if number in rows:
                # As many lines as leave the others to other rows, bad lines and blank ones.
                told = rows.keys() | bad
                while number < len(lines) and record.count(b'"') % 2 and number + 1 not in told:
                    record += b"\n" + lines[number]
                    number += 1
                expected = by_csv(record, **settings)
                assert tuple(rows_before(rows, number).values()) == expected, (seed, record)
                kept += 1
            elif number not in bad:
                assert not record.strip(), (seed, record)  # a blank line is no row
            number += 1
    assert kept > 100


def rows_before(rows, number):
    """The row that begins on the last line up to this one."""
    return rows[max(line for line in rows if line <= number)]


FEATURES = FeatureSet(
    features={
        "y": {"role": "label"},
        "at": {"role": "timestamp"},
        "n": {"kind": "numeric"},
        "t": {"kind": "categorical"},
        "m": {"kind": "multivalued", "separator": " ", "max_length": 2},
        "v": {"kind": "embedding", "dimension": 2},
    }
)
TEXTS = ["0", "1", "1.0", "-1", "+7", "1e3", "1e39", "1E-400", "nan", "inf", "-inf", "0x1F", "1_0"]
TEXTS += ["", " ", " 1", "1 ", "1 2", "a b", "é", "٣", "1,5", "True", "9" * 19, "9" * 30, "12.0"]
TEXTS += ["-0", "00", "1.", ".5", "1e", "−1", "1 2 3", "0.1 1e9", "9223372036854775808", "\t1"]


def number(text):
    """What a text says in float64; None where it says nothing that a float32 can hold."""
    text = {"True": "1", "-0": "0"}.get(text, text)
    try:
        value = float(text.replace("_", "no number"))
    except (AttributeError, ValueError):
        return None
    return value if abs(value) <= float(np.finfo(np.float32).max) else None


def vector_number(text):
    """A number of a vector, which is float32."""
    value = number(text)
    return None if value is None else float(np.float32(value))


def token(text):
    """The one token of the texts that write a number or a truth in two ways."""
    return {"1.0": "1", "12.0": "12", "-0": "0", "True": "1"}.get(text, text)


def test_every_value_is_what_its_text_says_or_its_row_is_rejected():
    names = list(FEATURES.features)
    kept = 0
    for seed in SEEDS:
        rng = random.Random(seed)
        rows = [
            {name: rng.choice(["0", "1", "1 1"] if rng.random() < 0.7 else TEXTS) for name in names}
            for _ in range(20)
        ]
        block = pa.RecordBatch.from_pylist(
            [{name: text or None for name, text in row.items()} for row in rows],
            schema=pa.schema([(name, pa.string()) for name in names]),
        )
        typed, good, reasons = coerce(block, FEATURES)
        assert sorted([*good.tolist(), *reasons]) == list(range(20))
        for row, values in zip(good.tolist(), typed.to_pylist(), strict=True):
            text = {name: value or None for name, value in rows[row].items()}
            where = (seed, row, text, values)
            assert values["y"] == number(text["y"]), where
            assert values["at"] == int(float(text["at"])) or values["at"] == int(text["at"]), where
            assert values["n"] == number(text["n"]), where
            assert (values["n"] is None) == (text["n"] is None), where
            assert _plain(values["t"]) == token(text["t"]), where
            tokens = None if text["m"] is None else [token(each) for each in text["m"].split(" ")]
            assert _plain(values["m"]) == tokens, where
            vector = (
                None if text["v"] is None else [vector_number(each) for each in text["v"].split()]
            )
            assert values["v"] == vector, where
            kept += 1
    assert kept > 100


def _plain(value):
    return json.loads(json.dumps(value))


def test_a_parquet_file_with_bytes_changed_is_refused_or_reads_as_parquet_reads_it(tmp_path):
    """Parquet's checksums are asked for nowhere, so a changed value is what the file says."""
    rng = random.Random(0)
    path = tmp_path / "x.parquet"
    table = pa.table(
        {
            "a": [f"t{row % 9}" for row in range(300)],
            "b": [rng.random() for _ in range(300)],
            "c": [[row, row + 1] for row in range(300)],
        }
    )
    buffer = io.BytesIO()
    pq.write_table(table, buffer, row_group_size=100, compression="snappy")
    whole = buffer.getvalue()
    file, outcomes = ParquetFile(("x",)), set()
    for seed in SEEDS:
        rng = random.Random(seed)
        data = bytearray(whole)
        for _ in range(rng.randint(0, 3)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        path.write_bytes(data[: rng.choice((len(data), len(data), rng.randrange(len(data))))])
        try:
            header = read_header(file, str(path))
            blocks = list(read_blocks(file, str(path), header, [n for n in COLUMNS if n in header]))
        except (DataError, UnreadableError) as error:
            outcomes.add(f"refused: {'x.parquet' in str(error)}")
            continue
        positions = [at for block in blocks for at in block.positions.tolist()]
        assert positions == list(range(1, len(positions) + 1))
        if bytes(data) == whole and path.stat().st_size == len(whole):
            assert [row for block in blocks for row in block.rows.column("a").to_pylist()] == (
                table["a"].to_pylist()
            )
            outcomes.add("whole")
    assert outcomes == {"refused: True", "whole"}
