"""Logs of sessions are seen as such, and their proposals make a row an item."""

import json

import numpy as np
import pyarrow as pa
import pytest

from pipeline.config.config_files import load_config, load_dataset
from pipeline.data.job.data_job import build_bundle
from pipeline.inspection.inspect_files import inspect_files
from pipeline.inspection.sessions import find_sessions

SESSIONS = 300


def log(clicks="item", user=True):
    """Sessions of two to six hotels; the clicks as an item, as a list of items, or of 0 and 1."""
    rng = np.random.default_rng(3)
    rows = []
    for session in range(SESSIONS):
        shown = rng.permutation(np.arange(101, 141))[: rng.integers(2, 7)].tolist()
        truths = [int(rng.random() < 0.2 + 0.4 * (hotel % 5 == 0)) for hotel in shown]
        row = {
            **({"user_id": f"u{session % 40}"} if user else {}),
            "timestamp": 1_700_000_000 + 60 * session,
            "device": ["phone", "desktop"][session % 2],
            "impressions": shown,
            "prices": [50 + hotel % 17 for hotel in shown],
        }
        chosen = [hotel for hotel, truth in zip(shown, truths, strict=True) if truth]
        if clicks == "item":
            row["reference"] = chosen[0] if chosen else None
        elif clicks == "items":
            row["reference"] = chosen
        else:
            row["was_clicked"] = truths
        rows.append(row)
    return rows


def columns_of(rows, separator=None):
    def text(value):
        if isinstance(value, list):
            texts = list(map(str, value))
            return texts if separator is None else separator.join(texts) or None
        return None if value is None else str(value)

    return {name: pa.array([text(row[name]) for row in rows]) for name in rows[0]}


@pytest.mark.parametrize("separator", [None, "|"])
@pytest.mark.parametrize("clicks", ["item", "items", "truths"])
def test_a_list_and_its_clicks_are_found_however_they_are_written(clicks, separator):
    sessions = find_sessions(columns_of(log(clicks), separator))
    assert sessions is not None
    expected = {
        "items": "impressions",
        "aligned": ["prices"] if clicks != "truths" else ["prices", "was_clicked"],
        **({"clicked": "reference"} if clicks != "truths" else {}),
        **({"separator": separator} if separator else {}),
    }
    assert sessions.settings.model_dump(mode="json", exclude_defaults=True) == expected
    assert sessions.label == ("was_clicked" if clicks == "truths" else "label")


def test_sessions_of_nobody_get_names():
    sessions = find_sessions(columns_of(log(user=False)))
    assert sessions is not None
    assert sessions.settings.session == "session"


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda row, n: {"click": n % 2}, id="a label"),
        pytest.param(lambda row, n: {"reference": row["impressions"][-1]}, id="last"),
        pytest.param(lambda row, n: {"reference": row["impressions"][0]}, id="first"),
        pytest.param(lambda row, n: {"reference": 7}, id="elsewhere"),
    ],
)
def test_other_lists_are_no_sessions(change):
    rows = [row | change(row, number) for number, row in enumerate(log())]
    assert find_sessions(columns_of(rows)) is None


def test_a_history_is_no_list_of_shown_items():
    rows = [
        {"hist_items" if name == "impressions" else name: row[name] for name in row}
        for row in log()
    ]
    assert find_sessions(columns_of(rows)) is None


@pytest.mark.parametrize("user", [True, False])
def test_the_proposal_of_a_log_of_sessions_builds_a_bundle_of_impressions(tmp_path, user):
    rows = log(user=user)
    path, out = tmp_path / "log.jsonl", tmp_path / "mine.yaml"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    proposal = inspect_files(str(path), 200_000, out)
    impressions = sum(len(row["impressions"]) for row in rows)
    assert proposal.sample.rows == impressions
    load_config(out)
    config = load_dataset(out)
    features = config.feature_set
    assert features.group_key is not None
    assert features.group_key.column == ("user_id" if user else "session")
    assert bool(features.histories) == user
    assert {"impressions", "prices", "position", "device"} <= set(features.features)
    bundle = build_bundle(features, config.data, str(tmp_path / "bundle"))
    assert sum(bundle.metadata.rows.values()) == impressions


@pytest.mark.parametrize("as_list", [True, False])
def test_what_was_booked_of_the_shown_items_is_an_outcome_and_no_input(tmp_path, as_list):
    rng = np.random.default_rng(5)
    rows = log()
    for row in rows:
        booked = int(rng.choice(row["impressions"]))  # clicked or not
        row["booked_hotel"] = [booked] if as_list else booked
        row["hotel_of_the_day"] = int(rng.integers(101, 141))
    path = tmp_path / "log.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    proposal = inspect_files(str(path), 200_000, tmp_path / "mine.yaml")
    suspects = {each.column: each.left_out for each in proposal.suspects}
    assert suspects == {
        "booked_hotel": "some of the items that its own row shows: what became of them"
    }
    assert "hotel_of_the_day" in {each.column for each in proposal.inputs}
