"""Events, pictures and switches of a running daemon, seen through its broker."""

import itertools
import json

import cv2
import numpy as np
import orjson
import pybase64

from edged.contracts.message import ControlAnswer, StreamMessage, StreamState
from edged.media.picture import encode_jpeg
from tests.broker import free_port, until
from tests.e2e.box import running

STREAM = "edged/box/stream/demo"
RESULTS, STATE, SNAPSHOT = f"{STREAM}/object-detection", f"{STREAM}/state", f"{STREAM}/snapshot"


def camera(publish: str) -> str:
    source = "source: 'models:picodet-416/bikes.mp4', loop: true, gate: {fps: 5}"
    return f"\nstreams:\n  demo: {{{source}, run: [object-detection], publish: {{{publish}}}}}\n"


def told(client, verb, **fields) -> ControlAnswer:
    """Tell the daemon; its answer."""
    topic = f"edged/box/control/{verb}/response"
    before = len(client.on(topic))
    client.publish(f"edged/box/control/{verb}", json.dumps(fields).encode())
    until(lambda: len(client.on(topic)) > before, f"an answer to {verb}")
    return ControlAnswer.model_validate_json(client.on(topic)[-1].payload)


def state(client) -> StreamState | None:
    heard = client.on(STATE)
    return StreamState.model_validate_json(heard[-1].payload) if heard else None


def is_off(client) -> bool:
    return (now := state(client)) is not None and (now.state, now.why) == (
        "offline",
        "disabled by control/disable",
    )


def test_events_have_no_gap_and_the_last_one_waits_for_whom_comes_late(daemon, client):
    box = daemon(camera("on: change, classes: [person], min_interval: 500ms, snapshot: true"))
    listener = client(box.port, f"{STREAM}/#", "edged/box/health")
    until(lambda: len(listener.on(RESULTS)) >= 5 and len(listener.on(SNAPSHOT)) >= 2, "some events")
    messages = [StreamMessage.model_validate_json(m.payload) for m in listener.on(RESULTS)]
    assert all(set(m.result["detection_class_names"]) <= {"person"} for m in messages)
    counts = [len(m.result["detection_boxes"]) for m in messages]
    assert all(a != b for a, b in itertools.pairwise(counts)), "each one is a change"
    seqs = [m.seq for m in messages]
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
    until(lambda: "results_suppressed/demo" in str([m.payload for m in listener.on("edged/box/health")]))

    late = client(box.port, RESULTS)
    until(lambda: late.heard, "the last event")
    assert late.heard[0].retain

    picture = listener.on(SNAPSHOT)[-1]
    assert picture.properties.ContentType == "image/jpeg"
    taken = dict(picture.properties.UserProperty)["captured_at"]
    until(lambda: taken in {json.loads(m.payload)["captured_at"] for m in listener.on(RESULTS)})
    height, width = cv2.imdecode(np.frombuffer(picture.payload, np.uint8), cv2.IMREAD_COLOR).shape[:2]
    assert width * 272 == height * 640


def test_a_camera_that_was_switched_off_stays_off(daemon, client, tmp_path):
    port = free_port()
    box = daemon(camera("on: change"), port=port)
    listener = client(port, "edged/box/#")
    until(lambda: listener.on(RESULTS), "a first result")

    wrong = told(listener, "disable", stream="dmo")
    assert not wrong.success
    assert "did you mean demo?" in wrong.message
    assert told(listener, "snapshot", stream="demo").success
    until(lambda: listener.on(SNAPSHOT), "a picture")

    assert told(listener, "disable", stream="demo").success
    until(lambda: is_off(listener), "the state says that it is off")
    assert told(listener, "disable", stream="demo").message.endswith("already")
    refused = told(listener, "snapshot", stream="demo")
    assert not refused.success
    until(lambda: listener.on(RESULTS)[-1].payload == b"", "the broker forgets what was seen")
    heard = len(listener.on(RESULTS))
    assert told(listener, "reload").success
    until(lambda: any(b"disabled by" in m.payload for m in listener.on("edged/box/health")), "health says it")
    assert box.stop() == 0

    with running(box.config, port, "box") as again:
        until(lambda: again.said("subscribe to:"), "readiness", 90)
        fresh = client(port, "edged/box/#")
        until(lambda: is_off(fresh), "it is still off after a restart")
        assert not [m for m in fresh.on(RESULTS) if m.payload]
        assert len(listener.on(RESULTS)) <= heard
        assert told(fresh, "enable", stream="demo").success
        until(lambda: [m for m in fresh.on(RESULTS) if m.payload], "it sees again")
        until(lambda: (now := state(fresh)) is not None and now.state == "online", "it is online")


def test_a_request_that_is_cancelled_is_answered_once_with_499(daemon, client):
    box = daemon("")
    caller = client(box.port, "me/answers", "edged/box/control/+/response")
    picture = pybase64.b64encode_as_string(encode_jpeg(np.full((720, 1280, 3), 90, np.uint8)))
    names: list[str] = []
    for _ in range(5):  # the word may come when the last one is answered already: then once more
        names.extend([f"r-{n}" for n in range(len(names), len(names) + 150)])
        for name in names[-150:]:
            body = orjson.dumps({"image": picture, "request_id": name})
            caller.ask("box", "object-detection", body, "me/answers", name.encode())
        assert told(caller, "cancel", request_id=names[-1]).success
        until(lambda: len(caller.on("me/answers")) >= len(names), "all answers", 180)
        answers = [orjson.loads(m.payload) for m in caller.on("me/answers")]
        assert sorted(a["request_id"] for a in answers) == sorted(names)
        if failed := [(a["request_id"], a["error_code"]) for a in answers if not a["success"]]:
            break
    assert failed == [(names[-1], 499)]
