import logging
import time

import grpc
import pytest

from serving.server.core.serving_error import ServingError, invalid
from serving.server.requests.calls import Call, guarded


def fail(error):
    raise error


def test_a_bug_is_in_the_log_and_not_in_the_answer(caplog):
    with (
        caplog.at_level(logging.ERROR),
        pytest.raises(ServingError) as failed,
    ):
        guarded(Call("Predict", "REST"), lambda: fail(KeyError("/secret/path")))
    assert failed.value.code is grpc.StatusCode.INTERNAL
    assert failed.value.message == "Predict: the server failed. The reason is in its log."
    assert "/secret/path" in caplog.text
    assert "Traceback" in caplog.text


@pytest.mark.parametrize("letter", ["x", "é", "\ud800"])
def test_a_message_fits_into_a_header(letter):
    with pytest.raises(ServingError) as failed:
        guarded(Call("Predict", "GRPC"), lambda: fail(invalid(letter * 100_000)))
    assert failed.value.code is grpc.StatusCode.INVALID_ARGUMENT
    assert 0 < len(failed.value.message.encode()) < 2100


def test_a_deadline_that_passed_is_noticed():
    Call("Predict", "GRPC").check_deadline()
    Call("Predict", "GRPC", deadline=time.monotonic() + 60).check_deadline()
    with pytest.raises(ServingError) as failed:
        Call("Predict", "GRPC", deadline=time.monotonic()).check_deadline()
    assert failed.value.code is grpc.StatusCode.DEADLINE_EXCEEDED
