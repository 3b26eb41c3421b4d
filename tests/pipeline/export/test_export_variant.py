"""Variants of an export: what they store, how they score, and what is refused."""

import itertools
import json
import shutil

import ml_dtypes
import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

import serving.exporting.export
from features.errors import ExportError
from features.raw import coerce
from models.spec.build_network import build_network
from pipeline.batches.dataset import column_arrays, examples
from pipeline.config.run_config import RunConfig
from pipeline.export.export_variant import export_variant
from pipeline.runs.run_dir import RunDir
from serving.exporting.signatures import probabilities
from serving.scoring.signature_inputs import encode_examples
from serving.variants import variant as variants
from serving.variants.variant import Tolerance, Variant
from tests.pipeline.conftest import FEATURES

CONFIG = RunConfig.model_validate(
    {
        "data": {"source": "movielens_100k"},
        "features": {
            name: spec.model_dump(exclude={"name"}) for name, spec in FEATURES.features.items()
        },
        "groups": FEATURES.groups,
        "histories": {name: each.model_dump() for name, each in FEATURES.histories.items()},
        "model": {
            "embedding": {"embedding_dim": 4, "stddev": 0.5},
            "tables": "per_branch",
            "branches": {
                "efgc": {"units": [8], "output_units": 8},
                "deep": {"units": [8]},
            },
            "alignment": {"type": "shared_mlp", "units": [6]},
            "cooperation": {},
        },
        "export": {"candidates": ["item"]},
    }
)
ROWS = [
    {"row": 3.0, "user": "u1", "item": "i4", "seen": ["i1", "i9"]},
    {"row": -1.0, "user": "u5", "item": "unknown", "seen": []},
    {},
]


@pytest.fixture(scope="module")
def sample() -> pa.RecordBatch:
    batch = pa.RecordBatch.from_pylist(ROWS, schema=FEATURES.raw_schema(("input",)))
    return coerce(batch, FEATURES, roles=("input",))[0]


def new_network(bundle):
    return build_network(CONFIG.model, bundle.metadata.model_inputs(), CONFIG.groups)


@pytest.fixture(scope="module")
def whole(random_bundle, sample, tmp_path_factory):
    """Weights of a network, and its full export."""
    network = new_network(random_bundle)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(serving.exporting.export, "verify", lambda *args: None)
        folder = tmp_path_factory.mktemp("whole")
        return network.get_weights(), serving.exporting.export.export(
            network, random_bundle, folder, sample
        )


@pytest.fixture
def network(random_bundle, whole):
    made = new_network(random_bundle)
    made.set_weights(whole[0])
    return made


@pytest.fixture
def run(random_bundle, whole, tmp_path) -> RunDir:
    """A finished one, with a full export."""
    run = RunDir(tmp_path / "run")
    run.begin(CONFIG, random_bundle)
    shutil.copytree(whole[1], run.export / "1")
    run.finish("export")
    return run


@pytest.fixture
def unverified(monkeypatch):
    """Spares a test that is about something else the fresh process."""
    monkeypatch.setattr(serving.exporting.export, "verify", lambda *args: None)


@pytest.fixture
def export(random_bundle, run, network, sample):
    def made(*options, **more):
        variant = Variant(*options)
        return export_variant(
            CONFIG, random_bundle, run, network, variant, sample, rounds=1, **more
        )

    return made


def scores_of(network, bundle) -> dict[str, np.ndarray]:
    """Every output over the validation rows, in one batch."""
    (batch,) = examples(bundle, "valid", 1000)
    return {name: each.numpy() for name, each in probabilities(network, batch[0]).items()}


