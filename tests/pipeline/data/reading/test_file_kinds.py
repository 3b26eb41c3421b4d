"""Files of other kinds than expected: named by their first bytes or their lines, never misread."""

import gzip
import io
import json
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.orc as orc
import pytest

from features.errors import DataError
from pipeline.data.reading.file_kinds import kind_of, refuse_other_kinds
from pipeline.data.reading.own_files import open_own_files
from pipeline.data.settings.data_config import DataConfig
from pipeline.data.sources import source_named

TABLE = pa.table({"click": [0, 1], "x": ["a", "b"]})


def zipped(name):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, "click,x\n0,a\n")
    return buffer.getvalue()


def written(write):
    sink = io.BytesIO()
    write(TABLE, sink)
    return sink.getvalue()


def written_arrays():
    sink = io.BytesIO()
    np.savez(sink, click=np.array([0, 1]))
    return sink.getvalue()


LINES = [f"{n % 2} 1:{n} 5:0.3 9:1" for n in range(30)]
KINDS = [
    (written_arrays(), "an archive of numpy arrays", "as columns of Parquet"),
    (zipped("log.csv"), "a zip archive", "Unpack it"),
    (zipped("xl/workbook.xml"), "an Excel workbook", "read_excel"),
    (written(orc.write_table), "an ORC file", "data.source to orc"),
    (written(feather.write_feather), "an Arrow file", "read_feather"),
    (b"Obj\x01\x04\x14avro.codec\x08null", "an Avro file", "data.source to avro"),
    (b"\x89HDF\r\n\x1a\n" + b"\0" * 50, "an HDF5 file", "read_hdf"),
    (b"SQLite format 3\0", "an SQLite database", "sqlite3 -csv"),
    (gzip.compress(b"click,x\n0,a\n"), "compressed by gzip", r"end in \.gz"),
    (b"\x28\xb5\x2f\xfd\x04\x00", "compressed by zstd", "zstd -d"),
    ("click,x\n0,é\n".encode("utf-16"), "UTF-16 text", "iconv -f UTF-16 -t UTF-8"),
    (
        b"\x10\0\0\0\0\0\0\0abcd\n\x0e\n\x0c\n\x05click",
        "a TFRecord file",
        "data.source to tfrecord",
    ),
    (b"% of clicks\n@RELATION log\n@ATTRIBUTE x numeric\n@DATA\n1\n", "an ARFF file", "@data"),
    ("\n".join(LINES).encode(), "libsvm text, `label index:value ...`", "data.source to libsvm"),
    (b"1 1:5:1 2:7:0.5\n0 1:6:1 2:7:1\n", "libffm text", "data.source to libffm"),
    (b"1 |user a:1 b |item c\n-1 |user d |item e\n", "text for Vowpal Wabbit", "columns"),
    (b"-- a dump\nCREATE TABLE log (x int);\n", "a dump of SQL", "export the table"),
    (b"<!DOCTYPE html><html>log in</html>", "a web page", "Download the file again"),
    (
        b"version https://git-lfs.github.com/spec/v1\noid 1\n",
        "a pointer of Git LFS",
        "git lfs pull",
    ),
    (json.dumps([{"click": 1}], indent=1).encode(), "one JSON array", r"jq -c '\.\[\]'"),
    (b'{"click": 1}\n{"click": 0}\n', "JSON lines", r"end in \.jsonl"),
]


@pytest.mark.parametrize(("content", "name", "remedy"), KINDS, ids=[kind[1] for kind in KINDS])
def test_a_kind_is_named_with_how_to_convert_it(tmp_path, content, name, remedy):
    (tmp_path / "log.csv").write_bytes(content)
    with pytest.raises(
        DataError,
        match=f"{name}.*which (is not read here|data.source='csv' does not read).*{remedy}",
    ):
        refuse_other_kinds(str(tmp_path / "log.csv"), "csv")


def test_the_job_says_the_same_and_nothing_of_a_label(tmp_path):
    (tmp_path / "log.csv").write_text("\n".join(LINES))
    with pytest.raises(DataError, match="is libsvm text") as caught:
        open_own_files(
            source_named("csv"), DataConfig(source="csv", path=str(tmp_path / "log.csv"))
        )
    assert "be the label" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"click,x\n0,a\n", "csv"),
        (b"1\t12:30\n0\t13:45\n", "csv"),  # a label and a time
        (b"1|a|b\n0|c|d\n", "csv"),
        (b"1,5:3,7:2\n0,5:1,8:2\n", "csv"),  # weighted tags
        (b"user@relation,click\na,1\n", "csv"),
        (b"create_time,click\n1,1\n", "csv"),
        (b"1\t1\t5\t0\t1382\n0\t2\t0\t44\t102\n", "csv"),
        (b"", "csv"),
        (b'{"click": 1}\n', "jsonl"),
        (b"PAR1....", "parquet"),
        (b"no parquet", "parquet"),  # its reader says so
    ],
)
def test_what_may_be_what_is_expected_is_left_to_its_reader(tmp_path, content, expected):
    (tmp_path / "log").write_bytes(content)
    assert kind_of(str(tmp_path / "log"), expected) is None


def test_a_kind_inside_of_a_compressed_file_is_seen(tmp_path):
    (tmp_path / "log.csv.gz").write_bytes(gzip.compress(b"@relation log\n"))
    assert kind_of(str(tmp_path / "log.csv.gz"), "csv").name == "an ARFF file"


def test_an_orc_file_is_no_damaged_parquet(tmp_path):
    (tmp_path / "log.parquet").write_bytes(written(orc.write_table))
    assert kind_of(str(tmp_path / "log.parquet"), "parquet").name == "an ORC file"


def test_one_object_over_several_lines_is_no_json_lines(tmp_path):
    (tmp_path / "log.json").write_text(json.dumps({"click": 1}, indent=1))
    assert "over several lines" in kind_of(str(tmp_path / "log.json"), "jsonl").name
