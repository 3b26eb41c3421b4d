"""What a new day's network takes over, token by token, and what it is compared with."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from features.bundle import MANIFEST, METADATA, file_entry, open_bundle
from features.errors import ConfigError
from pipeline.config.run_config import EvaluateConfig, ReportConfig
from pipeline.evaluation.scores import score_split
from pipeline.reporting.run_report import report_html
from pipeline.runs.run_dir import RunDir
from pipeline.stages.evaluate_stage import evaluate_elsewhere, evaluate_stage
from pipeline.stages.show_evaluation import PREVIOUS, with_previous
from pipeline.stages.start import Start, check_start
from pipeline.stages.train_stage import train_stage
from pipeline.training.id_maps import map_buckets, map_tokens
from pipeline.training.train import load_network, new_network
from pipeline.training.warm_start import WarmStart
from tests.pipeline.training.test_checkpoints import configured

NO_PICTURES = EvaluateConfig(report=ReportConfig(sample_rows=0))
ROWS = {"train": 400, "valid": 150, "test": 150}
NEW_ITEMS = ["i11", "i3", "new0", "i0", "i1", "i2", "i4", "i5", "i6", "i7", "new1", "i8"]


def tokens(names) -> pa.Array:
    return pa.array([name.encode() for name in names], pa.binary())


def test_tokens_are_found_by_name_and_strangers_read_out_of_vocabulary():
    found = map_tokens(tokens(["a", "b", "c"]), tokens(["c", "x", "a"]), 1, 1)
    # 0 is missing, 1 out of vocabulary, then tokens in the order of their file.
    assert found.source.tolist() == [0, 1, 4, -1, 2]
    assert found.unknown.tolist() == [0, 1, 4, 1, 2]
    assert found.counts == {"kept": 2, "new": 1, "dropped": 1}


def test_more_out_of_vocabulary_ids_than_before_are_new():
    found = map_tokens(tokens(["a"]), tokens(["a"]), 1, 3)
    assert found.source.tolist() == [0, 1, -1, -1, 2]


def test_a_bucket_takes_the_row_of_the_values_it_holds():
    found = map_buckets((0.0, 10.0), (0.0, 4.0, 10.0, 20.0))
    # (-inf, 0), [0, 4), [4, 10), [10, 20), [20, inf) -> the earlier (-inf, 0), [0, 10), [10, inf)
    assert found.source.tolist() == [0, 1, 2, 2, 3, 3]


@pytest.fixture(scope="module")
def first(make_bundle, tmp_path_factory):
    """A finished run."""
    bundle, _ = make_bundle(rows=ROWS, block_rows=64)
    run = RunDir(tmp_path_factory.mktemp("runs") / "monday")
    config = configured(bundle, epochs=2)
    train_stage(config, bundle, run)
    return config, bundle, run


@pytest.fixture(scope="module")
def tuesday(make_bundle):
    """A bundle with another vocabulary of items."""
    bundle, _ = make_bundle(rows=ROWS, block_rows=64)
    file = Path(bundle.vocabulary_dir, "item.txt")
    file.write_text("".join(f"{name}\n" for name in NEW_ITEMS))
    manifest = Path(bundle.path, "MANIFEST.json")
    content = json.loads(manifest.read_text())
    content["files"]["vocabularies/item.txt"] = file_entry(str(file)).model_dump()
    manifest.write_text(json.dumps({**content, "fingerprint": "tuesday"}))
    return open_bundle(bundle.path)


def built(config, bundle):
    network = new_network(config, bundle)
    network.optimizer.build(network.trainable_variables)
    return network


@pytest.mark.parametrize("correct_skipped", [False])
def test_known_tokens_keep_their_whole_rows_and_new_ones_start_fresh(
    first, tuesday, correct_skipped
):
    config, bundle, run = first
    before = built(config, bundle)
    before.load_weights(str(run.best_checkpoint)).expect_partial()
    network = built(config, tuesday)
    fresh = [table.table.numpy() for table in network.embeddings.tables]
    warm = WarmStart(run, tuesday)
    warm.apply(network)
    old = before.embeddings.tables[0].table.numpy()
    items, old_items = (
        network.embeddings.layout.places["item"],
        before.embeddings.layout.places["item"],
    )

    def row(bank_rows, place, name, names):
        return bank_rows[place.start + 2 + names.index(name)]

    names = [f"i{k}" for k in range(12)]
    read = network.embeddings.tables[0].table.numpy()
    for name in NEW_ITEMS:  # the slow way, one row at a time
        expected = old[old_items.start + 1] if name.startswith("new") else None
        if expected is None:
            expected = row(old, old_items, name, names)
        np.testing.assert_array_equal(row(read, items, name, NEW_ITEMS), expected, err_msg=name)
    warm.start_new_tokens()
    started = network.embeddings.tables[0].table.numpy()
    for name in NEW_ITEMS:
        source = fresh[0] if name.startswith("new") else read
        np.testing.assert_array_equal(
            row(started, items, name, NEW_ITEMS), row(source, items, name, NEW_ITEMS), err_msg=name
        )
    user = network.embeddings.layout.places["user"]
    np.testing.assert_array_equal(started[user.start : user.stop], old[user.start : user.stop])
    assert warm.counts["item"] == {"kept": 10, "new": 2, "dropped": 2}
    tables = {table.table.name for table in network.embeddings.tables}
    for ours, theirs in zip(
        (*network.weights, *network.optimizer.variables),
        (*before.weights, *before.optimizer.variables),
        strict=True,
    ):
        if ours.name not in tables and "learning_rate" not in ours.name:
            np.testing.assert_array_equal(ours.numpy(), theirs.numpy(), err_msg=ours.name)
    assert int(network.optimizer.iterations.numpy()) > 0


def test_dense_adam_keeps_the_moments_of_its_rows(first, tuesday, tmp_path):
    _, bundle, _ = first
    config = configured(bundle, epochs=1, tables={"optimizer": "adam"})
    run = RunDir(tmp_path / "run")
    train_stage(config, bundle, run)
    before, network = built(config, bundle), built(config, tuesday)
    before.load_weights(str(run.best_checkpoint)).expect_partial()
    WarmStart(run, tuesday).apply(network)
    name = network.embeddings.tables[0].table.name.split(":")[0]
    pairs = [
        (a.numpy(), b.numpy())
        for a, b in zip(before.optimizer.variables, network.optimizer.variables, strict=True)
        if b.name.split(":")[0].endswith(f"/{name}")
    ]
    assert len(pairs) == 2
    item = network.embeddings.layout.places["item"].start + 2
    for old, new in pairs:
        np.testing.assert_array_equal(new[item], old[item + 11])  # i11 comes first on Tuesday
        assert np.abs(old).sum() > 0


@pytest.fixture(scope="module")
def second(first, tuesday, tmp_path_factory):
    config, _, run = first
    config = configured(tuesday, epochs=1, progressive_validation=True)
    config = config.model_copy(update={"evaluate": NO_PICTURES})
    directory = RunDir(tmp_path_factory.mktemp("runs") / "tuesday")
    network = train_stage(config, tuesday, directory, Start(warm_start=run))
    evaluate_stage(config, tuesday, directory, network)
    return config, directory


def test_a_report_without_sampled_rows_has_metrics_and_curves_alone(second):
    directory = second[1]
    assert not directory.report_numbers_file.exists()
    page = directory.report_file.read_text()
    for section in ("Validation", "Test", "Training"):
        assert f"<h2>{section}</h2>" in page
    assert "Slices by feature" not in page
    assert "95 % intervals" not in page


def test_metrics_hold_counts_previous_and_progressive_scores(second, first, tuesday):
    config, directory = second
    metrics = json.loads(directory.metrics_file.read_text())
    warm = metrics["warm_start"]
    assert warm["vocabularies"]["item"] == {"kept": 10, "new": 2, "dropped": 2}
    assert warm["progressive"]["rows"] == ROWS["train"]
    network = built(config, tuesday)
    start = WarmStart(first[2], tuesday)
    start.apply(network)
    start.start_new_tokens()
    scores = score_split(network, tuesday, "train", 8192)
    assert warm["progressive"]["metrics"] == scores.metrics("impressions")
    shown = with_previous(metrics)["evaluation"]
    assert list(shown) == ["progressive", "valid", "test"]
    before = shown["test"]["metrics"][PREVIOUS]
    assert before == warm["previous"]["test"]["metrics"]["fused"]
    page = report_html("run", with_previous(metrics), "")
    assert PREVIOUS in page
    assert "Progressive validation" in page


def test_the_previous_scores_are_those_of_the_previous_network_where_nothing_changed(first):
    config, bundle, run = first
    network = built(config, bundle)
    WarmStart(run, bundle).apply(network)
    for name, probs in score_split(
        load_network(config, bundle, run), bundle, "test", 64
    ).probs.items():
        received = score_split(network, bundle, "test", 64).probs[name]
        np.testing.assert_array_equal(received, probs)


def test_yesterdays_network_is_measured_on_all_of_todays_rows(first, tuesday, make_bundle):
    config, _, run = first
    today, _ = make_bundle(rows={"train": 60, "valid": 0, "test": 30})
    network = load_network(config, today, run)
    before = run.metrics_file.read_text()
    path = evaluate_elsewhere(config, today, run, network)
    written = json.loads(path.read_text())
    assert {name: report["rows"] for name, report in written["evaluation"].items()} == {
        "train": 60,
        "test": 30,
    }
    expected = score_split(network, today, "test", 64).metrics("impressions")
    received = written["evaluation"]["test"]["metrics"]
    assert received["fused"]["logloss"] == pytest.approx(expected["fused"]["logloss"], rel=1e-6)
    assert run.metrics_file.read_text() == before
    manifest = today.manifest.model_copy(update={"fingerprint": "another"})
    Path(today.path, MANIFEST).write_text(manifest.model_dump_json())
    other = dataclasses.replace(today, manifest=manifest)  # in a folder of the same name
    assert evaluate_elsewhere(config, other, run, network) != path
    assert json.loads(path.read_text())["bundle"] == today.path
    with pytest.raises(ConfigError, match="has other vocabularies than the bundle"):
        evaluate_elsewhere(config, tuesday, run, network)


def test_the_earlier_run_is_part_of_the_fingerprint(second, first, tuesday):
    config, directory = second
    assert directory.has_finished("train", config, tuesday, first[2])
    assert not directory.has_finished("train", config, tuesday)
    directory.check_bundle(config, tuesday)  # whether or not the earlier run is still there


def test_a_network_of_another_shape_is_refused(first, tuesday):
    config, _, run = first
    embedding = config.model.embedding.model_copy(update={"embedding_dim": 5})
    wider = config.model_copy(
        update={"model": config.model.model_copy(update={"embedding": embedding})}
    )
    with pytest.raises(ConfigError, match=r"has another shape: it has .*embeddings.* of shape"):
        WarmStart(run, tuesday).apply(built(wider, tuesday))


def test_a_start_that_cannot_be_meant_is_refused(first, tmp_path):
    config, bundle, run = first
    with pytest.raises(ConfigError, match="is the folder that this training would replace"):
        check_start(config, run, Start(warm_start=run))
    with pytest.raises(ConfigError, match=r"--warm-start: .*is not the folder of a run"):
        check_start(config, run, Start(warm_start=RunDir(tmp_path)))
    progressive = configured(bundle, progressive_validation=True)
    with pytest.raises(ConfigError, match="Received: no --warm-start"):
        check_start(progressive, run, Start())


def test_a_run_whose_vocabulary_was_changed_is_no_start(first, tuesday, tmp_path):
    _, _, run = first
    shutil.copytree(run.path, tmp_path / "run")
    copy = RunDir(tmp_path / "run")
    metadata = json.loads((copy.bundle_copy / METADATA).read_text())
    item = copy.bundle_copy / "vocabularies" / "item.txt"
    metadata["vocabulary_sha256"] = {"item": file_entry(str(item)).sha256}
    (copy.bundle_copy / METADATA).write_text(json.dumps(metadata))
    WarmStart(copy, tuesday)
    item.write_text("i1\ni0\n" + item.read_text()[6:])
    with pytest.raises(ConfigError, match=r"--warm-start .*item\.txt is damaged: .*again\."):
        WarmStart(copy, tuesday)


def test_a_run_needs_no_bundle_to_start_from(first):
    _, _, run = first
    assert (run.bundle_copy / METADATA).exists()
    assert (run.bundle_copy / "vocabularies" / "item.txt").read_text().startswith("i0\ni1\n")
