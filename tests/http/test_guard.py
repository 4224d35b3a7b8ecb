"""Who may come in, and from where."""

import socket
from contextlib import closing

import pytest
from pydantic import ValidationError

from edged.http.settings import HttpSettings
from tests.http.conftest import TOKEN

CLOSED = ("/api/status", "/api/results", "/metrics", "/openapi.json", "/v2", "/v2/models/fake", "/nothing")
OPEN = ("/", "/v2/health/live", "/v2/health/ready", "/static/none.js")


def test_with_a_token_nearly_everything_wants_it(box):
    box.start(token=TOKEN)
    for path in CLOSED:
        answer = box.get(path)
        assert answer.code == 401, path
        assert list(answer.json) == ["error"] if path.startswith("/v2/") else answer.json["error_code"] == 401
        assert "Bearer" in answer.headers["WWW-Authenticate"]
    assert box.post("/api/predict/object-detection", b"{}").code == 401
    assert box.intake.jobs == []
    assert [box.get(path).code for path in OPEN][1:] == [200, 200, 404]


@pytest.mark.parametrize("said", [f"Bearer {TOKEN}", f"bearer  {TOKEN}"])
def test_the_token_opens(guarded, said):
    assert guarded.get("/api/status", Authorization=said).code == 200
    assert guarded.post("/api/predict/object-detection", b"{}", Authorization=said).code == 200


@pytest.mark.parametrize(
    "said",
    [f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", "Bearer", "Bearer ", f"Basic {TOKEN}", TOKEN, "Bearer \xe9"],
)
def test_anything_else_does_not(guarded, said):
    assert guarded.get("/api/status", Authorization=said).code == 401


def test_a_cookie_is_given_for_the_token_and_opens(guarded):
    box = guarded
    given = box.post("/api/login", {"token": TOKEN})
    assert given.code == 204
    cookie = given.headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
    assert TOKEN not in cookie
    assert box.get("/api/status", Cookie=cookie.split("; ")[0]).code == 200
    assert box.get("/api/status", Cookie=cookie.split("; ")[0] + "0").code == 401
    assert box.get("/api/status", Cookie="edged=").code == 401


@pytest.mark.parametrize(
    ("body", "code"),
    [({"token": "wrong"}, 401), ({"token": ""}, 401), ({"token": 5}, 400), ({}, 400), ([], 400), (b"{", 400)],
)
def test_a_wrong_login(guarded, body, code):
    answer = guarded.post("/api/login", body)
    assert (answer.code, answer.json["error_code"]) == (code, code)
    assert "Set-Cookie" not in answer.headers


def test_without_a_token_any_login_is_fine_and_gives_no_cookie(shared):
    answer = shared.post("/api/login", {"token": "any"})
    assert answer.code == 204
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "", "[::2]"]
)
def test_without_a_token_a_name_that_only_resolves_to_loopback_is_refused(shared, host):
    answer = shared.get("/api/status", Host=host)
    assert (answer.code, answer.json["error_code"]) == (403, 403)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:9000", "127.0.0.1:1", "[::1]:8080", "127.1.2.3"])
def test_names_of_loopback_are_fine(shared, host):
    assert shared.get("/api/status", Host=host).code == 200


def test_two_hosts_or_none_are_refused(shared):
    for hosts in (b"", b"Host: localhost\r\nHost: localhost\r\n"):
        with closing(socket.create_connection(("127.0.0.1", shared.unit.port), 30)) as sock:
            sock.sendall(b"GET /api/status HTTP/1.0\r\n" + hosts + b"\r\n")
            assert sock.recv(100).split()[1] in (b"403", b"400")


def test_with_a_token_any_name_is_fine(box):
    box.start(token=TOKEN)
    assert box.get("/api/status", Host="box.example", Authorization=f"Bearer {TOKEN}").code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:1", "Host": "localhost:2"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
def test_a_page_of_another_origin_may_not_post(shared, headers):
    answer = shared.post("/api/predict/object-detection", b"{}", **headers)
    assert (answer.code, answer.json["error_code"]) == (403, 403)


def test_the_own_page_and_programs_may(shared):
    own = {"Host": "localhost:8080", "Origin": "http://localhost:8080", "Sec_Fetch_Site": "same-origin"}
    for headers in (own, {"Sec_Fetch_Site": "none"}, {}):
        assert shared.post("/api/predict/object-detection", b"{}", **headers).code == 200


@pytest.mark.parametrize("path", ["/", "/static/none.js", "/api/status", "/nothing"])
def test_every_answer_is_closed_to_other_pages(shared, path):
    headers = shared.get(path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'self'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "Access-Control-Allow-Origin" not in headers


@pytest.mark.parametrize("listen", ["127.0.0.1:8080", "[::1]:8080", "localhost:80", "127.9.9.9:0", None])
def test_loopback_or_nothing_needs_no_token(listen):
    assert HttpSettings(listen=listen).token is None


@pytest.mark.parametrize("listen", ["0.0.0.0:8080", "[::]:8080", "192.168.1.2:8080", "shop-1.local:80"])
def test_the_network_needs_a_token(listen):
    with pytest.raises(ValidationError, match="give a `token`"):
        HttpSettings(listen=listen)
    assert HttpSettings(listen=listen, token=TOKEN).address is not None


@pytest.mark.parametrize(
    "listen", ["", "8080", ":8080", "127.0.0.1", "::1:80", "[::1]", "a b:80", "a:99999", "http://a:80"]
)
def test_what_is_no_address(listen):
    with pytest.raises(ValidationError, match="want host:port"):
        HttpSettings(listen=listen)


@pytest.mark.parametrize("token", ["", "short", "with some spaces in it", "ünïcödé-ünïcödé-ünïcödé"])
def test_a_token_that_is_too_weak_is_refused_and_not_shown(token):
    with pytest.raises(ValidationError, match="openssl rand") as failed:
        HttpSettings(token=token)
    assert not token or token not in str(failed.value)


def test_the_token_is_nowhere_to_be_read(box, caplog):
    box.start(token=TOKEN)
    box.post("/api/login", {"token": TOKEN})
    box.post("/api/login", {"token": TOKEN + "x"})
    box.get("/api/status", Authorization=f"Bearer {TOKEN}")
    assert TOKEN not in repr(HttpSettings(token=TOKEN)) + caplog.text
