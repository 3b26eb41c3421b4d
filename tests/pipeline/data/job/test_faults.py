"""Damaged and garbled input: a sentence, or a rejected row with file and line; no wrong value.

Whatever rows a bundle holds are compared with those that an oracle reads: Python's csv module,
line by line, on the lines that were left as they should be.
"""

import csv
import gzip
import json
import lzma
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

import pipeline.data.job.examples as examples
import pipeline.data.reading.lines as lines
import pipeline.data.reading.ranges as ranges
from features.errors import DataError
from features.records import decode_block
from features.specs import FeatureSet
from pipeline.data.job.data_job import build_bundle
from pipeline.data.settings.data_config import DataConfig
from pipeline.data.sources import SOURCES
from pipeline.data.sources.base import ParquetFile, Source, TextFile

NAMES = ("clicked", "item", "price")
FEATURES = FeatureSet(
    features={
        "clicked": {"role": "label"},
        "item": {"kind": "categorical"},
        "price": {"kind": "numeric", "transform": "raw"},
    }
)
CSV = TextFile(("log.csv",))
BARE = TextFile(("log.csv",), columns=NAMES)
PARQUET = ParquetFile(("log.parquet",))
ROWS = 400


def good_lines(seed=1):
    rng = random.Random(seed)
    prices = ("", "0.25", "3", "17.5")
    items = ("red", "größer", '"a, b"', '"the ""best"""', "€")
    return [
        f"{rng.randint(0, 1)},{rng.choice(items)},{rng.choice(prices)}".encode()
        for _ in range(ROWS)
    ]


HEADER = b"clicked,item,price"


@pytest.fixture
def build(tmp_path, monkeypatch):
    """Builds a bundle of the files that were written into the folder."""

    def run(file, **settings):
        shop = Source("shop", "Shop", "https://shop.example", "none", file)
        monkeypatch.setitem(SOURCES, "shop", shop)
        # Several pieces and parts also of small files.
        monkeypatch.setattr(lines, "PIECE_BYTES", 1_000)
        monkeypatch.setattr(ranges, "RANGE_PIECES", 2)
        split = {"by": "hash", "valid": 0.2, "test": 0.2}
        data = DataConfig(source="shop", path=str(tmp_path), split=split, **settings)
        return build_bundle(FEATURES, data, str(tmp_path / "out"))

    return run


def values_of(bundle):
    """How often each row stands in a bundle, in the values that it came from."""
    tokens = Path(bundle.vocabulary_dir, "item.txt").read_text().splitlines()
    columns = bundle.metadata.columns
    found = Counter()
    for split in ("train", "valid", "test"):
        for record in tf.data.TFRecordDataset(bundle.files(split)):
            rows = {name: value.numpy() for name, value in decode_block(record, columns).items()}
            items = [tokens[index - 2] if index > 1 else None for index in rows["item"]]
            found.update(zip(rows["clicked"].tolist(), items, rows["price"].tolist(), strict=True))
    return found


def expected(bundle, good, names=NAMES):
    """What `values_of` gives for these lines, read by another parser."""
    tokens = Path(bundle.vocabulary_dir, "item.txt").read_text().splitlines()
    found = Counter()
    for line in good:
        row = dict(zip(names, next(csv.reader([line.decode()])), strict=True))
        price = float(np.float32(row["price"])) if row["price"] else 0.0
        item = row["item"] if row["item"] in tokens else None
        found[float(row["clicked"]), item, price] += 1
    return found


def rejected(bundle):
    """Line -> reason."""
    entries = Path(bundle.path, "rejected", "rows.jsonl").read_text().splitlines()
    entries = [json.loads(entry) for entry in entries]
    assert {entry["file"] for entry in entries} <= {"log.csv", "log.csv.gz"}
    return {entry["position"]: entry["reason"] for entry in entries}


def spoilt(good, at, line):
    return [*good[:at], line, *good[at + 1 :]]


def write(tmp_path, content, name="log.csv"):
    (tmp_path / name).write_bytes(content)


GARBAGE = {
    "latin-1": (b"1,gr\xf6\xdfer,3", "not UTF-8 text: byte 0xf6 at position 5 of the line"),
    "NUL": (b"1,re\0d,3", "a NUL byte inside the line"),
    "cut in half": (b"1,re", "2 columns instead of 3"),
    "two in one": (b"1,red,30,blue,4", "5 columns instead of 3"),
    "quoted break": (b'1,"red",3,"4"', "4 columns instead of 3"),
    "CR-only": (b"1,red,3\r0,blue,4", "a carriage return inside the line"),
    "not a number": (b"1,red,3x", "price must be a number, got '3x'"),
    "not a label": (b"2,red,3", "clicked is the label and must be 0 or 1, got '2'"),
    "noise": (bytes(range(128, 256)), "not UTF-8 text: byte 0x80 at position 1 of the line"),
    "mark": (b"\xef\xbb\xbf1,red,3", "a byte order mark before the line"),
    "infinite": (b"1,red,1e999", "price must be a number, got '1e999'"),
}


