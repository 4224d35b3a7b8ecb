"""Recordings of a camera by a running daemon: the address in its messages, and the file over HTTP."""

import json
import urllib.error
import urllib.request

import av
import orjson

from edged.contracts.message import ControlAnswer, StreamMessage
from tests.broker import free_port, until
from tests.media.cameras_films import pictures

STREAM = "edged/box/stream/demo"
RESULTS = f"{STREAM}/object-detection"
CAMERA = """
streams:
  demo: {source: 'models:picodet-416/bikes.mp4', loop: true, gate: {fps: 5}, run: [object-detection],
    record: {before: 2s, after: 6s}, publish: {on: change, min_interval: 12s}}
"""


def got(port, path):
    """Status and body."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_an_event_is_recorded_and_so_is_what_is_asked_for(daemon, client, tmp_path):
    port = free_port()
    box = daemon(CAMERA, http=port)
    listener = client(box.port, f"{STREAM}/#", "edged/box/control/+/response")
    until(lambda: any(b"recording" in m.payload for m in listener.on(RESULTS)), "an event")
    message = next(
        StreamMessage.model_validate_json(m.payload)
        for m in listener.on(RESULTS)
        if b"recording" in m.payload
    )
    address = message.recording or ""
    assert address.startswith("/artefacts/")
    assert got(port, address)[0] == 409

    topic = "edged/box/control/record/response"
    listener.publish("edged/box/control/record", json.dumps({"stream": "demo", "seconds": 5}).encode())
    until(lambda: listener.on(topic), "an answer")
    answer = ControlAnswer.model_validate_json(listener.on(topic)[0].payload)
    assert answer.success
    assert answer.recording == address, "it is written still"
    assert address in answer.message

    until(lambda: got(port, address)[0] == 200, "it is written", 90)
    film = tmp_path / "film.mp4"
    film.write_bytes(got(port, address)[1])
    shown = [at for at, _ in pictures(film)]
    assert shown[0] == 0
    assert shown[-1] > 4
    with av.open(str(film)) as opened:
        assert next(opened.decode(video=0)).key_frame
    late = client(box.port, RESULTS)
    until(lambda: late.heard, "the retained event")
    assert orjson.loads(late.heard[0].payload)["recording"].startswith("/artefacts/")
