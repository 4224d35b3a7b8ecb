"""`GET /artefacts/<id>` as browsers and programs ask for it."""

import threading
from contextlib import closing
from dataclasses import replace

import orjson
import pytest
from pydantic import ValidationError

from edged.contracts.errors import StoreFailed
from edged.contracts.request import Answer
from edged.http.artefacts import CHUNK, span_of
from edged.http.settings import HttpSettings
from tests.http.conftest import TOKEN

VIDEO = bytes(range(251)) * 5000  # several chunks


@pytest.fixture(scope="module")
def film(shared):
    """Its address."""
    with shared.artefacts.draft(".mp4") as draft:
        draft.file.write(VIDEO)
        return f"/artefacts/{draft.keep().id}"


def test_the_whole(shared, film):
    assert len(VIDEO) > 3 * CHUNK
    got = shared.get(film)
    assert (got.code, got.body) == (200, VIDEO)
    assert got.headers["Content-Type"] == "video/mp4"
    assert got.headers["Content-Length"] == str(len(VIDEO))
    assert got.headers["Accept-Ranges"] == "bytes"
    assert got.headers["Cache-Control"] == "private"
    id = film.rpartition("/")[2]
    assert got.headers["Content-Disposition"] == f'inline; filename="{id}"'
    assert got.headers["ETag"] == f'"{id}"'


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("bytes=0-", 0, len(VIDEO)),
        ("bytes=0-0", 0, 1),
        ("bytes=1000-1999", 1000, 2000),
        (f"bytes={CHUNK - 1}-{2 * CHUNK}", CHUNK - 1, 2 * CHUNK + 1),
        ("bytes=-10", len(VIDEO) - 10, len(VIDEO)),
        ("bytes=5-99999999999", 5, len(VIDEO)),
        ("bytes=-99999999999", 0, len(VIDEO)),
    ],
)
def test_a_range(shared, film, asked, start, stop):
    got = shared.get(film, Range=asked)
    assert (got.code, got.body) == (206, VIDEO[start:stop])
    assert got.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{len(VIDEO)}"
    assert got.headers["Content-Length"] == str(stop - start)
    assert got.headers["Content-Type"] == "video/mp4"


@pytest.mark.parametrize("asked", [f"bytes={len(VIDEO)}-", "bytes=99999999999-", "bytes=-0"])
def test_a_range_behind_the_end(shared, film, asked):
    got = shared.get(film, Range=asked)
    assert (got.code, got.json["error_code"]) == (416, 416)
    assert got.headers["Content-Range"] == f"bytes */{len(VIDEO)}"


@pytest.mark.parametrize(
    "asked",
    ["bytes=", "bytes=-", "bytes=5-4", "bytes=a-b", "items=0-1", "bytes=0-1,5-6", "bytes=" + "9" * 500],
)
def test_what_is_no_range_gets_the_whole(shared, film, asked):
    got = shared.get(film, Range=asked)
    assert (got.code, len(got.body)) == (200, len(VIDEO))


def test_a_range_of_nothing():
    assert span_of("bytes=0-", 0) == (0, 0)


def test_a_range_of_another_artefact_gets_the_whole(shared, film):
    etag = shared.get(film, Range="bytes=0-0").headers["ETag"]
    assert shared.get(film, Range="bytes=0-9", If_Range=etag).body == VIDEO[:10]
    for other in ('"another"', f"W/{etag}", "Wed, 21 Oct 2015 07:28:00 GMT"):
        assert shared.get(film, Range="bytes=0-9", If_Range=other).code == 200
    for mine in (etag, f'"x", W/{etag}'):
        got = shared.get(film, If_None_Match=mine)
        assert (got.code, got.body) == (304, b"")
    assert shared.get(film, If_None_Match='"x"').code == 200


def test_head_says_all_but_the_bytes(shared, film):
    with closing(shared.connection()) as connection:
        connection.request("HEAD", film, headers={"Range": "bytes=0-9"})
        got = connection.getresponse()
        assert (got.status, got.read()) == (200, b"")
        assert (got.headers["Content-Length"], got.headers["Accept-Ranges"]) == (str(len(VIDEO)), "bytes")
        connection.request("GET", film)  # on the same connection: no byte of a body was left on it
        assert connection.getresponse().read() == VIDEO


def test_an_empty_artefact(shared):
    with shared.artefacts.draft(".mp4") as draft:
        empty = f"/artefacts/{draft.keep().id}"
    got = shared.get(empty)
    assert (got.code, got.body) == (200, b"")
    assert shared.get(empty, Range="bytes=0-").code == 416


@pytest.mark.parametrize(
    "id", ["0" * 32 + ".mp4", "..", "%2e%2e", "..%2f..%2fetc%2fpasswd", "x", "0" * 32 + "%00", "%ff", ""]
)
def test_what_there_is_not(shared, id):
    got = shared.get(f"/artefacts/{id}")
    assert (got.code, got.json["error_code"]) == (404, 404)


