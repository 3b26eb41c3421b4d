"""A preset trains a few steps, is evaluated, exported and loaded again, on a small slice."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

from features.bundle import Bundle, open_bundle
from models.network.cooperative_network import CooperativeNetwork
from models.spec.build_network import build_network
from pipeline.batches.dataset import examples
from pipeline.config.config_files import load_config, load_preset
from pipeline.data.job.data_job import build_bundle
from pipeline.evaluation import evaluate
from pipeline.training.train import new_network
from serving.export_format.signature_table import SignatureTable
from serving.exporting import signatures
from serving.exporting.export import expected_scores
from serving.scoring.raw_rows import read_rows
from serving.scoring.scorer import Scorer

# One for each way in which a whole network is wired: its training and evaluation run as graphs, as
# those of a run do. Layers run as graphs in `tests/models/test_contract.py`.
IN_GRAPHS = {
    "dnn",
    "din",
    "dien_auxiliary",
    "multi_embedding",
    "mbcnet",
    "cetnet/dnn_2x_concat",
    "dmoe",
    "enkd",
    "kdef",
}
TEACHERS = ("efgc", "crossnet_v2")


class Slice(NamedTuple):
    """What all trials on one bundle share: reading the rows is traced once."""

    dataset: Path
    settings: list[str]
    bundle: Bundle
    batches: tf.data.Dataset
    splits: dict[str, tf.data.Dataset]
    sample: pa.Table


def prepared_slice(dataset: Path, settings: list[str], folder: Path) -> Slice:
    config = load_config(dataset, [*settings, "model.preset=dnn"], check=False)
    build_bundle(config.feature_set, config.data, str(folder))
    bundle = open_bundle(str(folder))
    rows = next(read_rows(bundle.sample_rows, bundle.metadata.features))
    return Slice(
        dataset,
        settings,
        bundle,
        examples(bundle, "train", 64, epochs=1, seed=1, shuffle_rows=512, trimmed=True).take(2),
        {split: examples(bundle, split, 512, trimmed=True) for split in ("valid", "test")},
        rows.slice(0, 5).select(bundle.metadata.features.raw_schema(("input",)).names),
    )


@contextmanager
def functions_run_eagerly(eagerly: bool) -> Iterator[None]:
    tf.config.run_functions_eagerly(eagerly)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(False)


def exported_as(name: str) -> tuple:
    """What decides how a preset is exported: the kinds of its parts, and who owns the tables.

    Every branch, alignment and fusion is exported with other sizes by the contract's tests.
    """
    model = load_preset(name)
    kinds = {branch.type for branch in model.branches.values()}
    fusion = (model.fusion.type, model.heads, len(model.branches) > 1)
    return (*sorted(kinds), model.tables, model.alignment.type, *fusion)


def train_and_evaluate(
    name: str, data: Slice, eagerly: bool
) -> tuple[CooperativeNetwork, np.ndarray]:
    """Trains two batches and evaluates; the network, and its scores of the sample's rows."""
    metadata = data.bundle.metadata
    needs_teachers = name.endswith("enkd")
    more = ["train.teachers=[a_run]"] if needs_teachers else []
    config = load_config(data.dataset, [*data.settings, *more, f"model.preset={name}"], check=False)
    teachers = [
        build_network(load_preset(teacher), metadata.model_inputs(), metadata.features.groups)
        for teacher in (TEACHERS if needs_teachers else ())
    ]
    network = new_network(config, data.bundle, teachers)
    before = [weight.numpy() for weight in network.trainable_weights]
    with functions_run_eagerly(eagerly):
        logs = network.fit(data.batches, verbose=0).history

    assert np.isfinite([logs[term] for term in ("loss", *network.term_names)]).all()
    assert network.divergence() is None
    for weight, old in zip(network.trainable_weights, before, strict=True):
        assert not np.array_equal(weight, old), f"{weight.name} was not trained"

    network.forget_teachers()
    with functions_run_eagerly(eagerly), pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluate, "examples", lambda bundle, split, *_, **__: data.splits[split])
        report = evaluate.evaluate(network, data.bundle, 512, "impressions").report
    for split in data.splits:
        metrics = report[split]["metrics"]
        heads = network.branch_names if network.heads == "all" else ()
        assert list(metrics) == ["fused", *heads]
        assert all(0.0 <= scores["auc"] <= 1.0 for scores in metrics.values())
        assert ("cooperation" in report[split]) == (len(network.branch_names) > 1)

    with functions_run_eagerly(eagerly):
        return network, expected_scores(network, data.bundle, data.sample)["prob"]


def export_and_reload(
    network: CooperativeNetwork,
    expected: np.ndarray,
    data: Slice,
    folder: Path,
    left_out: Collection[str] = (),
) -> None:
    """Exports without the signatures that are left out, and compares the scores of the sample."""
    bundle, whole_table = data.bundle, signatures.signature_table

    def table(*parts: Any) -> SignatureTable:
        return {name: value for name, value in whole_table(*parts).items() if name not in left_out}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(signatures, "signature_table", table)
        module = signatures.ScoringModule(
            network, bundle.metadata, bundle.vocabulary_dir, f"{bundle.path}/metadata.json"
        )
        module.save(str(folder / "saved"))
    received = Scorer(folder / "saved").score(data.sample)["prob"]
    np.testing.assert_allclose(received, expected, rtol=1e-4, atol=1e-6)
