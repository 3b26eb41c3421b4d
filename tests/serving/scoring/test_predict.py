import gzip
import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.errors import DataError, ExportError
from features.input_shares import InputShares, TrainingShares
from serving.export_format.export_layout import TRAINING_SHARES
from serving.scoring.predict import predict
from serving.scoring.raw_rows import BLOCK_ROWS
from serving.scoring.scorer import Scorer


@pytest.fixture
def rows_path(tmp_path, rows):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows.to_pylist()))
    return path


def test_a_json_line_a_row_in_order(exported, rows, rows_path, tmp_path):
    assert predict(exported, str(rows_path), str(tmp_path / "out.jsonl")) == rows.num_rows
    written = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    expected = Scorer(exported).score(rows)["prob"]
    assert [list(row) for row in written] == [["prob"]] * rows.num_rows
    np.testing.assert_array_equal(np.float32([row["prob"] for row in written]), expected)


def test_branches_are_written_beside(exported, rows, rows_path, tmp_path):
    predict(exported.parent, str(rows_path), str(tmp_path / "out.jsonl"), branches=True)
    first = json.loads((tmp_path / "out.jsonl").read_text().splitlines()[0])
    assert list(first) == ["prob", "prob_deep", "prob_low rank/cross:é"]


def test_the_rows_inside_an_export_can_be_predicted(exported, rows, capsys):
    assert predict(exported, str(exported / "assets.extra" / "sample_rows.jsonl")) == 5
    written = [json.loads(line)["prob"] for line in capsys.readouterr().out.splitlines()]
    expected = Scorer(exported).score(rows)["prob"][:5]
    np.testing.assert_allclose(written, expected, atol=1e-6)


def test_output_may_be_compressed(exported, rows, rows_path, tmp_path):
    predict(exported, str(rows_path), str(tmp_path / "out.jsonl.gz"))
    with gzip.open(tmp_path / "out.jsonl.gz", "rt") as file:
        assert len(file.readlines()) == rows.num_rows


def test_scores_never_take_the_place_of_the_rows(exported, rows_path, tmp_path):
    (tmp_path / "link").symlink_to(rows_path)
    before = rows_path.read_text()
    for output in (rows_path, tmp_path / "link"):
        with pytest.raises(DataError, match="is the input, which its scores would replace"):
            predict(exported, str(rows_path), str(output))
    assert rows_path.read_text() == before


def test_a_bad_row_leaves_no_output(exported, rows_path, tmp_path, capsys):
    with rows_path.open("a") as file:
        file.write('{"price": "x"}\n')
    output = tmp_path / "out.jsonl"
    output.write_text("earlier")
    for path in (None, str(output)):
        with pytest.raises(DataError, match=r"line 13: price must be a number"):
            predict(exported, str(rows_path), path)
    assert capsys.readouterr().out == ""
    assert output.read_text() == "earlier"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["out.jsonl", "rows.jsonl"]


@pytest.mark.parametrize("output", ["none/out.jsonl", ".", "rows.jsonl/out"])
def test_an_output_that_cannot_be_written_is_refused(exported, rows_path, tmp_path, output):
    with pytest.raises(DataError, match=r"cannot be written: .*\. Give another output\."):
        predict(exported, str(rows_path), str(tmp_path / output))
    assert [each.name for each in tmp_path.iterdir()] == ["rows.jsonl"]


def test_an_export_that_is_not_there_is_refused_before_the_rows_are_read(tmp_path):
    with pytest.raises(ExportError, match="does not exist"):
        predict(tmp_path / "none", "none.jsonl", str(tmp_path / "out.jsonl"))


def test_a_score_that_is_no_number_is_an_error_of_its_row(exported, rows_path, monkeypatch):
    score = Scorer.score

    def with_nan(self, rows, branches=False):
        scores = score(self, rows, branches)
        scores["prob"][3] = np.nan
        return scores

    monkeypatch.setattr(Scorer, "score", with_nan)
    with pytest.raises(DataError, match=r"rows\.jsonl, row 4: prob is not a number\..*too large"):
        predict(exported, str(rows_path))


