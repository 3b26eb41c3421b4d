"""The command: its proposals always parse, and build bundles as they are."""

import os
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.errors import ConfigError, DataError
from pipeline.batches.dataset import column_arrays
from pipeline.config.config_files import load_config, load_dataset
from pipeline.data.job.data_job import build_bundle
from pipeline.data.job.open_inputs import open_inputs
from pipeline.inspection.inspect_files import inspect_files
from tests.pipeline.inspection.planted import ROWS, SUSPECTS, planted_columns, write_table

REPOSITORY = Path(__file__).parents[3]
DATA = Path(os.environ.get("CONCORD_TEST_DATA", REPOSITORY.parent / "shared" / "data"))


def real(path):
    if not (DATA / path).exists():
        pytest.skip(f"{path} is not here: set CONCORD_TEST_DATA to the folder of data sets")
    return str(DATA / path)


def inspected(path, tmp_path, rows=200_000, **options):
    """The configuration that was proposed, as `build-bundle` and `run` read it."""
    out = tmp_path / "proposal" / "features.yaml"
    proposal = inspect_files(str(path), rows, out, **options)
    load_config(out)  # the network, too, can be built
    return proposal, load_dataset(out)


def test_the_proposal_for_a_planted_log_builds_a_bundle(tmp_path):
    path = write_table(tmp_path / "log.csv", planted_columns())
    _, config = inspected(path, tmp_path)
    features = config.feature_set
    assert not {spec.column for spec in features.inputs} & SUSPECTS
    bundle = build_bundle(features, config.data, str(tmp_path / "bundle"))
    assert sum(bundle.metadata.rows.values()) == ROWS
    shown = column_arrays(
        bundle, "test", ["shown_item_id", "ts" if "ts" in features.features else "time"]
    )
    assert (shown["shown_item_id"] > 0).sum(axis=1).max() > 3  # histories are collected


def test_suspects_stand_in_the_file_with_their_auc_and_can_be_put_back(tmp_path):
    path = write_table(tmp_path / "log.csv", planted_columns())
    proposal, config = inspected(path, tmp_path)
    out = tmp_path / "proposal" / "features.yaml"
    text = out.read_text()
    for column in proposal.suspects:
        (line,) = [line for line in text.splitlines() if line.startswith(f"  # {column.column}:")]
        assert f"LEAK? AUC {column.auc:.3f}" in line
        text = text.replace(line, line.replace("# ", "", 1))
    out.write_text(text)
    assert set(load_dataset(out).features) == set(config.features) | SUSPECTS


def test_every_proposal_has_groups_for_mbcnet(tmp_path):
    rng = np.random.default_rng(0)
    for name, columns in {
        "named": {"uid": rng.integers(0, 50, 400), "sku": rng.integers(0, 30, 400)},
        "anonymous": {"C1": rng.integers(0, 50, 400), "I1": rng.integers(0, 900, 400)},
        "one": {"city": rng.integers(0, 5, 400)},
    }.items():
        columns = {"click": rng.integers(0, 2, 400), **columns}
        table = {column: list(values.astype(str)) for column, values in columns.items()}
        out = tmp_path / f"{name}.yaml"
        inspect_files(str(write_table(tmp_path / f"{name}.csv", table)), 1_000, out)
        assert load_config(out, ["model.preset=mbcnet"]).groups


TEXTS = st.sampled_from(["a", "b", "a,b", "x y z", "#", "no", "1", "0.5", "-3", "1e3", "nan", "é"])
COLUMNS = st.one_of(
    st.lists(TEXTS, min_size=1, max_size=6),
    st.lists(st.integers(-5, 10**12).map(str), min_size=1, max_size=30),
    st.lists(st.floats(-1e6, 1e6).map(repr), min_size=1, max_size=30),
    st.lists(
        st.lists(st.integers(0, 9).map(str), min_size=1, max_size=5).map("|".join), min_size=1
    ),
    st.just([str(1_700_000_000 + 1000 * n) for n in range(200)]),
)
NAMES = st.sampled_from(
    ["user_id", "item id", "time", "no", "1", "ts", "is_like", "a/b", "é", "hist", "row", "price"]
)


TABLES = st.dictionaries(NAMES, st.tuples(COLUMNS, st.floats(0, 0.5)), min_size=1, max_size=6)


def write_random(folder, columns, seed, rows=300):
    """A table of these columns, each with a share of missing values, and a label of noise."""
    rng = np.random.default_rng(seed)
    table = {"click": [str(each) for each in rng.integers(0, 2, rows)]}
    for name, (values, missing) in columns.items():
        drawn = rng.choice(np.array(values, object), rows)
        table[name] = list(np.where(rng.random(rows) < missing, "", drawn))
    return write_table(folder / "log.csv", table)


