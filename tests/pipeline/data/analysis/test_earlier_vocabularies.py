"""Monday's ids on Tuesday: frozen, extended, chained, warm started, or refused with a sentence."""

import json
import logging
import shutil
from collections import Counter
from pathlib import Path

import pytest

from features.bundle import file_entry, open_bundle
from features.config import parse
from features.errors import BundleError, ConfigError
from pipeline.batches.dataset import column_arrays
from pipeline.data.job.data_job import build_bundle
from pipeline.data.settings.data_config import DataConfig
from tests.pipeline.movielens_days import ROWS, features, lines, settings, write_day


@pytest.fixture(scope="module")
def days(tmp_path_factory):
    """Folder of logs -> (user, item) of the rows of each day."""
    folder = tmp_path_factory.mktemp("days")
    return folder, [write_day(folder / str(day), day) for day in range(3)]


@pytest.fixture(scope="module")
def monday(days, tmp_path_factory):
    return build_bundle(
        features(), settings(days[0] / "0"), str(tmp_path_factory.mktemp("monday") / "bundle")
    )


@pytest.fixture(scope="module")
def extended(days, monday, tmp_path_factory):
    out = str(tmp_path_factory.mktemp("extended") / "bundle")
    return build_bundle(features(), settings(days[0] / "1", monday.path), out)


@pytest.fixture(scope="module")
def frozen(days, monday, tmp_path_factory):
    out = str(tmp_path_factory.mktemp("frozen") / "bundle")
    return build_bundle(features(), settings(days[0] / "1", monday.path, "frozen"), out)


