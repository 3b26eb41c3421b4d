"""Any text is a configuration or a sentence, in bounded time."""

import os
import time

import pytest
import yaml

import pipeline.config.bounded_yaml as bounded_yaml
from features.errors import ConfigError
from pipeline.config.bounded_yaml import parse_yaml, read_yaml


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("? [a, b]\n: 1", "a key that is a list or a mapping"),
        ("? {a: b}\n: 1", "a key that is a list or a mapping"),
        ("a: 1\na: 2", "the key 'a' twice"),
        ("a: &a [*a]", "an alias inside of what it stands for"),
        ("a: 2026-13-45", "is not YAML: month must be in"),
        ("a: " + "[" * 41 + "]" * 41, "more than 40 mappings and lists inside each other"),
        ("a: [", "is not YAML"),
        (f"a: {2**63}", "a whole number of more than 64 bits"),
        (f"a: -0x{2**70:x}", "a whole number of more than 64 bits"),
        (f"a: {'9' * 5000}", "is not YAML"),
        ("a: \udcff", "is not text in UTF-8"),
    ],
)
def test_what_is_no_configuration_is_a_sentence(tmp_path, text, sentence):
    path = tmp_path / "a.yaml"
    path.write_text(text, errors="surrogateescape")
    with pytest.raises(ConfigError, match=sentence):
        read_yaml(path)


def test_an_alias_counts_as_what_it_stands_for(monkeypatch):
    text = "a: &a [1, 2, 3]\nb: &b [*a, *a, *a]\nc: [*b, *b, *b]"
    parsed = parse_yaml(text)
    assert parsed["c"] == [[[1, 2, 3]] * 3] * 3
    # The mapping, 3 keys, 1 + 3, 1 + 3 * 4 and 1 + 3 * 13 nodes.
    monkeypatch.setattr(bounded_yaml, "MOST_NODES", 1 + 3 + 4 + 13 + 40)
    assert parse_yaml(text) == parsed
    monkeypatch.setattr(bounded_yaml, "MOST_NODES", 1 + 3 + 4 + 13 + 39)
    with pytest.raises(yaml.YAMLError, match="more than 60 keys and values"):
        parse_yaml(text)


def test_a_file_without_an_end_is_refused_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(bounded_yaml, "MOST_BYTES", 1 << 20)
    with (tmp_path / "a.yaml").open("wb") as file:
        os.truncate(file.fileno(), 1 << 40)  # a hole
    started = time.monotonic()
    with pytest.raises(ConfigError, match="more than 1 MiB"):
        read_yaml(tmp_path / "a.yaml")
    assert time.monotonic() - started < 10.0
