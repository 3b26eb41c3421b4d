"""Sessions to a row an item: against plain Python, and through the job from every kind of file."""

import hashlib
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import pipeline.data.reading.explode as module
from features.bundle import FORMAT_VERSION
from features.errors import ConfigError, DataError
from features.specs import FeatureSet
from pipeline.batches.dataset import column_arrays
from pipeline.data.job.data_job import _IRRELEVANT, build_bundle, fingerprint_of
from pipeline.data.job.memory_forecast import foresee
from pipeline.data.job.open_inputs import open_inputs
from pipeline.data.reading.explode import Explode
from pipeline.data.reading.read import RowBlock
from pipeline.data.settings.data_config import DataConfig
from pipeline.data.settings.explode_config import ExplodeConfig

SETTINGS = {
    "items": "shown",
    "aligned": ["price"],
    "clicked": "chosen",
    "position": "place",
    "session": "session",
}
WANTED = ("user", "shown", "price", "label", "place", "session")


def sessions(number=60, seed=5):
    """Sessions as objects of JSON; a click is one item, some, or none."""
    rng = np.random.default_rng(seed)
    made = []
    for session in range(number):
        shown = rng.permutation(30)[: rng.integers(2, 6)].tolist()
        chosen = rng.permutation(shown)[: session % 3].tolist()
        made.append(
            {
                "user": f"u{session % 7}",
                "time": 1_700_000_000 + 100 * session,
                "shown": shown,
                "price": [round(item * 1.5 + session, 2) for item in shown],
                "chosen": chosen,
            }
        )
    return made


def rows_of(made, index=0):
    """What plain Python makes of them: (user, item, price, label, place, session)."""
    return [
        (
            each["user"],
            str(item),
            str(price).removesuffix(".0"),
            str(int(item in each["chosen"])),
            str(place),
            f"{index}:{line}",
        )
        for line, each in enumerate(made, 1)
        for place, (item, price) in enumerate(zip(each["shown"], each["price"], strict=True), 1)
    ]


def block_of(made, key=0):
    text = pa.list_(pa.string())
    lists = {
        name: [each[name] and [None if v is None else str(v).removesuffix(".0") for v in each[name]]
               for each in made]
        for name in ("shown", "price", "chosen")
    }  # fmt: skip
    columns = {"user": pa.array([each["user"] for each in made], pa.string())}
    columns |= {name: pa.array(values, text) for name, values in lists.items()}
    positions = np.arange(1, len(made) + 1)
    return RowBlock(
        key, pa.RecordBatch.from_pydict(columns), positions, [], lambda line: f"l{line}"
    )


def exploded(block, **settings):
    explode = Explode(ExplodeConfig.model_validate(SETTINGS | settings))
    return list(explode.blocks([block], WANTED, 0))


@pytest.mark.parametrize("most", [7, 16_384])
def test_rows_are_those_of_plain_python_in_blocks_of_any_size(monkeypatch, most):
    monkeypatch.setattr(module, "MAX_ROWS", most)
    made = sessions()
    blocks = exploded(block_of(made, key=1_000))
    rows = [tuple(row.values()) for each in blocks for row in each.rows.to_pylist()]
    assert rows == rows_of(made)
    assert sum(each.records for each in blocks) == len(made)
    assert max(len(each.rows) for each in blocks) <= most
    keys = [each.key for each in blocks]
    assert keys == sorted(set(keys))
    assert keys[0] == 1_000
    assert keys[-1] < 1_000 + len(made)
    places = np.concatenate([each.items for each in blocks]).tolist()
    assert [str(place) for place in places] == [row[4] for row in rows]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"shown": None}, "shown shows no items"),
        ({"shown": [], "price": []}, "shown shows no items"),
        ({"price": [1]}, "price has 1 values for the 2 items of shown"),
        ({"price": []}, "price has 0 values for the 2 items of shown"),
        ({"chosen": [4]}, "chosen '4' is not among shown"),
        ({"shown": [8, 8], "chosen": [8]}, "chosen '8' stands 2 times in shown"),
        ({"shown": [8, None]}, "item 2 of shown is missing"),
    ],
)
def test_a_session_that_cannot_be_told_apart_is_rejected_whole(change, reason):
    good = {"user": "u", "shown": [8, 9], "price": [1, 2], "chosen": [9]}
    made = [good, good | change, good]
    [block] = exploded(block_of(made))
    assert [(bad.line, bad.reason, bad.text) for bad in block.bad] == [(2, reason, "l2")]
    assert block.records == 2
    assert block.positions.tolist() == [1, 1, 3, 3]


def test_clicks_on_an_item_shown_twice_elsewhere_and_missing_lists_are_no_mistakes():
    made = [
        {"user": "u", "shown": [8, 8, 9], "price": None, "chosen": [9, 9]},
        {"user": "u", "shown": [8], "price": [None], "chosen": [None]},
    ]
    [block] = exploded(block_of(made))
    assert not block.bad
    assert block.rows.column("label").to_pylist() == ["0", "0", "1", "0"]
    assert block.rows.column("price").to_pylist() == [None] * 4


