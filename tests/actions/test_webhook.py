"""Webhooks against real servers: the honest, the slow, the hanging, those that lead elsewhere."""

import base64
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from edged.actions.parcel import parcel
from edged.actions.receiver import Undelivered
from edged.actions.webhook import Webhook
from tests.actions.receivers import JPEG, Desk, event, say
from tests.broker import free_port
from tests.media.strangers import server_tls
from tests.tls import Authority

SECRET = "s3cret"


def packed(picture=None, **more):
    shared = ("picture",) if picture else ()
    return parcel(event(snapshot="/a.jpg", **more), shared, 0, UTC, lambda address: picture)


def deliver(url, *, headers=None, ca=None, timeout=20.0, picture=None):
    Webhook(url, headers or {}, ca, timeout).deliver(packed(picture))


def refused(url, **more):
    with pytest.raises(Undelivered) as caught:
        deliver(url, **more)
    assert SECRET not in str(caught.value)
    return caught.value


def test_a_message_arrives_as_json_with_a_key_that_tells_doubles():
    with Desk() as desk:
        deliver(desk.url, headers={"Authorization": "Bearer x", "X-Site": "Tür"})
    (took,) = desk.took
    assert took.json["schema"] == "edged/event/1"
    assert took.json["message"].startswith("queue began at door, ")
    assert (took.json["rule"], took.json["zone"], took.json["picture"]) == ("queue", "till", None)
    assert took.headers["idempotency-key"] == f"{event().id}/begin"
    assert took.headers["content-type"] == "application/json"
    assert took.headers["authorization"] == "Bearer x"
    assert took.headers["user-agent"].startswith("edged/")


def test_a_picture_travels_in_base64():
    with Desk() as desk:
        deliver(desk.url, picture=JPEG)
    assert base64.b64decode(desk.took[0].json["picture"]) == JPEG


def test_the_login_of_a_url():
    with Desk() as desk:
        deliver(desk.url.replace("127", "me:p%40ss@127"))
    assert base64.b64decode(desk.took[0].headers["authorization"].split()[1]) == b"me:p@ss"


@pytest.mark.parametrize(
    ("status", "again"),
    [
        *((status, True) for status in (500, 502, 503, 599, 408, 425, 429)),
        *((status, False) for status in (300, 304, 400, 401, 403, 404, 405, 410, 413, 422)),
    ],
)
def test_what_another_try_may_mend(status, again):
    with Desk(say(status)) as desk:
        error = refused(f"{desk.url}?token={SECRET}")
    assert error.again is again
    assert f"it answers {status}" in str(error)
    assert error.after_s == 0


def test_a_receiver_may_ask_for_a_pause():
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=100))
    told = ((429, "7"), (503, later), (503, "soon"), (429, "9" * 9))
    with Desk(*(say(status, Retry_After=after) for status, after in told)) as desk:
        pauses = [refused(desk.url).after_s for _ in range(4)]
    assert pauses[0] == 7
    assert 60 < pauses[1] <= 100
    assert pauses[2:] == [0, 3600]


@pytest.mark.parametrize("how", ["hang", "drip"])
def test_a_receiver_that_does_not_answer_in_time(how):
    with Desk() as desk:
        desk.answers = [getattr(desk, how)]
        began = time.monotonic()
        error = refused(f"{desk.url}?token={SECRET}", timeout=1.0)
    assert error.again and "within 1 s, the `timeout`" in str(error)
    assert time.monotonic() - began < 10


def test_an_answer_without_end_is_not_read():
    with Desk() as desk:
        desk.answers = [desk.flood]
        deliver(desk.url, timeout=10.0)
    assert len(desk.took) == 1


def test_a_port_that_nobody_listens_at_and_a_name_that_nobody_has():
    error = refused(f"http://127.0.0.1:{free_port()}/{SECRET}")
    assert error.again and "connection refused" in str(error)
    error = refused(f"http://nobody.invalid/{SECRET}")
    assert error.again and "nobody.invalid is not known" in str(error)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_no_redirect_leads_to_another_host(status):
    with Desk() as other, Desk(say(status, Location=f"{other.url}?{SECRET}")) as desk:
        error = refused(desk.url)
    assert not other.took, "another port is another server"
    assert not error.again
    assert f"redirects to http://127.0.0.1:{other.port}, and nothing is sent there" in str(error)


@pytest.mark.parametrize("to", ["http://127.0.0.2:1/x", "//127.0.0.2/x", "ftp://127.0.0.1/x", "http://["])
def test_nor_elsewhere(to):
    with Desk(say(307, Location=to)) as desk:
        assert "it redirects to" in str(refused(desk.url))


def test_a_redirect_within_the_host_is_followed_but_not_for_ever():
    with Desk(say(308, Location="/hook/"), say(200)) as desk:
        deliver(desk.url)
    assert [took.path for took in desk.took] == ["/hook", "/hook/"]
    assert desk.took[0].body == desk.took[1].body
    with Desk(say(308, Location="/hook")) as desk:
        assert "more than 3 times" in str(refused(desk.url))
    assert len(desk.took) == 4


def test_a_certificate_is_verified(tmp_path):
    authority = Authority(tmp_path / "ours")
    right, wrong = authority.pair("127.0.0.1"), authority.pair("elsewhere.example")
    with Desk(tls=server_tls(right.certificate, right.key)) as desk:
        deliver(desk.url, ca=authority.ca)
        error = refused(f"{desk.url}?{SECRET}")
        assert error.again and "its certificate is not trusted" in str(error) and "`ca`" in str(error)
    assert len(desk.took) == 1
    with Desk(tls=server_tls(wrong.certificate, wrong.key)) as desk:
        assert "its certificate is not trusted" in str(refused(desk.url, ca=authority.ca))
    assert not desk.took


def test_one_that_speaks_no_tls():
    with Desk() as desk:
        assert refused(desk.url.replace("http", "https")).again


def test_stopping_breaks_off_what_goes_on():
    with Desk() as desk:
        hook = Webhook(desk.url, {}, None, 60.0)

        def then_stop(took, to):
            hook.stop()
            desk.hang(took, to)

        desk.answers = [then_stop]
        began = time.monotonic()
        with pytest.raises(Undelivered):
            hook.deliver(packed())
        assert time.monotonic() - began < 20
        with pytest.raises(Undelivered, match="edged ends"):
            hook.deliver(packed())
        assert len(desk.took) == 1