def test_inputs_that_are_unlike_those_of_training_are_named(exported, tmp_path, caplog):
    version = tmp_path / "1"
    shutil.copytree(exported, version)
    trained = {"item": InputShares(missing=0.0, unknown=0.01), "price": InputShares(missing=0.0)}
    shares = TrainingShares(rows=9, inputs=trained)
    (version / TRAINING_SHARES).write_text(shares.model_dump_json())
    everything = dict.fromkeys(Scorer(exported).metadata.features.raw_schema(("input",)).names)
    row = json.dumps(everything | {"item": "no such item", "price": 1.0}) + "\n"
    path = tmp_path / "rows.jsonl"
    path.write_text(row * 300)
    assert predict(version, str(path), str(tmp_path / "out.jsonl")) == 300
    assert [line.partition("rows.jsonl: ")[2] for line in caplog.messages] == [
        "item: 100.0 % of 300 tokens are unknown to the model, 1.0 % in training. Check that they "
        "are written as in training, or train again."
    ]
    caplog.clear()
    predict(exported, str(path), str(tmp_path / "out.jsonl"))  # of before there were shares
    assert not caplog.messages


def test_parquet_has_a_column_for_each_score(exported, rows, rows_path, tmp_path):
    predict(exported, str(rows_path), str(tmp_path / "out.parquet"), branches=True)
    table = pq.read_table(tmp_path / "out.parquet")
    expected = Scorer(exported).score(rows, branches=True)
    assert table.schema.names == list(expected) == ["prob", "prob_deep", "prob_low rank/cross:é"]
    assert set(table.schema.types) == {pa.float32()}
    for name, values in expected.items():
        np.testing.assert_array_equal(table[name].to_numpy(), values)


def test_parquet_of_no_rows_has_its_columns(exported, tmp_path):
    (tmp_path / "rows.jsonl").write_text("")
    assert predict(exported, str(tmp_path / "rows.jsonl"), str(tmp_path / "out.PARQUET")) == 0
    table = pq.read_table(tmp_path / "out.PARQUET")
    assert (table.num_rows, table.schema.names) == (0, ["prob"])


def test_a_bad_row_leaves_no_parquet(exported, rows_path, tmp_path):
    with rows_path.open("a") as file:
        file.write('{"price": "x"}\n')
    with pytest.raises(DataError, match=r"line 13: price must be a number"):
        predict(exported, str(rows_path), str(tmp_path / "out.parquet"))
    assert [each.name for each in tmp_path.iterdir()] == ["rows.jsonl"]


def test_rows_of_many_blocks_are_written_in_their_order(exported, rows, tmp_path):
    path = tmp_path / "rows.jsonl"
    times = 3 * BLOCK_ROWS // rows.num_rows
    path.write_text("".join(json.dumps(row) + "\n" for row in rows.to_pylist() * times))
    assert predict(exported, str(path), str(tmp_path / "out.jsonl")) == times * rows.num_rows
    lines = (tmp_path / "out.jsonl").read_text().splitlines()
    expected = np.tile(Scorer(exported).score(rows)["prob"], times)
    np.testing.assert_allclose([json.loads(line)["prob"] for line in lines], expected, atol=1e-6)


def test_an_error_of_a_later_row_comes_behind_that_of_an_earlier_score(
    exported, rows, tmp_path, monkeypatch
):
    path = tmp_path / "rows.jsonl"
    good = json.dumps(rows.to_pylist()[0]) + "\n"
    path.write_text(good * BLOCK_ROWS + "no JSON\n")
    score = Scorer.score

    def with_nan(self, rows, branches=False):
        return {name: values * np.nan for name, values in score(self, rows, branches).items()}

    with pytest.raises(DataError, match=rf"line {BLOCK_ROWS + 1}: is not JSON"):
        predict(exported, str(path), str(tmp_path / "out.jsonl"))
    monkeypatch.setattr(Scorer, "score", with_nan)
    with pytest.raises(DataError, match=r"row 1: prob is not a number"):
        predict(exported, str(path), str(tmp_path / "out.jsonl"))
