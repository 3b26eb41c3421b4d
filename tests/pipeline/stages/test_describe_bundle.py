"""What is said of a bundle when it is there."""

import json

from features.bundle import STATISTICS, Bundle
from pipeline.stages.describe_bundle import mostly_unknown, say_bundle


def bundle_with(random_bundle, folder, rates, rows=100):
    features = {name: {"missing_rate": 0.0, "oov_rate": rate} for name, rate in rates.items()}
    features["row"] = {"missing_rate": 0.0}  # a number has no vocabulary
    statistics = {"splits": {"test": {"rows": rows, "features": features}}}
    (folder / STATISTICS).write_text(json.dumps(statistics))
    counts = {"rows": {**random_bundle.metadata.rows, "test": rows}}
    metadata = random_bundle.metadata.model_copy(update=counts)
    return Bundle(str(folder), metadata, random_bundle.manifest)


def test_features_whose_test_tokens_are_mostly_unknown_are_named(random_bundle, tmp_path, caplog):
    bundle = bundle_with(random_bundle, tmp_path, {"user": 0.78, "item": 0.5, "seen": 0.9})
    said = mostly_unknown(bundle)
    assert said is not None
    assert "not in the vocabulary: user 78 %, seen 90 %. Such" in said
    say_bundle(bundle)
    assert caplog.messages == [said]


def test_nothing_is_said_where_tokens_are_known_or_nothing_was_counted(random_bundle, tmp_path):
    assert mostly_unknown(random_bundle) is None  # without statistics
    assert mostly_unknown(bundle_with(random_bundle, tmp_path, {"user": 0.4})) is None
    assert mostly_unknown(bundle_with(random_bundle, tmp_path, {"user": 0.9}, rows=0)) is None
