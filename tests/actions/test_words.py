"""What people read of an event, and what no receiver gets unless its action shares it."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from edged.actions.parcel import parcel
from edged.actions.words import when
from tests.actions.receivers import JPEG, event

BERLIN = ZoneInfo("Europe/Berlin")
LATE = {"phase": "end", "ended_at": "2026-11-26T21:18:37.000000Z"}
SECRETS = {
    "text": "B-AB 123",
    "snapshot": "/artefacts/a.jpg",
    "recording": "https://shop.example/artefacts/b.mp4",
}


@pytest.mark.parametrize(
    ("more", "title", "body"),
    [
        ({}, "queue began at door", "zone till."),
        ({"phase": "once", "line": "entrance", "zone": None, "direction": "in", "class": "person"},
         "queue at door", "person, in, line entrance."),
        ({**LATE, "reason": "over"}, "queue is over at door", "zone till.\nIt lasted 4 min."),
        ({**LATE, "reason": "killed"}, "queue ended at door", "It ended, for edged was killed."),
        ({"rule": None, "event": "zone"}, "till began at door", ""),
    ],
)  # fmt: skip
def test_an_event_in_words(more, title, body):
    packed = parcel(event(**more), (), 0, BERLIN, lambda address: None)
    assert packed.title == title
    first, _, rest = packed.body.partition("\n")
    clock = "22:18" if more.get("phase") == "end" else "22:14"
    assert first.startswith(clock)
    assert rest.endswith(body)
    assert packed.message.message.startswith(f"{title}, {clock}")


def test_the_time_is_the_clock_on_the_wall():
    now = datetime(2026, 11, 26, 22, 0, tzinfo=UTC)
    assert when(event(), BERLIN, now) == "22:14"
    assert when(event(), ZoneInfo("Asia/Shanghai"), now) == "05:14"
    assert when(event(), BERLIN, datetime(2026, 11, 27, 12, 0, tzinfo=UTC)) == "22:14 on 26 November"
    assert when(event(began_at=None), BERLIN, now) == "at a time unknown, for the clock was not set"


def test_nothing_leaves_the_box_that_is_not_shared():
    asked: list[str] = []
    packed = parcel(event(**SECRETS), (), 0, BERLIN, asked.append)
    whole = f"{packed.title} {packed.body} {packed.message.model_dump_json()}"
    assert not [secret for secret in SECRETS.values() if secret in whole]
    assert packed.picture is None and not asked


@pytest.mark.parametrize(
    "shared", [("text",), ("picture",), ("recording",), ("text", "picture", "recording")]
)
def test_what_is_shared_is_told(shared):
    fields = {"text": "text", "picture": "snapshot", "recording": "recording"}
    packed = parcel(event(**SECRETS), shared, 0, BERLIN, lambda address: JPEG)
    told = packed.message.model_dump()
    for share, field in fields.items():
        assert (told[field] == SECRETS[field]) is (share in shared)
    assert (packed.picture == JPEG) is ("picture" in shared)
    assert (SECRETS["text"] in packed.body) is ("text" in shared)
    assert (SECRETS["recording"] in packed.body) is ("recording" in shared)


def test_what_was_left_out_is_told_with_the_next():
    packed = parcel(event(), (), 3, BERLIN, lambda address: None)
    assert packed.body.endswith("And 3 more before it, which were left out.")
    assert packed.message.left_out == 3