def test_other_methods(shared, film):
    for method in ("POST", "PUT", "DELETE"):
        assert shared.ask(method, film).code == 405


def test_what_is_reserved_is_409_until_it_is_written(shared):
    place = shared.artefacts.reserve(".mp4")
    address = f"/artefacts/{place.artefact.id}"
    with place.draft() as draft:
        draft.file.write(b"film")
        got = shared.get(address)
        assert (got.code, got.json["error_code"]) == (409, 409)
        assert got.headers["Retry-After"] == "1"
        draft.keep()
        assert shared.get(address).body == b"film"
    assert shared.get(address).body == b"film"
    dropped = shared.artefacts.reserve(".mp4")
    dropped.drop()
    assert shared.get(f"/artefacts/{dropped.artefact.id}").code == 404


def test_it_wants_the_token_or_the_cookie(guarded):
    with guarded.artefacts.draft(".mp4") as draft:
        draft.file.write(VIDEO)
        film = f"/artefacts/{draft.keep().id}"
    for headers in ({}, {"Authorization": "Bearer x"}, {"Cookie": "edged=x"}):
        refused = guarded.get(film, Range="bytes=0-9", **headers)
        assert refused.code == 401
        assert VIDEO[:10] not in refused.body
    assert guarded.get("/artefacts/" + "0" * 32).code == 401, "nor does it say what there is"
    cookie = guarded.post("/api/login", {"token": TOKEN}).headers["Set-Cookie"].split("; ")[0]
    for headers in ({"Authorization": f"Bearer {TOKEN}"}, {"Cookie": cookie}):
        assert guarded.get(film, Range="bytes=0-9", **headers).body == VIDEO[:10]


def test_a_client_that_leaves_costs_nothing(box):
    """Its file is closed, and the next one is served."""
    big = b"x" * 30_000_000
    box.start()
    with box.artefacts.draft(".mp4") as draft:
        draft.file.write(big)
        film = f"/artefacts/{draft.keep().id}"
    closed, opened = threading.Event(), box.artefacts.open
    reads: list[int] = []

    def watched(id):
        made = opened(id)
        return replace(made, file=Watched(made.file, closed, reads))

    box.artefacts.open = watched
    with closing(box.connection()) as connection:
        connection.request("GET", film)
        connection.getresponse().read(10)
    assert closed.wait(60)
    assert sum(reads) < len(big), "the rest is not read for nobody"
    assert box.get(film, Range="bytes=-3").body == b"xxx"


class Watched:
    """A file that tells how much is read of it, and when it is closed."""

    def __init__(self, file, closed, reads):
        self.seek, self._file, self._closed, self._reads = file.seek, file, closed, reads

    def read(self, most):
        self._reads.append(most)
        return self._file.read(most)

    def close(self):
        self._file.close()
        self._closed.set()


def test_a_store_that_cannot_be_read_is_503(box):
    def broken(id):
        raise StoreFailed("the store of artefacts cannot be read (x): see `artefacts.url`")

    box.artefacts.open = broken
    got = box.start().get("/artefacts/" + "0" * 32)
    assert (got.code, got.json["error_msg"]) == (
        503,
        "the store of artefacts cannot be read (x): see `artefacts.url`",
    )


def test_the_address_of_an_artefact_goes_with_the_answer(box):
    box.intake._answer = lambda job: job.reply(Answer("r", b"{}", 200, "m", artefact="/artefacts/x"))
    got = box.start().post("/api/predict/video-highlight", b"{}")
    assert got.headers["Edged-Artefact"] == "/artefacts/x"
    box.intake._answer = lambda job: job.reply(Answer("r", orjson.dumps({}), 200, "m"))
    assert "Edged-Artefact" not in box.post("/api/predict/video-highlight", b"{}").headers


@pytest.mark.parametrize(
    ("settings", "address"),
    [
        ({}, "/artefacts/x.mp4"),
        ({"public_url": "https://shop.example/edged/"}, "https://shop.example/edged/artefacts/x.mp4"),
        ({"public_url": "http://10.0.0.2:8080", "listen": None}, "http://10.0.0.2:8080/artefacts/x.mp4"),
        ({"listen": None}, None),
    ],
)
def test_where_an_artefact_is_given(settings, address):
    assert HttpSettings(**settings).artefact_address("x.mp4") == address


@pytest.mark.parametrize(
    "url",
    [
        "shop.example",
        "ftp://x",
        "https://",
        "https://u:p@x",
        "https://x?y",
        "https://x#y",
        "https://x y",
        "https://x/\n",
    ],
)
def test_what_is_no_public_url(url):
    with pytest.raises(ValidationError, match="want a URL of http or https"):
        HttpSettings(public_url=url)
