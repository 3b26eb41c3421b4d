"""A gRPC server of the API and of grpc.health.v1."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import grpc
from grpc_health.v1 import health_pb2_grpc

from serving.server.rpc.grpc_api import GrpcApi
from serving.server.rpc.health import Health

_WATCHERS = 64  # calls beside the limit: health, whose watchers stay for hours, and status
_HANDSHAKE_MS = 10_000  # from a connection to its settings: who says nothing goes
_IDLE_MS = 300_000  # without a call; a client connects again by itself
_TOLD_SECONDS = 0.5  # in which watchers of health learn that the server ends


def start_grpc(
    api: GrpcApi,
    servicer: Health,
    listen: Callable[[grpc.Server], int],
    *,
    threads: int,
    max_concurrency: int,
    max_message_bytes: int,
    most_connections: int,
) -> tuple[grpc.Server, int]:
    """Starts a server of the API and of grpc.health.v1.

    Requests that no thread is free for wait; beyond `max_concurrency` they are refused with
    RESOURCE_EXHAUSTED, by gRPC itself, before they are read.

    Args:
        api: The methods.
        servicer: Answers the questions after health.
        listen: Opens the port and returns its number.
        threads: How many requests are answered at a time.
        max_concurrency: Most requests that are answered or wait.
        max_message_bytes: The size of the largest request.
        most_connections: How many may be open.

    Returns:
        The server and its port.
    """
    server = grpc.server(
        ThreadPoolExecutor(threads, thread_name_prefix="grpc"),
        options=[
            ("grpc.max_receive_message_length", max_message_bytes),
            ("grpc.max_send_message_length", -1),
            ("grpc.so_reuseport", 0),  # else a second server takes half of the requests
            ("grpc.max_allowed_incoming_connections", most_connections),
            ("grpc.server_handshake_timeout_ms", _HANDSHAKE_MS),
            ("grpc.max_connection_idle_ms", _IDLE_MS),
        ],
        maximum_concurrent_rpcs=max_concurrency + _WATCHERS,
    )
    server.add_generic_rpc_handlers(api.services())
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    port = listen(server)
    server.start()
    return server, port


def end_grpc(server: grpc.Server, servicer: Health, grace_seconds: float) -> None:
    """Waits for what runs, and for the watchers of health no longer than they take to be told."""
    ended = server.stop(grace_seconds)
    if not ended.wait(_TOLD_SECONDS):
        servicer.end_watches()
        ended.wait()
