import json
import shutil
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

import numpy as np
import pytest

from features.errors import DataError
from serving.export_format import names
from serving.scoring.raw_rows import read_rows
from serving.scoring.scorer import Scorer
from serving.server.lifecycle.manager import ModelManager
from serving.server.lifecycle.models_config import ModelConfig
from serving.server.page.page_model import MAX_SAMPLE_ROWS, describe
from tests.serving.server.conftest import MODEL
from tests.serving.server.page.page_site import ask, serve

ROW = {"user_id:token": "u1", "item": "i2", "time": 1_700_000_000, "price": "3.5", "age": 20}
ROW |= {"views": 9, "tags": ["a", "b"], "clicked_item": ["i1", "i2"], "picture": ["0.5", "-1"]}


@pytest.fixture(scope="module")
def manager(exported, tmp_path_factory):
    """Model `whole` is an export as it is; `bare` has lost what lies beside the graph."""
    bare = tmp_path_factory.mktemp("bare") / "7"
    shutil.copytree(exported, bare)
    shutil.rmtree(bare / "assets.extra")
    (bare / "assets" / "metadata.json").unlink()
    (bare.parent / "8").mkdir()
    models = [ModelConfig("whole", exported.parent), ModelConfig("bare", bare.parent)]
    manager = ModelManager(models, poll_seconds=3600)
    manager.start()
    yield manager
    manager.stop()


@pytest.fixture(scope="module")
def port(manager):
    with serve(manager) as port:
        yield port


@pytest.fixture(scope="module")
def scorer(exported):
    return Scorer(exported)


def expected(scorer, row, tmp_path):
    """The scores of `predict`, which reads the row from a file."""
    everything = dict.fromkeys(scorer.metadata.features.raw_schema(("input",)).names)
    (tmp_path / "rows.jsonl").write_text(json.dumps(everything | row))
    batch = next(read_rows(str(tmp_path / "rows.jsonl"), scorer.metadata.features))
    return {name: float(value[0]) for name, value in scorer.score(batch, branches=True).items()}


def score(port, row, **more):
    status, headers, body = ask(port, "POST", "/page/score", {"model": "whole", "row": row} | more)
    assert headers["Content-Type"].startswith("application/json")
    return status, json.loads(body)


def test_every_file_of_the_page_is_served_and_sealed_off(port):
    seen = set()
    wanted = [
        ("/", "text/html"),
        ("/page/page.css", "text/css"),
        ("/page/icon.svg", "image/svg+xml"),
    ]
    wanted += [
        (f"/page/{name}.js", "text/javascript")
        for name in ("page", "dom", "card", "form", "result")
    ]
    for path, kind in wanted:
        status, headers, body = ask(port, "GET", path)
        assert (status, headers["Content-Type"]) == (200, f"{kind}; charset=utf-8")
        assert headers["X-Content-Type-Options"] == "nosniff"
        policy = dict(
            part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";")
        )
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == "'self'"  # no inline script, no eval
        assert not {"'unsafe-inline'", "'unsafe-eval'"} & set(" ".join(policy.values()).split())
        for elsewhere in (
            b"http://",
            b"https://",
            b'src="/',
            b'href="/',
            b" onclick",
            b"innerHTML",
        ):
            assert elsewhere not in body.replace(b"http://www.w3.org/2000/svg", b""), path
        seen.add(body)
    assert len(seen) == len(wanted)
    for path in ("/page/", "/page/page.py", "/page/../page.py", "/page/%2e%2e/page.py"):
        assert ask(port, "GET", path)[0] == 404


def test_the_page_lies_at_the_root_of_the_rest_port(server):
    assert b"<h1>Concord</h1>" in ask(server.rest_port, "GET", "/")[2]
    assert score(server.rest_port, ROW, model=MODEL)[0] == 200


