"""Files of the user's own: found, delimiters told, tables joined, and built into bundles."""

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.errors import ConfigError, DataError
from features.specs import FeatureSet
from pipeline.batches.dataset import column_arrays
from pipeline.data.job.data_job import build_bundle
from pipeline.data.job.open_inputs import open_inputs
from pipeline.data.reading.own_files import open_own_files, sniff_delimiter
from pipeline.data.reading.own_json import json_lines_file, nested_columns
from pipeline.data.settings.data_config import DataConfig
from pipeline.data.sources import source_named

HEADER = ("user", "item", "price", "click")
ROWS = [(f"u{n % 7}", f"i{n % 5}", f"{n * 0.5}", str(n % 2)) for n in range(60)]
FEATURES = FeatureSet.model_validate(
    {
        "features": {
            "user": {"kind": "categorical"},
            "price": {"kind": "numeric", "transform": "raw"},
            "click": {"role": "label"},
        }
    }
)


def text(delimiter=",", header=True, rows=ROWS):
    lines = [delimiter.join(row) for row in ([HEADER] if header else []) + list(rows)]
    return "\n".join(lines) + "\n"


def config(path, source="csv", **settings):
    return DataConfig(
        source=source, path=str(path), split={"by": "hash", "valid": 0.2, "test": 0.2}, **settings
    )


def prices(bundle):
    """The prices that arrived, of all splits: which rows did."""
    found = [
        column_arrays(bundle, split, ["price"])["price"] for split in ("train", "valid", "test")
    ]
    return sorted(float(price) for prices in found for price in prices)


EXPECTED = sorted(float(price) for _, _, price, _ in ROWS)


@pytest.mark.parametrize(
    "log", [None, ("l*",), ("*.csv", "*.csv.gz"), ("log.csv", "*.csv"), ("log.csv.gz", "log.csv")]
)
@pytest.mark.parametrize("plain", [True, False])
def test_a_row_is_read_once_whatever_patterns_and_twins_match_it(tmp_path, log, plain):
    (tmp_path / "log.csv.gz").write_bytes(gzip.compress(text().encode()))
    if plain:
        (tmp_path / "log.csv").write_text(text())
    files = open_inputs(FEATURES, config(tmp_path, log=log)).log
    assert [file.path for file in files] == [str(tmp_path / ("log.csv" if plain else "log.csv.gz"))]


def test_ascii_is_no_proof_of_text_in_shift_jis(tmp_path):
    """Its second bytes may look like ASCII letters and delimiters, `|` among them."""
    (tmp_path / "log.csv").write_bytes(text("|").replace("u1|", "\u30dd|").encode("shift_jis"))
    data = config(tmp_path, format={"encoding": "shift_jis", "delimiter": "|"})
    bundle = build_bundle(FEATURES, data, str(tmp_path / "bundle"))
    assert prices(bundle) == EXPECTED
    assert "\u30dd" in (tmp_path / "bundle/vocabularies/user.txt").read_text("utf-8").splitlines()


@pytest.mark.parametrize("delimiter", ["\t", ",", ";", "|"])
def test_the_delimiter_is_that_of_the_header(tmp_path, delimiter):
    (tmp_path / "log.csv").write_text(text(delimiter))
    inputs = open_inputs(FEATURES, config(tmp_path))
    assert inputs.source.log.delimiter == delimiter
    assert inputs.log[0].header == HEADER


@pytest.mark.parametrize(
    ("line", "columns", "expected"),
    [
        ('"a;b;c;d",e', None, ","),
        ("a b", None, ","),
        ("1;2,5;3;4", ("a", "b", "c", "d"), ";"),
        ("1|2,5,3,5,7", ("a", "b"), "|"),
        ("", None, ","),
    ],
)
def test_delimiters_in_quotes_or_numbers_do_not_count(line, columns, expected):
    assert sniff_delimiter(line, columns) == expected


def test_a_single_compressed_file_without_a_header_becomes_a_bundle(tmp_path):
    with gzip.open(tmp_path / "log.txt.gz", "wt") as file:
        file.write(text("\t", header=False))
    data = config(tmp_path / "log.txt.gz", format={"columns": HEADER})
    bundle = build_bundle(FEATURES, data, str(tmp_path / "bundle"))
    assert prices(bundle) == EXPECTED
    assert bundle.metadata.source == "csv"


