"""Rows of files of any kind, read as the job reads them."""

import bz2
import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.errors import DataError
from pipeline.inspection.read_sample import read_sample

ROWS = [("u1", "3", "1"), ("u2", "", "0"), ("u3", "5", "1")]
EXPECTED = {"user": ["u1", "u2", "u3"], "n": ["3", None, "5"], "click": ["1", "0", "1"]}


def text(delimiter=",", header="user,n,click", rows=ROWS):
    lines = ([header.replace(",", delimiter)] if header else []) + [delimiter.join(r) for r in rows]
    return "\n".join(lines) + "\n"


def columns(sample):
    return {name: column.to_pylist() for name, column in sample.columns.items()}


@pytest.mark.parametrize("delimiter", ["\t", ",", ";", "|"])
def test_delimited_text(tmp_path, delimiter):
    (tmp_path / "log.csv").write_text(text(delimiter))
    sample = read_sample(str(tmp_path / "log.csv"), 100)
    assert columns(sample) == EXPECTED
    assert sample.whole
    assert sample.bad == (0, "")


def test_compressed_parquet_and_json_lines_read_alike(tmp_path):
    (tmp_path / "log.csv.gz").write_bytes(gzip.compress(text().encode()))
    (tmp_path / "log.txt.bz2").write_bytes(bz2.compress(text("\t").encode()))
    pq.write_table(
        pa.table({"user": EXPECTED["user"], "n": [3, None, 5], "click": [True, False, True]}),
        tmp_path / "log.parquet",
    )
    lines = [{"user": user, "n": int(n) if n else None, "click": int(c)} for user, n, c in ROWS]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    for name in ("log.csv.gz", "log.txt.bz2", "log.parquet", "log.jsonl"):
        assert columns(read_sample(str(tmp_path / name), 100)) == EXPECTED, name


def test_without_a_header_columns_are_numbered_or_named(tmp_path):
    path = tmp_path / "train.txt"
    path.write_text(text("\t", header=None))
    sample = read_sample(str(path), 100)
    assert columns(sample) == dict(zip(("c0", "c1", "c2"), EXPECTED.values(), strict=True))
    assert sample.data.format.columns == ("c0", "c1", "c2")
    assert columns(read_sample(str(path), 100, columns=("user", "n", "click"))) == EXPECTED


def test_a_number_may_be_a_name_beside_that_of_a_label(tmp_path):
    (tmp_path / "log.csv").write_text(text(header="user,7,click"))
    assert list(read_sample(str(tmp_path / "log.csv"), 100).columns) == ["user", "7", "click"]


def test_texts_that_mean_missing_are_found(tmp_path):
    (tmp_path / "log.csv").write_text(text(rows=[*ROWS, ("NULL", "\\N", "0")]))
    sample = read_sample(str(tmp_path / "log.csv"), 100)
    assert sample.data.format.null_values == ("", "NULL", "\\N")
    assert columns(sample)["n"] == ["3", None, "5", None]


def test_quotation_marks_that_quote_nothing_turn_quoting_off(tmp_path):
    (tmp_path / "log.csv").write_text(text(rows=[*ROWS, ('12" disc', "1", "0")]))
    good = read_sample(str(tmp_path / "log.csv"), 100)
    assert good.data.format.quoting
    (tmp_path / "log.csv").write_text(text(rows=[*ROWS, ('"twelve', "1", "0")]))
    sample = read_sample(str(tmp_path / "log.csv"), 100)
    assert not sample.data.format.quoting
    assert columns(sample)["user"][-1] == '"twelve'


def test_latin_1_is_found_out(tmp_path):
    (tmp_path / "log.csv").write_bytes(text(header="usér,n,click").encode("latin-1"))
    sample = read_sample(str(tmp_path / "log.csv"), 100)
    assert sample.data.format.encoding == "latin-1"
    assert list(sample.columns) == ["usér", "n", "click"]


def test_bad_lines_are_counted_with_their_reason(tmp_path):
    (tmp_path / "log.csv").write_text(text() + "u4,1\n")
    sample = read_sample(str(tmp_path / "log.csv"), 100)
    assert sample.bad == (1, "2 columns instead of 3")
    assert columns(sample) == EXPECTED


def test_no_more_rows_are_read_than_asked_for(tmp_path):
    (tmp_path / "log.csv").write_text(text())
    sample = read_sample(str(tmp_path / "log.csv"), 2)
    assert columns(sample)["user"] == ["u1", "u2"]
    assert not sample.whole
    assert read_sample(str(tmp_path / "log.csv"), 3).whole


def test_files_of_one_log_may_have_their_columns_in_another_order(tmp_path):
    (tmp_path / "a.csv").write_text("user,click\n" + "u,0\n" * 5)
    (tmp_path / "b.csv").write_text("click,user\n" + "1,v\n" * 5)
    sample = read_sample(str(tmp_path), 100)
    assert sample.columns["user"].to_pylist() == ["u"] * 5 + ["v"] * 5
    assert sample.columns["click"].to_pylist() == ["0"] * 5 + ["1"] * 5
    assert not sample.others


def test_of_a_folder_each_file_gives_rows_and_other_tables_are_named(tmp_path):
    for day in range(3):
        rows = [(f"u{day}", str(n), "1") for n in range(50)]
        (tmp_path / f"day{day}.csv").write_text(text(rows=rows))
    (tmp_path / "users.csv").write_text("user,age\nu1,3\n")
    sample = read_sample(str(tmp_path), 30)
    assert columns(sample)["user"] == ["u0"] * 10 + ["u1"] * 10 + ["u2"] * 10
    assert sample.others == ("users.csv",)
    assert sample.data.log == ("day0.csv", "day1.csv", "day2.csv")


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("log.csv", b"", "is empty|has no rows"),
        ("log.csv", b"user,click\n", r"has no rows\. Expected"),
        ("log.csv", b"user,click\ra,1\r", "has no rows. 1 lines .*a carriage return"),
        ("log.csv", b"a,a\n1,2\n", "names a twice"),
        ("log.bin", b"\x00\xff\xfe\x01" * 50, "is not text"),
        ("log.parquet", b"PAR1 but not really", "cannot be read"),
        ("log.csv.gz", b"no gzip", "cannot be read"),
        ("log.jsonl", b"no json\n", "holds no JSON object"),
    ],
)
def test_what_cannot_be_read_is_a_sentence(tmp_path, name, content, sentence):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=sentence):
        read_sample(str(tmp_path / name), 100)


def test_no_such_file_is_a_sentence(tmp_path):
    with pytest.raises(DataError, match="is no file and no folder of files"):
        read_sample(str(tmp_path / "gone.csv"), 100)


def test_columns_are_for_text_alone(tmp_path):
    pq.write_table(pa.table({"a": [1]}), tmp_path / "log.parquet")
    with pytest.raises(DataError, match="names its own columns"):
        read_sample(str(tmp_path / "log.parquet"), 100, columns=("b",))