def test_models_are_listed_with_the_state_of_each_version(port):
    models = json.loads(ask(port, "GET", "/page/models")[2])["models"]
    assert [model["name"] for model in models] == ["bare", "whole"]
    assert models[1]["versions"] == [{"version": "1", "state": "AVAILABLE", "message": ""}]
    skipped, served = models[0]["versions"]
    assert (served["version"], served["state"]) == ("7", "AVAILABLE")
    assert (skipped["version"], skipped["state"]) == ("8", "END")
    assert "saved_model.pb" in skipped["message"]


def test_a_model_is_described_by_what_lies_beside_it(port, exported, scorer):
    status, _, body = ask(port, "GET", "/page/model?name=whole&version=1")
    shown = json.loads(body)
    assert status == 200
    assert shown["fields"][:3] == [
        {
            "name": "user_id:token",
            "editor": "token",
            "hint": "text",
            "features": ["user"],
            "history": None,
        },
        {"name": "item", "editor": "token", "hint": "text", "features": [], "history": None},
        {
            "name": "time",
            "editor": "number",
            "hint": "time, seconds since 1970, UTC",
            "features": ["hour"],
            "history": None,
        },
    ]
    editors = {field["name"]: field["editor"] for field in shown["fields"]}
    assert list(editors) == scorer.metadata.features.raw_schema(("input",)).names
    assert (editors["tags"], editors["picture"], editors["price"]) == (
        "tokens",
        "numbers",
        "number",
    )
    assert {field["history"] for field in shown["fields"] if "click" in field["name"]} == {"clicks"}
    assert shown["card_is_whole"] is False
    assert shown["card"]["feature_groups"] == {"user x item": ["user", "item"]}
    tensors = shown["signatures"]["serving_default"]
    assert tensors["inputs"]["examples"]["dtype"] == "string"
    assert tensors["outputs"]["prob"]["shape"] == [None]


def test_sample_rows_survive_the_way_through_the_form(port, exported, scorer, tmp_path):
    """Whatever the page fills in scores as the row in the file does."""
    rows = json.loads(ask(port, "GET", "/page/model?name=whole")[2])["sample_rows"]
    lines = (exported / "assets.extra" / "sample_rows.jsonl").read_text().splitlines()
    assert len(rows) == len(lines) > 1
    for row, line in zip(rows, lines, strict=True):
        status, answer = score(port, row)
        assert status == 200
        assert answer["prob"] == pytest.approx(
            expected(scorer, json.loads(line), tmp_path)["prob"], abs=1e-6
        )


def test_a_row_is_scored_with_every_branch(port, scorer, tmp_path):
    for row in (
        ROW,
        {},
        {"price": "1e3", "tags": None},
        {"item": "<never seen>", "tags": ["", "b"]},
    ):
        status, answer = score(port, row, version="1")
        wanted = expected(scorer, row, tmp_path)
        assert status == 200
        assert answer["version"] == "1"
        assert answer["prob"] == pytest.approx(wanted["prob"], abs=1e-6)
        assert [branch["name"] for branch in answer["branches"]] == scorer.branch_names
        for branch in answer["branches"]:
            assert branch["prob"] == pytest.approx(
                wanted[names.branch_output(branch["name"])], abs=1e-6
            )


def test_weights_stand_beside_their_branches(manager, monkeypatch):
    outputs = {"prob": [0.5], "prob_b": [0.25], "weight_b": [0.75], "weight_a": [np.nan]}
    arrays = {name: np.array(value, np.float32) for name, value in outputs.items()}
    monkeypatch.setattr(manager, "run", lambda *_: arrays)
    with serve(manager) as port:
        _, answer = score(port, ROW)
    assert answer["branches"] == [
        {"name": "b", "prob": 0.25, "weight": 0.75},
        {"name": "a", "prob": None, "weight": None},  # JSON has no nan
    ]