def test_null_values_hold_inside_of_lists_whatever_their_writing():
    made = [{"user": "u", "shown": [8, 9], "price": ["-1.0", "3"], "chosen": ["-1"]}]
    settings = ExplodeConfig.model_validate(SETTINGS)
    [block] = Explode(settings, ("", "-1")).blocks([block_of(made)], WANTED, 0)
    assert block.rows.column("price").to_pylist() == [None, "3"]
    assert block.rows.column("label").to_pylist() == ["0", "0"]


def test_a_block_of_bad_sessions_alone_still_tells_of_them():
    [block] = exploded(block_of([{"user": "u", "shown": [1], "price": [], "chosen": []}]))
    assert (len(block.rows), block.records, len(block.bad)) == (0, 0, 1)


def test_a_session_with_too_many_items_is_rejected(monkeypatch):
    monkeypatch.setattr(module, "MAX_ROWS", 3)
    [block] = exploded(
        block_of([{"user": "u", "shown": [1, 2, 3, 4], "price": None, "chosen": [1]}])
    )
    assert block.bad[0].reason == "shown shows 4 items, where 3 are the most"


FEATURES = FeatureSet.model_validate(
    {
        "features": {
            "label": {"role": "label"},
            "time": {"role": "timestamp"},
            "key": {"role": "group_key", "column": "session"},
            "user": {"kind": "categorical"},
            "item": {"kind": "categorical", "column": "shown"},
            "price": {"kind": "numeric", "transform": "raw"},
            "place": {"kind": "numeric", "transform": "raw"},
            "clicked": {
                "kind": "sequence",
                "history": "clicks",
                "column": "shown",
                "vocabulary": "item",
                "max_length": 4,
            },
        },
        "histories": {"clicks": {"key": "user", "where": "label"}},
    }
)


def write(folder, kind, made):
    """The sessions as a file of a kind; returns the settings that read it."""
    if kind == "jsonl":
        (folder / "log.jsonl").write_text("".join(json.dumps(each) + "\n" for each in made))
    elif kind == "parquet":
        pq.write_table(pa.Table.from_pylist(made), folder / "log.parquet", row_group_size=25)
    else:
        lines = ["user,time,shown,price,chosen"]
        for each in made:
            lists = ["|".join(map(str, each[name])) for name in ("shown", "price", "chosen")]
            lines.append(",".join([each["user"], str(each["time"]), *lists]))
        (folder / "log.csv").write_text("\n".join(lines) + "\n")
    separator = {"separator": "|"} if kind == "csv" else {}
    return DataConfig.model_validate(
        {"source": kind, "path": str(folder), "explode": {**SETTINGS, **separator}}
    )


def of_bundle(bundle):
    """(price, place, label) of every row."""
    names = ("price", "place", "label")
    found = [column_arrays(bundle, split, names) for split in ("train", "valid", "test")]
    return sorted(
        (round(float(price), 2), float(place), float(label))
        for arrays in found
        for price, place, label in zip(*(arrays[name].ravel() for name in names), strict=True)
    )


def test_every_kind_of_file_makes_the_same_bundle_of_impressions(tmp_path):
    made = sessions()
    expected = sorted(
        (float(price), float(place), float(label)) for _, _, price, label, place, _ in rows_of(made)
    )
    contents = []
    for kind in ("jsonl", "parquet", "csv"):
        folder = tmp_path / kind
        folder.mkdir()
        data = write(folder, kind, made)
        bundle = build_bundle(FEATURES, data, str(tmp_path / f"{kind}_bundle"))
        assert of_bundle(bundle) == expected
        tables = json.loads((tmp_path / f"{kind}_bundle" / "statistics.json").read_text())["tables"]
        assert tables == {
            "log": {"rows": len(expected), "rejected": 0},
            "sessions": {"rows": len(made), "rejected": 0},
        }
        train = column_arrays(bundle, "train", ["item", "clicked"])
        contents.append([sorted(values.ravel().tolist()) for values in train.values()])
        text_format = bundle.metadata.text_format
        assert text_format is None or text_format.columns is None  # a row is no line of the log
    assert contents[0] == contents[1] == contents[2]


def test_rejected_sessions_and_impressions_are_told_apart_and_counted(tmp_path):
    made = sessions()
    made[3]["price"] = made[3]["price"][:-1]
    made[8]["chosen"] = [99]
    made[10]["price"][1] = "dear"
    data = write(tmp_path, "jsonl", made).model_copy(update={"max_rejected_share": 0.1})
    bundle = build_bundle(FEATURES, data, str(tmp_path / "bundle"))
    good = [each for line, each in enumerate(made) if line not in (3, 8)]
    impressions = sum(len(each["shown"]) for each in good)
    tables = json.loads((tmp_path / "bundle" / "statistics.json").read_text())["tables"]
    assert tables == {
        "log": {"rows": impressions, "rejected": 1},
        "sessions": {"rows": len(made), "rejected": 2},
    }
    assert len(of_bundle(bundle)) == impressions - 1
    lines = (tmp_path / "bundle" / "rejected" / "rows.jsonl").read_text().splitlines()
    rejected = {
        (each["table"], each["position"]): each["reason"] for each in map(json.loads, lines)
    }
    assert rejected[("log", 11)] == "item 2: price must be a number, got 'dear'"
    assert rejected[("sessions", 9)] == "chosen '99' is not among shown"
    assert len(rejected) == 3


