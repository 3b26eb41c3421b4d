import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import serving.scoring.scorer
from features.errors import DataError, ExportError
from serving.exporting.export import expected_scores
from serving.scoring.scorer import Scorer

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def scorer(exported):
    return Scorer(exported)


def test_scores_are_those_of_the_network(scorer, network, bundle, rows):
    expected = expected_scores(network, bundle, rows)
    received = scorer.score(rows, branches=True)
    assert list(received) == ["prob", "prob_deep", "prob_low rank/cross:é"]
    for name, value in received.items():
        np.testing.assert_allclose(value, expected[name], atol=1e-6)
    assert scorer.metadata == bundle.metadata


def test_blocks_change_no_score(scorer, rows, monkeypatch):
    whole = scorer.score(rows, branches=True)
    monkeypatch.setattr(serving.scoring.scorer, "BLOCK_ROWS", 5)
    blocks = scorer.score(rows, branches=True)
    for name, value in whole.items():
        np.testing.assert_allclose(blocks[name], value, atol=1e-6)


def test_no_rows_have_no_scores(scorer, rows):
    received = scorer.score(rows.slice(0, 0), branches=True)
    assert {value.shape for value in received.values()} == {(0,)}


def test_columns_of_text_are_typed(scorer, rows):
    text = rows.set_column(
        rows.schema.get_field_index("price"), "price", rows.column("price").cast(pa.string())
    )
    np.testing.assert_array_equal(scorer.score(text)["prob"], scorer.score(rows)["prob"])


def test_rows_that_cannot_be_scored_are_refused(scorer, rows):
    with pytest.raises(DataError, match=r"no column 'clicked_item'.*Did you mean clicked_tag\?"):
        scorer.score(rows.drop_columns(["clicked_item"]))
    bad = pa.array(["1"] * (rows.num_rows - 1) + ["x"])
    position = rows.schema.get_field_index("price")
    with pytest.raises(DataError, match=r"row 11 \(from 0\): price must be a number, got 'x'"):
        scorer.score(rows.set_column(position, "price", bad))


def test_branches_that_the_export_does_not_have_are_refused(scorer, rows, monkeypatch):
    monkeypatch.setattr(scorer, "branch_names", [])
    with pytest.raises(ExportError, match=r"has no probabilities of branches.*heads: all"):
        scorer.score(rows, branches=True)


@pytest.fixture
def base(exported, tmp_path):
    """A base path with version 1, which may be changed."""
    shutil.copytree(exported, tmp_path / "1")
    return tmp_path


VOCABULARY_DAMAGES = {
    "exchanged lines": lambda lines: [lines[1], lines[0], *lines[2:]],
    "more lines": lambda lines: [*lines, "i4", "i5"],
    "fewer lines": lambda lines: lines[:1],
    "no lines": lambda lines: [],
}


def damage(version: Path, name: str) -> None:
    if name == "folder":
        shutil.rmtree(version)
        version.mkdir()
    elif name == "version":
        path = version / "assets" / "metadata.json"
        path.write_text(path.read_text().replace('"format_version": 1', '"format_version": 99'))
    elif name in VOCABULARY_DAMAGES:
        path = version / "assets" / "item.txt"
        lines = VOCABULARY_DAMAGES[name](path.read_text().splitlines())
        path.write_text("".join(f"{line}\n" for line in lines))
    elif name == "metadata":
        (version / "assets" / "metadata.json").unlink()
    else:
        path = version / {"graph": "saved_model.pb", "index": "variables/variables.index"}[name]
        path.write_bytes(b"garbage")


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("folder", "is not a complete export: it has no saved_model.pb"),
        ("metadata", "is not a complete export: it has no assets/metadata.json"),
        ("version", "format version 99, but this code reads version 1"),
        ("graph", "cannot be loaded as a SavedModel"),
        ("index", "cannot be loaded as a SavedModel"),
        *((name, "item.txt is damaged: it has another checksum") for name in VOCABULARY_DAMAGES),
    ],
)
def test_damaged_versions_are_skipped_with_a_reason(base, rows, caplog, kind, message):
    shutil.copytree(base / "1", base / "10")
    shutil.copytree(base / "1", base / ".exporting-11")
    assert Scorer(base).version == base / "10"
    damage(base / "10", kind)
    assert Scorer(base).version == base / "1"
    assert message in caplog.text
    with pytest.raises(ExportError, match=message):
        Scorer(base / "10")


def test_a_base_path_without_any_sound_version_says_why_of_the_latest(base):
    shutil.copytree(base / "1", base / "2")
    damage(base / "1", "folder")
    damage(base / "2", "metadata")
    with pytest.raises(ExportError, match=r"2 is not a complete export: .*metadata\.json"):
        Scorer(base)


def test_paths_that_are_no_export_are_refused(tmp_path):
    with pytest.raises(ExportError, match=r"none does not exist\. Give an export"):
        Scorer(tmp_path / "none")
    with pytest.raises(ExportError, match=r"holds no export: neither a SavedModel nor a version"):
        Scorer(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(ExportError, match=r"file is not a folder"):
        Scorer(tmp_path / "file")


def test_prediction_imports_neither_models_nor_recommenders():
    code = (
        "import serving.scoring.predict, sys\n"
        "print({name.split('.')[0] for name in sys.modules} & "
        "{'models', 'pipeline', 'tensorflow_recommenders', 'apache_beam'})"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "set()"