def train_counts(pairs):
    """How often each item occurs in the training rows: the first 80%, as times are distinct."""
    return Counter(item for _, item in pairs[: ROWS * 8 // 10])


def test_frozen_vocabularies_are_the_old_files_and_strangers_are_out_of_vocabulary(
    days, monday, frozen
):
    for name in ("user_id", "item_id", "genres"):
        old, new = (Path(b.vocabulary_dir, f"{name}.txt").read_bytes() for b in (monday, frozen))
        assert new == old
    assert frozen.metadata.analysis == monday.metadata.analysis
    known = lines(monday, "item_id")
    assert ids_of_items(frozen) == {
        86_400 + 60 * row: 2 + known.index(item) if item in known else 1
        for row, (_, item) in enumerate(days[1][1])
    }


def ids_of_items(bundle):
    found = {}
    for split in ("train", "valid", "test"):
        arrays = column_arrays(bundle, split, ["timestamp", "item_id"])
        found |= zip(arrays["timestamp"].tolist(), arrays["item_id"].tolist(), strict=True)
    return found


def test_extended_vocabularies_append_what_is_new_and_frequent_enough(days, monday, extended):
    old, new = lines(monday, "item_id"), lines(extended, "item_id")
    counts = train_counts(days[1][1])
    appended = sorted(
        (item for item in counts if item not in old and counts[item] >= 2),
        key=lambda item: (-counts[item], item),
    )
    assert appended
    assert new == old + appended
    assert extended.metadata.analysis.vocabulary_sizes["item_id"] == len(new)
    assert extended.metadata.analysis.numeric == monday.metadata.analysis.numeric
    assert lines(extended, "genres") == [*lines(monday, "genres"), "Day1"]
    for time, found in ids_of_items(extended).items():
        item = days[1][1][(time - 86_400) // 60][1]
        assert found == (2 + new.index(item) if item in new else 1)


@pytest.mark.parametrize("mode", ["extended", "frozen"])
def test_statistics_and_metadata_say_what_was_new(days, monday, request, mode):
    bundle = request.getfixturevalue(mode)
    counts, old = train_counts(days[1][1]), lines(monday, "item_id")
    strangers = {item: count for item, count in counts.items() if item not in old}
    assert bundle.statistics["vocabularies"]["item_id"] == {
        "known": len(old),
        "new": len(strangers),
        "added": len(lines(bundle, "item_id")) - len(old),
        "occurrences": counts.total(),
        "unknown_occurrences": sum(strangers.values()),
    }
    assert list(bundle.statistics["vocabularies"]) == ["user_id", "item_id", "genres"]
    origin = bundle.metadata.vocabularies_from
    assert (origin.mode, origin.fingerprint) == (mode, monday.manifest.fingerprint)
    assert "vocabularies" not in monday.statistics
    assert monday.metadata.vocabularies_from is None


def test_ids_stay_over_a_chain_of_days_and_the_log_line_counts(days, extended, tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        wednesday = build_bundle(
            features(), settings(days[0] / "2", extended.path), str(tmp_path / "bundle")
        )
    for name in ("user_id", "item_id", "genres"):
        old = lines(extended, name)
        assert lines(wednesday, name)[: len(old)] == old
    changes = wednesday.statistics["vocabularies"]
    new = sum(each["new"] for each in changes.values())
    of_each = ", ".join(f"{name} {each['new']}" for name, each in changes.items())
    assert f"{new} new ({of_each})" in caplog.text


def test_room_is_what_max_tokens_leaves_of_old_and_new_together(days, monday, tmp_path):
    items, users = lines(monday, "item_id"), lines(monday, "user_id")
    bundle = build_bundle(
        features(item_id={"max_tokens": len(items) + 1}, user_id={"max_tokens": len(users) - 1}),
        settings(days[0] / "1", monday.path),
        str(tmp_path / "bundle"),
    )
    assert len(lines(bundle, "item_id")) == len(items) + 1
    assert lines(bundle, "item_id")[: len(items)] == items
    assert lines(bundle, "user_id") == users


@pytest.mark.parametrize("mode", ["extended", "frozen"])
def test_a_day_without_a_value_of_a_feature_keeps_its_vocabulary(monday, tmp_path, mode):
    write_day(tmp_path / "log", 1, no_genres=True)
    bundle = build_bundle(
        features(), settings(tmp_path / "log", monday.path, mode), str(tmp_path / "bundle")
    )
    assert lines(bundle, "genres") == lines(monday, "genres")
    assert bundle.statistics["vocabularies"]["genres"] == {
        "known": 2,
        "new": 0,
        "added": 0,
        "occurrences": 0,
        "unknown_occurrences": 0,
    }


def test_a_feature_that_the_earlier_bundle_lacks_is_analysed_as_ever_when_extended(
    days, monday, tmp_path
):
    wider = features(
        title={"kind": "categorical", "column": "movie_title"},
        age_raw={"kind": "numeric", "column": "age"},
    )
    bundle = build_bundle(wider, settings(days[0] / "1", monday.path), str(tmp_path / "bundle"))
    assert lines(bundle, "title") == ["Title"]
    numeric = bundle.metadata.analysis.numeric
    assert numeric["age_raw"].mean > numeric["age"].mean + 2
    assert numeric["age"] == monday.metadata.analysis.numeric["age"]


@pytest.mark.parametrize(
    ("changes", "mode", "sentence"),
    [
        (
            {"title": {"kind": "categorical", "column": "movie_title"}},
            "frozen",
            r"frozen: feature 'title' reads vocabulary 'title', of which .* knows nothing",
        ),
        (
            {"year": {"kind": "numeric", "column": "release_year"}},
            "frozen",
            "feature 'year' is scaled by zscore, of which .* knows nothing.*to extended",
        ),
        (
            {"item_id": {"num_oov_buckets": 3}},
            "extended",
            "'item_id' has num_oov_buckets=3, and in .* 1: .*Set num_oov_buckets to 1",
        ),
        (
            {"age_bucket": {"num_buckets": 5}},
            "extended",
            r"'age_bucket' has num_buckets=5, and in .* 3: .*Set features\.age_bucket\.num_bu",
        ),
        ({"age": {"transform": "raw"}}, "frozen", "'age' has transform=raw, and in .* zscore"),
    ],
)
def test_ids_or_scales_that_cannot_be_kept_are_refused(
    days, monday, tmp_path, changes, mode, sentence
):
    with pytest.raises(ConfigError, match=sentence):
        build_bundle(
            features(**changes),
            settings(days[0] / "1", monday.path, mode),
            str(tmp_path / "bundle"),
        )
    assert list(tmp_path.iterdir()) == []


def test_a_bundle_does_not_go_on_from_itself_nor_from_what_is_no_bundle(days, monday, tmp_path):
    with pytest.raises(ConfigError, match="is the bundle to be built"):
        build_bundle(features(), settings(days[0] / "1", f"{monday.path}/"), monday.path)
    with pytest.raises(BundleError, match="not a data bundle"):
        build_bundle(features(), settings(days[0] / "1", tmp_path), str(tmp_path / "bundle"))


def test_a_vocabulary_that_is_not_the_one_of_the_records_is_refused(days, monday, tmp_path):
    copy = Path(shutil.copytree(monday.path, tmp_path / "copy"))
    file, manifest = copy / "vocabularies" / "item_id.txt", copy / "MANIFEST.json"
    file.write_text("".join(reversed(file.read_text().splitlines(keepends=True))))
    content = json.loads(manifest.read_text())
    content["files"]["vocabularies/item_id.txt"] = file_entry(str(file)).model_dump()
    manifest.write_text(json.dumps(content))
    open_bundle(str(copy))  # the manifest alone cannot tell
    with pytest.raises(BundleError, match=r"item_id\.txt has another checksum than the metadata"):
        build_bundle(features(), settings(days[0] / "1", copy), str(tmp_path / "bundle"))


def test_the_fingerprint_covers_the_earlier_vocabularies_and_not_their_place(
    days, monday, extended, frozen, tmp_path, monkeypatch
):
    moved = shutil.copytree(monday.path, tmp_path / "moved")
    out = shutil.copytree(extended.path, tmp_path / "bundle")
    with monkeypatch.context() as patch:
        patch.setattr("pipeline.data.job.build.new_pipeline", None)  # would fail if called
        again = build_bundle(features(), settings(days[0] / "1", moved), str(out))
    assert again.manifest == extended.manifest
    assert extended.manifest.fingerprint != frozen.manifest.fingerprint
    other = build_bundle(features(), settings(days[0] / "1", extended.path), str(out))
    assert other.manifest.fingerprint != extended.manifest.fingerprint


def test_the_setting_is_written_as_it_is_read():
    config = settings("somewhere", "monday")
    dumped = config.model_dump(mode="json")
    assert dumped["vocabularies"] == {"from": "monday", "mode": "extended"}
    assert DataConfig(**dumped) == config
    with pytest.raises(ConfigError, match=r"vocabularies\.form .*Did you mean vocabularies\.from"):
        parse(DataConfig, {"source": "x", "vocabularies": {"form": "a"}}, "test")
