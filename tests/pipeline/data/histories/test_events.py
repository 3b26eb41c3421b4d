"""Histories from a log of events beside the log: against an oracle, with shifted clocks."""

import gzip
import tempfile

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pytest
from apache_beam.testing.test_pipeline import TestPipeline

import pipeline.data.histories.events as events_module
from features.errors import ConfigError, DataError
from features.specs import FeatureSet
from pipeline.data.blocks.carried_columns import text
from pipeline.data.histories.events import Wanted, WantedFn, scaled
from pipeline.data.job.examples import Examples
from pipeline.data.job.open_inputs import open_inputs
from pipeline.data.settings.data_config import DataConfig
from pipeline.data.sources import SOURCES
from pipeline.data.sources.base import EventLog, Source, TextFile

SPILL = tempfile.TemporaryDirectory()  # rows wait there for the limits of the splits
SHOP = Source(
    name="shop",
    title="Shop",
    homepage="https://shop.example",
    terms="none",
    log=TextFile(("log.csv",)),
    events={"visits": EventLog(TextFile(("visits.csv",)), key="user", time="at")},
)


def sequence(history, column):
    return {"kind": "sequence", "history": history, "column": column, "max_length": 3}


FEATURES = {
    "features": {
        "clicked": {"role": "label"},
        "time": {"role": "timestamp"},
        "row": {"kind": "categorical"},
        "pages": sequence("all", "page"),
        "kinds": sequence("all", "kind"),
        "bought": sequence("bought", "page"),
        "looked": sequence("looked", "page"),
        "own": sequence("own", "row"),
    },
    "histories": {
        "all": {"key": "user", "events": "visits"},
        "bought": {"key": "user", "events": "visits", "where": "is_buy"},
        "looked": {"key": "user", "events": "visits", "unless": "is_buy"},
        "own": {"key": "user", "unless": "clicked"},
    },
}
SEQUENCES = ("pages", "kinds", "bought", "looked", "own")


def random_log(rng, rows=40):
    """(user, time, clicked) of examples; the row number is their name."""
    users = [f"u{user}" if user else "" for user in rng.integers(0, 5, rows)]
    times = rng.integers(0, 30, rows).tolist()
    return [(user, times[row], int(row % 3 == 0)) for row, user in enumerate(users)]


def random_events(rng, count=150):
    """(user, time, page, kind, is_buy); some users have no example, some times are after all."""
    users = [f"u{user}" if user else "" for user in rng.integers(0, 8, count)]
    return [
        (user, int(time), f"p{index}", f"k{index % 4}" if index % 7 else "", int(index % 3 == 0))
        for index, (user, time) in enumerate(zip(users, rng.integers(-5, 40, count), strict=True))
    ]


def oracle(log, events, per_second=(1, 1)):
    """Sequences of each example, one example at a time."""
    found = {}
    for row, (user, time, _) in enumerate(log):
        moment = time * per_second[0]
        mine = [e for e in events if e[0] == user != "" and e[1] * per_second[1] < moment]
        mine.sort(key=lambda event: event[1])
        own = [
            (other_time, f"r{index}")
            for index, (other, other_time, clicked) in enumerate(log)
            if other == user != "" and other_time < time and not clicked
        ]
        own.sort(key=lambda event: event[0])
        found[f"r{row}"] = tuple(
            each[-3:]
            for each in (
                [page for _, _, page, _, _ in mine],
                [kind or None for _, _, _, kind, _ in mine],
                [page for _, _, page, _, buy in mine if buy],
                [page for _, _, page, _, buy in mine if not buy],
                [name for _, name in own],
            )
        )
    return found


def write(folder, log, events, packed=False):
    lines = [f"{c},{t},r{row},{u}" for row, (u, t, c) in enumerate(log)]
    (folder / "log.csv").write_text("\n".join(["clicked,time,row,user", *lines]) + "\n")
    lines = [",".join(map(str, (time, user, *rest))) for user, time, *rest in events]
    content = "\n".join(["at,user,page,kind,is_buy", *lines]) + "\n"
    if packed:
        (folder / "visits.csv.gz").write_bytes(gzip.compress(content.encode()))
    else:
        (folder / "visits.csv").write_text(content)


