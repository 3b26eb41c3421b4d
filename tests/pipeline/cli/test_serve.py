"""`serve`: a mistake at its start is one sentence and exit code 2."""

import inspect
import os
import socket
import sys
from dataclasses import fields

import pytest

from pipeline.cli import command_line as cli
from pipeline.cli import serve as serve_verb
from serving.server.options import ServerOptions


@pytest.fixture
def serve(monkeypatch, capsys, tmp_path):
    """Runs `serve` in an empty folder; returns exit code and error output."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(serve_verb, "import_tensorflow", lambda: None)  # it is imported already

    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["python -m pipeline", "serve", *arguments])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        return stopped.value.code, capsys.readouterr().err

    return run


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "either the folder of a run or --models-config"),
        (["gone"], "gone is not a folder"),
        (["."], "holds no export"),
        (["--models-config", "gone.config"], "gone.config cannot be read"),
        ([".", "--grpc-port", "99999"], "--grpc-port is 99999"),
        ([".", "--max-batch", "0"], "--max-batch is 0"),
        ([".", "--tls-cert", "a.pem"], "--tls-cert and --tls-key belong together"),
        ([".", "--tls-cert", "a.pem", "--tls-key", "b.pem"], "a.pem and --tls-key b.pem cannot"),
    ],
)
def test_a_mistake_is_one_sentence(serve, arguments, sentence):
    code, err = serve(*arguments)
    assert code == 2
    (line,) = err.splitlines()
    assert line.startswith("error: ")
    assert sentence in line


def test_a_port_that_is_taken_is_one_sentence(serve, tmp_path, monkeypatch):
    monkeypatch.delenv("GRPC_VERBOSITY", raising=False)
    (tmp_path / "export" / "1").mkdir(parents=True)
    (tmp_path / "export" / "1" / "saved_model.pb").touch()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        code, err = serve(".", "--grpc-port", str(taken.getsockname()[1]))
    assert code == 2
    assert "Give another port" in err.splitlines()[-1]
    assert os.environ["GRPC_VERBOSITY"] == "NONE"  # gRPC was loaded before: it writes a line here


def test_the_defaults_are_those_of_the_options():
    options = {each.name: each.default for each in fields(ServerOptions)}
    for name, parameter in inspect.signature(serve_verb.serve).parameters.items():
        assert parameter.default == options[name], name
