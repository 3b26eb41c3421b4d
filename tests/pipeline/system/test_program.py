"""Commands in messages are those that the user can type."""

import os
import sys

import pytest

from pipeline.system.program import as_typed, command, program, python


@pytest.mark.parametrize(
    ("started_as", "executable", "names"),
    [
        ("/env/bin/concord", "/env/bin/python", ("concord", "concord", "/env/bin/python")),
        (
            "/env/pipeline/__main__.py",
            "/env/bin/python",
            ("python -m pipeline", "python -m pipeline", "python"),
        ),
        (
            "pipeline/__main__.py",
            os.path.abspath(".venv/bin/python"),
            ("python -m pipeline", ".venv/bin/python -m pipeline", ".venv/bin/python"),
        ),
    ],
    ids=["script", "module", "checkout"],
)
def test_the_program_is_called_as_it_was_started(monkeypatch, started_as, executable, names):
    monkeypatch.setattr(sys, "argv", [started_as, "run"])
    monkeypatch.setattr(sys, "executable", executable)
    assert (program(), command(), python()) == names
    assert as_typed("Train: python -m pipeline train") == f"Train: {names[0]} train"
