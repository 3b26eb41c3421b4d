"""Pages of other sites get no answer from a server of this machine."""

import http.client

import pytest
from aiohttp import web

from serving.server.http.rest_server import RestServer
from tests.serving.server.conftest import MODEL


async def _ok(_: web.Request) -> web.Response:
    return web.Response(text="ok")


@pytest.fixture(scope="module", params=[(), ("Model.Lan",), None], ids=["own", "named", "any"])
def served(request):
    """A port, and the names that it answers for."""
    routes = [web.get("/", _ok)]
    server = RestServer(routes, "127.0.0.1", 0, None, 1000, 1.0, hosts=request.param)
    yield server.start(), request.param
    server.stop()


def status_of(port, host):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.putrequest("GET", "/", skip_host=True)
        if host is not None:
            connection.putheader("Host", host)
        connection.endheaders()
        return connection.getresponse().status
    finally:
        connection.close()


OWN = ["localhost", "LocalHost:8501", "localhost.", "127.0.0.1:1", "127.9.9.9", "[::1]", "[::1]:80"]
OTHERS = ["evil.example", "evil.example:8501", "localhost.evil.example", "127.0.0.1.evil.example"]
OTHERS += ["192.168.0.1", "[::2]", "[::1", "", "0.0.0.0"]


@pytest.mark.parametrize("host", OWN)
def test_names_of_this_machine_are_answered(served, host):
    assert status_of(served[0], host) == 200


@pytest.mark.parametrize("host", OTHERS)
def test_other_names_are_refused_unless_any_is_taken(served, host):
    port, names = served
    assert status_of(port, host) == (200 if names is None else 403)


def test_a_name_that_was_given_is_answered(served):
    port, names = served
    assert status_of(port, "model.lan:8501") == (403 if names == () else 200)


def test_a_request_without_a_host_is_no_browsers(served):
    with_old_http = http.client.HTTPConnection("127.0.0.1", served[0], timeout=30)
    with_old_http._http_vsn, with_old_http._http_vsn_str = 10, "HTTP/1.0"  # noqa: SLF001
    with_old_http.putrequest("GET", "/", skip_host=True)
    with_old_http.endheaders()
    assert with_old_http.getresponse().status == 200
    with_old_http.close()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),  # typed by the user
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://["}, 403),
    ],
)
def test_other_sites_are_refused_by_the_api_too(rest, headers, status):
    assert rest.raw("GET", f"/v1/models/{MODEL}", **headers)[0] == status
    if headers != {"Sec-Fetch-Site": "none"}:
        body = b'{"inputs": [""]}'
        assert rest.raw("POST", f"/v1/models/{MODEL}:predict", body, **headers)[0] == status


@pytest.mark.parametrize(
    "path", ["/", "/healthz", "/v1/models/gone", "/gone", "/monitoring/prometheus/metrics"]
)
def test_every_answer_says_that_its_type_is_its_type_and_no_version(rest, path):
    rest.connection.request("GET", path)
    response = rest.connection.getresponse()
    response.read()
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Server"] == "concord"
