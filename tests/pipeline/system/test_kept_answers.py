"""An answer is given again for its own key alone, which says what it depends on."""

import pytest

from pipeline.system import installation
from pipeline.system.kept_answers import keep_answer, kept_answer, key_of


def test_an_answer_is_kept_for_its_key(tmp_path):
    file = tmp_path / "new" / "answer.json"
    keep_answer(file, "one", {"rows": [1, 2]})
    assert kept_answer(file, "one") == {"rows": [1, 2]}
    assert kept_answer(file, "two") is None
    keep_answer(file, "two", {"rows": []})
    assert kept_answer(file, "two") == {"rows": []}
    assert kept_answer(file, "one") is None


def test_the_same_answer_is_not_written_again(tmp_path):
    file = tmp_path / "answer.json"
    keep_answer(file, "one", {"rows": [1]})
    before = file.stat().st_mtime_ns
    keep_answer(file, "one", {"rows": [1]})
    assert file.stat().st_mtime_ns == before


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b'{"rows": [1]}'])
def test_what_cannot_be_read_is_no_answer(tmp_path, content):
    file = tmp_path / "answer.json"
    file.write_bytes(content)
    assert kept_answer(file, "one") is None


def test_where_nothing_can_be_written_nothing_is_kept(tmp_path):
    (tmp_path / "file").write_text("in the way")
    keep_answer(tmp_path / "file" / "answer.json", "one", {})
    assert kept_answer(tmp_path / "file" / "answer.json", "one") is None


def test_a_key_is_of_what_is_asked():
    assert key_of({"a": 1, "b": 2}, None) == key_of({"b": 2, "a": 1}, None)
    keys = [key_of({"a": 1}, None), key_of({"a": 2}, None), key_of({"a": 1}, "x"), key_of({"a": 1})]
    assert len(set(keys)) == 4


@pytest.fixture
def concord_copy(tmp_path, monkeypatch):
    """A folder that stands for Concord's files."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "a.py").write_text("a = 1")
    monkeypatch.setattr(installation, "_ROOT", tmp_path)
    return tmp_path


def of_now():
    """The checksum, not remembered."""
    return installation.installation.__wrapped__()


@pytest.mark.parametrize(
    "change",
    [
        lambda root, patch: (root / "models" / "a.py").write_text("a = 2"),
        lambda root, patch: (root / "models" / "b.yaml").write_text(""),
        lambda root, patch: (root / "models" / "a.py").rename(root / "models" / "c.py"),
        lambda root, patch: patch.setenv("TF_ENABLE_ONEDNN_OPTS", "0"),
        lambda root, patch: patch.setattr(installation.platform, "node", lambda: "another"),
        lambda root, patch: patch.setattr(installation, "_versions", lambda: ["x-2.0.dist-info"]),
    ],
    ids=["changed", "added", "renamed", "variable", "machine", "package"],
)
def test_another_installation_has_another_checksum(concord_copy, monkeypatch, change):
    before = of_now()
    assert of_now() == before
    change(concord_copy, monkeypatch)
    assert of_now() != before


def test_what_python_leaves_beside_changes_nothing(concord_copy):
    before = of_now()
    (concord_copy / "models" / "__pycache__").mkdir()
    (concord_copy / "models" / "__pycache__" / "a.pyc").write_bytes(b"")
    assert of_now() == before
