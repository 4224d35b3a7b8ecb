"""Files of upstream URLs: each way in which hosts, proxies and networks answer, over TLS and a real proxy."""

import hashlib
import logging
import os
import random
import socket
from types import SimpleNamespace

import pytest

from edged.contracts.card import ModelCard
from edged.contracts.errors import OriginError, RepositoryError
from edged.weights import origins, transfer, web
from edged.weights.index import PipSettings
from edged.weights.logins import login
from edged.weights.store import WeightStore
from edged.weights.web import Web
from tests.graphs import LEAST
from tests.tls import Authority
from tests.weights.hosts import (
    SIGNED,
    Hosts,
    Tunnel,
    chunked,
    cut,
    drip,
    length,
    packed,
    page,
    status,
)

FILE = random.Random(3).randbytes(600_000)
SIZE = len(FILE)
NAME = "net.onnx"
OWN_WEB = origins._web
PATH = f"/maker/net/resolve/main/{NAME}"
HUB, OTHER = f"https://huggingface.co{PATH}", f"https://media.githubusercontent.com{PATH}"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def hosts(authority):
    with Hosts(authority) as started:
        started.files[PATH] = FILE
        yield started


@pytest.fixture
def tunnel(hosts):
    with Tunnel(hosts.port) as started:
        yield started


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path, tunnel, authority):
    """A user behind a proxy that opens TLS, without any login; what the machine itself has does not count."""
    for name in (*os.environ,):
        if name.lower().endswith("_proxy") or name in ("HF_TOKEN", "NETRC"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("HTTPS_PROXY", tunnel.url())
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca))
    monkeypatch.setattr(origins, "_web", lambda: Web(timeout=20, pause=0))


@pytest.fixture
def folder(tmp_path):
    """Where the file has its place."""
    return tmp_path / "models" / "weights" / hashlib.sha256(FILE).hexdigest()


@pytest.fixture
def pull(tmp_path):
    """Have the file as `edged pull` does."""

    def of(url=HUB, size=SIZE):
        about = {"sha256": hashlib.sha256(FILE).hexdigest(), "origins": [{"https": url, "verified": False}]}
        card = ModelCard.model_validate(
            {
                **LEAST,
                "weights": {NAME: {**about, **({"size": size} if size else {})}},
                "uses": {"another": "one"},
            }
        )
        found = WeightStore(tmp_path / "models").ensure(card, [NAME], lambda *_: None)[NAME]
        return found.read_bytes()

    return of


@pytest.fixture
def refused(pull):
    """The sentence with which a pull fails."""

    def of(*args, **more):
        with pytest.raises(OriginError) as error:
            pull(*args, **more)
        return str(error.value)

    return of


def left(folder):
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock")


def ranges(hosts):
    return [asked.headers.get("Range", "") for asked in hosts.bytes_asked]


# --- where it leads


def test_through_redirects_to_a_signed_url_of_another_host(hosts, tunnel, pull, folder):
    assert pull() == FILE
    assert [(asked.host, asked.path) for asked in hosts.asked] == [
        ("huggingface.co", PATH),
        ("huggingface.co", f"/moved{PATH}"),
        ("cdn.example", f"{PATH}?{SIGNED}"),
    ]
    assert set(tunnel.connected) == {"huggingface.co:443", "cdn.example:443"}
    assert left(folder) == [NAME]


@pytest.mark.parametrize("way", ["environment", "netrc", "url"])
def test_a_login_is_for_its_host_alone(hosts, pull, monkeypatch, tmp_path, way):
    hosts.login, url = "Bearer hf_secret", HUB
    if way == "environment":
        monkeypatch.setenv("HF_TOKEN", "hf_secret\n")
    else:
        hosts.login = "Basic bWU6c2VjcmV0"  # me:secret
        if way == "url":
            url = HUB.replace("//", "//me:secret@")
        else:
            (tmp_path / ".netrc").write_text(
                "machine huggingface.co login me password secret\ndefault login x password y\n"
            )
    assert pull(url) == FILE
    assert ["Authorization" in asked.headers for asked in hosts.asked] == [True, True, False]