def run(folder, features=None, **settings):
    """What `Examples` gives, as plain values: rows by name, rejected, rows read, rows kept."""
    features = FeatureSet.model_validate(features or FEATURES)
    data = DataConfig(source="shop", path=str(folder), **{"history_partitions": 3, **settings})
    found = {"rows": {}, "rejected": [], "rows_read": {}, "rows_kept": {}}

    def keep_rows(block):
        for row in block[2].to_pylist():
            found["rows"][row["row"]] = tuple(row[name] for name in SEQUENCES if name in row)

    def count(name):
        def add(counted):
            found[name][counted[0]] = found[name].get(counted[0], 0) + counted[1]

        return add

    # In memory, so that the functions may write into `found`.
    with TestPipeline() as p:
        out = p | Examples(open_inputs(features, data), features, data, SPILL.name)
        for name, keep in (
            ("blocks", keep_rows),
            ("rejected", found["rejected"].append),
            ("rows_read", count("rows_read")),
            ("rows_kept", count("rows_kept")),
        ):
            out[name] | f"Keep{name}" >> beam.Map(Keeper(name))
            KEPT[name] = keep
    return found


KEPT = {}


class Keeper:
    """Pickles by name, so that what it calls stays in this process."""

    def __init__(self, name):
        self.name = name

    def __call__(self, element):
        KEPT[self.name](element)


@pytest.fixture
def shop(tmp_path, monkeypatch):
    monkeypatch.setitem(SOURCES, "shop", SHOP)
    return tmp_path


@pytest.mark.parametrize("seed", range(3))
def test_matches_oracle(shop, seed):
    rng = np.random.default_rng(seed)
    log, events = random_log(rng), random_events(rng)
    write(shop, log, events, packed=seed == 1)
    found = run(shop, history_partitions=None if seed == 2 else 3)
    assert found["rows"] == oracle(log, events)
    assert all(any(row[place] for row in found["rows"].values()) for place in range(5))
    without_user = sum(user == "" for user, *_ in events)
    assert found["rows_read"] == {"log": 40, "visits": 150}
    assert found["rows_kept"] == {"visits": 150 - without_user}
    assert len(found["rejected"]) == without_user


def test_shifting_the_clock_of_an_event_takes_it_away_from_what_came_after_and_nothing_else(shop):
    rng = np.random.default_rng(5)
    log, events = random_log(rng), random_events(rng)
    write(shop, log, events)
    before = run(shop)["rows"]
    page, (user, time) = next(
        (e[2], e[:2]) for e in events if e[0] and any(e[2] in row[0] for row in before.values())
    )
    last = max(t for u, t, _ in log if u == user)
    moved = [(u, last if p == page else t, p, *rest) for u, t, p, *rest in events]
    write(shop, log, moved)
    after = run(shop)["rows"]
    assert after == oracle(log, moved)
    assert not any(page in row[0] for row in after.values())  # at the last example's time, unseen
    for row, (other, moment, _) in enumerate(log):
        if other != user or moment <= time:
            assert after[f"r{row}"] == before[f"r{row}"]


def test_no_example_sees_an_event_of_its_own_moment_or_a_later_one(shop):
    log = [("u1", time, time % 2) for time in range(10)]
    events = [("u1", time, f"at{time}", "k", 1) for time in range(10)]
    write(shop, log, events)
    seen = {name: row[0] for name, row in run(shop)["rows"].items()}
    assert seen == {f"r{t}": [f"at{e}" for e in range(max(t - 3, 0), t)] for t in range(10)}
    late = [(user, time + 10, *rest) for user, time, *rest in events]
    write(shop, log, late)
    assert all(row[:4] == ([], [], [], []) for row in run(shop)["rows"].values())


