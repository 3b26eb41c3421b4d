import json

import numpy as np
import pytest
from typer.testing import CliRunner

import pipeline.system.quiet
from features.errors import ConfigError
from pipeline.cli.command_line import app
from serving.client import rest
from serving.client.export_folder import open_export
from serving.client.rest import Rest, _message
from serving.endpoint_check import check_cases
from serving.endpoint_check.check_endpoint import check_endpoint
from serving.endpoint_check.checking import DifferenceError, EndpointError, refused, run
from serving.endpoint_check.reference import Reference, compare

MODEL = "clicks"
SIGNATURES = {"serving_default", "raw_tensors", "classify", "regress", "branches", "rank"}


@pytest.fixture(scope="module")
def export(exported):
    return open_export(exported)


@pytest.fixture(scope="module")
def findings(export, target, endpoint):
    rest = f"127.0.0.1:{endpoint.rest_port}"
    return list(check_endpoint(export, target, MODEL, rest=rest))


def test_a_server_of_the_export_answers_as_the_export(findings):
    assert [each for each in findings if not each.good] == []


def test_everything_is_asked_in_both_protocols(findings):
    asked = {finding.name for finding in findings}
    assert len(asked) == len(findings)
    for signature in SIGNATURES:
        for case in ("1 row", "7 rows", "missing features", "unknown tokens"):
            assert f"grpc {signature}, {case}" in asked
            assert f"rest {signature} in columns, {case}" in asked
        assert f"grpc {signature}, 0 rows" in asked
    for name in ("status", "metadata", "unknown signature", "unknown model", "a missing input"):
        assert {f"grpc {name}", f"rest {name}"} <= asked
    assert {"grpc Classify, 7 rows", "grpc Regress, 7 rows", "rest classify, 7 rows"} <= asked
    assert "grpc MultiInference of classify and regress" in asked


@pytest.mark.parametrize("signature", sorted(SIGNATURES))
def test_other_scores_are_found(export, target, endpoint, monkeypatch, signature):
    outputs = Reference.outputs

    def slightly_more(self, asked, inputs):
        found = outputs(self, asked, inputs)
        if asked != signature:
            return found
        return {k: v + v.dtype.type(2e-6) if v.dtype == np.float32 else v for k, v in found.items()}

    monkeypatch.setattr(Reference, "outputs", slightly_more)
    monkeypatch.setattr(check_cases, "SEVERAL", 2)
    rest = f"127.0.0.1:{endpoint.rest_port}"
    found = check_endpoint(export, target, MODEL, rest=rest)
    bad = {finding.name for finding in found if not finding.good}
    assert {f"grpc {signature}, 1 row", f"rest {signature} in columns, 1 row"} <= bad
    assert not any(other in name for name in bad for other in SIGNATURES - {signature}) or (
        signature in ("classify", "regress")
    )