def test_columns_and_features_may_be_called_anything(tmp_path):
    names = ["user id", "Größe (cm): 50%", "日本", "a|b<c>", "row/position", "text/x", "key/until"]
    names += ["rows", ".", "price", "clicked"]
    lines = [[f"v{row % 3}" for _ in names[:-2]] + [str(row), str(row % 2)] for row in range(60)]
    text = "\n".join("\t".join(line) for line in [names, *lines]) + "\n"
    (tmp_path / "log.tsv").write_text(text)
    features = {
        name.replace("/", " of "): {"kind": "categorical", "column": name} for name in names[:-2]
    }
    features |= {"the price in €": {"kind": "numeric", "column": "price"}}
    features |= {"clicked": {"role": "label"}}
    data = config(tmp_path / "log.tsv")
    bundle = build_bundle(FeatureSet(features=features), data, str(tmp_path / "bundle"))
    for name in list(features)[:-2]:
        file = Path(bundle.vocabulary_dir, f"{name}.txt")
        assert set(file.read_text().split()) == {"v0", "v1", "v2"}
        assert set(column_arrays(bundle, "train", [name])[name]) == {2, 3, 4}


def test_tables_of_any_kind_join_by_key_and_are_no_part_of_the_log(tmp_path):
    (tmp_path / "log.csv").write_text(text())
    (tmp_path / "users.csv").write_text("user;age\n" + "".join(f"u{n};{n}\n" for n in range(7)))
    items = {"item": [f"i{n}" for n in range(5)], "new": [n == 0 for n in range(5)]}
    pq.write_table(pa.table(items), tmp_path / "items.parquet")
    tables = {
        "users": {"path": "users.csv", "key": "user"},
        "items": {"path": "items.parquet", "key": "item"},
    }
    features = FeatureSet.model_validate(
        {
            "features": {
                "age": {"kind": "numeric", "transform": "raw"},
                "new": {"kind": "numeric", "transform": "raw"},
                "price": {"kind": "numeric", "transform": "raw"},
                "click": {"role": "label"},
            }
        }
    )
    bundle = build_bundle(features, config(tmp_path, tables=tables), str(tmp_path / "bundle"))
    found = column_arrays(bundle, "train", ["age", "new", "price"])
    rows = {float(price): (int(user[1:]), item == "i0") for user, item, price, _ in ROWS}
    for age, new, price in zip(*found.values(), strict=True):
        assert rows[float(price)] == (age, bool(new))
    assert prices(bundle) == EXPECTED


def test_parquet_with_truth_and_instants_becomes_a_bundle_split_by_time(tmp_path):
    users, _, price, clicks = zip(*ROWS, strict=True)
    table = pa.table(
        {
            "user": users,
            "price": pa.array([float(each) for each in price]),
            "click": pa.array([each == "1" for each in clicks]),
            "at": pa.array([n * 1_000_000_000 for n in range(60)], pa.timestamp("ns")),
        }
    )
    pq.write_table(table, tmp_path / "log.parquet")
    content = FEATURES.model_dump(exclude_defaults=True)["features"]
    content["at"] = {"role": "timestamp", "unit": "ms"}
    data = DataConfig(source="parquet", path=str(tmp_path))
    bundle = build_bundle(
        FeatureSet.model_validate({"features": content}), data, str(tmp_path / "bundle")
    )
    assert prices(bundle) == EXPECTED
    assert sorted(column_arrays(bundle, "test", ["at"])["at"]) == [n * 1000 for n in range(54, 60)]


def test_json_lines_have_the_columns_of_their_keys(tmp_path):
    lines = [
        {"user": user, "item": {"price": float(price)}, "click": int(click)}
        for user, _, price, click in ROWS
    ]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    content = FEATURES.model_dump(exclude_defaults=True)["features"]
    content["price"] |= {"column": "item/price"}
    data = config(tmp_path / "log.jsonl", source="jsonl")
    bundle = build_bundle(
        FeatureSet.model_validate({"features": content}), data, str(tmp_path / "bundle")
    )
    assert prices(bundle) == EXPECTED


