import shutil
import threading
import time

import grpc
import numpy as np
import pytest

from serving.server.core.batching import BatchingOptions
from serving.server.core.loaded_model import LoadedModel
from serving.server.core.serving_error import ServingError
from serving.server.lifecycle.loading import load_warm
from serving.server.lifecycle.manager import ModelManager
from serving.server.lifecycle.models_config import ModelConfig, from_folder
from serving.server.lifecycle.versions import Policy, find_versions
from tests.serving.server.toy import answer, request, save
from tests.waiting import wait_until

BIASES = {1: 1000.0, 2: 2000.0}  # so far apart that an answer tells its version


@pytest.fixture(scope="module")
def versions(tmp_path_factory):
    folder = tmp_path_factory.mktemp("versions")
    return {number: save(folder / str(number), bias) for number, bias in BIASES.items()}


@pytest.fixture
def base(tmp_path):
    (tmp_path / "toy").mkdir()
    return tmp_path / "toy"


def publish(versions, base, number, kind=None):
    """A version appears under its name whole; its content is that of version `kind`."""
    shutil.copytree(versions[kind or number], base / f".{number}")
    (base / f".{number}").rename(base / str(number))


@pytest.fixture
def manage():
    made = []

    def manage(*configs, **options):
        made.append(ModelManager(configs, **{"poll_seconds": 0.02, **options}))
        made[-1].start()
        return made[-1]

    yield manage
    for manager in made:
        manager.stop(10)


def ask(manager, inputs, name="toy", **which):
    with manager.use(name, **which) as model:
        return model.version, manager.run(model, "raw_tensors", inputs, ["prob"])["prob"]


def refusal(function, *arguments, **keywords):
    with pytest.raises(ServingError) as caught:
        function(*arguments, **keywords)
    return caught.value


