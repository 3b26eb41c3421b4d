"""Imports point one way: features <- models <- serving <- pipeline, and so do rooms inside them."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("features", "models", "serving", "pipeline")  # each may import those before it
BEAM_FOLDER = "pipeline/data"
# Rooms (a folder, or a file beside them) of a package, from the ground floor up: a room imports
# itself and the floors below, nothing above and no neighbour.
ROOMS = {
    "models": (
        ("choices", "private_keras", "replicas"),
        ("layers",),
        ("embeddings",),
        ("alignment", "branches", "cooperation", "fusion", "metrics", "optimizers"),
        ("network",),
        ("spec",),
    ),
    "pipeline": (
        ("batches", "system"),
        ("data", "evaluation"),
        ("config", "inspection", "reporting"),
        ("runs",),
        ("export", "training"),
        ("stages",),
        ("comparison", "daily", "reproduction", "tuning"),
        ("cli",),
        ("__main__",),
    ),
    "pipeline/data": (
        ("blocks", "settings"),
        ("sources",),
        ("reading",),
        ("analysis", "joining", "runners"),
        ("histories", "splits", "writing"),
        ("job",),
    ),
    "serving": (
        ("export_format",),
        ("client", "scoring"),
        ("exporting", "server", "endpoint_check"),
        ("deploy", "variants"),
    ),
    "serving/server": (
        ("core",),
        ("lifecycle",),
        ("requests",),
        ("http", "rpc"),
        ("page", "options"),
        ("run",),
    ),
}
# What applications embed: nothing that takes seconds to import or hundreds of megabytes.
CLIENT = ("serving/export_format", "serving/client")
CLIENT_MAY_IMPORT = ("features.errors", "features.raw_values", "google.protobuf", "grpc", "numpy")
CLIENT_MAY_IMPORT += ("serving.client", "serving.export_format", *sys.stdlib_module_names)
MAKES_DESCRIPTORS = "serving/client/make_apis.py"  # not a part of the client: writes a file of it
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


def room_of(parts: list[str], package: str) -> str | None:
    """The room of a package that a file or a dotted name lies in, if it lies in the package."""
    folders = package.split("/")
    inner = parts[len(folders) : len(folders) + 1]
    return inner[0] if inner and parts[: len(folders)] == folders else None


def uphill(root: Path, package: str, floors: tuple[tuple[str, ...], ...]) -> list[str]:
    """A line for each room without a floor, and for each import of a room that is not below."""
    floor_of = {room: floor for floor, rooms in enumerate(floors) for room in rooms}
    problems = [
        f"{package}/{room} stands in ROOMS only"
        for room in floor_of
        if not any((root / package).glob(f"{room}/**/*.py"))
        and not (root / package / f"{room}.py").exists()
    ]
    for path in sorted((root / package).rglob("*.py")):
        file = path.relative_to(root).as_posix()
        room = room_of(file.removesuffix(".py").split("/"), package)
        if room == "__init__":
            continue
        if room not in floor_of:
            problems.append(f"{file}: {room} has no floor in ROOMS[{package!r}]")
            continue
        for line, name in imports(path):
            other = room_of(name.split("."), package)
            if other not in (None, room) and floor_of.get(other, len(floors)) >= floor_of[room]:
                problems.append(f"{file}:{line} imports {name}: {room} does not lie above {other}")
    return problems


def heavy_imports(root: Path) -> list[str]:
    """A line for each import of the client's rooms that an application should not need."""
    return [
        f"{file}:{line} imports {name}: a client needs NumPy, gRPC and protobuf alone"
        for folder in CLIENT
        for path in sorted((root / folder).rglob("*.py"))
        if (file := path.relative_to(root).as_posix()) != MAKES_DESCRIPTORS
        for line, name in imports(path)
        if not any(inside(name, allowed) for allowed in CLIENT_MAY_IMPORT)
    ]


def test_imports_point_one_way():
    assert violations(ROOT) == []


@pytest.mark.parametrize("package", ROOMS)
def test_no_room_imports_one_that_does_not_lie_below(package):
    assert uphill(ROOT, package, ROOMS[package]) == []


def test_a_client_imports_little():
    assert heavy_imports(ROOT) == []


@pytest.mark.parametrize(
    ("file", "source", "expected"),
    [
        ("p/low/a.py", "from p.high import b", "imports p.high.b: low does not lie above high"),
        ("p/high/a.py", "import p.beside.b", "imports p.beside.b: high does not lie above beside"),
        ("p/low/a.py", "def f():\n    import p.top", "imports p.top: low does not lie above top"),
        ("p/attic/a.py", "", "attic has no floor in ROOMS['p']"),
        ("p/top.py", "from p.high.a import b\nimport p.low", None),
        ("p/high/a.py", "from p.high.c import d\nfrom p.low import e\nimport q.top", None),
        ("p/high.py", "from p import beside", "imports p.beside: high does not lie above beside"),
        ("p/low/a.py", "from p import attic", "imports p.attic: low does not lie above attic"),
        ("p/low/b/c.py", "import p.low.b, p2.top, other", None),
        ("p/__init__.py", "from p.top import main", None),
    ],
)
def test_an_import_uphill_is_found_and_its_file_named(tmp_path, file, source, expected):
    for path in ("p/low/x.py", "p/high/x.py", "p/beside/x.py", "p/top.py", file):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(source if path == file else "", "utf-8")
    problems = uphill(tmp_path, "p", (("low",), ("high", "beside"), ("top",)))
    assert len(problems) == (expected is not None)
    if expected:
        assert problems[0].startswith(file)
        assert problems[0].endswith(expected)


def test_a_heavy_import_of_a_client_is_found(tmp_path):
    (tmp_path / "serving/client").mkdir(parents=True)
    (tmp_path / "serving/client/a.py").write_text("import json, numpy, tensorflow", "utf-8")
    (problem,) = heavy_imports(tmp_path)
    assert problem.startswith("serving/client/a.py:1 imports tensorflow: ")


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


@pytest.mark.parametrize("package", ["p", "p/q"])
def test_a_room_of_the_table_that_is_gone_is_told(tmp_path, package):
    assert uphill(tmp_path, package, (("gone",),)) == [f"{package}/gone stands in ROOMS only"]


def test_rooms_of_a_room_have_floors_of_their_own(tmp_path):
    for path, source in (("p/q/low/a.py", "import p.q.high.x"), ("p/q/high/x.py", "import p.z")):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text(source, "utf-8")
    (problem,) = uphill(tmp_path, "p/q", (("low",), ("high",)))
    assert problem == "p/q/low/a.py:1 imports p.q.high.x: low does not lie above high"
