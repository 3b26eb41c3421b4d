"""`serve`: a mistake at its start is one sentence and exit code 2."""

import inspect
import os
import socket
from dataclasses import fields

import pytest

from pipeline.cli.serve import serve
from serving.server.options import ServerOptions


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
def test_a_mistake_is_one_sentence(concord, arguments, sentence):
    code, _, err = concord("serve", *arguments)
    assert code == 2
    (line,) = err.splitlines()
    assert line.startswith("error: ")
    assert sentence in line


def test_a_port_that_is_taken_is_one_sentence(concord, tmp_path, monkeypatch):
    monkeypatch.delenv("GRPC_VERBOSITY", raising=False)
    (tmp_path / "export" / "1").mkdir(parents=True)
    (tmp_path / "export" / "1" / "saved_model.pb").touch()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        code, _, err = concord("serve", ".", "--grpc-port", str(taken.getsockname()[1]))
    assert code == 2
    assert "Give another port" in err.splitlines()[-1]
    assert os.environ["GRPC_VERBOSITY"] == "NONE"  # gRPC was loaded before: it writes a line here


def test_the_defaults_are_those_of_the_options():
    options = {each.name: each.default for each in fields(ServerOptions)}
    for name, parameter in inspect.signature(serve).parameters.items():
        assert parameter.default == options[name], name