def test_a_history_holds_clicks_of_earlier_sessions_alone(tmp_path):
    made = sessions()
    data = write(tmp_path, "jsonl", made)
    data = data.model_copy(update={"split": data.split.model_copy(update={"by": "time"})})
    bundle = build_bundle(FEATURES, data, str(tmp_path / "bundle"))
    tokens = ["", *(tmp_path / "bundle" / "vocabularies" / "item.txt").read_text().split()]
    found = set()
    for split in ("train", "valid", "test"):
        arrays = column_arrays(bundle, split, ["price", "clicked"])
        for price, ids in zip(arrays["price"], arrays["clicked"], strict=True):
            found.add((round(float(price), 2), sum(int(each) > 0 for each in ids)))
    earlier: dict[str, int] = {}
    expected = set()
    for each in made:
        seen = min(4, earlier.get(each["user"], 0))
        expected |= {(price, seen) for price in each["price"]}
        earlier[each["user"]] = earlier.get(each["user"], 0) + len(each["chosen"])
    assert tokens[1:]
    assert found == expected


def test_a_list_of_clicks_is_the_label_itself(tmp_path):
    made = [
        {"user": f"u{n % 5}", "shown": [n % 9, n % 9 + 1], "clicks": [n % 2, 1 - n % 2]}
        for n in range(80)
    ]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(each) + "\n" for each in made))
    features = {
        "click": {"role": "label", "column": "clicks"},
        "shown": {"kind": "categorical"},
        "position": {"kind": "categorical"},
    }
    data = DataConfig.model_validate(
        {
            "source": "jsonl",
            "path": str(tmp_path),
            "split": {"by": "hash", "valid": 0.3, "test": 0.3},
            "explode": {"items": "shown", "aligned": ["clicks"]},
        }
    )
    bundle = build_bundle(FeatureSet.model_validate({"features": features}), data, f"{tmp_path}/b")
    labels = {
        split: column_arrays(bundle, split, ["click"])["click"].ravel()
        for split in ("train", "valid", "test")
    }
    assert sum(len(each) for each in labels.values()) == 160
    # The two rows of a session share its hash, so that no session is cut.
    assert all(each.sum() * 2 == len(each) for each in labels.values())


def test_memory_is_foreseen_for_impressions(tmp_path):
    made = sessions()
    data = write(tmp_path, "jsonl", made)
    foreseen = foresee(open_inputs(FEATURES, data), FEATURES, data)
    assert foreseen is not None
    assert foreseen.rows == len(rows_of(made))


def test_without_the_setting_fingerprints_are_what_they_were(tmp_path):
    plain = DataConfig(source="jsonl", path=str(tmp_path))
    settings = plain.model_dump(mode="json")
    del settings["split"]["train_from"]
    later = {*_IRRELEVANT, "explode", "train_positives", "negatives_kept"}  # where given
    content = {
        "format_version": FORMAT_VERSION,
        "features": FEATURES.model_dump(mode="json"),
        "data": {key: settings[key] for key in settings if key not in later},
        "sources": {},
    }
    expected = hashlib.sha256(json.dumps(content).encode()).hexdigest()
    assert fingerprint_of(FEATURES, plain, {}) == expected
    with_it = plain.model_copy(update={"explode": ExplodeConfig(items="shown")})
    assert fingerprint_of(FEATURES, with_it, {}) != expected


@pytest.mark.parametrize(
    ("kind", "explode", "error", "sentence"),
    [
        ("csv", {"items": "shown"}, ConfigError, "explode.separator is not set.*separator='|'"),
        ("jsonl", {"items": "show"}, DataError, "no column 'show'.*Did you mean shown"),
        ("jsonl", {"items": "shown", "position": "user"}, ConfigError, "makes a column 'user'"),
    ],
)
def test_settings_that_do_not_fit_the_log_are_refused(tmp_path, kind, explode, error, sentence):
    write(tmp_path, kind, sessions(3))
    data = DataConfig.model_validate({"source": kind, "path": str(tmp_path), "explode": explode})
    with pytest.raises(error, match=sentence):
        open_inputs(FEATURES, data)


@pytest.mark.parametrize(
    ("explode", "sentence"),
    [
        ({"items": "shown", "aligned": ["shown"]}, "names 'shown' twice"),
        ({"items": "shown", "label": "click"}, "explode.clicked, or remove explode.label"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(explode, sentence):
    with pytest.raises(ValueError, match=sentence):
        ExplodeConfig.model_validate(explode)
