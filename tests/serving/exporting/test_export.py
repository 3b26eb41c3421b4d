import json

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

import serving.exporting.export
from features.bundle import read_metadata
from features.errors import ExportError
from features.raw import coerce
from models.network.outputs import NetworkOutputs
from serving.export_format.export_layout import SIGNATURES_FILE, WARM_UP
from serving.export_format.signature_table import read_table, user_columns
from serving.exporting.export import expected_scores, export
from serving.exporting.verify import verify
from serving.scoring.signature_inputs import with_first_user


@pytest.fixture
def unverified(monkeypatch):
    """Spares a test that is about something else the fresh process."""
    monkeypatch.setattr(serving.exporting.export, "verify", lambda *args: None)


def content(base) -> list[str]:
    return sorted(each.name for each in base.iterdir())


def test_metadata_with_its_groups_and_vocabularies_are_assets(exported, bundle):
    assert exported.name == "1"
    assert content(exported.parent) == ["1"]
    assert read_metadata(exported / "assets" / "metadata.json") == bundle.metadata
    assert bundle.metadata.features.groups
    assert content(exported / "assets") == ["item.txt", "metadata.json", "tags.txt", "user.txt"]


def test_sample_rows_read_back_as_they_were(exported, bundle, rows):
    lines = (exported / "assets.extra" / "sample_rows.jsonl").read_text().splitlines()
    assert len(lines) == 5
    features = bundle.metadata.features
    schema = features.raw_schema(("input",))
    batch = pa.RecordBatch.from_pylist([json.loads(line) for line in lines], schema=schema)
    typed, _, reasons = coerce(batch, features, roles=("input",))
    assert reasons == {}
    assert typed.cast(schema).equals(rows.slice(0, 5).select(schema.names).cast(schema))


def test_the_next_version_stands_beside_the_last(network, bundle, rows, tmp_path, unverified):
    base = tmp_path / "not" / "there" / "yet"
    assert export(network, bundle, base, rows) == base / "1"
    assert export(network, bundle, base, rows) == base / "2"


def test_columns_that_are_no_inputs_are_ignored(network, bundle, rows, tmp_path, unverified):
    labelled = rows.append_column("label", pa.array([1.0] * rows.num_rows))
    version = export(network, bundle, tmp_path, labelled)
    assert "label" not in (version / "assets.extra" / "sample_rows.jsonl").read_text()


class Unstable:
    """Scores by another rule in the graph that is exported than it does afterwards."""

    def __init__(self, network):
        self.network, self.branch_names, self.calls = network, network.branch_names, 0

    def __call__(self, features, training):
        self.calls += 1
        outputs = self.network(features, training=training)
        if self.calls == 1:  # one trace for all signatures comes first
            outputs = outputs._replace(logit=outputs.logit + 0.01)
        return outputs


def test_an_export_that_scores_otherwise_never_appears(
    network, bundle, rows, tmp_path, monkeypatch
):
    for name in ("serving", "features"):  # the fresh process must not take these for ours
        (tmp_path / "cwd" / name).mkdir(parents=True)
        (tmp_path / "cwd" / name / "__init__.py").write_text("raise SystemExit('not this one')")
    monkeypatch.chdir(tmp_path / "cwd")
    base = tmp_path / "base"
    expected_scores(network, bundle, rows)  # creates its variables, which is a trace of its own
    with pytest.raises(
        ExportError,
        match=r"signature 'serving_default', output 'prob'.*worst difference is 0\.00\d+, on "
        r"sample row \d+ .*at most 1e-06 is allowed\. The export was discarded\.",
    ):
        export(Unstable(network), bundle, base, rows)
    assert not base.exists()


def test_an_export_that_only_lives_in_this_process_never_appears(network, bundle, rows, tmp_path):
    def call(features, training):
        outputs = network(features, training=training)
        logit = tf.py_function(lambda x: x, [outputs.logit], tf.float32)
        return NetworkOutputs(logit=tf.ensure_shape(logit, outputs.logit.shape))

    with pytest.raises(
        ExportError, match=r"fresh process, so it was discarded.*\w+Error: .*pyfunc"
    ):
        export(call, bundle, tmp_path, rows)
    assert content(tmp_path) == []


def test_nothing_is_left_where_saving_fails(network, bundle, rows, tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tf.saved_model, "save", fail)
    with pytest.raises(ExportError, match=r"cannot write an export under .*No space left"):
        export(network, bundle, tmp_path, rows)
    assert content(tmp_path) == []


def test_a_base_path_that_is_a_file_is_refused(network, bundle, rows, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ExportError, match=r"cannot write an export under .*file"):
        export(network, bundle, tmp_path / "file", rows)


def test_further_files_lie_beside_the_export(network, bundle, rows, tmp_path, unverified):
    extras = {"model_card.json": b"{}", "model_card.md": "für".encode()}
    version = export(network, bundle, tmp_path, rows, extras=extras)
    assert (version / "assets.extra" / "model_card.md").read_bytes() == "für".encode()
    assert content(version / "assets.extra") == [
        "model_card.json",
        "model_card.md",
        "sample_rows.jsonl",
        "signatures.json",
        "tf_serving_warmup_requests",
    ]


def test_candidates_are_the_features_that_are_named(network, bundle, rows, tmp_path):
    version = export(network, bundle, tmp_path, rows, candidates=["item", "price"])  # verifies
    rank = read_table(version / SIGNATURES_FILE)["rank"].inputs
    assert {name for name, each in rank.items() if each.side == "candidate"} == {"item", "price"}