def test_every_field_that_is_wrong_is_told_what_is_wrong(port):
    wrong = {
        "price": "cheap",
        "age": "1_0",
        "time": "noon",
        "picture": ["1"],
        "item": ["i1"],
        "tags": [["a"]],
    }
    status, answer = score(port, {**ROW, **wrong, "prize": 1})
    assert status == 400
    assert answer["fields"] == {
        "price": "price must be a number, got 'cheap'",
        "age": "age must be a number, got '1_0'",
        "time": "time must be a time as a whole number or an ISO date, got 'noon'",
        "picture": "picture must be 2 numbers, got 1: ['1']",
        "item": 'item must be one token, got ["i1"]',
        "tags": 'tags must be a plain list, got [["a"]]',
        "prize": "no input feature reads a column 'prize'. Did you mean price?",
    }


def test_a_row_that_predict_refuses_is_refused_for_the_same_reason(port, scorer, tmp_path):
    for row in ({"price": "x"}, {"price": 1e39}, {"time": "noon"}, {"views": True, "age": {}}):
        with pytest.raises(DataError) as refused:
            expected(scorer, row, tmp_path)
        _, answer = score(port, row)
        assert next(iter(answer["fields"].values())) in str(refused.value)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "is not JSON"),
        (b"\xff\xfe", "is not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"model": "whole", "row": {}, "row": {}}', "names the key 'row' twice"),
        (b'{"model": "whole", "row": {"item": "\\ud800"}}', "surrogates not allowed"),
        (b'{"model": "whole", "row": {"price": ' + b"9" * 5000 + b"}}", "is not JSON"),
        (b"[]", "is a list, expected a JSON object"),
        (b'{"model": "whole"}', "`row` must be an object"),
        (b'{"model": "whole", "row": []}', "`row` must be an object"),
        (b'{"model": 3, "row": {}}', "`model` must be the name of a model"),
        (b'{"model": "whole", "row": {}, "version": "one"}', "`version` must be a whole number"),
        (b'{"model": "whole", "row": {}, "version": 1.0}', "`version` must be a whole number"),
        (b'{"model": "whole", "row": {}, "version": true}', "`version` must be a whole number"),
    ],
)
def test_requests_that_are_no_rows_are_refused(port, body, message):
    status, _, answer = ask(port, "POST", "/page/score", body)
    assert status == 400
    assert message in json.loads(answer)["error"]


def test_bodies_that_are_too_large_are_refused_in_json(port):
    status, _, body = ask(port, "POST", "/page/score", b" " * (3 << 20))  # aiohttp's limit: 2 MiB
    assert status == 413
    assert "larger than this server takes" in json.loads(body)["error"]


def test_unknown_models_and_versions_are_not_found(port):
    assert score(port, ROW, model="wole")[0] == 404
    status, answer = score(port, ROW, version=99)
    assert (status, answer["error"]) == (404, "model 'whole' has no version 99 loaded. Loaded: 1.")
    for query in ({"name": "x" * 10_000}, {"name": "whole", "version": "2"}):
        assert ask(port, "GET", f"/page/model?{urlencode(query)}")[0] in (400, 404)
    assert ask(port, "GET", "/page/model")[0] == 400


