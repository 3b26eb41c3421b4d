"""The server counts the inputs of some requests, and tells where they are far from training's."""

import logging
import shutil
import time

import pytest

from features.input_shares import FEWEST, InputShares, TrainingShares
from serving.client.client import Client
from serving.export_format.export_layout import TRAINING_SHARES
from serving.server.options import ServerOptions
from serving.server.requests.input_watch import InputWatch
from serving.server.run import Server
from tests.serving.server.conftest import MODEL, RestClient

TRAINING = TrainingShares(
    rows=9,
    inputs={"item": InputShares(missing=0.0, unknown=0.01), "price": InputShares(missing=0.5)},
)


@pytest.fixture(scope="module")
def watched(exported, tmp_path_factory):
    """Serves an export that knows what its training rows had."""
    version = tmp_path_factory.mktemp("watched") / "1"
    shutil.copytree(exported, version)
    (version / TRAINING_SHARES).write_text(TRAINING.model_dump_json())
    with Server(ServerOptions(version.parent, name=MODEL, grpc_port=0, rest_port=0)) as server:
        yield server


def samples(rest) -> dict[tuple[str, str, str], float]:
    """(metric, feature, kind) -> value."""
    _, text = rest.raw("GET", "/monitoring/prometheus/metrics")
    found = {}
    for line in text.decode().splitlines():
        if line.startswith(":concord:input"):
            name, value = line.rsplit(" ", 1)
            labels = dict(each.split("=") for each in name.split("{")[1].rstrip("}").split(","))
            key = (name.split("{")[0], labels["feature"].strip('"'), labels["kind"].strip('"'))
            found[key] = float(value)
    return found


def test_unknown_tokens_are_counted_warned_of_and_on_the_page(watched, caplog):
    rest = RestClient(watched.rest_port)
    before = samples(rest)
    assert before[":concord:input_training_share", "item", "unknown"] == 0.01
    assert before[":concord:input_counted_total", "item", "unknown"] == 0
    rows = [{"item": f"new {n}" if n % 4 else "i1", "price": 1.0} for n in range(100)]
    client = Client(f"127.0.0.1:{watched.grpc_port}", MODEL, timeout=60.0)
    with client, caplog.at_level(logging.WARNING, "serving"):
        for request in range(1, FEWEST // 100 + 2):
            client.score(rows)
            until = time.monotonic() + 30
            while samples(rest)[":concord:input_counted_total", "item", "missing"] < 100 * request:
                assert time.monotonic() < until
                time.sleep(0.02)
            time.sleep(0.2)  # requests that come faster are not all counted
    after = samples(rest)
    assert after[":concord:input_found_total", "item", "unknown"] == 300
    assert after[":concord:input_counted_total", "item", "unknown"] == 400
    assert after[":concord:input_found_total", "price", "missing"] == 0
    sentences = [line for line in caplog.messages if "unknown to the model" in line]
    assert len(sentences) == 1  # once, not with every request
    assert "item: 75.0 % of 300 tokens are unknown to the model, 1.0 % in training" in sentences[0]
    status, page = rest.get(f"/page/model?name={MODEL}")
    assert status == 200
    assert page["inputs"]["rows"] == 400
    assert any(line.startswith("item: 75.0 % of 400 tokens") for line in page["inputs"]["far"])
    assert any(line.startswith("price: missing in 0.0 %") for line in page["inputs"]["far"])


def test_an_export_without_shares_answers_as_before(server, rest):
    assert not samples(rest)
    status, page = rest.get(f"/page/model?name={MODEL}")
    assert (status, page["inputs"]) == (200, None)


class Counter:
    """Fails with every request."""

    training = TRAINING

    def __init__(self):
        self.asked = 0

    def add_inputs(self, signature, inputs):
        self.asked += 1
        raise RuntimeError("broken")


class Model:
    name, version = "m", 1

    def __init__(self, inputs):
        self.inputs = inputs


def test_counting_that_fails_disturbs_nobody(caplog):
    watch, model = InputWatch(), Model(Counter())
    watch.note(model, "rank", {})
    watch.close()
    assert model.inputs.asked == 1
    assert "cannot be counted" in caplog.text


def test_requests_in_quick_succession_are_not_all_counted():
    watch, model = InputWatch(), Model(Counter())
    for _ in range(1000):
        watch.note(model, "rank", {})
    watch.close()
    assert model.inputs.asked < 100


def test_a_model_of_another_program_is_left_alone():
    watch = InputWatch()
    watch.note(Model(None), "rank", {})
    watch.close()
