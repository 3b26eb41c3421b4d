"""What tests of the pipeline share: the command line, and a bundle of random rows."""

import json
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import tensorflow as tf

from features.analysis import Analysis
from features.bundle import (
    FORMAT_VERSION,
    MANIFEST,
    METADATA,
    Bundle,
    BundleMetadata,
    Manifest,
    file_entry,
    open_bundle,
)
from features.columns import columns_of
from features.records import encode_block, encode_rows
from features.specs import FeatureSet
from pipeline.cli import command_line, serve, show_model
from tests.beam import remembered_options, remembered_signatures, remembered_state_specs

ROWS = {"train": 103, "valid": 40, "test": 0}
ITEMS = 12
FEATURES = FeatureSet.model_validate(
    {
        "features": {
            "row": {"kind": "numeric", "transform": "raw"},  # tells rows apart
            "user": {"kind": "categorical"},
            "item": {"kind": "categorical"},
            "seen": {
                "kind": "sequence",
                "column": "item",
                "vocabulary": "item",
                "history": "all",
                "max_length": 3,
            },
            "clicked": {"role": "label"},
            "user_key": {"role": "group_key", "column": "user"},
            "time": {"role": "timestamp"},
        },
        "groups": {"pair": ["user", "item"]},
        "histories": {"all": {"key": "user"}},
    }
)


def random_arrays(rows: int, seed: int) -> dict[str, np.ndarray]:
    """Columns of a split; user and item together decide most labels."""
    rng = np.random.default_rng(seed)
    user, item = rng.integers(2, 8, rows), rng.integers(2, 2 + ITEMS, rows)
    lengths = rng.integers(0, 4, rows)
    seen = rng.integers(1, 2 + ITEMS, (rows, 3)) * (np.arange(3) < lengths[:, None])
    clicked = (user * 5 + item) % 3 == 0
    return {
        "row": np.arange(rows, dtype="float32"),
        "user": user.astype("int32"),
        "item": item.astype("int32"),
        "seen": seen.astype("int32"),
        "clicked": (clicked ^ (rng.random(rows) < 0.1)).astype("float32"),
        "user_key": user.astype("int64") << 40,
        "time": np.arange(rows, dtype="int64"),
    }


class Done(NamedTuple):
    """What is left of a command: as `subprocess` has it, but for the order."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def concord(monkeypatch, capsys, tmp_path, tmp_path_factory) -> Callable[..., Done]:
    """Runs the command line in this process, which has imported TensorFlow, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    for module in (command_line, serve):
        monkeypatch.setattr(module, "import_tensorflow", lambda: None)
    answers = tmp_path_factory.mktemp("answers")  # what `models` keeps is not the user's
    monkeypatch.setattr(show_model, "cache_folder", lambda: answers)

    def run(*arguments: object, started_as: str = "pipeline/__main__.py") -> Done:
        monkeypatch.setattr(sys, "argv", [started_as, *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            command_line.main()
        return Done(stopped.value.code, *capsys.readouterr())

    root = logging.getLogger()
    handlers, level = [*root.handlers], root.level
    yield run
    root.handlers[:], root.level = handlers, level


@pytest.fixture(scope="session", autouse=True)
def _fast_beam():
    with remembered_signatures(), remembered_options(), remembered_state_specs():
        yield


@pytest.fixture(scope="session")
def make_bundle(tmp_path_factory) -> Callable[..., tuple[Bundle, dict[str, dict]]]:
    """A function that writes a bundle and also returns the arrays it holds, by split."""

    def make(layout: str = "block", rows: dict[str, int] | None = None, block_rows: int = 16):
        rows = rows or ROWS
        path = tmp_path_factory.mktemp("bundle")
        arrays = {
            split: random_arrays(count, 7 + i) for i, (split, count) in enumerate(rows.items())
        }
        for split, columns in arrays.items():
            _write_split(path, split, columns, layout, block_rows)
        (path / "vocabularies").mkdir()
        (path / "vocabularies" / "user.txt").write_text("".join(f"u{i}\n" for i in range(6)))
        (path / "vocabularies" / "item.txt").write_text("".join(f"i{i}\n" for i in range(ITEMS)))
        metadata = BundleMetadata(
            format_version=FORMAT_VERSION,
            layout=layout,
            block_rows=block_rows,
            features=FEATURES,
            analysis=Analysis(vocabulary_sizes={"user": 6, "item": ITEMS}),
            columns=columns_of(FEATURES),
            rows=rows,
            split_rule={},
            source="movielens_100k",
        )
        (path / METADATA).write_text(metadata.model_dump_json())
        manifest = Manifest(
            format_version=FORMAT_VERSION, fingerprint="random", sources={}, files=_entries(path)
        )
        (path / MANIFEST).write_text(json.dumps(manifest.model_dump()))
        return open_bundle(path), arrays

    return make


def _write_split(path: Path, split: str, arrays: dict, layout: str, block_rows: int) -> None:
    """Two files, the second a row longer where the split is odd."""
    columns = columns_of(FEATURES)
    count = len(arrays["row"])
    for shard, rows in enumerate(np.array_split(np.arange(count), 2)):
        with tf.io.TFRecordWriter(str(path / f"{split}-{shard:05d}-of-00002.tfrecord")) as writer:
            for start in range(0, len(rows), block_rows):
                part = {
                    name: array[rows[start : start + block_rows]] for name, array in arrays.items()
                }
                if layout == "block":
                    writer.write(encode_block(part, columns))
                else:
                    for record in encode_rows(part, columns):
                        writer.write(record)


def _entries(path: Path) -> dict:
    return {
        str(file.relative_to(path)): file_entry(
            str(file), 1 if file.suffix == ".tfrecord" else None
        )
        for file in sorted(path.rglob("*"))
        if file.is_file()
    }


@pytest.fixture(scope="session")
def random_bundle(make_bundle):
    return make_bundle()[0]
