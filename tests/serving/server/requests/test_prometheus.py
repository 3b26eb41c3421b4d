import threading

from prometheus_client.parser import text_string_to_metric_families

from serving.server.requests.calls import Call
from serving.server.requests.prometheus import Metrics
from tests.serving.server.conftest import MODEL
from tests.serving.server.rpc.test_grpc_api import code_and_text, predict_request

PREFIX = ":tensorflow:serving:"


def samples(text: bytes, name: str, **labels: str) -> dict[tuple, float]:
    """Value by the labels that were not asked for, of one name."""
    return {
        tuple(sorted((k, v) for k, v in each.labels.items() if k not in labels)): each.value
        for family in text_string_to_metric_families(text.decode())
        for each in family.samples
        if each.name == PREFIX + name and labels.items() <= each.labels.items()
    }


def test_every_request_is_in_a_bucket_and_in_the_count():
    metrics = Metrics()
    for status in ("OK", "OK", "NOT_FOUND"):
        call = Call("Predict", "REST", model="m", version="3", signature="rank", rows=7)
        metrics.began(call)
        assert samples(metrics.text(), "requests_in_flight", entrypoint="REST") == {(): 1}
        metrics.ran(call, 0.0021)
        metrics.ended(call, status)
    text = metrics.text()
    assert samples(text, "requests_in_flight", entrypoint="REST") == {(): 0}
    assert samples(text, "request_count", model_name="m") == {
        (("status", "OK"),): 2,
        (("status", "NOT_FOUND"),): 1,
    }
    labels = {"model_name": "m", "version": "3", "signature": "rank"}
    assert samples(text, "request_example_count_total", **labels) == {(): 21}
    full = {**labels, "API": "Predict", "entrypoint": "REST", "status": "OK", "le": "+Inf"}
    assert samples(text, "request_latency_bucket", **full) == {(): 2}
    runs = samples(text, "runtime_latency_bucket", **labels)
    # Microseconds: 2,100 lies between the bounds 2,000 and 3,000.
    assert (runs[("le", "2000.0"),], runs[("le", "3000.0"),]) == (0, 3)


def test_threads_lose_no_request():
    metrics = Metrics()

    def work():
        for _ in range(200):
            call = Call("Predict", "GRPC", model="m")
            metrics.began(call)
            metrics.ended(call, "OK")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert samples(metrics.text(), "request_count") == {
        (("model_name", "m"), ("status", "OK")): 800
    }


def test_the_server_shows_requests_of_both_protocols(grpc_client, rest, examples):
    request = predict_request("serving_default", {"examples": examples[:5]})
    labels = {"model_name": MODEL, "version": "1", "signature": "serving_default"}

    def seen():
        status, text = rest.raw("GET", "/monitoring/prometheus/metrics")
        assert status == 200
        return text

    before = seen()
    grpc_client.prediction.Predict(request)
    assert rest.predict({"instances": []})[0] == 400
    after = seen()
    rows = "request_example_count_total"
    assert samples(after, rows, **labels)[()] - samples(before, rows, **labels).get((), 0) == 5
    of_rest = {"API": "Predict", "entrypoint": "REST", "status": "INVALID_ARGUMENT", **labels}
    count = lambda text: samples(text, "request_latency_count", **of_rest).get((), 0)
    assert count(after) - count(before) == 1


def test_invented_names_do_not_become_labels(grpc_client, rest, examples):
    code_and_text(
        grpc_client.prediction.Predict, predict_request("", {"examples": examples}, name="invented")
    )
    code_and_text(
        grpc_client.prediction.Predict, predict_request("invented", {"examples": examples})
    )
    rest.get("/v1/models/invented")
    assert b"invented" not in rest.raw("GET", "/monitoring/prometheus/metrics")[1]


def test_a_body_that_is_too_large_has_the_status_of_grpc(rest):
    assert rest.predict(b" " * (2 << 20))[0] == 413
    text = rest.raw("GET", "/monitoring/prometheus/metrics")[1]
    assert samples(text, "request_count", model_name="", status="RESOURCE_EXHAUSTED")
    assert b"Too Large" not in text
