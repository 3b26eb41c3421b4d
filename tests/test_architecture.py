"""Imports point one way: features <- models <- serving <- pipeline, and down inside of them."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("features", "models", "serving", "pipeline")  # each may import those before it
BEAM_FOLDER = "pipeline/data"
# Package -> its floors from the top, each a set of rooms: a file imports from its own room and from
# the floors below. A room is a folder, or a file that lies loose; every one stands in the table.
FLOORS: dict[str, tuple[set[str], ...]] = {
    "pipeline/data": (
        {"job"},
        {"splits", "histories", "writing"},
        {"joining", "analysis", "runners"},
        {"reading"},
        {"sources"},
        {"blocks", "settings"},
    ),
}
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


def rooms_of(package: Path) -> set[str]:
    """Folders and loose files of a package, but for what is not source."""
    folders = {path.relative_to(package).parts[0] for path in package.rglob("*.py")}
    return {name.removesuffix(".py") for name in folders - {"__init__.py"}}


def uphill(root: Path, package: str, floors: tuple[set[str], ...]) -> list[str]:
    """A line for each import of a room that does not lie below, and for each room without floor."""
    floor_of = {room: floor for floor, rooms in enumerate(floors) for room in rooms}
    prefix = package.replace("/", ".")
    present = rooms_of(root / package)
    lines = [f"{package}/{room} has no floor in FLOORS" for room in sorted(present - set(floor_of))]
    lines += [f"{package}/{room} stands in FLOORS only" for room in sorted(set(floor_of) - present)]
    for room in sorted(present & set(floor_of)):
        inside_room = (root / package / room).rglob("*.py")
        for path in sorted([*inside_room, *(root / package).glob(f"{room}.py")]):
            for line, name in imports(path):
                if not inside(name, f"{prefix}.{room}") and inside(name, prefix):
                    other = name.removeprefix(f"{prefix}.").partition(".")[0]
                    if floor_of.get(other, -1) <= floor_of[room]:
                        file = path.relative_to(root).as_posix()
                        lines.append(f"{file}:{line} imports {name}: {other} is not below {room}")
    return lines


@pytest.mark.parametrize("package", FLOORS)
def test_rooms_of_a_package_import_from_the_floors_below_alone(package):
    assert uphill(ROOT, package, FLOORS[package]) == []


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
        ("models/a/b.py", "def f():\n    import serving.export", "models may not import serving"),
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


@pytest.mark.parametrize(
    ("file", "source", "expected"),
    [
        (
            "low/a.py",
            "from p.q.high import x",
            "p/q/low/a.py:1 imports p.q.high.x: high is not below low",
        ),
        (
            "low/a.py",
            "def f():\n    import p.q.loose as l",
            "p/q/low/a.py:2 imports p.q.loose: loose is not below low",
        ),
        (
            "loose.py",
            "from p.q import beside",
            "p/q/loose.py:1 imports p.q.beside: beside is not below loose",
        ),
        (
            "low/a.py",
            "from p.q import attic",
            "p/q/low/a.py:1 imports p.q.attic: attic is not below low",
        ),
        ("new/a.py", "", "p/q/new has no floor in FLOORS"),
        ("__init__.py", "from p.q.high import x", None),
        ("low/b/c.py", "import p.q.low.b, p.quite, other", None),
        ("high/b.py", "from p.q.low import a\nfrom p.q import loose, beside", None),
    ],
)
def test_an_import_that_runs_uphill_is_found_and_its_file_named(tmp_path, file, source, expected):
    floors = ({"high"}, {"loose", "beside"}, {"low"})
    for path in ("high/x.py", "beside/x.py", "low/x.py", "loose.py", file):
        (tmp_path / "p/q" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "p/q" / path).write_text(source if path == file else "", "utf-8")
    assert uphill(tmp_path, "p/q", floors) == ([expected] if expected else [])


def test_a_room_of_the_table_that_is_gone_is_told(tmp_path):
    (tmp_path / "p").mkdir()
    assert uphill(tmp_path, "p", ({"gone"},)) == ["p/gone stands in FLOORS only"]