def test_candidates_that_are_no_features_leave_nothing_behind(network, bundle, rows, tmp_path):
    with pytest.raises(ExportError, match=r"names 'itme', .* Did you mean item\?"):
        export(network, bundle, tmp_path, rows, candidates=["itme"])
    assert content(tmp_path) == []


def test_an_export_needs_rows_to_be_verified_with(network, bundle, rows, tmp_path):
    with pytest.raises(ExportError, match="no sample rows to be verified with"):
        export(network, bundle, tmp_path / "base", rows.slice(0, 0))
    with pytest.raises(ExportError, match=r"lack the columns item\. Give raw rows"):
        export(network, bundle, tmp_path / "base", rows.drop_columns(["item"]))
    assert not (tmp_path / "base").exists()


@pytest.fixture(scope="module")
def received(exported, rows):
    """What a fresh process would find in the export."""
    found = serving.exporting.verify.score_signatures(exported, rows, [rows.num_rows])
    return {key.rsplit("@", 1)[0]: value for key, value in found.items()}


@pytest.fixture(scope="module")
def expected(exported, network, bundle, rows):
    """By name, what the network says; `ranked` with the first row's user in every row."""
    one_user = with_first_user(rows, user_columns(read_table(exported / SIGNATURES_FILE)))
    ranked = expected_scores(network, bundle, one_user)["prob"]
    return {**expected_scores(network, bundle, rows), "ranked": ranked}


def _write(path, scores, sizes):
    """As the fresh process does; batches other than the rows themselves repeat them."""
    found = {
        f"{key}@{size}": value[np.arange(size) % len(value)]
        for key, value in scores.items()
        for size in sizes
    }
    np.savez(path, **found)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda scores: None, None),
        (lambda scores: scores["prob"].__iadd__(np.float32(2e-6)), "worst difference is 2"),
        (lambda scores: scores["prob"].fill(np.nan), "worst difference is nan"),
        (lambda scores: scores.update(prob=scores["prob"][:-1]), r"float32 of shape \(11,\)"),
        (lambda scores: scores.pop("prob_deep"), "'prob_deep'.*no such output"),
        (lambda scores: scores["weight_deep"].__iadd__(2e-6), "'weight_deep'.*difference is 2"),
        (
            lambda scores: scores.update(prob_new=scores["prob"]),
            "does not answer branches/prob_new",
        ),
        (lambda scores: scores["ranked"].__iadd__(2e-6), "'rank', .*difference is 2"),
        (lambda scores: scores.pop("ranked"), "'rank', output 'prob'.*no such output"),
    ],
    ids=[
        "nothing",
        "too far",
        "nan",
        "other shape",
        "output too many",
        "weight",
        "output missing",
        "rank",
        "rank not expected",
    ],
)
def test_verification_notices(exported, received, expected, rows, monkeypatch, change, message):
    monkeypatch.setattr(
        serving.exporting.verify,
        "_run_fresh_process",
        lambda version, rows_path, scores_path, sizes: _write(scores_path, received, sizes),
    )
    scores = {name: value.copy() for name, value in expected.items()}
    change(scores)
    ranked = scores.pop("ranked", None)
    if message is None:
        verify(exported, rows, scores, ranked)
        return
    with pytest.raises(ExportError, match=message):
        verify(exported, rows, scores, ranked)


def test_verification_notices_other_classes(exported, received, expected, rows, monkeypatch):
    swapped = received | {"classify/classes": received["classify/classes"][:, ::-1]}
    monkeypatch.setattr(
        serving.exporting.verify,
        "_run_fresh_process",
        lambda version, rows_path, scores_path, sizes: _write(scores_path, swapped, sizes),
    )
    scores = {name: value for name, value in expected.items() if name != "ranked"}
    with pytest.raises(ExportError, match=r"'classify', output 'classes': .* on sample row 0 "):
        verify(exported, rows, scores, expected["ranked"])


def test_verification_looks_at_every_size_that_is_compiled(
    exported, received, expected, rows, monkeypatch
):
    def fresh_process(version, rows_path, scores_path, sizes):
        assert sizes == [rows.num_rows, 2, 30]
        _write(scores_path, received, sizes)
        with np.load(scores_path) as written:
            wrong = {**written}
        wrong["regress/outputs@30"][-1] += 0.5  # row 29 of 12 rows over and over
        np.savez(scores_path, **wrong)

    monkeypatch.setattr(serving.exporting.verify, "_run_fresh_process", fresh_process)
    scores = {name: value for name, value in expected.items() if name != "ranked"}
    with pytest.raises(ExportError, match=r"'regress', output 'outputs': .* on sample row 29 "):
        verify(exported, rows, scores, expected["ranked"], sizes=[2, 30])


def test_compiled_sizes_are_compiled_warmed_up_and_verified(network, bundle, rows, tmp_path):
    version = export(network, bundle, tmp_path, rows, compiled=[16])  # 12 rows and 16 are verified
    requests = tf.data.TFRecordDataset(str(version / WARM_UP))
    assert len(list(requests)) == 6 * 4  # signatures, and 1, 8, 16 and 64 rows
    saved = saved_model_pb2.SavedModel.FromString((version / "saved_model.pb").read_bytes())
    functions = saved.meta_graphs[0].graph_def.library.function
    compiled = [each for each in functions if each.attr["_XlaMustCompile"].b]
    assert len(compiled) == 2  # one for whole rows, one for candidates of a user