def scores_of_rows(version) -> np.ndarray:
    """What an export says of ROWS."""
    signature = tf.saved_model.load(str(version)).signatures["raw_tensors"]
    inputs = {
        "row": tf.constant([3.0, -1.0, np.nan]),
        "user": tf.constant(["u1", "u5", ""]),
        "item": tf.constant(["i4", "unknown", ""]),
        "seen": tf.constant([["i1", "i9"], ["", ""], ["", ""]]),
    }
    taken = signature.structured_input_signature[1]
    return signature(**{name: inputs[name] for name in taken})["prob"].numpy()


def oracle_auc(labels, probs) -> float:
    """Share of pairs of a positive and a negative that are in order, one pair at a time."""
    pairs = itertools.product(probs[labels == 1], probs[labels == 0])
    return float(np.mean([(p > n) + 0.5 * (p == n) for p, n in pairs]))


def stored_tables(version) -> list[tuple[list[int], tf.DType]]:
    reader = tf.train.load_checkpoint(str(version / "variables" / "variables"))
    types, shapes = reader.get_variable_to_dtype_map(), reader.get_variable_to_shape_map()
    return [(shapes[name], types[name]) for name in types if shapes[name][:1] == [22]]


@pytest.mark.parametrize(
    ("precision", "rounded"), [("bfloat16", ml_dtypes.bfloat16), ("float16", np.float16)]
)
def test_tables_of_fewer_bits_score_as_rounded_ones(
    export, network, random_bundle, run, precision, rounded, unverified
):
    full = scores_of(network, random_bundle)
    (table,) = network.embeddings.tables
    exact = table.table.numpy()
    version = export(precision)
    assert version == run.path / f"export-{precision}" / "1"
    assert stored_tables(version) == [([22, 8], tf.as_dtype(precision))]
    # The oracle: a float32 table whose numbers were rounded by numpy.
    other = new_network(random_bundle)
    rounded_table = exact.astype(rounded).astype("float32")
    assert np.abs(rounded_table - exact).max() > 1e-5
    table.store_as(tf.float32)
    other.set_weights(network.get_weights())
    other.embeddings.tables[0].table.assign(rounded_table)
    received = json.loads((version / "assets.extra" / "variant_report.json").read_text())
    apart = np.abs(scores_of(other, random_bundle)["prob"].astype("float64") - full["prob"])
    assert apart.max() > 0
    assert received["difference"]["largest"] == pytest.approx(apart.max(), rel=1e-3, abs=1e-7)
    assert received["difference"]["mean"] == pytest.approx(apart.mean(), rel=1e-2, abs=1e-8)
    labels = column_arrays(random_bundle, "valid", ["clicked"])["clicked"]
    assert received["exports"]["full"]["auc"] == pytest.approx(oracle_auc(labels, full["prob"]))
    sizes = [each.stat().st_size for each in version.rglob("variables.data*")]
    mine, whole = received["exports"][precision], received["exports"]["full"]
    assert mine["bytes_of_weights"] == sum(sizes)
    saved = whole["bytes_of_weights"] - mine["bytes_of_weights"]
    assert saved == pytest.approx(22 * 8 * 2, abs=64)  # of the checkpoint's own bookkeeping
    assert set(mine["p50_ms"]) == {"1", "100", "1000"}
    whole_files = [each for each in run.export.rglob("*") if each.is_file()]
    assert whole["bytes"] == sum(each.stat().st_size for each in whole_files)
    assert [each.name for each in version.parent.iterdir()] == ["1"]


