import json
import os
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from benchmarks.training.cases import CASES, Goal, cases_named
from benchmarks.training.rounds import Block, Rounds, busy_seconds, collect, quartiles
from benchmarks.training.steps import _goal_line, _ratios
from benchmarks.training.worker import Worker, WorkerError
from benchmarks.training.workload import (
    FIELDS,
    distinct_share,
    field_ids,
    field_sizes,
    read_batches,
    write_workload,
)

KERAS_2 = {"TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}


def block(seconds: float, foreign: float = 0.0) -> Block:
    """Ten steps that keep two cores busy, and `foreign` processor seconds of others."""
    own = 2.0 * seconds
    return Block(steps=10, seconds=seconds, own_cpu=own, busy=own + foreign)


def runner(script: dict[str, list[Block]], calls: list[str]):
    queues = {side: iter(blocks) for side, blocks in script.items()}

    def run_block(side: str) -> Block:
        calls.append(side)
        return next(queues[side])

    return run_block


def test_rounds_alternate_the_sides():
    calls: list[str] = []
    script = {"a": [block(1.0)] * 2, "b": [block(2.0)] * 2}
    rounds = collect(["a", "b"], runner(script, calls), wanted=2, limit=9, cores=2)
    assert calls == ["a", "b", "a", "b"]
    assert len(rounds.kept) == 2
    assert rounds.dropped == 0


def test_a_disturbed_block_drops_its_round_at_once():
    calls: list[str] = []
    script = {"a": [block(1.0), block(1.0, foreign=0.2), block(3.0)], "b": [block(2.0)] * 2}
    rounds = collect(["a", "b"], runner(script, calls), wanted=2, limit=9, cores=2)
    assert calls == ["a", "b", "a", "a", "b"]  # b is not run after the disturbed block of a
    assert rounds.dropped == 1
    assert [each["a"].seconds for each in rounds.kept] == [1.0, 3.0]


def test_a_busy_machine_ends_the_search():
    rounds = collect(["a"], lambda _: block(1.0, foreign=1.0), wanted=3, limit=5, cores=2)
    assert rounds == Rounds((), 5)


@pytest.mark.parametrize(("foreign", "kept"), [(0.099, 1), (0.101, 0)])
def test_the_threshold_is_a_share_of_all_cores(foreign, kept):
    rounds = collect(["a"], lambda _: block(1.0, foreign), wanted=1, limit=1, cores=2)
    assert len(rounds.kept) == kept


def test_ratios_are_taken_within_a_round():
    seconds = [(1.0, 2.0), (4.0, 4.0), (2.0, 5.0)]
    rounds = Rounds(tuple({"a": block(a), "b": block(b)} for a, b in seconds), 0)
    assert rounds.ratios("a", "b") == [b / a for a, b in seconds]
    assert rounds.rates("a", batch=7) == [70 / a for a, _ in seconds]


def test_a_goal_on_steps_is_the_inverse_of_the_speeds():
    rounds = Rounds(({"a": block(3.0), "b": block(2.0)},), 0)
    assert _ratios(rounds, Goal("a", "b")) == [pytest.approx(2.0 / 3.0)]
    assert _ratios(rounds, Goal("a", "b", steps=True)) == [pytest.approx(1.5)]


@pytest.mark.parametrize(
    ("median", "steps", "verdict"),
    [
        (2.6, False, "aim"),
        (2.2, False, "met"),
        (1.9, False, "MISSED"),
        (1.1, True, "aim"),
        (1.3, True, "met"),
        (1.5, True, "MISSED"),
    ],
)
def test_a_goal_is_judged_by_its_median(median, steps, verdict):
    limit, aim = (1.4, 1.2) if steps else (2.0, 2.5)
    goal = vars(Goal("a", "b", limit, aim, steps)) | {"ratio": (0.0, median, 9.0)}
    assert _goal_line(goal).endswith(f" {verdict} |")


def test_quartiles_are_those_of_numpy():
    rng = np.random.default_rng(0)
    for count in (1, 2, 5, 8):
        values = rng.normal(size=count).tolist()
        np.testing.assert_allclose(quartiles(values), np.quantile(values, [0.25, 0.5, 0.75]))
    assert quartiles([3.0, 1.0, 2.0])[1] == statistics.median([1.0, 2.0, 3.0])


def test_idle_and_waiting_time_is_not_busy():
    stat = "cpu  10 20 30 4000 5000 6 7 8 0 0\ncpu0 1 2 3 4 5 6 7 8 0 0\n"
    assert busy_seconds(stat, 100) == pytest.approx((10 + 20 + 30 + 6 + 7 + 8) / 100)


@pytest.mark.parametrize(("batch", "share"), [(10_000, 0.14), (4_096, 0.18)])
def test_batches_hold_as_many_distinct_ids_as_criteo(batch, share):
    assert distinct_share(field_ids(2_000_000, 20_000), batch) == pytest.approx(share, abs=0.004)


def test_distinct_share_counts_each_field_by_itself():
    ids = np.array([[0, 0, 1, 1], [0, 1, 2, 3]], np.int32)
    assert distinct_share(ids, 4) == (2 + 4) / 8
    assert distinct_share(ids, 2) == (1 + 2 + 1 + 2) / 8


def test_larger_tables_are_read_as_often_but_everywhere():
    small, large = field_ids(2_000_000, 5_000), field_ids(50_000_000, 5_000)
    assert field_sizes(50_000_000).sum() == 25 * field_sizes().sum()
    assert distinct_share(small, 5_000) == distinct_share(large, 5_000)
    assert (large < field_sizes(50_000_000)[:, np.newaxis]).all()
    assert large.max() > 0.9 * field_sizes(50_000_000).max()


def test_batches_are_cut_in_order(tmp_path):
    write_workload(tmp_path / "w.npz", rows=1_000, examples=25)
    sizes, ids, labels = read_batches(str(tmp_path / "w.npz"), 10)
    whole = np.load(tmp_path / "w.npz")
    assert len(ids) == len(sizes) == FIELDS
    np.testing.assert_array_equal(ids["C39"].ravel(), whole["ids"][-1, :20])
    np.testing.assert_array_equal(labels.ravel(), whole["labels"][:20])


def test_too_few_rows_are_refused():
    with pytest.raises(ValueError, match="need 624 table rows"):
        field_sizes(100)


def test_every_goal_names_sides_of_its_case():
    for case in CASES.values():
        for goal in case.goals:
            assert {goal.of, goal.to} <= set(case.sides)


def test_cases_are_chosen_by_name():
    assert set(cases_named(["mixture"])) == {"mixture"}
    assert len(cases_named(["batch_curve"])) == 8
    assert list(cases_named([])) == list(CASES)
    with pytest.raises(ValueError, match="No case is named 'mixtrue'"):
        cases_named(["mixtrue"])


@pytest.fixture
def worker(tmp_path):
    started = Worker("benchmarks.training.peers.concord", sys.executable, tmp_path / "log", KERAS_2)
    yield started
    started.close()


def small_spec(tmp_path: Path, **spec) -> dict:
    write_workload(tmp_path / "w.npz", rows=2_000, examples=256)
    case = CASES["mixture"]
    network = json.loads(json.dumps(case.sides["concord_lazy"].spec["network"]))
    network["branches"]["model"]["units"] = [8]
    return {"data": str(tmp_path / "w.npz"), "batch": 64, "network": network, **spec}


def test_concord_trains_from_memory_and_stops_between_blocks(tmp_path, worker):
    settings = worker.build(small_spec(tmp_path))
    assert settings["weights"] >= 2_000 * 10
    done, peak = worker.block(3)
    assert done.steps == 3
    assert done.seconds > 0.0
    assert done.own_cpu > 0.0
    assert peak > 50e6
    if sys.platform == "linux":
        stat, until = Path(f"/proc/{worker.process_id}/stat"), time.monotonic() + 10.0
        # Stopped, as soon as the signal has reached it.
        while stat.read_text().rsplit(")", 1)[1].split()[0] != "T":
            assert time.monotonic() < until, "it still runs"
            time.sleep(0.01)


def test_concord_trains_from_files(tmp_path, worker):
    settings = worker.build(small_spec(tmp_path, files=True))
    assert settings["input"] == "bundle files"
    done, _ = worker.block(3)
    assert done.seconds > 0.0


def test_a_side_that_fails_says_why(tmp_path, worker):
    spec = small_spec(tmp_path) | {"network": {"branches": {"deeep": {}}}}
    with pytest.raises(WorkerError, match=r"(?s)benchmarks.training.peers.concord ended .*deeep"):
        worker.build(spec)


def test_a_closed_worker_is_gone(tmp_path):
    started = Worker("benchmarks.training.peers.concord", sys.executable, tmp_path / "log", KERAS_2)
    number = started.process_id
    started.close()
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)