@pytest.mark.parametrize("batching", [None, BatchingOptions(16, 1000)], ids=["plain", "batching"])
def test_a_hot_swap_under_load_gives_no_wrong_and_no_failed_answer(
    versions, base, manage, batching
):
    publish(versions, base, 1)
    manager = manage(ModelConfig("toy", base), batching=batching)
    stop, problems, answers = threading.Event(), [], [0]

    def client(seed):
        while not stop.is_set():
            inputs = request(1 + seed, words=seed % 3, start=10.0 * seed)
            try:
                version, received = ask(manager, inputs)
                # Odd versions are copies of 1, even ones of 2.
                if not np.array_equal(received, answer(inputs, BIASES[2 - version % 2])):
                    problems.append((version, received))
                answers[0] += 1
            except Exception as error:
                problems.append(error)

    threads = [threading.Thread(target=client, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for number in range(2, 8):
        publish(versions, base, number, kind=2 - number % 2)
        wait_until(lambda number=number: manager.available("toy") == [number])
    wait_until(lambda: answers[0] > 20 or problems)
    stop.set()
    for thread in threads:
        thread.join(30)
    assert problems == []
    assert answers[0] > 20
    wait_until(
        lambda: [each.state for each in manager.status("toy")] == ["AVAILABLE"] + ["END"] * 6
    )


def test_a_use_that_is_counted_keeps_its_version_alive(versions, base, manage, monkeypatch):
    """The window between look-up and use: the swap happens right inside it."""
    publish(versions, base, 1)
    manager = manage(ModelConfig("toy", base), poll_seconds=3600)
    with manager.use("toy") as model:
        publish(versions, base, 2)
        manager.refresh()
        time.sleep(0.05)
        assert manager.available("toy") == [2]
        received = manager.run(model, "raw_tensors", request(2))["prob"]
        np.testing.assert_array_equal(received, answer(request(2), BIASES[1]))
    wait_until(lambda: manager.status("toy", 1)[0].state == "END")
    assert refusal(model.run, "raw_tensors", request(2)).code == grpc.StatusCode.UNAVAILABLE


def test_a_corrupt_new_version_leaves_the_old_one_answering_until_it_is_mended(
    versions, base, manage
):
    publish(versions, base, 1)
    manager = manage(ModelConfig("toy", base))
    shutil.copytree(versions[2], base / "2")
    content = (base / "2" / "saved_model.pb").read_bytes()
    (base / "2" / "saved_model.pb").write_bytes(content[: len(content) // 2])
    shutil.rmtree(base / "2" / "variables")
    wait_until(lambda: manager.status("toy")[0].version == 2)
    wait_until(lambda: manager.status("toy", 2)[0].state == "END")
    assert "SavedModel" in manager.status("toy", 2)[0].message
    assert ask(manager, request(1))[0] == 1
    assert manager.ready
    shutil.copytree(versions[2] / "variables", base / "2" / "variables")
    (base / "2" / "saved_model.pb").write_bytes(content)
    wait_until(lambda: manager.available("toy") == [2])
    np.testing.assert_array_equal(ask(manager, request(3))[1], answer(request(3), BIASES[2]))


def test_several_models_and_versions_and_labels_are_told_apart(versions, base, tmp_path, manage):
    publish(versions, base, 1)
    publish(versions, base, 2)
    (tmp_path / "other").mkdir()
    publish(versions, tmp_path / "other", 7, kind=2)
    manager = manage(
        ModelConfig("toy", base, Policy("all"), {"stable": 1}),
        ModelConfig("other", tmp_path / "other"),
    )
    assert manager.names() == ["other", "toy"]
    assert manager.ready
    assert manager.labels("toy") == {"stable": 1}
    for which, version, bias in (
        ({}, 2, BIASES[2]),
        ({"version": 1}, 1, BIASES[1]),
        ({"label": "stable"}, 1, BIASES[1]),
        ({"name": "other"}, 7, BIASES[2]),
    ):
        found, received = ask(manager, request(2), **which)
        assert found == version
        np.testing.assert_array_equal(received, answer(request(2), bias))


@pytest.mark.parametrize("which", [{"version": 9}, {"label": "x"}, {"name": "../toy"}])
def test_what_is_not_there_is_not_found(versions, base, manage, which):
    publish(versions, base, 1)
    manager = manage(ModelConfig("toy", base))
    assert refusal(ask, manager, request(1), **which).code == grpc.StatusCode.NOT_FOUND
    huge = refusal(ask, manager, request(1), name="n" * 10_000_000)
    assert len(huge.message) < 500


def test_a_server_without_a_usable_version_is_not_ready_and_becomes_it(versions, base, manage):
    manager = manage(ModelConfig("toy", base))
    assert not manager.ready
    publish(versions, base, 1)
    wait_until(lambda: manager.ready)


@pytest.mark.parametrize("batching", [None, BatchingOptions()], ids=["plain", "batching"])
def test_more_rows_than_the_limit_are_refused(versions, base, manage, batching):
    publish(versions, base, 1)
    manager = manage(ModelConfig("toy", base), max_batch=200, batching=batching)
    for rows in (0, 1, 127, 128, 200):
        received = ask(manager, request(rows))[1]
        np.testing.assert_array_equal(received, answer(request(rows), BIASES[1]))
    error = refusal(ask, manager, request(201))
    assert error.code == grpc.StatusCode.INVALID_ARGUMENT
    assert "received 201 rows, but a request may have at most 200" in error.message
    with manager.use("toy") as model:
        ranked = {"user": np.zeros(1, np.float32), "x": np.zeros(201, np.float32)}
        assert "201 rows" in refusal(manager.run, model, "rank", ranked).message


def test_more_requests_than_the_limit_are_refused_and_the_others_answered(
    versions, base, manage, monkeypatch
):
    publish(versions, base, 1)
    manager = manage(ModelConfig("toy", base), max_concurrency=3)
    go_on, run = threading.Event(), LoadedModel.run_checked

    def slow(self, signature, arrays):
        assert go_on.wait(30)
        return run(self, signature, arrays)

    monkeypatch.setattr(LoadedModel, "run_checked", slow)
    received = []
    threads = [
        threading.Thread(target=lambda: received.append(ask(manager, request(1)))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    wait_until(lambda: manager.inside == 3)
    error = refusal(ask, manager, request(1))
    assert error.code == grpc.StatusCode.RESOURCE_EXHAUSTED
    go_on.set()
    for thread in threads:
        thread.join(30)
    assert len(received) == 3
    assert ask(manager, request(1))[0] == 1


def test_a_reload_changes_models_and_keeps_what_stays(versions, base, tmp_path, manage):
    publish(versions, base, 1)
    (tmp_path / "new").mkdir()
    publish(versions, tmp_path / "new", 2)
    manager = manage(ModelConfig("toy", base), ModelConfig("gone", base))
    with manager.use("toy") as kept:
        pass
    manager.reload(
        [ModelConfig("toy", base, labels={"a": 1}), ModelConfig("new", tmp_path / "new")]
    )
    assert manager.names() == ["new", "toy"]
    with manager.use("toy", label="a") as model:
        assert model is kept
    assert ask(manager, request(1), name="new")[0] == 2
    assert refusal(ask, manager, request(1), name="gone").code == grpc.StatusCode.NOT_FOUND
    for configs, message in (
        ([ModelConfig("toy", base, labels={"a": 2})], "label 'a' names version 2, which is not"),
        ([ModelConfig("toy", base), ModelConfig("x", tmp_path / "no")], "'x' has no version that"),
    ):
        error = refusal(manager.reload, configs)
        assert error.code == grpc.StatusCode.FAILED_PRECONDITION
        assert message in error.message
        assert ask(manager, request(1))[0] == 1


def test_a_model_whose_base_path_moves_is_loaded_from_there(versions, base, tmp_path, manage):
    publish(versions, base, 1)
    (tmp_path / "moved").mkdir()
    publish(versions, tmp_path / "moved", 1, kind=2)
    manager = manage(ModelConfig("toy", base))
    manager.reload([ModelConfig("toy", tmp_path / "moved")])
    np.testing.assert_array_equal(ask(manager, request(1))[1], answer(request(1), BIASES[2]))


def test_an_error_over_one_model_stops_neither_the_polling_nor_the_others(
    versions, base, tmp_path, manage, monkeypatch, caplog
):
    publish(versions, base, 1)
    (tmp_path / "other").mkdir()
    manager = manage(ModelConfig("toy", base), ModelConfig("other", tmp_path / "other"))

    def broken(folder):
        if folder == base:
            raise OSError("the disk is on fire")
        return find_versions(folder)

    with monkeypatch.context() as patch:
        patch.setattr("serving.server.lifecycle.served.find_versions", broken)
        wait_until(lambda: "model toy: its folder cannot be looked at" in caplog.text)
        assert ask(manager, request(1))[0] == 1
        publish(versions, tmp_path / "other", 2)
        wait_until(lambda: manager.available("other") == [2])
    publish(versions, base, 2)
    wait_until(lambda: manager.available("toy") == [2])


def test_stopping_ends_every_version_and_thread(versions, base):
    publish(versions, base, 1)
    before = set(threading.enumerate())
    manager = ModelManager([from_folder(base)], poll_seconds=0.02)
    manager.start()
    manager.stop(10)
    assert [each.state for each in manager.status("toy")] == ["END"]
    assert not manager.ready
    assert not {each.name for each in set(threading.enumerate()) - before}


@pytest.fixture
def slow(versions, base, manage, monkeypatch):
    """A manager whose next load waits: its start, and what lets it go on."""
    publish(versions, base, 1)
    manager = manage(ModelConfig("toy", base))
    began, go_on = threading.Event(), threading.Event()

    def load(*args):
        began.set()
        assert go_on.wait(30)
        return load_warm(*args)

    monkeypatch.setattr("serving.server.lifecycle.manager.load_warm", load)
    yield manager, began, go_on
    go_on.set()


def test_a_second_reload_does_not_wait_for_the_first(versions, base, slow):
    manager, began, go_on = slow
    config = ModelConfig("toy", base)
    first = threading.Thread(target=manager.reload, args=[[config, ModelConfig("new", base)]])
    first.start()
    assert began.wait(30)
    assert refusal(manager.reload, [config]).code is grpc.StatusCode.UNAVAILABLE
    assert ask(manager, request(1))[0] == 1
    go_on.set()
    first.join(30)
    manager.reload([config])
    assert manager.names() == ["toy"]


def test_stopping_does_not_wait_for_a_load_beyond_the_grace(versions, base, slow, caplog):
    manager, began, go_on = slow
    publish(versions, base, 2)
    assert began.wait(30)
    manager.stop(0.05)  # returns
    assert "a version is still being loaded" in caplog.text
    go_on.set()
    wait_until(lambda: not manager.watching)
