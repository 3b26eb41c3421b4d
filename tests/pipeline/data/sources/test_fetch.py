import hashlib
import io
import subprocess
import zipfile

import pytest

import pipeline.data.sources.fetch as fetch
from features.errors import DataError

CONTENT = {name: f"{name}\n".encode() for name in fetch.FILES}


def wheel_bytes():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in CONTENT.items():
            archive.writestr(f"recbole/dataset_example/ml-100k/{name}", content)
    return buffer.getvalue()


@pytest.fixture
def index(tmp_path, monkeypatch):
    """An index that serves a small wheel; the list of commands that asked it."""
    wheel, asked = wheel_bytes(), []

    def run(command, **_):
        asked.append(command)
        folder = command[command.index("--dest") + 1]
        with open(f"{folder}/recbole-1.2.1-py3-none-any.whl", "wb") as file:
            file.write(wheel)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setenv("CONCORD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(fetch, "SHA256", hashlib.sha256(wheel).hexdigest())
    monkeypatch.setattr(fetch.subprocess, "run", run)
    return asked


def test_fetches_once_without_dependencies(index, tmp_path):
    folder = fetch.fetch_movielens_100k()
    assert folder == fetch.fetch_movielens_100k()
    assert len(index) == 1
    assert {"--no-deps", "recbole==1.2.1"} < set(index[0])
    found = {path.name: path.read_bytes() for path in (tmp_path / "cache/movielens_100k").iterdir()}
    assert found == CONTENT
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["movielens_100k"]


def test_mends_an_incomplete_cache(index, tmp_path):
    (tmp_path / "cache/movielens_100k").mkdir(parents=True)
    (tmp_path / "cache/movielens_100k" / fetch.FILES[0]).write_text("half")
    fetch.fetch_movielens_100k()
    assert (tmp_path / "cache/movielens_100k" / fetch.FILES[0]).read_bytes() == CONTENT[
        fetch.FILES[0]
    ]


def test_another_wheel_is_not_used(index, tmp_path, monkeypatch):
    received = fetch.SHA256
    monkeypatch.setattr(fetch, "SHA256", "0" * 64)
    with pytest.raises(DataError, match=rf"sha256 {received}, expected 0{{64}}.*data\.path"):
        fetch.fetch_movielens_100k()
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_failing_pip_is_quoted(index, tmp_path, monkeypatch):
    failed = subprocess.CompletedProcess([], 1, "", "WARNING: x\nERROR: no network")
    monkeypatch.setattr(fetch.subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(
        DataError, match=r"ended with code 1 and said: ERROR: no network.*data\.path"
    ):
        fetch.fetch_movielens_100k()
    assert list((tmp_path / "cache").iterdir()) == []
