import threading
from pathlib import Path

import grpc
import pytest

from serving.server.core.serving_error import ServingError
from serving.server.lifecycle.models_config import ModelConfig
from serving.server.lifecycle.served import ServedModel
from serving.server.lifecycle.versions import Policy


class FakeModel:
    def __init__(self, version):
        self.version = version
        self.closed = False

    def close(self):
        self.closed = True


class Loader:
    """Loads a version unless its folder holds a file `broken`, whose text is the reason."""

    def __init__(self):
        self.bug = None  # raised for every version
        self.tried = []
        self.models = []

    def __call__(self, version, folder):
        self.tried.append(version)
        if self.bug is not None:
            raise self.bug
        broken = Path(folder, "broken")
        if broken.exists():
            raise ServingError(grpc.StatusCode.DATA_LOSS, broken.read_text())
        self.models.append(FakeModel(version))
        return self.models[-1]


@pytest.fixture
def base(tmp_path):
    return tmp_path / "base"


def put(base, *versions, broken=None):
    for version in versions:
        (base / str(version)).mkdir(parents=True, exist_ok=True)
        if broken:
            (base / str(version) / "broken").write_text(broken)


def remove(base, version):
    for file in (base / str(version)).iterdir():
        file.unlink()
    (base / str(version)).rmdir()


def serve(base, policy=None, **labels):
    loader = Loader()
    served = ServedModel(ModelConfig("ads", base, policy or Policy(), labels), loader)
    return served, loader


def settled(served):
    """The states, once what is being unloaded is."""
    served.wait_until_unloaded(10)
    return {each.version: each.state for each in served.statuses()}


def used(served, **which):
    with served.use(**which) as model:
        return model.version


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (Policy(), [4]),
        (Policy("latest", latest=2), [4, 3]),
        (Policy("latest", latest=9), [4, 3, 1]),
        (Policy("all"), [4, 3, 1]),
        (Policy("specific", specific=frozenset({1, 3, 7})), [3, 1]),
    ],
)
def test_the_policy_chooses_the_versions(base, policy, expected):
    put(base, 1, 3, 4)
    served, loader = serve(base, policy)
    served.refresh()
    served.refresh()
    assert served.available == expected == loader.tried
    assert used(served) == expected[0]
    assert [each.version for each in served.statuses()] == expected
    assert {each.state for each in served.statuses()} == {"AVAILABLE"}


def test_a_new_version_takes_over_and_the_old_one_is_closed(base):
    put(base, 1)
    served, loader = serve(base)
    served.refresh()
    put(base, 2)
    served.refresh()
    assert used(served) == 2
    assert settled(served) == {2: "AVAILABLE", 1: "END"}
    assert [model.closed for model in loader.models] == [True, False]


def test_an_old_version_is_closed_only_after_its_last_use(base):
    put(base, 1)
    served, loader = serve(base)
    served.refresh()
    old = loader.models[0]
    with served.use() as first, served.use() as second:
        assert first is second is old
        put(base, 2)
        served.refresh()
        assert used(served) == 2
        with pytest.raises(ServingError, match=r"no version 1 loaded\. Loaded: 2\."):
            used(served, version=1)
        assert {each.version: each.state for each in served.statuses()}[1] == "UNLOADING"
        assert not old.closed
    assert settled(served)[1] == "END"
    assert old.closed


class SwapAtRelease:
    """A condition that, once armed, swaps versions the moment its lock is let go of."""

    def __init__(self, condition):
        self._condition = condition
        self.swap = None

    def __getattr__(self, name):
        return getattr(self._condition, name)

    def __enter__(self):
        return self._condition.__enter__()

    def __exit__(self, *error):
        self._condition.__exit__(*error)
        swap, self.swap = self.swap, None
        if swap:
            swap()


def test_a_swap_right_after_the_look_up_does_not_close_what_was_found(base):
    put(base, 1)
    served, loader = serve(base)
    served.refresh()
    # Nothing public lies between the look-up and the count of the use.
    served._changed = condition = SwapAtRelease(served._changed)  # noqa: SLF001

    def swap():
        put(base, 2)
        served.refresh()
        served.wait_until_unloaded(
            0.2
        )  # time enough to close version 1, if it is wrongly thought unused

    condition.swap = swap
    with served.use() as model:
        assert model.version == 1
        assert served.available == [2]
        assert not model.closed
    assert settled(served)[1] == "END"
    assert loader.models[0].closed


def test_an_error_in_a_use_gives_it_back(base):
    put(base, 1)
    served, loader = serve(base)
    served.refresh()
    with pytest.raises(KeyError), served.use():
        raise KeyError
    served.close(10)
    assert loader.models[0].closed


def test_a_version_that_cannot_be_loaded_is_skipped_with_its_reason(base, caplog):
    put(base, 1)
    put(base, 2, broken="the file is torn")
    served, loader = serve(base)
    served.refresh()
    assert used(served) == 1
    (status,) = served.statuses(2)
    assert (status.state, status.code) == ("END", grpc.StatusCode.DATA_LOSS)
    assert status.message == "the file is torn"
    assert "model ads: version 2 is skipped: the file is torn" in caplog.text
    served.refresh()
    assert loader.tried == [2, 1]  # not again until it changes


def test_a_skipped_version_is_tried_again_when_its_files_change(base):
    put(base, 1)
    served, loader = serve(base)
    served.refresh()
    put(base, 2, broken="torn")
    served.refresh()
    put(base, 2, broken="torn elsewhere")
    served.refresh()
    assert served.statuses(2)[0].message == "torn elsewhere"
    (base / "2" / "broken").unlink()
    served.refresh()
    assert used(served) == 2
    assert served.statuses(2)[0].code == grpc.StatusCode.OK
    assert loader.tried == [1, 2, 2, 2]


