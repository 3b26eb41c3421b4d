"""Rows of files of any kind, read as the job reads them."""

import bz2
import gzip
import json

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from features.errors import DataError
from pipeline.inspection.proposal import propose
from pipeline.inspection.read_sample import read_sample
from pipeline.inspection.yaml_text import to_yaml

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
    (tmp_path / "log.csv").write_text(text(rows=[*ROWS, ("u4", "NULL", "0"), ("u5", "\\N", "0")]))
    sample = read_sample(str(tmp_path / "log.csv"), 100)
    assert sample.data.format.null_values == ("", "NULL", "\\N")
    assert columns(sample)["n"] == ["3", None, "5", None, None]
    assert sample.nulls == {"NULL": (["n"], []), "\\N": (["n"], [])}


@pytest.mark.parametrize("missing", ["NA", "None", "null", "-", "?"])
def test_what_means_missing_among_numbers_is_a_value_elsewhere(tmp_path, missing):
    rows = [("u1", "3", "EU"), ("u2", missing, missing), ("u3", "5", "AS")]
    (tmp_path / "log.csv").write_text(text(header="user,n,region", rows=rows))
    sample = read_sample(str(tmp_path / "log.csv"), 100)
    assert columns(sample)["n"] == ["3", None, "5"]
    assert columns(sample)["region"] == ["EU", missing, "AS"]
    assert sample.data.format.null_values == ("",)
    assert sample.column_nulls == {"n": (missing,)}
    assert sample.nulls == {missing: (["n"], ["region"])}


def test_texts_that_mean_missing_are_found_in_parquet_too(tmp_path):
    pq.write_table(
        pa.table({"n": ["3", "NA", "5"], "region": ["NA", "EU", "AS"]}), tmp_path / "x.pq"
    )
    sample = read_sample(str(tmp_path / "x.pq"), 100)
    assert columns(sample) == {"n": ["3", None, "5"], "region": ["NA", "EU", "AS"]}
    assert sample.column_nulls == {"n": ("NA",)}


def test_a_region_may_be_called_na(tmp_path):
    rows = [("u1", "3", "NA"), ("u2", "4", "EU")]
    (tmp_path / "log.csv").write_text(text(header="user,n,region", rows=rows))
    sample = read_sample(str(tmp_path / "log.csv"), 100)
    assert columns(sample)["region"] == ["NA", "EU"]
    assert (sample.data.format.null_values, sample.nulls) == (("",), {})


def test_the_index_that_pandas_writes_has_no_name(tmp_path):
    lines = [",user,conv", *(f"{n},u{n % 3},{n % 2}" for n in range(9))]
    (tmp_path / "log.csv").write_text("\n".join(lines))
    for label in (None, "conv"):
        sample = read_sample(str(tmp_path / "log.csv"), 100, label=label)
        assert list(sample.columns) == ["", "user", "conv"]
        assert sample.rows == 9


def test_a_mark_too_many_among_quoted_values_is_a_few_lines_and_not_the_way_of_the_file(tmp_path):
    lines = [f'{n},"a ""b""",{n % 2}' if n % 3 else f"{n},plain,{n % 2}" for n in range(60)]
    lines[30] = '30,"never closed,0'
    path = tmp_path / "log.csv"
    path.write_text("\n".join(["id,title,click", *lines]) + "\n")
    sample = read_sample(str(path), 1000)
    assert sample.data.format.quoting
    assert (sample.rows, sample.bad[0]) == (58, 2)
    assert "one of the two is too many" in sample.bad[1]
    assert pc.count_distinct(sample.columns["title"]).as_py() == 2


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


def test_a_byte_order_mark_and_other_line_ends_leave_no_file_out(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"user,n,click\nu1,1,0\n")
    (tmp_path / "b.csv").write_bytes(b"\xef\xbb\xbfclick,user,n\n1,u2,2\n")
    (tmp_path / "c.csv").write_bytes(b'\xef\xbb\xbf"n","click","user"\r\n3,1,u3\r\n')
    sample = read_sample(str(tmp_path), 100)
    assert columns(sample) == {
        "user": ["u1", "u2", "u3"],
        "n": ["1", "2", "3"],
        "click": ["0", "1", "1"],
    }
    assert (sample.bad, [*sample.others], sample.data.log) == ((0, ""), [], None)


def test_a_readme_is_no_log_though_it_is_longer(tmp_path):
    (tmp_path / "log.csv").write_text(text())
    (tmp_path / "README.txt").write_text("user,n,click\n" * 500)
    assert columns(read_sample(str(tmp_path), 100)) == EXPECTED
    assert read_sample(str(tmp_path), 100).data.log is None  # the job reads no README either
    (tmp_path / "about.txt").write_text("Of the log\n" + "Rows, and columns; many.\nMore.\n" * 500)
    sample = read_sample(str(tmp_path), 100)
    assert columns(sample) == EXPECTED
    assert (sample.data.log, [*sample.others]) == (("log.csv",), [])


def test_rows_without_a_label_are_no_log_though_there_are_more_of_them(tmp_path):
    (tmp_path / "train.csv").write_text(text())
    (tmp_path / "test.csv").write_text("user,n\n" + "u1,3\n" * 50)
    sample = read_sample(str(tmp_path), 100)
    assert (columns(sample), [*sample.others]) == (EXPECTED, ["test.csv"])


def test_folders_named_after_splits_are_one_log(tmp_path):
    for split in ("train", "test"):
        (tmp_path / split).mkdir()
        (tmp_path / split / "part-0.csv").write_text(text())
    sample = read_sample(str(tmp_path), 100)
    assert sample.rows == 6
    assert sample.files == ("test/part-0.csv", "train/part-0.csv")


