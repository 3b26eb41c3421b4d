import time

import grpc
import pytest

from serving.server.core.serving_error import ServingError
from serving.server.requests.calls import Call
from serving.server.requests.handlers import Handlers, Target
from serving.server.requests.prometheus import Metrics
from tests.serving.server.conftest import MODEL


def test_the_model_is_not_run_after_the_deadline(server, examples, monkeypatch):
    asked = []
    monkeypatch.setattr(server.manager, "run", lambda *_: asked.append(1))
    call = Call("Predict", "GRPC", deadline=time.monotonic())
    with pytest.raises(ServingError) as failed:
        Handlers(server.manager, Metrics()).predict(
            call, Target(MODEL), lambda _: {"examples": examples}
        )
    assert failed.value.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert asked == []
    assert (call.model, call.version, call.signature) == (MODEL, "1", "serving_default")
