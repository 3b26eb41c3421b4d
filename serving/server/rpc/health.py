"""grpc.health.v1, whose watchers do not keep a server from ending."""

import threading
from collections.abc import Callable

import grpc
from grpc_health.v1 import health, health_pb2


class Health(health.HealthServicer):
    """The library's service, which can also let go of its watchers.

    A call of Watch lasts as long as its client wants, and a server that stops waits for its calls.
    """

    def __init__(self) -> None:
        super().__init__()
        self._contexts: set[grpc.ServicerContext] = set()
        self._watching = threading.Lock()

    def Watch(  # noqa: N802  (the name of the method in grpc.health.v1)
        self,
        request: health_pb2.HealthCheckRequest,
        context: grpc.ServicerContext,
        send_response_callback: Callable[[health_pb2.HealthCheckResponse | None], None],
    ) -> None:
        """Tells the client the status now, and whenever it changes."""
        with self._watching:
            self._contexts.add(context)
        context.add_callback(lambda: self._forget(context))
        super().Watch(request, context, send_response_callback)

    def end_watches(self) -> None:
        """Ends every call of Watch."""
        with self._watching:
            contexts = list(self._contexts)
        for context in contexts:
            context.cancel()

    def _forget(self, context: grpc.ServicerContext) -> None:
        with self._watching:
            self._contexts.discard(context)
