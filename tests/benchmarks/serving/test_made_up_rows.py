import pytest

from benchmarks.serving.made_up_rows import write_rows
from serving.scoring.plain_csv import PlainCsv
from serving.scoring.plain_json import PlainJson
from serving.scoring.raw_rows import read_rows
from tests.serving.conftest import FEATURES, VOCABULARIES

ROWS = 300


@pytest.fixture
def paths(tmp_path):
    (tmp_path / "assets").mkdir()
    for name, tokens in VOCABULARIES.items():
        text = "".join(f"{token}\n" for token in tokens)
        (tmp_path / "assets" / f"{name}.txt").write_text(text)
    paths = {kind: tmp_path / f"rows.{kind}" for kind in ("csv", "jsonl", "parquet")}
    write_rows(tmp_path, FEATURES, ROWS, paths)
    return paths


def rows_of(path) -> list[dict]:
    """The rows; a cell of CSV cannot tell an empty list from a missing one."""
    return [
        {name: None if value == [] else value for name, value in row.items()}
        for batch in read_rows(str(path), FEATURES)
        for row in batch.to_pylist()
    ]


def test_every_format_has_the_same_rows(paths):
    assert len(rows_of(paths["csv"])) == ROWS
    assert rows_of(paths["csv"]) == rows_of(paths["jsonl"]) == rows_of(paths["parquet"])


def test_the_fast_readers_read_them(paths, monkeypatch):
    """Otherwise the benchmark would measure the careful ones."""
    received = []
    for reader in (PlainCsv, PlainJson):
        columns = reader.columns

        def noted(self, *arguments, columns=columns):
            received.append(columns(self, *arguments))
            return received[-1]

        monkeypatch.setattr(reader, "columns", noted)
    for kind in ("csv", "jsonl"):
        list(read_rows(str(paths[kind]), FEATURES))
    read = [columns for columns in received if columns]
    assert [len(columns[0]) for columns in read] == [ROWS, ROWS]