def test_the_command_says_what_it_found(export, target, endpoint, monkeypatch):
    monkeypatch.setattr(
        pipeline.system.quiet, "import_tensorflow", lambda: None
    )  # wants a real stderr
    command = ["check-endpoint", target, str(export.version), "--name", MODEL]
    done = CliRunner().invoke(app, [*command, "--rest", f"127.0.0.1:{endpoint.rest_port}"])
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert all(line.startswith("ok ") for line in lines[:-1])
    assert lines[-1].startswith("result ")
    done = CliRunner().invoke(app, [*command[:-1], "another"])
    assert done.exit_code == 1
    first, last = done.output.splitlines()
    assert first.startswith("DIFFERS   grpc status: GetModelStatus")
    assert last.startswith("result    1 of 1 answers are not those of")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["127.0.0.1"], "HOST:PORT is '127.0.0.1', expected a host and a port"),
        (["http://127.0.0.1:8501"], "without http://"),
        (["127.0.0.1:8500", "--rest", "http://127.0.0.1:8501/"], "--rest is 'http"),
        (["127.0.0.1:8500", "--timeout", "0"], "--timeout is 0.0, expected more than 0"),
        (["[::1]:8500", "--timeout", "nan"], "--timeout is nan"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_anything_is(export, arguments, sentence):
    target, *options = arguments
    done = CliRunner().invoke(app, ["check-endpoint", target, str(export.version), *options])
    assert isinstance(done.exception, ConfigError)
    assert sentence in str(done.exception)


def test_an_answer_that_is_no_text_is_told_in_printable_ones():
    message = _message("a\x00b \x1b[31m\n c")
    assert message == "a?b ?[31m c"


def test_an_endpoint_that_is_not_there_ends_the_check(export):
    (grpc_finding, rest_finding) = check_endpoint(
        export, "127.0.0.1:1", MODEL, rest="127.0.0.1:1", timeout=2.0
    )
    assert not grpc_finding.good
    assert "UNAVAILABLE" in grpc_finding.detail
    assert not rest_finding.good
    assert "has no answer" in rest_finding.detail


def test_answers_of_another_form_differ():
    def broken():
        raise KeyError("outputs")

    (first, second) = run("rest", [("status", lambda: "fine"), ("predict", broken)])
    assert (first.good, second.good) == (True, False)
    assert "not the form of an answer: KeyError" in second.detail


def test_a_refusal_must_be_one_and_have_the_right_code():
    def refuse():
        raise EndpointError("INTERNAL", "crashed")

    with pytest.raises(DifferenceError, match="answered, though"):
        refused(lambda: "an answer", ("NOT_FOUND",))()
    with pytest.raises(EndpointError):
        refused(refuse, ("NOT_FOUND",))()
    assert refused(refuse, ("INTERNAL",))() == "refused with INTERNAL"


PROB = np.array([0.5, 0.25], np.float32)


@pytest.mark.parametrize(
    ("received", "message"),
    [
        ({"prob": PROB + np.float32(1e-5)}, r"prob differs by 1e-05 at \[0\]"),
        ({"prob": PROB[::-1]}, r"prob differs by 0\.25"),
        ({"prob": np.array([0.5, np.nan], np.float32)}, r"prob differs by nan at \[1\]"),
        ({"prob": PROB[:1]}, r"prob is float32 \[1\] instead of float32 \[2\]"),
        ({"prob": PROB.astype(np.float64)}, "prob is float64"),
        ({"probs": PROB}, r"outputs \['probs'\] instead of \['prob'\]"),
        ({}, "outputs"),
    ],
)
def test_answers_that_differ_are_told(received, message):
    with pytest.raises(DifferenceError, match=message):
        compare(received, {"prob": PROB})


def test_answers_that_agree_are_told():
    assert compare({"prob": PROB + np.float32(3e-7)}, {"prob": PROB}) == "1 output, within 3e-07"
    nan = np.array([np.nan], np.float32)
    assert compare({"a": nan, "b": PROB[:0]}, {"a": nan, "b": PROB[:0]}) == "2 outputs, within 0"
    text = np.array([b"0"], object)
    assert compare({"classes": text}, {"classes": text}).endswith("within 0")
    with pytest.raises(DifferenceError, match="classes is"):
        compare({"classes": text}, {"classes": np.array([b"1"], object)})


def test_rows_of_json_hold_what_the_columns_hold():
    inputs = {
        "user": np.array(["u", b"\xff"], object),
        "tags": np.array([["a", ""], ["b", "c"]], object),
        "price": np.array([1.5, np.nan], np.float32),
    }
    columns = rest.columns(inputs)
    assert columns["user"] == ["u", {"b64": "/w=="}]
    rows = rest.instances(inputs)
    assert rows[1]["tags"] == ["b", "c"]
    assert {name: [row[name] for row in rows][:1] for name in inputs} == {
        name: values[:1] for name, values in columns.items()
    }
    assert rest.instances({"examples": inputs["user"]}) == columns["user"]
    assert rest.columns({"tags": np.zeros((2, 0), object)}) == {"tags": [[""], [""]]}
    assert json.dumps(columns["price"]) == "[1.5, NaN]"  # as TensorFlow Serving takes it


def test_names_cannot_leave_their_place_in_an_address():
    assert Rest("host:1", "a/../b", 1.0).url == "http://host:1/v1/models/a%2F..%2Fb"