def test_a_skipped_version_that_is_removed_is_forgotten(base):
    put(base, 1)
    put(base, 2, broken="torn")
    served, _ = serve(base)
    served.refresh()
    remove(base, 2)
    served.refresh()
    assert [each.version for each in served.statuses()] == [1]


def test_removing_the_latest_version_goes_back_to_the_one_before(base):
    put(base, 1, 2)
    served, _ = serve(base)
    served.refresh()
    remove(base, 2)
    served.refresh()
    assert used(served) == 1
    assert settled(served) == {1: "AVAILABLE", 2: "END"}


@pytest.mark.parametrize("policy", [Policy(), Policy("all")])
def test_the_last_version_goes_on_answering_when_its_folder_vanishes(base, policy):
    put(base, 1)
    served, loader = serve(base, policy)
    served.refresh()
    remove(base, 1)
    served.refresh()
    base.rmdir()
    served.refresh()
    assert used(served) == 1
    assert settled(served) == {1: "AVAILABLE"}
    put(base, 2, broken="torn")
    served.refresh()
    assert used(served) == 1
    put(base, 3)
    served.refresh()
    assert used(served) == 3
    assert settled(served)[1] == "END"
    assert loader.models[0].closed


def test_a_version_that_left_can_come_back(base):
    put(base, 1, 2)
    served, loader = serve(base)
    served.refresh()
    remove(base, 2)
    served.refresh()
    settled(served)
    put(base, 2)
    served.refresh()
    assert used(served) == 2
    assert settled(served) == {2: "AVAILABLE", 1: "END"}
    assert loader.tried == [2, 1, 2]


def test_without_any_version_nothing_is_found(base):
    served, _ = serve(base)
    served.refresh()
    with pytest.raises(ServingError, match=r"model 'ads' has no version loaded\.") as caught:
        used(served)
    assert caught.value.code == grpc.StatusCode.NOT_FOUND
    assert served.statuses() == []
    assert "has no version that can be served under" in served.lacking()


def test_labels_move_with_the_versions_that_are_loaded(base):
    put(base, 1, 2)
    served, _ = serve(base, Policy("latest", latest=2), stable=1, canary=2, next=3)
    served.refresh()
    assert used(served, label="stable") == 1
    assert used(served, label="canary") == 2
    assert served.statuses(label="stable")[0].version == 1
    with pytest.raises(ServingError, match=r"no version labelled 'next'\. Known: canary, stable"):
        used(served, label="next")
    assert "label 'next' names version 3, which is not loaded" in served.lacking()
    put(base, 3)
    served.refresh()
    assert served.labels == {"canary": 2, "next": 3}
    with pytest.raises(ServingError, match="no version labelled 'stable'"):
        used(served, label="stable")


def test_a_label_stays_on_its_version_until_the_next_one_is_loaded(base):
    put(base, 1)
    served, _ = serve(base, Policy("all"), stable=1)
    served.refresh()
    served.config = ModelConfig("ads", base, Policy("all"), {"stable": 2})
    served.refresh()
    assert used(served, label="stable") == 1
    put(base, 2)
    served.refresh()
    assert used(served, label="stable") == 2


def test_statuses_of_what_was_never_there_are_not_found(base):
    put(base, 1)
    served, _ = serve(base)
    served.refresh()
    with pytest.raises(ServingError, match="model 'ads' has no version 5") as caught:
        served.statuses(5)
    assert caught.value.code == grpc.StatusCode.NOT_FOUND


def test_statuses_of_ended_versions_do_not_pile_up(base):
    served, _ = serve(base)
    for number in range(1, 130):
        put(base, number)
        served.refresh()
        settled(served)
        remove(base, number)
    assert len(served.statuses()) == 101
    assert used(served) == 129


def test_while_a_version_loads_its_state_says_so_and_the_old_one_answers(base):
    put(base, 1)
    loading, go_on = threading.Event(), threading.Event()
    loader = Loader()

    def slow(version, folder):
        if version == 2:
            loading.set()
            assert go_on.wait(10)
        return loader(version, folder)

    served = ServedModel(ModelConfig("ads", base), slow)
    served.refresh()
    put(base, 2)
    thread = threading.Thread(target=served.refresh)
    thread.start()
    assert loading.wait(10)
    assert served.statuses(2)[0].state == "LOADING"
    assert used(served) == 1
    go_on.set()
    thread.join(10)
    assert used(served) == 2


def test_a_failed_load_that_is_not_the_versions_fault_is_told_and_tried_again(base):
    put(base, 1)
    served, loader = serve(base)
    loader.bug = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        served.refresh()
    (status,) = served.statuses()
    assert (status.state, status.code) == ("END", grpc.StatusCode.INTERNAL)
    loader.bug = None
    served.refresh()
    assert used(served) == 1


def test_a_skipped_version_whose_status_was_dropped_can_be_removed(base, monkeypatch):
    monkeypatch.setattr("serving.server.lifecycle.served._MOST_ENDED", 1)
    put(base, 1, broken="no")
    put(base, 5)
    served, _ = serve(base, Policy("all"))
    served.refresh()
    remove(base, 5)
    put(base, 6)
    served.refresh()
    assert settled(served) == {5: "END", 6: "AVAILABLE"}
    remove(base, 1)
    served.refresh()
    assert used(served) == 6


def test_a_model_without_labels_says_so(base):
    put(base, 1)
    served, _ = serve(base)
    served.refresh()
    with pytest.raises(ServingError, match=r"'stable'\. It has no labels"):
        used(served, label="stable")