def read_back(path, folder):
    """The proposal as `build-bundle` reads it; None where the table teaches nothing."""
    out = folder / "features.yaml"
    try:
        inspect_files(str(path), 1_000, out)
    except DataError as error:
        if "no column is left" not in str(error):
            raise
        return None
    return load_dataset(out)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(columns=TABLES, seed=st.integers(0, 99))
def test_whatever_the_table_its_proposal_parses(tmp_path_factory, columns, seed):
    folder = tmp_path_factory.mktemp("table")
    config = read_back(write_random(folder, columns, seed), folder)
    if config is not None:
        assert config.feature_set.label.column == "click"
        open_inputs(config.feature_set, config.data)


@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
@given(columns=TABLES, seed=st.integers(0, 99))
def test_whatever_the_table_its_proposal_builds(tmp_path_factory, columns, seed):
    folder = tmp_path_factory.mktemp("table")
    config = read_back(write_random(folder, columns, seed), folder)
    if config is not None:
        bundle = build_bundle(config.feature_set, config.data, str(folder / "bundle"))
        assert sum(bundle.metadata.rows.values()) == 300


def test_the_command_prints_yaml_alone_and_the_table_beside_it(tmp_path, capsys):
    path = write_table(tmp_path / "log.csv", planted_columns(rows=300))
    inspect_files(str(path), 200)
    shown = capsys.readouterr()
    content = yaml.safe_load(shown.out)
    assert content["features"]["clicked"] == {"role": "label"}
    assert "the first 200 rows" in shown.out.splitlines()[0]
    assert "LEAK?" in shown.err


def test_a_file_that_was_perhaps_edited_is_not_replaced(tmp_path):
    path = write_table(tmp_path / "log.csv", planted_columns(rows=300))
    (tmp_path / "mine.yaml").write_text("edited")
    with pytest.raises(ConfigError, match=r"mine\.yaml exists, perhaps edited"):
        inspect_files(str(path), 200, tmp_path / "mine.yaml")
    assert (tmp_path / "mine.yaml").read_text() == "edited"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"delimiter": "\u00fc"}, "--delimiter and --columns: delimiter must be ASCII"),
        ({"out": Path(__file__) / "mine.yaml"}, r"mine\.yaml cannot be written: File exists"),
    ],
)
def test_mistakes_of_the_command_line_are_sentences(tmp_path, options, sentence):
    path = write_table(tmp_path / "log.csv", planted_columns(rows=300))
    with pytest.raises(ConfigError, match=sentence):
        inspect_files(str(path), 200, **options)


def test_kuairand_has_its_roles_and_outcomes_found(tmp_path):
    path = real("kuairand_pure/log_standard_4_22_to_5_08_pure.csv.gz")
    proposal, config = inspected(path, tmp_path, rows=60_000)
    assert {column.column for column in proposal.suspects} == {
        *("is_like", "is_follow", "is_comment", "is_forward", "is_hate", "long_view"),
        *("play_time_ms", "profile_stay_time", "comment_stay_time", "is_profile_enter"),
    }
    features = config.feature_set
    assert features.label.column == "is_click"
    assert features.group_key.column == "user_id"
    assert (features.timestamp.column, features.timestamp.unit) == ("time_ms", "ms")
    assert features.features["video_id"].kind == "categorical"
    assert set(config.histories) == {"shown", "positive"}
    assert config.data.split.by == "time"


def test_criteo_without_a_header_becomes_a_bundle(tmp_path):
    path = real("criteo/train_7200.txt.gz")
    proposal, config = inspected(path, tmp_path)
    assert proposal.label.column == "c0"
    counts = {f"c{n}" for n in range(1, 14)}
    kinds = {column.column: column.settings["kind"] for column in proposal.inputs}
    assert {name for name, kind in kinds.items() if kind == "numeric"} >= counts - {"c10"}
    assert all(kinds[f"c{n}"] == "categorical" for n in range(14, 40))
    bundle = build_bundle(config.feature_set, config.data, str(tmp_path / "bundle"))
    assert sum(bundle.metadata.rows.values()) == 7_200


def test_criteo_with_given_names(tmp_path):
    names = ",".join(["label", *(f"I{n}" for n in range(1, 14)), *(f"C{n}" for n in range(1, 27))])
    path = real("criteo/train_7200.txt.gz")
    proposal, _ = inspected(path, tmp_path, columns=names)
    assert proposal.label.column == "label"
    assert len(proposal.columns) == 39


@pytest.mark.parametrize("positives", [20, 53, 100])
def test_shares_of_splits_of_small_logs_are_numbers_of_yaml(tmp_path, positives):
    rows = [f"{int(row < positives)},u{row % 9}" for row in range(200)]
    path = tmp_path / "log.csv"
    path.write_text("\n".join(["label,colour", *rows]))
    _, config = inspected(path, tmp_path)
    assert config.data.split.test == round(max(0.1, 6 / positives), 2)