def test_other_sites_cannot_score(port):
    host = f"127.0.0.1:{port}"
    request = {"model": "whole", "row": ROW}
    own = {"Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}
    assert ask(port, "POST", "/page/score", request, own)[0] == 200
    for headers in (
        {"Origin": "https://elsewhere.example"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
    ):
        status, _, body = ask(port, "POST", "/page/score", request, headers)
        assert status == 403, headers
        assert "another site" in json.loads(body)["error"]
    # What a form of another site can send without asking first.
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        status, _, body = ask(port, "POST", "/page/score", request, {"Content-Type": kind})
        assert status == 400
        assert f"must be application/json, got '{kind}'" in json.loads(body)["error"]
    status, headers, _ = ask(
        port, "OPTIONS", "/page/score", headers={"Origin": "https://elsewhere.example"}
    )
    assert status == 405
    assert not [name for name in headers if name.startswith("Access-Control")]


def test_a_model_of_another_program_has_signatures_and_no_form(port):
    shown = json.loads(ask(port, "GET", "/page/model?name=bare")[2])
    assert (shown["card"], shown["fields"], shown["sample_rows"]) == ({}, [], [])
    assert shown["signatures"]["raw_tensors"]["inputs"]["picture"] == {
        "dtype": "float32",
        "shape": [None, 2],
    }
    status, answer = score(port, ROW, model="bare")
    assert status == 400
    assert "was not exported by Concord" in answer["error"]


@pytest.fixture
def changed(manager, tmp_path):
    """Describes the model after its extra files have been changed."""

    def describe_with(**files):
        (tmp_path / "1" / "assets.extra").mkdir(parents=True)
        with manager.use("whole") as model:
            shutil.copytree(model.path / "assets", tmp_path / "1" / "assets")
            for name, content in files.items():
                suffix = "jsonl" if name == "sample_rows" else "json"
                (tmp_path / "1" / "assets.extra" / f"{name}.{suffix}").write_bytes(content)
            moved = type("Model", (), {**vars(model), "path": tmp_path / "1"})
            return describe(moved)

    return describe_with


def test_the_model_card_is_shown_as_it_is(changed):
    card = {"name": "m", "limits": ["<b>few</b> rows"], "anything": {"new": [1, 2]}}
    shown = changed(model_card=json.dumps(card).encode())
    assert shown["card"] == card
    assert shown["card_is_whole"] is True


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"\xff", b"[" * 100_000],
    ids=["empty", "cut", "list", "bytes", "deep"],
)
def test_damaged_extra_files_leave_the_rest(changed, content):
    shown = changed(model_card=content, signatures=content, sample_rows=content)
    assert shown["card_is_whole"] is False
    assert "raw_tensors" in shown["signatures"]
    assert shown["sample_rows"] == []
    json.dumps(shown, allow_nan=False)


def test_numbers_that_json_cannot_say_are_left_out_of_a_card(changed):
    assert changed(model_card=b'{"auc": NaN}')["card"] == {"auc": None}


def test_only_so_many_sample_rows_are_shown(changed):
    names = ["user_id:token", "item", "time", "price", "age", "views", "tags"]
    names += ["clicked_item", "clicked_tag", "picture"]
    row = json.dumps(dict.fromkeys(names) | {"price": 0.1, "picture": [1, 0.1]}) + "\n"
    rows = changed(sample_rows=row.encode() * (2 * MAX_SAMPLE_ROWS))["sample_rows"]
    assert rows == [{"price": "0.1", "picture": ["1", "0.100000001"]}] * MAX_SAMPLE_ROWS


def test_links_out_of_the_version_are_not_followed(manager, tmp_path):
    secret = tmp_path / "secret.json"
    secret.write_text('{"password": 1}')
    with manager.use("whole") as model:
        shutil.copytree(model.path, tmp_path / "1")
        (tmp_path / "1" / "assets.extra" / "model_card.json").symlink_to(secret)
        moved = type("Model", (), {**vars(model), "path": tmp_path / "1"})
        assert describe(moved)["card_is_whole"] is False


def test_scoring_does_not_hold_up_the_page(manager, monkeypatch):
    """The event loop answers while a score is being computed."""
    held, running, run = threading.Event(), threading.Event(), manager.run

    def slow(*args):
        running.set()
        assert held.wait(60)
        return run(*args)

    monkeypatch.setattr(manager, "run", slow)
    with serve(manager) as port, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(score, port, ROW)
        assert running.wait(60)
        assert ask(port, "GET", "/")[0] == 200
        held.set()
        assert waiting.result()[0] == 200


def test_rows_that_arrive_slowly_keep_no_other_out(port):
    head = (
        "POST /page/score HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        "Content-Length: 100\r\n\r\n"
    )
    held = [socket.create_connection(("127.0.0.1", port)) for _ in range(32)]
    try:
        for connection in held:
            connection.sendall(head.encode())
        for _ in range(3):
            assert score(port, ROW)[0] == 200
    finally:
        for connection in held:
            connection.close()
