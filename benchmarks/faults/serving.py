"""Attacks on the server: clients that say nothing, little, or that they are somebody else."""

import http.client
import json
import re
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import grpc
from tensorflow_serving.apis import (
    get_model_status_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
)

from benchmarks.faults.attack import Attack
from benchmarks.faults.workshop import Workshop

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DESCRIPTORS = 1024  # the usual limit of a process
_LOG_LINES = 40


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (_DESCRIPTORS, _DESCRIPTORS))


@contextmanager
def served(workshop: Workshop) -> Iterator[tuple[int, int]]:
    """A server of the export in a process with few descriptors: its ports of gRPC and REST."""
    export = workshop.export.parent
    server = workshop.start(
        "serve", export, "--name", "m", "--grpc-port", 0, "--rest-port", 0, preexec_fn=_limit
    )
    try:
        while "\nrest " not in (said := workshop.output.read_text()):
            assert server.poll() is None, said
            time.sleep(0.1)
        ports = re.findall(r"^(?:grpc|rest) .*:(\d+)", said, re.MULTILINE)
        yield int(ports[0]), int(ports[1])
    finally:
        server.terminate()
        server.wait()


def ask(port: int, method: str = "GET", path: str = "/v1/models/m", **headers: str) -> int:
    """The status of an answer; 0 where none comes within five seconds."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        body = json.dumps({"inputs": [""]}) if method == "POST" else None
        connection.request(
            method, path, body, {name.replace("_", "-"): v for name, v in headers.items()}
        )
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


def idle(workshop: Workshop, folder: Path, times: int) -> tuple[int, list[str]]:
    """REST answers all the time, and the log stays short."""
    failures = []
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with served(workshop) as (of_grpc, of_rest):
        kinds = {
            "REST, nothing": (of_rest, b""),
            "REST, half a head": (of_rest, b"GET / HTTP/1.1\r\nHo"),
            "gRPC, nothing": (of_grpc, b""),
            "gRPC, a preface": (of_grpc, PREFACE),
        }
        for name, (port, sent) in kinds.items():
            with ExitStack() as held:
                for number in range(times // len(kinds)):
                    with suppress(OSError):
                        line = held.enter_context(
                            socket.create_connection(("127.0.0.1", port), timeout=5)
                        )
                        line.sendall(sent)
                    if number % 100 == 99 and ask(of_rest) != 200:
                        failures.append(f"{name}: no answer beside {number + 1}")
                        break
        if (lines := len(workshop.output.read_text().splitlines())) > _LOG_LINES:
            failures.append(f"{lines} lines in the log")
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return times, failures


def slow_bodies(workshop: Workshop, folder: Path, times: int) -> tuple[int, list[str]]:
    """Others are answered, and never with 429."""
    head = b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    head += b"Content-Length: 1000\r\n\r\n{"
    failures = []
    with served(workshop) as (_, port), ExitStack() as held:
        for number in range(times):
            path = b"/page/score" if number % 5 == 0 else b"/v1/models/m:predict"
            with suppress(OSError):
                line = held.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5))
                line.sendall(head % path)
            if number % 50 == 49 and (status := ask(port, "POST", "/v1/models/m:predict")) != 200:
                failures.append(f"{status} beside {number + 1}")
    return times, failures


def other_sites(workshop: Workshop, folder: Path, times: int) -> tuple[int, list[str]]:
    """403, and no reload of a server that was started for one folder."""
    foreign = {"Host": "evil.example"}
    cross = {"Origin": "http://evil.example"}
    requests = [
        ("GET", "/page/model?name=m", foreign),
        ("GET", "/v1/models/m/metadata", foreign),
        ("POST", "/v1/models/m:predict", foreign),
        ("POST", "/page/score", {"Host": "evil.example:80", "Origin": "http://evil.example:80"}),
        ("POST", "/v1/models/m:predict", cross),
        ("POST", "/v1/models/m:predict", {"Sec_Fetch_Site": "cross-site"}),
        ("GET", "/v1/models/m", {"Sec_Fetch_Site": "cross-site"}),
    ][:times]
    with served(workshop) as (of_grpc, port):
        failures = [
            f"{method} {path} {headers}"
            for method, path, headers in requests
            if ask(port, method, path, **headers) != 403
        ]
        with grpc.insecure_channel(f"127.0.0.1:{of_grpc}") as channel:
            stub = model_service_pb2_grpc.ModelServiceStub(channel)
            request = model_management_pb2.ReloadConfigRequest()
            request.config.model_config_list.config.add(
                name="other", base_path=str(workshop.export.parent), model_platform="tensorflow"
            )
            try:
                stub.HandleReloadConfigRequest(request)
                failures.append("reloaded")
            except grpc.RpcError as error:
                if error.code() is not grpc.StatusCode.PERMISSION_DENIED:
                    failures.append(str(error.code()))
            status = get_model_status_pb2.GetModelStatusRequest()
            status.model_spec.name = "m"
            stub.GetModelStatus(status)
    return len(requests) + 1, failures


ATTACKS = (
    Attack("server: idle connections, 1,024 descriptors", idle, 8000),
    Attack("server: bodies that never end", slow_bodies, 500),
    Attack("server: other hosts' names, other sites, a reload", other_sites, 8),
)
