"""`data.events`: event logs of the user's own, joined to the rows by key and time."""

import datetime
import logging
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from pydantic import ValidationError

from features.errors import ConfigError, DataError
from features.specs import FeatureSet
from pipeline.batches.dataset import column_arrays
from pipeline.data.job.data_job import build_bundle
from pipeline.data.job.open_inputs import open_inputs
from pipeline.data.settings.data_config import DataConfig

ROOT = Path(__file__).parents[4]
SPLITS = ("train", "valid", "test")
START = 1_700_000_000
UNTIL = 400  # seconds in which everything happens
LENGTH = 4


def sequence(history, column, vocabulary):
    settings = {"history": history, "column": column, "vocabulary": vocabulary}
    return {"kind": "sequence", "max_length": LENGTH, **settings}


def draw(seed=4):
    """Views, carts and the labelled log: whole seconds from `START`."""
    rng = np.random.default_rng(seed)
    users = [f"u{user}" for user in range(9)]
    views = [
        (str(rng.choice(users)), f"p{rng.integers(6)}", int(rng.integers(UNTIL)), int(n % 3 == 0))
        for n in range(160)
    ]
    carts = [
        (str(rng.choice(users)), f"p{rng.integers(6)}", int(t))
        for t in rng.integers(UNTIL, size=40)
    ]
    log = [
        (row, str(rng.choice(users)), f"p{row % 6}", int(rng.integers(UNTIL)), row % 2)
        for row in range(120)
    ]
    return views, carts, log


def iso(second):
    return datetime.datetime.fromtimestamp(START + second, datetime.timezone.utc).isoformat(" ")


def write(folder, views, carts, log):
    """Views as text with ISO times and -1 for "missing", carts as Parquet in seconds."""
    folder.mkdir()
    lines = [f"{iso(t)};{u};{'-1.0' if p == 'p5' else p};{at}" for u, p, t, at in views]
    lines += ["soon;u1;p1;0", f"{iso(1)};-1.0;p1;0"]
    (folder / "views.csv").write_text("\n".join(["at;user;page;long", *lines]) + "\n")
    columns = {
        "user": [user for user, _, _ in carts],
        "page": [page for _, page, _ in carts],
        "when": [START + t for *_, t in carts],
    }
    pq.write_table(pa.table(columns), folder / "carts.parquet")
    lines = [f"{row},{u},{p},{START + t}000,{c}" for row, u, p, t, c in log]
    (folder / "log.csv").write_text("\n".join(["row,user,page,time,click", *lines]) + "\n")


FEATURES = {
    "features": {
        "row": {"kind": "numeric", "transform": "raw"},
        "click": {"role": "label"},
        "time": {"role": "timestamp", "unit": "ms"},
        "page": {"kind": "categorical"},
        "viewed": sequence("views", "page", "page"),
        "long": sequence("long", "page", "page"),
        "carted": sequence("carts", "page", "page"),
    },
    "histories": {
        "views": {"key": "user", "events": "views"},
        "long": {"key": "user", "events": "views", "where": "long"},
        "carts": {"key": "user", "events": "carts"},
    },
}
EVENTS = {
    "views": {
        "path": "views.csv",
        "key": "user",
        "time": "at",
        "format": {"null_values": ["", "-1"]},
    },
    "carts": {"path": "carts.parquet", "key": "user", "time": "when", "unit": "s"},
}


def settings(folder, events=EVENTS, **others):
    split = {"by": "hash", "valid": 0.2, "test": 0.2}
    return DataConfig(source="csv", path=str(folder), events=events, split=split, **others)


def build(folder, out, features=FEATURES, **others):
    others = {"max_rejected_share": 0.05, **others}
    return build_bundle(FeatureSet.model_validate(features), settings(folder, **others), str(out))


@pytest.fixture(scope="module")
def drawn():
    return draw()


@pytest.fixture(scope="module")
def folder(drawn, tmp_path_factory):
    folder = tmp_path_factory.mktemp("own") / "shop"
    write(folder, *drawn)
    return folder


@pytest.fixture(scope="module")
def bundle(folder, tmp_path_factory):
    return build(folder, tmp_path_factory.mktemp("own") / "bundle")


def contents(path):
    """Path inside a bundle -> bytes, for all its files."""
    files = [file for file in Path(path).rglob("*") if file.is_file()]
    return {str(file.relative_to(path)): file.read_bytes() for file in files}


def token_of(bundle, vocabulary):
    tokens = Path(bundle.vocabulary_dir, f"{vocabulary}.txt").read_text().split()
    return {0: None, 1: "unknown"} | dict(enumerate(tokens, 2))


def rows_of(bundle, names, vocabulary="page"):
    """Each row of all splits, sequences as tuples of tokens."""
    tokens = token_of(bundle, vocabulary)
    for split in SPLITS:
        arrays = column_arrays(bundle, split, names)
        for row in zip(*(arrays[name] for name in names), strict=True):
            yield tuple(
                tuple(tokens[code] for code in value if code) if np.ndim(value) else value
                for value in row
            )


