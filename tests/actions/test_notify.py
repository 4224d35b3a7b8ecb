"""Messages by apprise, the real one, and notifiers that hang and crash."""

import base64
import time
from datetime import UTC
from pathlib import Path

import pytest

from edged.actions.notify import Notify, without_secrets
from edged.actions.parcel import parcel
from edged.actions.receiver import Undelivered
from tests.actions.receivers import JPEG, Desk, event, say
from tests.broker import free_port, until

SECRET = "s3cret"
pytestmark = pytest.mark.slow  # each starts a process


@pytest.fixture
def notify():
    made = []

    def make(url, timeout=20.0, maker="edged.tenants.notifier:notifier"):
        made.append(Notify("phone", url, timeout, maker))
        return made[-1]

    yield make
    for one in made:
        one.stop()


def packed(picture=None, left_out=0):
    shared = ("picture",) if picture else ()
    return parcel(event(snapshot="/a.jpg"), shared, left_out, UTC, lambda address: picture)


def refused(one):
    with pytest.raises(Undelivered) as caught:
        one.deliver(packed())
    assert SECRET not in str(caught.value)
    assert caught.value.again
    return str(caught.value)


def test_a_message_and_a_picture_arrive(notify):
    with Desk() as desk:
        one = notify(f"json://127.0.0.1:{desk.port}/hook")
        one.deliver(packed(JPEG, left_out=2))
        one.deliver(packed())
    first, second = (took.json for took in desk.took)
    assert first["title"] == "queue began at door"
    assert first["message"].startswith("21:14")
    assert first["message"].endswith("And 2 more before it, which were left out.")
    (attached,) = first["attachments"]
    assert (attached["filename"], attached["mimetype"]) == ("picture.jpg", "image/jpeg")
    assert base64.b64decode(attached["base64"]) == JPEG
    assert second["attachments"] == []


def test_what_apprise_says_is_told_without_the_url(notify, capfd):
    with Desk(say(401)) as desk:
        told = refused(notify(f"json://me:{SECRET}@127.0.0.1:{desk.port}/{SECRET}?+X-Key={SECRET}"))
        assert "apprise says: " in told and "401" in told
    assert "apprise says: " in refused(notify(f"json://127.0.0.1:{free_port()}/{SECRET}"))
    assert SECRET not in "".join(capfd.readouterr())


def test_apprise_follows_no_redirect(notify):
    with Desk() as other, Desk(say(307, Location=other.url)) as desk:
        refused(notify(f"json://127.0.0.1:{desk.port}/"))
    assert len(desk.took) == 1 and not other.took


def test_a_hanging_notifier_is_killed_and_the_next_message_gets_another(notify):
    one = notify(f"json://{SECRET}", 1.0, "tests.actions.makers:hanging")
    for _ in range(2):
        began = time.monotonic()
        assert "was not done within 1 s, the `timeout`" in refused(one)
        assert time.monotonic() - began < 30
        assert one._child is None


@pytest.mark.parametrize("how", ["crashing", "raising", "unwilling"])
def test_a_notifier_that_crashes(notify, how, capfd):
    one = notify(f"json://{SECRET}.example/{SECRET}", maker=f"tests.actions.makers:{how}")
    assert refused(one) and refused(one)
    assert SECRET not in "".join(capfd.readouterr())


def test_at_rest_there_is_no_process(notify):
    one = notify("json://x", maker="tests.actions.makers:counting")
    one.deliver(packed())
    process = Path(f"/proc/{one._child.process_id}")
    assert process.exists()
    one.rest()
    until(lambda: not process.exists(), "the end of the child")
    one.deliver(packed())
    one.stop()
    refused(one)


def test_how_to_get_out_is_not_seen_from_outside(notify, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:{SECRET}@127.0.0.1:9")
    one = notify("json://x", maker="tests.actions.makers:counting")
    one.deliver(packed())
    assert SECRET not in Path(f"/proc/{one._child.process_id}/environ").read_text()


def test_no_part_of_a_url_is_repeated():
    url = "tgram://123:ab%2Fcd@host.example:8080/room?key=value&x=1"
    for part in ("123", "ab/cd", "ab%2Fcd", "host.example", "room", "value"):
        assert part not in without_secrets(f"it says {part} is wrong", url)