@pytest.mark.parametrize("kind", ["csv", "parquet", "jsonl"])
def test_the_names_of_hive_partitions_are_columns(tmp_path, kind):
    for day in (1, 2):
        folder = tmp_path / f"dt=2026-11-0{day}" / "country=N%2FA"
        folder.mkdir(parents=True)
        if kind == "csv":
            (folder / "p.csv").write_text(text())
        elif kind == "parquet":
            pq.write_table(pa.table({"user": EXPECTED["user"]}), folder / "p.parquet")
        else:
            (folder / "p.jsonl").write_text('{"user": "u1"}\n' * 3)
    sample = columns(read_sample(str(tmp_path), 100))
    assert sample["dt"] == ["2026-11-01"] * 3 + ["2026-11-02"] * 3
    assert sample["country"] == ["N/A"] * 6
    assert len(sample["user"]) == 6


def test_a_binary_column_is_named_and_leaves_the_others_readable(tmp_path):
    pictures = [b"\xff\xd8\xff", b"ok", b"\xfe"]
    names = [b"a", b"b", b"c"]  # text that its writer did not call so
    table = {"user": EXPECTED["user"], "picture": pictures, "name": names, "place": [{"x": 1}] * 3}
    pq.write_table(pa.table(table), tmp_path / "log.parquet")
    sample = read_sample(str(tmp_path / "log.parquet"), 100)
    assert columns(sample) == {"user": EXPECTED["user"], "name": ["a", "b", "c"]}
    assert sample.unread.keys() == {"place", "picture"}
    assert sample.unread["picture"].startswith("it holds bytes")


def test_a_file_of_nothing_but_binary_is_a_sentence(tmp_path):
    pq.write_table(pa.table({"picture": [b"\xff"]}), tmp_path / "log.parquet")
    with pytest.raises(DataError, match="column 'picture' cannot be read: it holds bytes"):
        read_sample(str(tmp_path / "log.parquet"), 100)


def test_lists_of_objects_in_json_are_named_and_leave_the_others_readable(tmp_path):
    lines = [{"user": "u1", "shown": [{"item": 1}]}, {"user": "u2", "shown": None}]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    sample = read_sample(str(tmp_path / "log.jsonl"), 100)
    assert columns(sample) == {"user": ["u1", "u2"]}
    assert sample.unread == {"shown": "it holds objects, or lists of them or of lists"}


def test_of_a_folder_each_file_gives_rows_and_other_tables_are_named(tmp_path):
    for day in range(3):
        rows = [(f"u{day}", str(n), "1") for n in range(50)]
        (tmp_path / f"day{day}.csv").write_text(text(rows=rows))
    (tmp_path / "users.csv").write_text("user,age\nu1,3\n")
    sample = read_sample(str(tmp_path), 30)
    assert columns(sample)["user"] == ["u0"] * 10 + ["u1"] * 10 + ["u2"] * 10
    assert [*sample.others] == ["users.csv"]
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


def test_a_folder_of_what_is_not_read_says_what_it_holds(tmp_path):
    (tmp_path / "part-0.h5").write_bytes(b"\x89HDF" + b"\0" * 100)
    (tmp_path / "_SUCCESS").write_bytes(b"")
    with pytest.raises(DataError, match="is an HDF5 file, which is not read here"):
        read_sample(str(tmp_path), 100)


def test_no_such_file_is_a_sentence(tmp_path):
    with pytest.raises(DataError, match="is no file and no folder of files"):
        read_sample(str(tmp_path / "gone.csv"), 100)


def test_columns_are_for_text_alone(tmp_path):
    pq.write_table(pa.table({"a": [1]}), tmp_path / "log.parquet")
    with pytest.raises(DataError, match="names its own columns"):
        read_sample(str(tmp_path / "log.parquet"), 100, columns=("b",))


def test_settings_in_json_beside_a_log_are_no_part_of_it(tmp_path):
    """The layout of FuxiCTR's folders, `feature_map.json` beside the splits."""
    (tmp_path / "feature_map.json").write_text(json.dumps({"fields": [1, 2]}, indent=2))
    for split in ("train", "test"):
        pq.write_table(pa.table({"user": ["a"], "click": [1]}), tmp_path / f"{split}.parquet")
    sample = read_sample(str(tmp_path), 100)
    assert sample.files == ("test.parquet", "train.parquet")
    assert not sample.others


def test_a_log_with_a_label_goes_before_more_bytes_of_events(tmp_path):
    log = ["user_id,item_id,time,click", *(f"u{n % 7},i{n % 5},{n},{n % 2}" for n in range(80))]
    views = ["user_id,item_id,viewed_at", *(f"u{n % 7},i{n % 5},{n}" for n in range(900))]
    users = ["user_id,age,likes", *(f"u{n},{20 + n},{n % 2}" for n in range(7))]
    for name, lines in (("impressions", log), ("views", views), ("users", users)):
        (tmp_path / f"{name}.csv").write_text("\n".join(lines) + "\n")
    sample = read_sample(str(tmp_path), 1_000)
    assert sample.files == ("impressions.csv",)
    assert sample.others == {
        "users.csv": ("age", "likes", "user_id"),
        "views.csv": ("item_id", "user_id", "viewed_at"),
    }
    text = to_yaml(propose(sample))
    assert "# events: {views: {path: views.csv, key: user_id, time: viewed_at}}" in text
    assert "# histories: {views: {key: user_id, events: views}}" in text