def test_sequences_hold_the_events_of_the_key_strictly_before_each_row(bundle, drawn):
    views, carts, log = drawn

    def before(events, user, time):
        earlier = sorted((e[2], n) for n, e in enumerate(events) if e[0] == user and e[2] < time)
        return [events[n] for _, n in earlier]

    def known(events):
        tokens = ["unknown" if event[1] == "p5" else event[1] for event in events][-LENGTH:]
        while tokens and tokens[-1] == "unknown":  # nothing behind it: as good as no step
            tokens.pop()
        return tuple(tokens)

    expected = {}
    for row, user, _, time, _ in log:
        seen = before(views, user, time)
        carted = tuple(event[1] for event in before(carts, user, time))[-LENGTH:]
        expected[row] = (known(seen), known([event for event in seen if event[3]]), carted)
    found = {
        int(row): lists for row, *lists in rows_of(bundle, ["row", "viewed", "long", "carted"])
    }
    assert found == {row: list(lists) for row, lists in expected.items()}
    assert all(any(lists[place] for lists in found.values()) for place in range(3))


def test_events_that_cannot_be_read_are_set_aside_with_their_reason(bundle):
    rejected = Path(bundle.path, "rejected/rows.jsonl").read_text()
    assert "at must be a time as a whole number or an ISO date, got 'soon'" in rejected
    assert "user must not be empty" in rejected  # -1 means so in that file
    assert rejected.count("\n") == 2


def test_event_logs_are_inputs_whose_contents_decide_what_the_bundle_is(bundle, folder, tmp_path):
    views = folder / "views.csv"
    before = views.read_text()
    assert build(folder, bundle.path).manifest.fingerprint == bundle.manifest.fingerprint
    views.write_text(before + f"{iso(2)};u1;p1;0\n")
    again = build(folder, tmp_path / "bundle")
    views.write_text(before)
    assert again.manifest.fingerprint != bundle.manifest.fingerprint
    assert "views/views.csv" in again.manifest.sources


def test_the_number_of_workers_does_not_show_in_the_bytes(bundle, folder, tmp_path):
    other = build(folder, tmp_path / "bundle", runner_options=("--direct_num_workers=3",))
    assert contents(other.path) == contents(bundle.path)


def test_events_of_users_that_the_log_writes_otherwise_make_no_bundle(folder, tmp_path, drawn):
    views, carts, log = drawn
    write(tmp_path / "shop", views, carts, [(row, f"id-{u}", *rest) for row, u, *rest in log])
    with pytest.raises(DataError, match="no row of the log has an earlier event of its 'user' in"):
        build(tmp_path / "shop", tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"path": "view.csv"}, DataError, "no such file.*data.events.views.path"),
        (
            {"time": "when"},
            DataError,
            "views.csv has no column 'when', which the events 'views' need",
        ),
        ({"key": "usr"}, ConfigError, "kept by 'user', and the events of 'views' by 'usr'"),
    ],
)
def test_what_does_not_fit_an_event_log_is_said_before_anything_is_read(
    folder, changes, error, message
):
    data = settings(folder, {**EVENTS, "views": {**EVENTS["views"], **changes}})
    with pytest.raises(error, match=message):
        open_inputs(FeatureSet.model_validate(FEATURES), data)


def test_a_history_of_an_event_log_that_is_declared_nowhere_says_how_to_declare_it(folder):
    with pytest.raises(ConfigError, match=r"data\.events\.views=\{path: FILE, key: COLUMN"):
        open_inputs(FeatureSet.model_validate(FEATURES), settings(folder, {}))


def test_an_event_log_without_a_history_is_named(folder, caplog):
    unread = {**EVENTS, "more": EVENTS["views"]}
    with caplog.at_level(logging.WARNING):
        open_inputs(FeatureSet.model_validate(FEATURES), settings(folder, unread))
    assert "data.events.more is not read: no history names it" in caplog.text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"source": "avazu", "events": EVENTS}, "events is for files of your own"),
        ({"events": {"log": EVENTS["views"]}}, "events names 'log', which the job's own"),
        (
            {"events": EVENTS, "tables": {"views": {"path": "v.csv", "key": "user"}}},
            "events names 'views', which data.tables",
        ),
        ({"events": {"v": {"path": "v.csv", "key": "user"}}}, "time\n.*required"),
        ({"negatives": {"key": "user"}}, "names key='user' and no item. Set both"),
        ({"negatives": {"key": "user", "item": "user"}}, "names a column twice"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(changes, message):
    with pytest.raises(ValidationError, match=message):
        DataConfig(**{"source": "csv", **changes})


@pytest.mark.parametrize(
    ("heading", "files"),
    [
        (
            "### Events beside the log, of your own",
            {
                "shop/impressions.csv": "user_id,item_id,time,click\nu7,i31,1700000300,0",
                "shop/views.csv": "user_id,item_id,viewed_at,in_cart\nu7,i12,1700000120,1",
            },
        ),
        (
            "### Logs of positives only, of your own",
            {
                "orders/orders.csv": "user_id,age,item_id,time,paid\nu7,27,i12,1700000120,9.50",
                "orders/items.csv": "item_id,category\ni12,c2",
            },
        ),
    ],
)
def test_the_examples_of_the_page_fit_the_files_that_it_shows(heading, files, tmp_path):
    page = (ROOT / "docs/data_sets.md").read_text("utf-8").partition(f"{heading}\n")[2]
    page = page.partition("\n#")[0]
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content + "\n")
        assert all(line in page for line in content.splitlines())
    shown = yaml.safe_load(page.partition("```yaml\n")[2].partition("```")[0])
    data = DataConfig(**{**shown.pop("data"), "path": str(path.parent)})
    features = FeatureSet.model_validate(shown)
    inputs = open_inputs(features, data)
    assert {file.path.removeprefix(f"{tmp_path}/") for file in inputs.files} == {*files}
