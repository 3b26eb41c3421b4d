"""One client: a process with one connection that sends prepared requests, one after the other.

    python -m benchmarks.serving.client_process SPEC

SPEC is a JSON file; see `benchmarks.serving.under_load.clients`. On each line of standard input,
`run SECONDS COUNT`, it sends requests for so long and so often at most, or until SIGUSR1, and
answers with a line of JSON: when requests began (`time.monotonic`) and their latencies, in
seconds, rows, failures (an error or no answer), wrong answers. It imports no TensorFlow, unless
answers are to be checked over gRPC.
"""

import features  # noqa: F401  # isort: skip  (Keras 2, before TensorFlow is imported)

import base64
import http.client
import json
import random
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

import grpc

from benchmarks.training.peer_process import die_with_parent

Send = Callable[[bytes], bytes]
_METHOD = "/tensorflow.serving.PredictionService/Predict"
_TIMEOUT = 60.0
_MOST_REASONS = 3
_stop: list[int] = []  # filled by the signal that ends a run


def main(path: str) -> None:
    die_with_parent()
    with open(path) as file:
        spec = json.load(file)
    bodies = [base64.b64decode(request) for request in spec["requests"]]
    protocols = {"grpc": _over_grpc, "rest": _over_rest}
    send = protocols[spec["protocol"]](spec["port"], spec["model"])
    check = _checker(spec) if spec.get("answers") else None
    signal.signal(signal.SIGUSR1, _ask_to_stop)
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        _, seconds, count = line.split()
        result = _run(
            send, bodies, check, spec["rows"], float(seconds), int(count), spec["think_seconds"]
        )
        print(json.dumps(result), flush=True)


def _run(
    send: Send,
    bodies: Sequence[bytes],
    check: Callable[[int, bytes], str | None] | None,
    rows: int,
    seconds: float,
    count: int,
    think_seconds: float,
) -> dict[str, Any]:
    latencies: list[float] = []
    began: list[float] = []
    reasons: list[str] = []
    failed = wrong = 0
    until = time.perf_counter() + seconds
    _stop.clear()
    while len(latencies) < count and time.perf_counter() < until and not _stop:
        which = len(latencies) % len(bodies)
        if think_seconds:
            time.sleep(random.uniform(0.5, 1.5) * think_seconds)
        began.append(time.monotonic())
        started = time.perf_counter()
        try:
            answer = send(bodies[which])
        except Exception as error:  # every kind of failure is one, and is counted
            failed += 1
            reasons.append(" ".join(str(error).split())[:200])
            latencies.append(time.perf_counter() - started)
            continue
        latencies.append(time.perf_counter() - started)
        problem = check(which, answer) if check else None
        if problem:
            wrong += 1
            reasons.append(problem)
    return {
        "latencies": latencies,
        "began": began,
        "rows": rows * (len(latencies) - failed),
        "failed": failed,
        "wrong": wrong,
        "reasons": reasons[:_MOST_REASONS],
    }


def _ask_to_stop(number: int, _: FrameType | None) -> None:
    _stop.append(number)


def _over_grpc(port: int, _: str) -> Send:
    channel = grpc.insecure_channel(f"127.0.0.1:{port}")
    grpc.channel_ready_future(channel).result(_TIMEOUT)
    call = channel.unary_unary(_METHOD)  # bytes in, bytes out
    return lambda body: call(body, timeout=_TIMEOUT)


def _over_rest(port: int, model: str) -> Send:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT)
    connection.connect()
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    path = f"/v1/models/{model}:predict"

    def send(body: bytes) -> bytes:
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = response.read()
        if response.status != 200:
            raise RuntimeError(f"{response.status} {answer[:200]!r}")
        return answer

    return send


def _checker(spec: dict[str, Any]) -> Callable[[int, bytes], str | None]:
    """Compares answers with the scores that the versions give: `answers[kind][request]`.

    Over gRPC, an answer says its version, and version N is of kind N modulo the number of kinds.
    """
    kinds = spec["answers"]

    def near(received: Sequence[float], wanted: Sequence[float]) -> bool:
        return len(received) == len(wanted) and all(
            abs(a - b) <= 1e-5 for a, b in zip(received, wanted, strict=True)
        )

    def rest(which: int, answer: bytes) -> str | None:
        received = json.loads(answer)["outputs"]
        right = any(near(received, kind[which]) for kind in kinds)
        return None if right else f"scores of no version: {received[:3]}"

    if spec["protocol"] == "rest":
        return rest
    from tensorflow_serving.apis import predict_pb2  # imports TensorFlow

    def over_grpc(which: int, answer: bytes) -> str | None:
        message = predict_pb2.PredictResponse.FromString(answer)
        version = message.model_spec.version.value
        received = message.outputs["prob"].float_val
        right = near(received, kinds[version % len(kinds)][which])
        return None if right else f"not the scores of version {version}: {received[:3]}"

    return over_grpc


if __name__ == "__main__":
    main(sys.argv[1])
