"""What a refusal can echo of a payload that nobody has checked."""

import json

import pytest

from edged.requests.peek import PARSED_BYTES, peek, peek_timeout

LONG = "x" * PARSED_BYTES


@pytest.mark.parametrize(
    ("payload", "found"),
    [
        ({"request_id": "r1", "reply_to": "a/b", "image": "x"}, {"request_id": "r1", "reply_to": "a/b"}),
        ({"request_id": 7, "reply_to": ""}, {}),
        ({"deep": {"request_id": "r1"}}, {}),
        ([1], {}),
        ({"request_id": 'a "quoted" \u00e9', "image": LONG}, {"request_id": 'a "quoted" \u00e9'}),
        ({"image": LONG, "reply_to": "a/b"}, {"reply_to": "a/b"}),
    ],
    ids=["both", "no strings", "not at the top", "no object", "long, in front", "long, at the end"],
)
def test_id_and_address_are_found(payload, found):
    assert peek(json.dumps(payload).encode()) == found


@pytest.mark.parametrize(
    "payload", [b"", b"\xff\x00", b"{", b'{"request_id": "\\ud8"}' + b" " * PARSED_BYTES]
)
def test_nonsense_has_none(payload):
    assert peek(payload) == {}


@pytest.mark.parametrize(
    ("payload", "seconds"),
    [
        (b'{"timeout_s": 2, "image": "' + b"A" * 100_000 + b'"}', 2.0),
        (b'{"image": "' + b"A" * 100_000 + b'", "timeout_s":0.25}', 0.25),
        (b'{"timeout_s": "2"}', None),
        (b'{"timeout_s": 0}', None),
        (b'{"timeout_s": -1}', None),
        (b'{"timeout_s": 123456789}', None),
        (b"not JSON", None),
        (b"", None),
    ],
)
def test_the_time_limit_is_found_without_reading_all_of_it(payload, seconds):
    assert peek_timeout(payload) == seconds
