from pathlib import Path

import pytest

from features.errors import ConfigError
from serving.server.options import ServerOptions

RUN = Path("runs/a1")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"path": None}, "either the folder of a run or --models-config"),
        ({"models_config": Path("m")}, "either the folder of a run or --models-config"),
        ({"path": None, "models_config": Path("m"), "name": "a"}, "--name is for a single folder"),
        ({"grpc_port": 70_000}, "--grpc-port is 70000, expected 1 to 65,535, or 0"),
        ({"rest_port": -1}, "--rest-port is -1"),
        ({"grpc_port": 8501}, "are both 8501"),
        ({"poll_seconds": 0.0}, "--poll-seconds is 0.0, expected more than 0"),
        ({"poll_seconds": float("nan")}, "--poll-seconds is nan"),
        ({"poll_seconds": float("inf")}, "--poll-seconds is inf, expected .* at most 1,000,000"),
        ({"max_connections": 10**12}, "--max-connections is 1000000000000"),
        ({"max_batch": 0}, "--max-batch"),
        ({"max_concurrency": -3}, "--max-concurrency"),
        ({"max_message_mb": 4096}, "--max-message-mb is 4,096, expected at most 1,024"),
        ({"tls_cert": Path("c")}, "--tls-cert and --tls-key belong together"),
        ({"tls_client_ca": Path("c")}, "--tls-client-ca needs"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, sentence):
    with pytest.raises(ConfigError, match=sentence):
        ServerOptions(**{"path": RUN, **options})


def test_free_ports_may_both_be_asked_for():
    assert ServerOptions(RUN, grpc_port=0, rest_port=0).max_message_bytes == 16 * 1024**2


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.0.1", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("example.org", False),
    ],
)
def test_what_other_machines_reach_is_known(host, loopback):
    assert ServerOptions(RUN, host=host).loopback is loopback


def test_files_that_are_no_certificates_are_refused(tmp_path):
    text = tmp_path / "a.pem"
    text.write_text("no certificate")
    with pytest.raises(ConfigError, match=r"gone\.pem and --tls-key .*: No such file"):
        ServerOptions(RUN, tls_cert=tmp_path / "gone.pem", tls_key=text).ssl_context()
    with pytest.raises(ConfigError, match=r"a\.pem cannot be used"):
        ServerOptions(RUN, tls_cert=text, tls_key=text).ssl_context()
    assert ServerOptions(RUN).ssl_context() is None
