"""`synthetic:image2product`: the rows, what is planted in them, and their way into a bundle."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from sklearn.metrics import roc_auc_score

from features.bundle import open_bundle
from features.errors import ConfigError
from features.specs import FeatureSet
from pipeline.config.config_files import load_config
from pipeline.data.job.data_job import build_bundle, fingerprint_of
from pipeline.data.job.open_inputs import open_inputs
from pipeline.data.reading import read_rows
from pipeline.data.settings.data_config import DataConfig
from pipeline.data.sources import SOURCES
from pipeline.data.sources import image2product_world as planted
from pipeline.data.sources.generated import GeneratedRows
from pipeline.data.sources.image2product_fields import (
    FIELDS,
    GROUPS,
    ITEM_ATTRIBUTES,
    LABEL,
    QUERY_IMAGE,
    USER_PROFILE,
    feature_set,
)
from pipeline.data.sources.synthetic import rows_of, statistics_of

CONFIGS = Path(__file__).parents[4] / "configs"
COLUMNS = (LABEL, *FIELDS)
ROWS = 40_000
SEED = 3


def test_192_fields_stand_in_the_seven_groups_of_table_1():
    assert len(FIELDS) == 192
    assert set().union(*GROUPS.values()) == FIELDS.keys()
    images, user, item = len(QUERY_IMAGE), len(USER_PROFILE), len(ITEM_ATTRIBUTES)
    assert (images, user, item) == (8, 64, 64)
    assert {name: len(members) for name, members in GROUPS.items()} == {
        "query_image_x_item_image": 2 * images,
        "query_image_x_item_attributes": images + item,
        "user_profile_x_item_image": user + images,
        "user_profile_x_item_attributes": user + item,
        "user_id_x_item_id": 2,
        "query_cluster_x_doc_cluster": 2,
        "query_cluster_attributes_x_doc_cluster_attributes": 46,
    }
    assert GROUPS["user_id_x_item_id"] == ("user_id", "item_id")


@pytest.mark.parametrize(("folder", "small"), [("synthetic", False), ("synthetic_small", True)])
def test_a_configuration_holds_the_fields_and_groups_of_the_generator(folder, small):
    content = yaml.safe_load((CONFIGS / folder / "dataset.yaml").read_text())
    del content["data"]
    assert FeatureSet(**content) == FeatureSet(**feature_set(planted_only=small))


@pytest.mark.parametrize("size", [1, 7, 1_000])
def test_rows_do_not_depend_on_the_blocks_they_are_made_in(size):
    whole = rows_of(SEED, 100, 1_000, COLUMNS)
    starts = range(100, 1_100, size)[:30]
    for start in starts:
        count = min(size, 1_100 - start)
        assert rows_of(SEED, start, count, COLUMNS).equals(whole.slice(start - 100, count))
    assert rows_of(SEED, 100, 1_000, ("item_id", LABEL)).equals(whole.select(["item_id", LABEL]))


def test_the_same_seed_gives_the_same_rows_in_a_fresh_world_and_another_gives_others():
    before = rows_of(SEED, 0, 500, COLUMNS)
    planted.world.cache_clear()
    rows_of.__globals__["_texts"].cache_clear()
    assert rows_of(SEED, 0, 500, COLUMNS).equals(before)
    others = rows_of(SEED + 1, 0, 500, COLUMNS)
    assert others["user_id"] != before["user_id"]
    assert others["user_style"] != before["user_style"]


def test_labels_follow_the_planted_probabilities():
    probs, clicks = planted.probabilities(SEED, 0, ROWS), planted.labels(SEED, 0, ROWS)
    error = np.sqrt(np.sum(probs * (1.0 - probs))) / ROWS  # of the mean of the labels
    assert abs(clicks.mean() - probs.mean()) < 4 * error
    assert probs.mean() == pytest.approx(planted.CLICK_RATE, abs=0.01)
    for low in (0.0, 0.1, 0.3, 0.6):  # calibrated everywhere, not on average
        chosen = (probs >= low) & (probs < low + 0.3)
        error = np.sqrt(np.sum((probs * (1.0 - probs))[chosen])) / chosen.sum()
        assert abs(clicks[chosen].mean() - probs[chosen].mean()) < 4 * error


def expected_auc(scores, probs):
    """Pair by pair: the chance that the click of the two is scored higher; ties count half."""
    right = total = 0.0
    for row in range(len(scores)):
        for other in range(len(scores)):
            if row != other:
                weight = probs[row] * (1.0 - probs[other])
                total += weight
                right += weight * (
                    (scores[row] > scores[other]) + (scores[row] == scores[other]) / 2
                )
    return right / total


@pytest.mark.parametrize("groups", [tuple(GROUPS), tuple(GROUPS)[:2], ()])
def test_the_best_auc_is_that_of_all_pairs(groups):
    scores = planted.logits(SEED, 0, 300, groups)
    probs = planted.probabilities(SEED, 0, 300)
    assert planted.best_auc(SEED, 300, groups) == pytest.approx(
        expected_auc(scores, probs), abs=1e-9
    )


def test_the_labels_reach_the_best_auc_when_ranked_by_what_was_planted():
    clicks, best = planted.labels(SEED, 0, ROWS), planted.best_auc(SEED, ROWS)
    assert roc_auc_score(clicks, planted.logits(SEED, 0, ROWS)) == pytest.approx(best, abs=0.01)


def test_no_model_without_crossings_comes_near_the_best_auc():
    """The additive oracle knows the click rate of every user, query and item from 400,000 rows."""
    rows, drawn = 400_000, planted.draw(SEED, 0, 400_000)
    logits = planted.logits(SEED, 0, rows)
    additive = sum(
        (np.bincount(ids, logits) / np.maximum(np.bincount(ids), 1))[ids] for ids in drawn.values()
    )
    clicks = planted.labels(SEED, 0, rows)
    best, without = planted.best_auc(SEED, rows), planted.best_auc(SEED, rows, ())
    reached = roc_auc_score(clicks, additive)
    assert without - 0.01 < reached < without + 0.03
    assert best > reached + 0.2


def test_every_group_is_needed_for_the_best_auc():
    known = statistics_of(SEED, ROWS)
    for group in GROUPS:
        assert 0.01 < known["best_auc"] - known[f"best_auc_without_{group}"] < 0.06
    assert known["best_auc_without_crossings"] < 0.6


def test_an_interaction_has_mean_0_given_either_side_and_variance_1():
    world = planted.world(SEED)
    for entity, left, right in world.interactions.values():
        of_left, of_right = planted.draw_weights(entity), planted.draw_weights("item")
        values = left @ right.T  # (left entity, item)
        np.testing.assert_allclose(of_left @ values, 0.0, atol=1e-9)
        np.testing.assert_allclose(values @ of_right, 0.0, atol=1e-9)
        assert of_left @ values**2 @ of_right == pytest.approx(1.0)


def test_the_label_depends_on_no_field_that_is_not_planted():
    names = [name for name, field in FIELDS.items() if not field.planted and not field.size]
    rows = rows_of(SEED, 0, ROWS, (LABEL, *names))
    clicks = np.array(rows[LABEL].to_pylist()) == "1"
    noise = [name for name in names if FIELDS[name].kind == "numeric"]
    for name in noise[::8]:
        values = np.array([float(each or 0.5) for each in rows[name].to_pylist()])
        assert abs(roc_auc_score(clicks, values) - 0.5) < 0.03


def log_of(rows, part_rows):
    return GeneratedRows((LABEL, *FIELDS), rows_of, statistics_of, 1, part_rows, rows, SEED)


@pytest.mark.parametrize(("part_rows", "num_parts"), [(1_000, 3), (2_500, 1), (10_000, 1)])
def test_parts_cut_the_rows_without_losing_or_doubling_any(monkeypatch, part_rows, num_parts):
    monkeypatch.setattr(read_rows, "MAX_ROWS", 300)
    log = log_of(2_500, part_rows)
    assert len(log.parts()) == num_parts
    blocks = [
        block
        for part in range(num_parts)
        for block in read_rows.generate_blocks(log, part, (LABEL, "user_id"))
    ]
    positions = np.concatenate([block.positions for block in blocks])
    np.testing.assert_array_equal(positions, np.arange(1, 2_501))
    users = [user for block in blocks for user in block.rows["user_id"].to_pylist()]
    assert users == rows_of(SEED, 0, 2_500, ("user_id",))["user_id"].to_pylist()
    assert len({block.key for block in blocks}) == len(blocks)
    row = rows_of(SEED, 309, 1, (LABEL, "user_id")).to_pylist()[0]
    assert blocks[1].text_of(310) == str(row)


def small(tmp_path, *settings):
    return load_config(CONFIGS / "synthetic_small/dataset.yaml", settings, check=False)


def test_a_bundle_of_generated_rows_tells_the_best_auc_and_is_reused(tmp_path, monkeypatch):
    config = small(tmp_path, "data.rows=5000", "data.seed=3")
    bundle = build_bundle(config.feature_set, config.data, str(tmp_path / "bundle"))
    assert sum(bundle.metadata.rows.values()) == 5_000
    assert bundle.metadata.rows["test"] == pytest.approx(500, abs=100)
    assert bundle.statistics["known"]["best_auc"] == planted.best_auc(3, 5_000)
    assert bundle.metadata.split_rule["by"] == "hash"
    assert open_bundle(bundle.path, verify=True).manifest.sources.keys() == {
        "synthetic:image2product version 1"
    }
    positives = sum(each["positives"] for each in bundle.statistics["splits"].values())
    assert positives == planted.labels(3, 0, 5_000).sum()
    monkeypatch.setattr("pipeline.data.job.build.new_pipeline", None)  # would fail if called
    again = build_bundle(config.feature_set, config.data, bundle.path)
    assert again.manifest == bundle.manifest


def test_rows_seed_and_version_change_the_fingerprint(tmp_path):
    config = small(tmp_path)
    entry = {"rows": 5_000}
    prints = {
        fingerprint_of(config.feature_set, config.data.model_copy(update=change), {})
        for change in (entry, {"rows": 5_001}, {**entry, "seed": 1})
    }
    assert len(prints) == 3


@pytest.mark.parametrize(
    ("source", "settings", "message"),
    [
        ("synthetic:image2product", {}, "is generated: it needs data.rows.*Received: rows=None"),
        ("synthetic:image2product", {"rows": 5, "path": "x"}, "Set data.rows, and remove path"),
        ("movielens_1m_pairs", {"rows": 5}, "data.rows=5 is for generated data.*Remove data.rows"),
    ],
)
def test_rows_are_for_generated_data_alone(tmp_path, source, settings, message):
    data = DataConfig(source=source, split={"by": "hash"}, **settings)
    with pytest.raises(ConfigError, match=message):
        open_inputs(small(tmp_path).feature_set, data)


def test_a_column_that_is_not_generated_is_refused(tmp_path):
    config = small(tmp_path, "features.user_stile={kind: categorical}")
    with pytest.raises(Exception, match=r"no column 'user_stile'.*Did you mean user_style"):
        open_inputs(config.feature_set, config.data)


def test_generated_sources_are_found_by_name():
    assert isinstance(SOURCES["synthetic:image2product"].log, GeneratedRows)