@pytest.mark.parametrize(("line", "reason"), GARBAGE.values(), ids=GARBAGE.keys())
def test_a_garbled_line_is_rejected_and_spoils_no_other(tmp_path, build, line, reason):
    good = good_lines()
    at = 217
    write(tmp_path, b"\n".join([HEADER, *spoilt(good, at, line)]) + b"\n")
    bundle = build(CSV)
    assert rejected(bundle) == {at + 2: reason}  # a header before, and numbers begin at 1
    good.pop(at)
    assert values_of(bundle) == expected(bundle, good)


def test_one_percent_of_garbage_is_set_aside_and_more_is_refused(tmp_path, build):
    rng = random.Random(3)
    content, bad = good_lines(), {}
    for at in sorted(rng.sample(range(ROWS), ROWS // 100)):
        line, reason = rng.choice(list(GARBAGE.values()))
        content[at], bad[at + 2] = line, reason
    write(tmp_path, b"\n".join([HEADER, *content]))
    bundle = build(CSV)
    assert rejected(bundle) == bad
    kept = [line for number, line in enumerate(content, 2) if number not in bad]
    assert values_of(bundle) == expected(bundle, kept)
    assert bundle.statistics["tables"]["log"] == {"rows": ROWS, "rejected": ROWS // 100}
    write(tmp_path, b"\n".join([HEADER, *content, b"one more"]))
    with pytest.raises(DataError, match=r"5 of its 401 rows could not be used, 1\.25%"):
        build(CSV)


def test_a_file_that_ends_inside_a_line_loses_that_line_alone(tmp_path, build):
    good = good_lines()
    write(tmp_path, b"\n".join([HEADER, *good, b"1,re"]))
    bundle = build(CSV)
    assert rejected(bundle) == {ROWS + 2: "2 columns instead of 3"}
    assert values_of(bundle) == expected(bundle, good)


def test_columns_go_by_their_names_and_not_by_their_order(tmp_path, build):
    good = good_lines()
    turned = []
    for line in good:
        clicked, item, price = next(csv.reader([line.decode()]))
        item = '"' + item.replace('"', '""') + '"'
        turned.append(f"{price},x,{clicked},{item}".encode())
    write(tmp_path, b"\xef\xbb\xbf" + b"\r\n".join([b"price,new,clicked,item", *turned]) + b"\r\n")
    bundle = build(CSV)
    names = ("price", "new", "clicked", "item")
    assert values_of(bundle) == expected(bundle, turned, names) == expected(bundle, good)


def test_a_bare_file_with_another_number_of_columns_is_refused(tmp_path, build):
    write(tmp_path, b"\n".join(b"7," + line for line in good_lines()))
    with pytest.raises(DataError, match=r"400 of its 400 rows.*log\.csv, line 1: 4 columns inst"):
        build(BARE)


@pytest.mark.parametrize(
    ("header", "sentence"),
    [
        (b"clicked,item,price,item", r"log\.csv: the first line names item twice"),
        (b"clicked,item", r"log\.csv and what joins it have no column 'price'"),
        (b"clicked;item;price", r"log\.csv and what joins it have no column 'clicked'"),
        (b"\xff\xfec\0l\0", r"log\.csv cannot be read: 'utf-8' .* or convert it to UTF-8"),
        (b"c\0l\0i\0", r"log\.csv cannot be read: a NUL byte stands inside its first line"),
        (b"clicked,item,price\r1,red,3\r0,b,1", r"a carriage return stands inside its first line"),
        (b"", r"log\.csv is empty: expected a first line that names the columns"),
        (
            b"clicked,it\xe9m,price",
            r"log\.csv cannot be read: 'utf-8' codec can't decode byte 0xe9",
        ),
    ],
    ids=["twice", "missing", "delimiter", "utf-16", "utf-16 bare", "CR-only", "blank", "latin-1"],
)
def test_a_header_that_cannot_be_used_is_named(tmp_path, build, header, sentence):
    write(tmp_path, b"\n".join([header, *good_lines()]))
    with pytest.raises(DataError, match=sentence):
        build(CSV)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_bare_file_in_another_encoding_is_refused(tmp_path, build, encoding):
    write(tmp_path, b"\n".join(good_lines()).decode().encode(encoding))
    with pytest.raises(DataError, match=r"of its 4\d\d rows could not be used.*log\.csv, line 1: "):
        build(BARE)


def test_a_bare_file_with_carriage_returns_alone_is_refused(tmp_path, build):
    write(tmp_path, b"\r".join(good_lines()))
    with pytest.raises(DataError, match=r"1 of its 1 rows.*line 1: a carriage return inside the l"):
        build(BARE)


def test_a_line_without_end_is_named(tmp_path, build, monkeypatch):
    monkeypatch.setattr(lines, "LONGEST_LINE", 1 << 16)
    good = good_lines()
    write(tmp_path, b"\n".join([HEADER, *good[:9], b"1,red," + b"9" * (1 << 17), *good[9:]]))
    with pytest.raises(DataError, match=r"log\.csv is damaged .* after line \d+: a line is longer"):
        build(CSV)


def test_a_long_line_that_can_be_held_is_a_row(tmp_path, build):
    good = good_lines()
    good[5] = b"1," + b"long " * 5_000 + b",3"
    write(tmp_path, b"\n".join([HEADER, *good]))
    bundle = build(CSV)
    assert values_of(bundle) == expected(bundle, good)


def flipped(data):
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 0xFF]) + data[middle + 1 :]


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress], ids=["gz", "xz"])
@pytest.mark.parametrize(
    "damage",
    [lambda data: data[: len(data) // 2], flipped, lambda data: data[:-3], lambda _: b"clicked\n"],
    ids=["half", "flipped", "without its end", "not compressed"],
)
def test_damaged_compression_is_named_and_leaves_nothing(tmp_path, build, pack, damage):
    suffix = {gzip.compress: ".gz", lzma.compress: ".xz"}[pack]
    content = b"\n".join([*good_lines(1), *good_lines(2)])
    write(tmp_path, damage(pack(content)), f"log.csv{suffix}")
    with pytest.raises(DataError, match=rf"log\.csv\{suffix} .*[Dd]ownload it again"):
        build(BARE)
    assert [path.name for path in tmp_path.iterdir()] == [f"log.csv{suffix}"]


def parquet(tmp_path, **columns):
    good = [next(csv.reader([line.decode()])) for line in good_lines()]
    table = {
        "item": [row[1] for row in good],
        "price": [float(row[2]) if row[2] else None for row in good],
        "clicked": [int(row[0]) for row in good],
    }
    pq.write_table(pa.table(table | columns), tmp_path / "log.parquet", row_group_size=100)
    return tmp_path / "log.parquet"


def test_parquet_columns_go_by_their_names(tmp_path, build):
    parquet(tmp_path)
    bundle = build(PARQUET)
    assert values_of(bundle) == expected(bundle, good_lines())


@pytest.mark.parametrize("kept", [0.0, 0.1, 0.6, 0.99])
def test_a_parquet_file_that_breaks_off_is_named(tmp_path, build, kept):
    path = parquet(tmp_path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    with pytest.raises(DataError, match=r"log\.parquet cannot be read: .* Download it again"):
        build(PARQUET)


def test_a_parquet_file_that_is_damaged_inside_is_named(tmp_path, build):
    path = parquet(tmp_path)
    data = bytearray(path.read_bytes())
    data[4:1_000] = bytes(996)  # the first pages, and what says how they are compressed
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"log\.parquet is damaged after row 0: "):
        build(PARQUET)


def test_parquet_bytes_that_are_no_text_are_named(tmp_path, build):
    parquet(tmp_path, item=pa.array([b"gr\xf6\xdfer"] * ROWS, pa.binary()))
    with pytest.raises(DataError, match=r"column 'item' cannot be read: it holds bytes that"):
        build(PARQUET)


def test_rows_that_get_lost_on_the_way_are_noticed(tmp_path, build, monkeypatch):
    """A step that loses a block, or doubles one, fails the job, whatever the other steps say."""
    cut_block = examples.cut_block

    def losing(times):
        return lambda block, rule: [
            part for part in cut_block(block, rule) for _ in range(times if block[0] == 0 else 1)
        ]

    write(tmp_path, b"\n".join([HEADER, *good_lines()]))
    for times in (0, 2):
        monkeypatch.setattr(examples, "cut_block", losing(times))
        with pytest.raises(
            RuntimeError, match="rows do not add up: 400 of table 'log' read, 0 rej"
        ):
            build(CSV)
    assert [path.name for path in tmp_path.iterdir()] == ["log.csv"]