def test_lists_of_lists_and_of_objects_are_no_columns_of_json_lines(tmp_path):
    lines = [{"a": 1, "b": [1], "c": [[1]]}, {"a": 2, "b": None, "c": [{"d": 1}], "e": [{"f": 1}]}]
    path = tmp_path / "log.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    file = json_lines_file(str(path), ("*",))
    assert (set(file.columns), set(file.picks)) == ({"a", "b"}, {"b"})
    assert nested_columns(str(path)) == ("c", "e")


def test_a_folder_is_read_without_its_readme(tmp_path):
    (tmp_path / "log.csv").write_text("click,x\n1,a\n")
    (tmp_path / "README.txt").write_text("What this is.\n")
    source, _ = open_own_files(source_named("csv"), DataConfig(source="csv", path=str(tmp_path)))
    assert source.log.patterns == ("log.csv",)


@pytest.mark.parametrize(
    ("files", "settings", "sentence"),
    [
        ({}, {}, r"has no files \*\.csv, \*\.tsv, \*\.txt .*name the files in data\.log"),
        ({"log.csv": text()}, {"log": ("*.txt",)}, r"\*\.txt: no such file \(log\).*data\.log"),
        (
            {"log.csv": text()},
            {"tables": {"users": {"path": "u.csv", "key": "user"}}},
            r"u\.csv: no such file \(users\).*data\.tables\.users\.path",
        ),
        ({"log.csv": "\udcff"}, {}, "is not UTF-8 text: .*byte 1 of its first line.*encoding"),
        ({"log.csv": text().replace("price", "cost")}, {}, "no column 'price'"),
        ({"log.csv": text().replace("\n", "\r")}, {}, "a carriage return stands inside its first"),
        ({"log.csv": "x" * 200_000 + "\n1\n"}, {}, r"log\.csv cannot be read: field larger"),
    ],
)
def test_what_cannot_be_read_is_a_sentence(tmp_path, files, settings, sentence):
    for name, content in files.items():
        (tmp_path / name).write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(DataError, match=sentence):
        open_inputs(FEATURES, config(tmp_path, **settings))


def test_no_path_is_a_sentence():
    with pytest.raises(DataError, match=r"data\.path is not set.*data.path=FOLDER_OR_FILE"):
        open_inputs(FEATURES, DataConfig(source="csv", split={"by": "hash"}))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"source": "criteo", "format": {"delimiter": ";"}}, "format is for files of your own"),
        ({"source": "parquet", "format": {"delimiter": ";"}}, "Set source to csv, or remove"),
        ({"source": "csv", "format": {"delimiter": "::"}}, "Set quoting to false"),
        ({"source": "csv", "format": {"encoding": "klingon"}}, "'klingon' is not known"),
        ({"source": "csv", "format": {"encoding": "utf-16"}}, "'utf-16' ASCII bytes may stand"),
        ({"source": "csv", "format": {"encoding": "utf-7"}}, "'utf-7' ASCII bytes may stand"),
        ({"source": "csv", "format": {"encoding": "iso2022_jp"}}, "'iso2022_jp' ASCII bytes"),
        ({"source": "csv", "format": {"encoding": "hex"}}, "'hex' is not known"),
        ({"source": "csv", "format": {"delimiter": "\n"}}, "must not hold a line break"),
        ({"source": "csv", "format": {"delimiter": '"'}}, "a quotation mark. Received"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        DataConfig(**settings)


def test_a_column_that_only_later_files_lack_is_named(tmp_path):
    (tmp_path / "a.csv").write_text(text())
    (tmp_path / "b.csv").write_text("user,click\nu1,1\n")
    with pytest.raises(DataError, match=r"b\.csv has no column 'price'"):
        open_inputs(FEATURES, config(tmp_path))


def test_an_unknown_source_is_refused():
    with pytest.raises(ConfigError, match=r"data\.source='cvs'.*Did you mean csv"):
        open_inputs(FEATURES, config("x", source="cvs"))