@pytest.mark.parametrize(("of_log", "of_events"), [("s", "ms"), ("ms", "s"), ("ms", "ms")])
def test_clocks_of_different_units_are_compared_exactly(shop, monkeypatch, of_log, of_events):
    log_of = EventLog(TextFile(("visits.csv",)), key="user", time="at", unit=of_events)
    source = Source(**{**vars(SHOP), "events": {"visits": log_of}})
    monkeypatch.setitem(SOURCES, "shop", source)
    unit = {"s": 1000, "ms": 1}
    log = [("u1", 2_000 // unit[of_log] + step, 0) for step in (0, 1)]
    times = [1_999, 2_000, 2_001] if of_events == "ms" else [1, 2, 3]
    events = [("u1", time, f"at{time}", "k", 0) for time in times]
    write(shop, log, events)
    features = {**FEATURES, "features": dict(FEATURES["features"])}
    features["features"]["time"] = {"role": "timestamp", "unit": of_log}
    found = run(shop, features)["rows"]
    assert found == oracle(log, events, (unit[of_log], unit[of_events]))


def test_bad_events_are_set_aside_with_file_and_line(shop):
    events = [("u1", 1, "a", "k", 1), ("u1", "soon", "b", "k", 1), ("u1", 2, "c", "k", "maybe")]
    write(shop, [("u1", 9, 0)], events)
    with (shop / "visits.csv").open("a") as file:
        file.write("3,u1,d\n")
    found = run(shop)
    assert found["rows"]["r0"][0] == ["a"]
    assert sorted(
        (each["table"], each["position"], each["reason"]) for each in found["rejected"]
    ) == [
        ("visits", 3, "at must be a time as a whole number or an ISO date, got 'soon'"),
        ("visits", 4, "is_buy must be 0 or 1, got 'maybe'"),
        ("visits", 5, "3 columns instead of 5"),
    ]
    assert (found["rows_read"], found["rows_kept"]) == ({"log": 1, "visits": 4}, {"visits": 1})


def test_a_log_without_events_and_events_without_a_user_of_the_log_give_empty_histories(shop):
    write(shop, [("u1", 9, 0)], [])
    assert run(shop)["rows"] == {"r0": ([], [], [], [], [])}
    write(shop, [("u1", 9, 0)], [("other", 1, "a", "k", 1)])
    assert run(shop)["rows"] == {"r0": ([], [], [], [], [])}


def test_large_files_of_events_come_in_several_blocks(shop, monkeypatch):
    monkeypatch.setattr(events_module, "_MAX_ROWS", 20)
    rng = np.random.default_rng(8)
    log, events = random_log(rng), random_events(rng)
    write(shop, log, events)
    assert run(shop)["rows"] == oracle(log, events)


def test_only_what_an_example_may_see_is_wanted():
    combine = WantedFn("user", "time")

    def block(users, times):
        columns = {text("user"): pa.array(users, pa.string()), "time": pa.array(times, pa.int64())}
        return 0, pa.RecordBatch.from_pydict(columns)

    parts = [
        combine.add_input(combine.create_accumulator(), block(*each))
        for each in ((["u1", "u2"], [5, 9]), (["u2", None], [30, 3]), ([], []))
    ]
    wanted = combine.extract_output(combine.merge_accumulators(parts))
    assert wanted.latest == 30
    keys = ["u1", "u2", "u1", *(f"v{index}" for index in range(1_000))]
    seen = wanted.of(pa.array(keys), np.array([29, -4, 30, *[0] * 1_000]))
    assert seen[:3].tolist() == [True, True, False]
    assert seen[3:].sum() < 3  # of a thousand unknown keys hardly one has the hash of a known one
    assert not Wanted(None, wanted.keys).of(pa.array(["u1"]), np.array([0])).any()


def test_times_beyond_the_finer_unit_keep_their_order():
    ends = np.array([-(2**63), -(2**60), -5, 0, 2**60, 2**63 - 1])
    assert (np.diff(scaled(ends, 1000)) >= 0).all()
    assert scaled(ends[2:4], 1000).tolist() == [-5000, 0]
    np.testing.assert_array_equal(scaled(ends[1:], 1), ends[1:])


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (
            {"events": "visit"},
            ConfigError,
            "'visit', which data.source='shop' does not have.*visits",
        ),
        ({"key": "row"}, ConfigError, "kept by 'row', and the events of 'visits' by 'user'"),
        ({"where": "is_by"}, DataError, r"visits\.csv has no column 'is_by'.*is_buy"),
    ],
)
def test_what_does_not_fit_is_named_before_the_job_starts(shop, change, error, message):
    write(shop, [("u1", 9, 0)], [])
    features = {**FEATURES, "histories": dict(FEATURES["histories"])}
    features["histories"]["all"] = {**features["histories"]["all"], **change}
    with pytest.raises(error, match=message):
        run(shop, features)


def test_local_times_and_times_since_1970_are_not_compared(shop, monkeypatch):
    log_of = EventLog(TextFile(("visits.csv",)), key="user", time="at", unit="s")
    monkeypatch.setitem(SOURCES, "shop", Source(**{**vars(SHOP), "events": {"visits": log_of}}))
    write(shop, [("u1", 9, 0)], [])
    features = {**FEATURES, "features": dict(FEATURES["features"])}
    features["features"]["time"] = {"role": "timestamp", "unit": "yymmddhh"}
    with pytest.raises(ConfigError, match="counts in yymmddhh, a local time, and events in s"):
        run(shop, features)
