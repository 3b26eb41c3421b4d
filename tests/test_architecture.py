"""Imports point one way: features <- models <- serving <- pipeline."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("features", "models", "serving", "pipeline")  # each may import those before it
BEAM_FOLDER = "pipeline/data"
KERAS_3 = ("tensorflow.keras", "tensorflow.python", "keras")


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and dotted name of every import in a file, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Attribute) and ast.unparse(node) == "tf.keras":
            yield node.lineno, "tensorflow.keras"


def inside(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def violations(root: Path) -> list[str]:
    """A line for each import that points the wrong way."""
    found = []
    for rank, package in enumerate(PACKAGES):
        for path in sorted((root / package).rglob("*.py")):
            file = path.relative_to(root).as_posix()
            for line, name in imports(path):
                wrong = [
                    f"{package} may not import {above}"
                    for above in (*PACKAGES[rank + 1 :], "tests", "benchmarks")
                    if inside(name, above)
                ]
                if inside(name, "apache_beam") and not file.startswith(f"{BEAM_FOLDER}/"):
                    wrong.append(f"only {BEAM_FOLDER} imports Beam")
                if any(inside(name, each) for each in KERAS_3):
                    wrong.append("Keras is tf_keras here")
                if name.startswith("."):
                    wrong.append("imports are absolute here")
                found += [f"{file}:{line} imports {name}: {each}" for each in wrong]
    return found


def test_imports_point_one_way():
    assert violations(ROOT) == []


def test_every_package_is_looked_at():
    for package in PACKAGES[:2]:
        assert any((ROOT / package).rglob("*.py")), package


@pytest.mark.parametrize(
    ("file", "source", "expected"),
    [
        ("features/a.py", "import models", "features may not import models"),
        ("features/a.py", "from pipeline.data import x", "features may not import pipeline"),
        (
            "models/a/b.py",
            "def f():\n    import serving.exporting.export",
            "models may not import serving",
        ),
        ("serving/a.py", "from pipeline import cli as c", "serving may not import pipeline"),
        ("pipeline/a.py", "from tests import contract", "pipeline may not import tests"),
        ("pipeline/training/a.py", "import apache_beam as beam", "only pipeline/data imports Beam"),
        ("pipeline/database.py", "from apache_beam import Map", "only pipeline/data imports Beam"),
        ("models/a.py", "from tensorflow import keras", "Keras is tf_keras here"),
        ("models/a.py", "from tensorflow.python.ops import x", "Keras is tf_keras here"),
        ("models/a.py", "import tensorflow as tf\ntf.keras.layers", "Keras is tf_keras here"),
        ("models/a.py", "import keras", "Keras is tf_keras here"),
        ("models/a.py", "from . import mlp", "imports are absolute here"),
        ("pipeline/data/a.py", "import apache_beam, features.raw, models, serving", None),
        ("models/a.py", "import tf_keras\nimport modelsoup\nfrom features import raw", None),
    ],
)
def test_a_wrong_import_is_found_and_its_file_named(tmp_path, file, source, expected):
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text(source, "utf-8")
    found = violations(tmp_path)
    assert len(found) == (expected is not None)
    if expected:
        assert found[0].startswith(f"{file}:{len(source.splitlines())} imports ")
        assert found[0].endswith(expected)
