import numpy as np
import pyarrow as pa
import pytest

from pipeline.data.histories.example_histories import EarlierLists, Events, histories_of


def oracle(keys, times, events, length, earlier):
    """One example at a time; events are (key, time, item), earlier (key, until, items)."""
    found = []
    for key, time in zip(keys, times, strict=True):
        mine = sorted((e for e in events if e[0] == key and key is not None), key=lambda e: e[1])
        until, items = max(
            ((u, list(i)) for k, u, i in earlier if k == key and key is not None),
            default=(None, []),
            key=lambda pair: pair[0],
        )
        if until is not None and time > until:
            seen = items + [item for _, t, item in mine if until < t < time]
        else:
            seen = [item for _, t, item in mine if t < time]
        found.append(seen[-length:])
    return found


def collect(keys, times, events, length, earlier=None):
    def text(values):
        return pa.array(values, pa.string())

    lists = earlier and EarlierLists(
        text([k for k, _, _ in earlier]),
        np.array([u for _, u, _ in earlier], np.int64),
        {"item": pa.array([i for _, _, i in earlier], pa.list_(pa.string()))},
    )
    found = histories_of(
        text(keys),
        np.array(times, np.int64),
        Events(
            text([k for k, _, _ in events]),
            np.array([t for _, t, _ in events], np.int64),
            {"item": text([i for _, _, i in events])},
        ),
        {"steps": ("item", length)},
        lists,
    )
    whole = found.lists(0, len(keys))["steps"].to_pylist()
    parts = [found.lists(start, 7)["steps"].to_pylist() for start in range(0, len(keys), 7)]
    assert [steps for part in parts for steps in part] == whole
    return whole


@pytest.mark.parametrize("with_lists", [False, True])
@pytest.mark.parametrize("length", [1, 3, 50])
@pytest.mark.parametrize("seed", range(5))
def test_matches_oracle(seed, length, with_lists):
    rng = np.random.default_rng(seed)
    names = np.array(["u0", "u1", "u2", "u3", None], object)
    events = [
        (key, int(time), f"v{index}")  # few times, so that many events share one
        for index, (key, time) in enumerate(
            zip(rng.choice(names, 60), rng.integers(-3, 12, 60), strict=True)
        )
    ]
    keys = [*rng.choice(names, 40), "without events"]
    times = rng.integers(-5, 14, 41).tolist()
    earlier = [("u0", 4, ["e1", "e2", "e3"]), ("u1", 2, []), ("u2", -9, ["e4"]), ("new", 0, ["e5"])]
    earlier = earlier if with_lists else []
    expected = oracle(keys, times, events, length, earlier)
    assert collect(keys, times, events, length, earlier or None) == expected
    assert any(expected)


def test_an_event_of_the_same_time_is_not_earlier():
    events = [("u", 10, "same"), ("u", 9, "before"), ("u", 11, "after"), ("other", 1, "x")]
    assert collect(["u"], [10], events, 5) == [["before"]]


def test_shifting_the_clock_of_events_hides_them():
    rng = np.random.default_rng(1)
    times = np.sort(rng.integers(0, 50, 30))
    keys = ["u"] * 30
    events = [("u", int(time), str(index)) for index, time in enumerate(times)]
    seen = collect(keys, times, events, 100)
    assert [len(steps) for steps in seen] == [int((times < time).sum()) for time in times]
    later = [(key, time + 50, item) for key, time, item in events]
    assert collect(keys, times, later, 100) == [[]] * 30
    before = [(key, time - 50, item) for key, time, item in events]
    assert collect(keys, times, before, 100) == [[str(index) for index in range(30)]] * 30


def test_repeated_rows_are_repeated_events_in_their_order():
    events = [("u", 1, "a"), ("u", 1, "a"), ("u", 1, "b"), ("u", 0, "c")]
    assert collect(["u"], [2], events, 3) == [["a", "a", "b"]]


def test_lists_replace_the_log_up_to_their_time_and_are_unseen_until_then():
    events = [("u", 3, "in the list"), ("u", 5, "in the list too"), ("u", 7, "new")]
    earlier = [("u", 5, ["first", "second"]), ("u", 2, ["stale"])]
    found = collect(["u"] * 4, [4, 5, 6, 8], events, 9, earlier)
    assert found == [
        ["in the list"],
        ["in the list"],
        ["first", "second"],
        ["first", "second", "new"],
    ]


def test_sequences_of_a_history_stay_aligned():
    events = Events(
        pa.array(["u", "u", "u"]),
        np.array([3, 1, 2]),
        {"item": pa.array(["c", "a", "b"]), "stars": pa.array([None, "1", "2"])},
    )
    found = histories_of(
        pa.array(["u"]), np.array([9]), events, {"i": ("item", 2), "s": ("stars", 2)}
    ).lists(0, 1)
    assert found["i"].to_pylist() == [["b", "c"]]
    assert found["s"].to_pylist() == [["2", None]]