def test_a_branch_alone_is_verified_in_a_fresh_process_and_has_what_it_reads(
    export, network, random_bundle
):
    full = scores_of(network, random_bundle)
    version = export("float32", "efgc")
    # Its group names user and item; `seen` and `row` are other branches' business.
    signatures = json.loads((version / "assets.extra" / "signatures.json").read_text())
    assert set(signatures["raw_tensors"]["inputs"]) == {"user", "item"}
    assert signatures["rank"]["inputs"]["item"]["side"] == "candidate"
    assert "branches" not in signatures
    assert stored_tables(version) == [([22, 4], tf.float32)]
    report = json.loads((version / "assets.extra" / "variant_report.json").read_text())
    assert report["reference"] == "prob_efgc"
    assert report["difference"]["largest"] <= 1e-6
    labels = column_arrays(random_bundle, "valid", ["clicked"])["clicked"]
    expected = oracle_auc(labels, full["prob_efgc"])
    assert report["exports"]["efgc"]["auc"] == pytest.approx(expected, abs=1e-6)
    card = json.loads((version / "assets.extra" / "model_card.json").read_text())
    assert card["variant"] == {
        "precision": "float32",
        "branch": "efgc",
        "format": "saved_model",
        "compiled": None,
    }
    assert [each["name"] for each in card["features"]] == ["user", "item"]
    assert "efgc alone" in (version / "assets.extra" / "model_card.md").read_text()


def test_a_branch_of_fewer_bits_answers_raw_rows_as_the_whole_export_says_it_does(
    export, run, sample, unverified
):
    loaded = tf.saved_model.load(str(run.export / "1"))
    encoded = encode_examples(sample, FEATURES)
    expected = loaded.signatures["branches"](examples=tf.constant(encoded))["prob_deep"]
    version = export("bfloat16", "deep")
    assert version.parent.name == "export-deep+bfloat16"
    np.testing.assert_allclose(scores_of_rows(version), expected, atol=5e-3)
    assert stored_tables(version) == [([22, 4], tf.bfloat16)]


def test_openvino_is_compared_and_measured_too(export, run):
    pytest.importorskip(
        "openvino", reason="the package openvino is not installed: pip install openvino"
    )
    version = export("float32", "deep", "openvino")
    assert version == run.path / "export-deep+openvino" / "1"
    files = {str(each.relative_to(version)) for each in version.rglob("*") if each.is_file()}
    assert {"model.xml", "model.bin", "score.py", "sample_inputs.npz"} <= files
    assert {"assets/metadata.json", "assets/user.txt", "assets.extra/model_card.md"} <= files
    report = json.loads((version / "assets.extra" / "variant_report.json").read_text())
    assert report["difference"]["largest"] <= 1e-5
    assert report["exports"]["deep+openvino"]["bytes_of_weights"] > 0
    assert "on preprocessed features" in report["timed"]


def test_scores_that_are_too_far_off_leave_nothing(export, run, monkeypatch, unverified):
    monkeypatch.setitem(variants.TOLERANCES, "bfloat16", Tolerance(1e-9, 1e-9))
    with pytest.raises(ExportError, match=r"the bfloat16 export does not score as the full"):
        export("bfloat16")
    assert not run.export_of("bfloat16").exists()


def test_a_weight_beyond_float16_is_refused_where_no_row_reads_it(export, network, run, unverified):
    (table,) = network.embeddings.tables
    rows = table.table.numpy()
    rows[1, 0] = 1e5  # the id of unknown users, whom no validation row has
    table.table.assign(rows)
    with pytest.raises(ExportError, match=r"cannot be stored as float16: .*65,504.*bfloat16"):
        export("float16")
    assert not run.export_of("float16").exists()


def test_an_unknown_branch_is_refused_with_the_nearest_name(export, run, unverified):
    with pytest.raises(ExportError, match=r"no branch 'eefgc'\. Did you mean efgc\?"):
        export("float32", "eefgc")
    assert not run.export_of("eefgc").exists()


def test_without_a_full_export_one_is_made_for_the_comparison_alone(
    export, run, random_bundle, unverified
):
    shutil.rmtree(run.export)
    version = export("bfloat16", base=run.path / "elsewhere")
    assert version == run.path / "elsewhere" / "1"
    report = json.loads((version / "assets.extra" / "variant_report.json").read_text())
    assert report["exports"]["full"]["bytes"] > 0
    assert not run.export.exists()  # a server that watches it must not meet the comparison
    assert [each.name for each in (run.path / "elsewhere").iterdir()] == ["1"]