def test_a_token_goes_to_no_other_host_and_nowhere_without_tls(hosts, pull, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert pull(OTHER) == FILE
    assert "Authorization" not in hosts.asked[0].headers
    own = tmp_path / "own"
    own.write_text("machine media.githubusercontent.com login me password secret")
    monkeypatch.setenv("NETRC", str(own))
    assert login(OTHER) == {"authorization": "Basic bWU6c2VjcmV0"}
    assert login(OTHER.replace("https", "http")) == login(HUB.replace("https", "http")) == {}


def test_logins_that_cannot_be_used(refused, pull, monkeypatch, tmp_path, caplog):
    monkeypatch.setenv("HF_TOKEN", "hf secret")
    assert "HF_TOKEN is no token" in refused()
    monkeypatch.delenv("HF_TOKEN")
    (tmp_path / ".netrc").write_text("machine huggingface.co\n login me pass secret\n")
    with caplog.at_level(logging.WARNING):
        assert pull() == FILE
    assert caplog.text.count("is not used: line 2") == 1
    assert "secret" not in caplog.text


def test_who_is_not_let_in_is_told_what_to_do(hosts, refused, folder):
    hosts.login = "Bearer hf_secret"
    said = refused(f"{HUB}?token=s3cret")
    assert "answers 401 Unauthorized (Access is restricted.)" in said
    assert "HF_TOKEN" in said
    assert "~/.netrc" in said
    assert "`edged pull --from DIR`" in said
    assert "s3cret" not in said
    assert left(folder) == []


@pytest.mark.parametrize(
    ("to", "says"),
    [
        ("http://login.example/?for=s3cret", "http://login.example/, which is not encrypted"),
        ("https://media.githubusercontent.com/round", "was sent on 10 times without an end"),
    ],
)
def test_redirects_that_lead_astray(hosts, refused, to, says):
    hosts.plan = [status(302, Location=to)] * 30
    said = refused(OTHER)
    assert says in said
    assert "s3cret" not in said


# --- ranges


@pytest.mark.parametrize("url", [HUB, OTHER])
def test_what_was_cut_goes_on(hosts, pull, folder, url):
    hosts.plan = [cut(200_000)]
    assert pull(url) == FILE
    assert ranges(hosts) == ["", "bytes=200000-"]
    assert left(folder) == [NAME]


def test_the_next_pull_goes_on(hosts, pull, refused, twice):
    hosts.plan = [cut(200_000), status(404)]
    said = refused()
    assert "404" in said
    assert pull() == FILE
    assert ranges(hosts) == ["", "bytes=200000-", "bytes=200000-"]


def test_a_line_that_always_breaks_says_how_to_go_on(hosts, refused, pull, twice):
    hosts.plan, hosts.ranges = [cut(100_000), cut(50_000)], False
    assert "broke off 2 times" in refused()
    hosts.plan = [lambda to: setattr(to, "close_connection", True)] * 2
    assert "cannot be reached" in refused()
    hosts.ranges = True
    assert pull() == FILE
    assert ranges(hosts)[-1] == "bytes=50000-"


def otherwise(**headers):
    """A 206 that is not what was asked for."""
    return lambda to: to.answer(206, to.body[5:], **{"ETag": to.server.etag, **headers})


@pytest.mark.parametrize(
    "second",
    [
        status(416),
        otherwise(**{"Content-Range": f"bytes 5-{SIZE - 1}/{SIZE}"}),
        otherwise(**{"Content-Range": "bytes 200000-599999/600000", "ETag": '"2"'}),
        otherwise(**{"Content-Range": "bytes 200000-599999/600000", "Content-Encoding": "gzip"}),
    ],
    ids=["416", "another range", "another file", "packed"],
)
def test_a_rest_that_does_not_fit_begins_anew(hosts, pull, folder, second):
    hosts.plan = [cut(200_000), second]
    assert pull() == FILE
    assert ranges(hosts) == ["", "bytes=200000-", ""]
    assert left(folder) == [NAME]


def test_a_host_without_ranges_sends_the_whole(hosts, pull):
    hosts.plan, hosts.ranges = [cut(200_000)], False
    assert pull() == FILE
    assert ranges(hosts) == ["", "bytes=200000-"]


def test_another_etag_begins_anew(hosts, pull):
    def changed(to):
        cut(200_000)(to)
        hosts.etag = '"2"'

    hosts.plan = [changed]
    assert pull() == FILE
    assert ranges(hosts) == ["", "bytes=200000-"]


# --- bodies


@pytest.mark.parametrize("size", [SIZE, None])
def test_what_a_proxy_packs_is_unpacked(hosts, pull, folder, size):
    hosts.plan = [packed]
    assert pull(size=size) == FILE
    assert left(folder) == [NAME]


def test_what_is_packed_is_never_gone_on_with(hosts, pull):
    def broken(to):
        to.wfile = Short(to.wfile, 100_000)
        packed(to)
        to.close_connection = True

    hosts.plan = [broken]
    assert pull() == FILE
    assert ranges(hosts) == ["", ""]


class Short:
    """Passes on no more than so many bytes at a time."""

    def __init__(self, to, most):
        self._to, self._most = to, most

    def write(self, data):
        return self._to.write(data[: self._most])

    def __getattr__(self, name):
        return getattr(self._to, name)


def test_what_nobody_can_unpack(hosts, refused):
    hosts.plan = [lambda to: to.answer(200, to.body, **{"Content-Encoding": "rot13"})]
    said = refused()
    assert "'rot13'" in said
    assert "proxy" in said


@pytest.mark.parametrize("size", [SIZE, None])
def test_no_length(hosts, pull, size):
    hosts.plan = [chunked]
    assert pull(size=size) == FILE


@pytest.mark.parametrize("said", ["nonsense", "-3"])
def test_a_length_that_is_none(hosts, pull, said):
    hosts.plan = [length(said)]
    assert pull() == FILE


@pytest.mark.parametrize("said", [SIZE - 9, SIZE + 9])
def test_a_wrong_length_is_told_before_anything_is_kept(hosts, refused, folder, said):
    hosts.plan = [length(str(said))]
    assert f"the file has {said} bytes, the card says {SIZE}" in refused()
    assert left(folder) == []


def test_a_wrong_length_where_the_card_knows_none(hosts, refused, pull, twice):
    hosts.plan = [length(str(SIZE - 9))]
    assert "its SHA-256 is" in refused(size=None)
    hosts.plan = [length(str(SIZE + 9))]
    hosts.etag = ""
    assert pull(size=None) == FILE


def test_a_file_larger_than_the_card_says(hosts, refused, folder):
    hosts.files[PATH] = FILE + b"x" * 100_000
    assert f"has {SIZE + 100_000} bytes, the card says {SIZE}" in refused()
    hosts.plan = [chunked]
    assert f"larger than the {SIZE} bytes" in refused()
    assert left(folder) == []


def test_a_file_of_unknown_size_is_bounded(hosts, refused, folder, monkeypatch):
    monkeypatch.setattr("edged.contracts.card.UNKNOWN_SIZE", 100_000)
    assert "larger than the 100000 that are taken" in refused(size=None)
    hosts.plan = [chunked]
    assert "larger than the 100000 bytes" in refused(size=None)
    assert left(folder) == []


def test_both_sums_are_told_and_nothing_is_kept(hosts, refused, folder, pull):
    hosts.files[PATH] = FILE[::-1]
    said = refused()
    for data in (FILE, FILE[::-1]):
        assert hashlib.sha256(data).hexdigest() in said
    assert "nothing of it is kept" in said
    assert left(folder) == []
    hosts.files[PATH] = FILE
    assert pull() == FILE


HTML = b"<!DOCTYPE html>\n<html><head><title>Quota &amp; more\n exceeded</title></head></html>"


@pytest.mark.parametrize("size", [SIZE, None])
@pytest.mark.parametrize(
    "case",
    [
        (page(HTML), "a web page (Quota & more exceeded) instead of the file"),
        (page(b"\xef\xbb\xbf \n" + HTML, "application/octet-stream"), "a web page (Quota & more exceeded)"),
        (page(b"<p>Sign in"), "a web page instead of the file"),
        (page(b'{"error": "rate limit"}', "application/json"), 'a note instead of the file ({"error": "rate'),
        (page(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "text/plain"), "Git LFS"),
    ],
    ids=["page", "page as bytes", "part of a page", "note", "pointer"],
)
def test_what_is_no_file_is_told_and_not_kept(hosts, refused, pull, case, size):
    answer, says = case
    hosts.plan = [cut(200_000), answer]
    said = refused(size=size)
    assert says in said
    assert "sent on to cdn.example" in said
    assert "--from DIR" in said
    assert "X-Signature" not in said
    assert pull(size=size) == FILE
    assert ranges(hosts)[-1] == "bytes=200000-", "what was here before the page still counts"


# --- busy, slow and silent hosts


@pytest.fixture
def waits(monkeypatch):
    """Seconds that a request was put off."""
    found: list[float] = []
    monkeypatch.setattr(web, "time", SimpleNamespace(sleep=found.append))
    return found


@pytest.mark.parametrize("code", [429, 503])
def test_a_busy_host_is_waited_for_as_long_as_it_asks(hosts, pull, waits, code):
    hosts.plan = [status(code, **{"Retry-After": "7"}), status(500), status(502)]
    assert pull() == FILE
    assert waits[0] == 7


@pytest.mark.parametrize("code", [429, 503])
def test_who_asks_for_an_hour_is_not_waited_for(hosts, refused, waits, code, folder):
    hosts.plan = [status(code, **{"Retry-After": "3600"})]
    said = refused()
    assert f"answers {code}" in said
    assert "pull again in 3600 s" in said
    assert (waits, left(folder)) == ([], [])


@pytest.mark.parametrize(
    ("code", "does"),
    [
        (403, "~/.netrc"),
        (404, "take the file from elsewhere"),
        (410, "not there any more"),
        (429, "pull again later"),
        (500, "pull again later"),
    ],
)
@pytest.mark.usefixtures("twice", "waits")
def test_each_refusal_says_what_to_do(hosts, refused, code, does, folder):
    hosts.plan = [status(code, **{"Retry-After": "soon"})] * 2
    said = refused()
    assert f"sent on to cdn.example, answers {code}" in said
    assert does in said
    assert left(folder) == []
    assert len(hosts.bytes_asked) == (2 if code in (429, 500) else 1)


def test_a_drip_is_broken_off_and_gone_on_with(hosts, pull, refused, twice, monkeypatch):
    monkeypatch.setattr(transfer, "FLOOR_S", 0.3)
    hosts.plan = [drip(100_000), drip(0)]
    hosts.ranges = False
    monkeypatch.setattr(transfer, "FLOOR", 10**9)
    said = refused()
    assert "bytes a second are too slow; pull again" in said
    monkeypatch.setattr(transfer, "FLOOR", 1000)
    assert pull() == FILE


# --- the disk


def test_a_disk_without_room_is_told_before_anything_travels(hosts, pull, folder, monkeypatch):
    nearly_full = SimpleNamespace(free=50_000)
    monkeypatch.setattr("shutil.disk_usage", lambda _: nearly_full)
    with pytest.raises(RepositoryError, match=r"disk is full.*wants 1 MB more and 0 MB are free: free some"):
        pull()
    assert not [name for name in left(folder) if not name.endswith(".mark")]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no /dev/full")  # noqa: PTH110
def test_a_disk_that_fills_up(pull, folder, monkeypatch):
    folder.mkdir(parents=True)
    (folder / f"{NAME}.part.https").symlink_to("/dev/full")  # every write there fails with ENOSPC
    with pytest.raises(RepositoryError, match=r"disk is full.*free some space and pull again"):
        pull()
    assert not (folder / NAME).exists()


# --- proxies and certificates


def test_a_proxy_with_a_login(hosts, tunnel, pull, refused, monkeypatch):
    tunnel.login = "Basic bWU6c2VjcmV0"
    said = refused()
    assert "the proxy wants a login: HTTPS_PROXY=" in said
    assert len(tunnel.connected) == 1, "a wrong login that is repeated may lock somebody out"
    monkeypatch.setenv("HTTPS_PROXY", tunnel.url("me:wrong@"))
    assert "wrong" not in refused()
    monkeypatch.setenv("HTTPS_PROXY", tunnel.url("me:secret@"))
    assert pull() == FILE


def test_a_proxy_that_refuses_the_host_that_is_sent_on_to(tunnel, refused):
    tunnel.refuses["cdn.example"] = 403
    said = refused()
    assert "https://cdn.example" in said
    assert "the proxy does not let it through" in said
    assert "NO_PROXY" in said
    assert "X-Signature" not in said


def test_a_proxy_that_is_not_there(tunnel, refused, twice, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://me:secret@127.0.0.1:9")
    said = refused()
    assert "proxy" in said
    assert "refused" in said
    assert "secret" not in said


def test_a_host_that_wants_no_proxy(hosts, tunnel, pull, monkeypatch):
    own = f"localhost:{hosts.port}"
    monkeypatch.setenv("NO_PROXY", own)
    assert pull(f"https://{own}{PATH}") == FILE
    assert tunnel.connected == []


def test_each_host_of_a_chain_has_its_own_way(hosts, tunnel, pull, monkeypatch):
    own = f"localhost:{hosts.port}"
    monkeypatch.setenv("NO_PROXY", "localhost")
    hosts.plan = [status(302, Location=f"https://{own}{PATH}")]
    assert pull(OTHER) == FILE
    assert tunnel.connected == ["media.githubusercontent.com:443"]
    assert [asked.host for asked in hosts.asked] == ["media.githubusercontent.com", "localhost"]


def test_a_certificate_of_a_proxy(tunnel, refused, monkeypatch, tmp_path):
    other = Authority(tmp_path / "other").ca
    monkeypatch.setenv("SSL_CERT_FILE", str(other))
    said = refused()
    assert "certificate is not trusted here" in said
    assert "SSL_CERT_FILE=/path/to/ca.pem" in said
    assert len(tunnel.connected) == 1
    for gone in (tmp_path / "gone.pem", tmp_path):
        monkeypatch.setenv("SSL_CERT_FILE", str(gone))
        assert f"{gone}, which SSL_CERT_FILE names" in refused()


def test_where_the_system_has_no_certificates_pips_are_taken(pull, authority, monkeypatch, twice):
    monkeypatch.delenv("SSL_CERT_FILE")
    monkeypatch.setattr(origins, "has_certificates", lambda: False)
    monkeypatch.setattr(origins, "pip_settings", lambda: PipSettings((), cert=str(authority.ca)))
    monkeypatch.setattr(origins, "_web", OWN_WEB)
    assert pull() == FILE


@pytest.mark.parametrize(("code", "times"), [(socket.EAI_NONAME, 1), (socket.EAI_AGAIN, 2)])
def test_a_name_that_nobody_knows_is_asked_for_once(refused, monkeypatch, twice, code, times):
    asked = []

    def unknown(host, *_):
        asked.append(host)
        raise socket.gaierror(code, "not known")

    monkeypatch.delenv("HTTPS_PROXY")
    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    said = refused()
    assert asked == ["huggingface.co"] * times
    assert "a proxy is named in HTTPS_PROXY" in said
