import threading
from contextlib import nullcontext

import grpc
import numpy as np
import pytest

from features.errors import ConfigError
from serving.export_format import names
from serving.scoring.signature_inputs import signature_inputs
from serving.server.core.batching import Batcher, BatchingOptions
from serving.server.core.loaded_model import LoadedModel
from serving.server.core.serving_error import ServingError
from serving.server.core.validation import check_inputs
from tests.serving.conftest import FEATURES
from tests.serving.server.toy import answer, request, save


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    model = LoadedModel("toy", 1, save(tmp_path_factory.mktemp("toy") / "1", 100.0))
    yield model
    model.close()


@pytest.fixture
def runs(monkeypatch):
    """The number of rows of each run of a model."""
    seen, run = [], LoadedModel.run_checked

    def spy(self, signature, arrays):
        seen.append(len(next(iter(arrays.values()))))
        return run(self, signature, arrays)

    monkeypatch.setattr(LoadedModel, "run_checked", spy)
    return seen


def together(model, signature, requests, size=128, timeout=2_000_000):
    """Asks all at once, one thread each; what each of them was told."""
    batcher = Batcher(BatchingOptions(size, timeout), nullcontext, lambda: False)
    found, told = model.signatures[signature], [None] * len(requests)
    ready = threading.Barrier(len(requests))

    def ask(number):
        arrays, rows = check_inputs(found, requests[number])
        ready.wait(10)
        try:
            told[number] = batcher.run(model, found, arrays, rows)
        except ServingError as error:
            told[number] = error

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(len(requests))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert batcher.gathering == 0
    return told


def test_requests_that_come_together_run_once_and_each_gets_its_own_rows(toy, runs):
    requests = [request(rows, start=10.0 * rows) for rows in (1, 2, 3, 4)]
    told = together(toy, "raw_tensors", requests, size=10)
    assert runs == [10]
    for asked, received in zip(requests, told, strict=True):
        np.testing.assert_array_equal(received["prob"], answer(asked, 100.0))
        np.testing.assert_array_equal(received["x"], asked["x"])
        assert received["prob"].base is None  # no view of a batch that holds others' answers


def test_lists_of_different_lengths_are_padded(toy, runs):
    requests = [request(2, words=words) for words in (0, 1, 5)]
    told = together(toy, "raw_tensors", requests, size=6)
    assert runs == [6]
    for asked, received in zip(requests, told, strict=True):
        np.testing.assert_array_equal(received["prob"], answer(asked, 100.0))


def test_a_batch_never_grows_beyond_its_size(toy, runs):
    requests = [request(3, start=index) for index in range(7)]
    told = together(toy, "raw_tensors", requests, size=7, timeout=50_000)
    assert sum(runs) == 21
    assert max(runs) <= 7
    for asked, received in zip(requests, told, strict=True):
        np.testing.assert_array_equal(received["prob"], answer(asked, 100.0))


def test_an_error_of_one_request_reaches_no_other(toy, runs):
    requests = [request(1), request(1, start=-9.0), request(2)]
    told = together(toy, "raw_tensors", requests, size=4)
    assert sorted(runs) == [1, 1, 2, 4]  # all, then each alone
    assert isinstance(told[1], ServingError)
    assert told[1].code == grpc.StatusCode.INVALID_ARGUMENT
    for number in (0, 2):
        np.testing.assert_array_equal(told[number]["prob"], answer(requests[number], 100.0))


def test_a_bug_in_the_model_leaves_nobody_waiting(toy, monkeypatch):
    def broken(self, signature, arrays):
        raise ZeroDivisionError

    monkeypatch.setattr(LoadedModel, "run_checked", broken)
    batcher = Batcher(BatchingOptions(2, 2_000_000), nullcontext, lambda: False)
    found, errors = toy.signatures["raw_tensors"], []

    def ask():
        try:
            batcher.run(toy, found, request(1), 1)
        except Exception as error:
            errors.append(type(error))

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sorted(error.__name__ for error in errors) == ["RuntimeError", "ZeroDivisionError"]


def test_answers_of_an_export_are_those_without_batching(exported, rows):
    model = LoadedModel("ads", 1, exported)
    pieces = [rows.slice(start, count) for start, count in ((0, 1), (1, 3), (4, 2), (6, 6))]
    for name in model.signatures:
        if name == names.RANK:
            continue
        requests = [
            {key: value.numpy() for key, value in signature_inputs(name, each, FEATURES).items()}
            for each in pieces
        ]
        for asked, received in zip(
            requests, together(model, name, requests, size=rows.num_rows), strict=True
        ):
            expected = model.run(name, asked)
            assert set(received) == set(expected)
            for output, value in expected.items():
                if value.dtype == object:
                    assert received[output].tolist() == value.tolist()
                else:
                    np.testing.assert_allclose(received[output], value, atol=1e-6)
    model.close()


def test_rank_and_signatures_that_do_not_answer_row_by_row_are_left_alone(toy):
    batcher = Batcher(BatchingOptions(8), nullcontext, lambda: False)
    takes = {
        name: [rows for rows in (0, 1, 7, 8, 9) if batcher.takes(signature, rows)]
        for name, signature in toy.signatures.items()
    }
    assert takes == {"raw_tensors": [1, 7], "serving_default": [1, 7], "rank": [], "total": []}


def test_a_request_that_is_alone_does_not_wait(toy):
    batcher = Batcher(BatchingOptions(8, 3_600_000_000), nullcontext, lambda: True)
    told = batcher.run(toy, toy.signatures["raw_tensors"], request(2), 2)
    np.testing.assert_array_equal(told["prob"], answer(request(2), 100.0))


@pytest.mark.parametrize(("size", "timeout"), [(1, 0), (0, 0), (8, -1)])
def test_options_that_make_no_sense_are_refused(size, timeout):
    with pytest.raises(ConfigError, match=f"Received: {size} and {timeout}"):
        BatchingOptions(size, timeout)
