"""The whole line: a camera and MQTT requests in, documented JSON out, through a real broker."""

import json
import signal
import time
from pathlib import Path

import orjson
import pybase64
from jsonschema import Draft202012Validator

from edged.answers.schema import answer_schema
from edged.contracts.message import FailedAnswer, Health, Info, StreamMessage, StreamState
from edged.contracts.services import service
from tests.broker import until
from tests.e2e.box import CAMERA, config_text, running

DETECTION = service("object-detection")
ANSWER = Draft202012Validator(answer_schema(DETECTION))


def photo(bikes: Path) -> str:
    """A JPEG in Base64 of a street with cars and people."""
    from edged.media.picture import encode_jpeg
    from edged.media.video import sample_frames

    return pybase64.b64encode_as_string(encode_jpeg(sample_frames(bikes, 3)[1]))


def test_frames_become_documented_messages(daemon, client):
    box = daemon()
    listener = client(box.port, "edged/box/#")
    topic = "edged/box/stream/demo/object-detection"

    def seen() -> set[str]:
        results = [json.loads(m.payload)["result"] for m in listener.on(topic)]
        return {name for result in results for name in result["detection_class_names"]}

    until(lambda: {"car", "person", "bicycle"} <= seen(), "cars, people and bicycles")
    messages = [json.loads(m.payload) for m in listener.on(topic)]
    for message in messages:
        StreamMessage.model_validate(message)
        ANSWER.validate({"request_id": "x", "success": True, **message["result"]})
        assert (message["frame"]["width"], message["frame"]["height"]) == (640, 272)
    seqs = [m["seq"] for m in messages]
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs))), "a gap would be a lost message"
    assert listener.on("edged/box/availability")[-1].payload == b"online"

    def ready() -> list[str]:
        info = Info.model_validate_json(listener.on("edged/box/info")[-1].payload)
        return [s.service for s in info.services if s.state == "ready"]

    def state() -> str:
        told = listener.on("edged/box/stream/demo/state")[-1].payload
        return StreamState.model_validate_json(told).state

    until(lambda: ready() == ["object-detection"], "info says that it is ready")
    until(lambda: state() == "online", "the state of the camera")
    until(lambda: listener.on("edged/box/health"), "a health message")
    Health.model_validate_json(listener.on("edged/box/health")[-1].payload)
    assert box.stop() == 0
    assert box.lines, "results go to stdout as JSON lines"
    assert {line["stream"] for line in box.lines} == {"demo"}
    assert box.said("latency p50 / p99 ms")


def test_run_for_ends_by_itself_with_a_summary(daemon):
    box = daemon(CAMERA, "--for", "6s", ready=False)
    assert box.ended() == 0
    assert box.said("seen"), "the summary"


def test_two_thousand_mixed_requests_get_one_answer_each(daemon, client, bikes):
    box = daemon("requests: {max_waiting: 300}\n")
    caller = client(box.port, "me/answers")
    good = photo(bikes)
    bodies = [
        orjson.dumps({"image": good, "request_id": "good"}),
        b"{not json",
        orjson.dumps({"image": "AAAA"}),
        orjson.dumps({"image": good, "colour": "red"}),
        orjson.dumps({"image": good[: len(good) // 2]}),
    ]
    allowed = [{200, 429}, {400, 429}, {415, 429}, {400, 429}, {400, 415, 429}]
    for n in range(2000):
        caller.ask("box", "object-detection", bodies[n % 5], "me/answers", n.to_bytes(4, "big"))
    until(lambda: len(caller.heard) >= 2000, "2,000 answers", 300)
    time.sleep(1.0)  # a second answer of anything would come now
    answers: dict[int, list[dict]] = {}
    for message in caller.heard:
        n = int.from_bytes(message.properties.CorrelationData, "big")
        answers.setdefault(n, []).append(json.loads(message.payload))
    assert sorted(answers) == list(range(2000))
    assert all(len(given) == 1 for given in answers.values())
    for n, (answer,) in answers.items():
        code = 200 if answer["success"] else FailedAnswer.model_validate(answer).error_code
        assert code in allowed[n % 5], answer
        if code == 200:
            ANSWER.validate(answer)
    assert sum(answer["success"] for (answer,) in answers.values()) > 20


def test_sigkill_in_the_middle_loses_no_request(tmp_path, models_dir, client, bikes, mosquitto):
    port = mosquitto().port
    config = tmp_path / "config.yaml"
    text = config_text(models_dir, port).replace(
        f"{{url: embedded, embedded_port: {port}}}", f"{{url: 'mqtt://127.0.0.1:{port}'}}"
    )
    config.write_text(text)
    caller = client(port, "me/answers")
    body = orjson.dumps({"image": photo(bikes)})
    with running(config, port, "box") as first:
        until(lambda: first.said("subscribe to:"), "readiness", 90)
        for n in range(150):
            caller.ask("box", "object-detection", body, "me/answers", n.to_bytes(4, "big"))
        until(lambda: len(caller.heard) >= 20, "some answers")
        first.stop(signal.SIGKILL)
    assert len(caller.heard) < 150, "it was killed in the middle"
    with running(config, port, "box"):
        until(lambda: len({m.properties.CorrelationData for m in caller.heard}) == 150, "all answers", 180)
    doubles = len(caller.heard) - 150
    assert doubles <= 40, "only answers whose PUBACK was cut may come twice"


def test_reload_of_a_faulty_and_of_a_good_configuration(daemon, client):
    box = daemon("")
    listener = client(box.port, "edged/box/#")
    box.config.write_text(box.config.read_text() + "\nnodes: typo\n")
    listener.publish("edged/box/control/reload")
    topic = "edged/box/control/reload/response"
    until(lambda: listener.on(topic), "an answer")
    refused = json.loads(listener.on(topic)[-1].payload)
    assert refused["success"] is False
    assert "nodes" in refused["message"]
    assert not [m for m in listener.heard if "/stream/" in m.topic]

    box.config.write_text(box.config.read_text().replace("\nnodes: typo\n", CAMERA))
    listener.publish("edged/box/control/reload")
    until(lambda: len(listener.on(topic)) == 2, "the second answer")
    assert json.loads(listener.on(topic)[-1].payload)["success"] is True
    until(lambda: listener.on("edged/box/stream/demo/object-detection"), "results of the new camera")
    offline = [m for m in listener.on("edged/box/availability") if m.payload == b"offline"]
    assert not offline, "what did not change was not touched"

    box.config.write_text(box.config.read_text().replace(CAMERA, ""))
    box.process.send_signal(signal.SIGHUP)
    state = "edged/box/stream/demo/state"
    until(lambda: json.loads(listener.on(state)[-1].payload)["state"] == "offline", "the end of the camera")


def test_without_weights_the_service_says_how_to_get_them(tmp_path, daemon, client):
    box = daemon("", ready=False)
    box.stop()
    box.config.write_text(box.config.read_text().replace("paths: {models: ", "paths: {models: /nowhere"))
    with running(box.config, box.port, "box") as empty:
        caller = client(box.port, "me/answers")
        until(lambda: empty.said("edged pull") and empty.said("subscribe to:"), "the reason", 90)
        caller.ask("box", "object-detection", b'{"image": "AAAA"}', "me/answers", b"1")
        until(lambda: caller.heard, "an answer")
        answer = FailedAnswer.model_validate_json(caller.heard[0].payload)
        assert answer.error_code == 503
        assert "edged pull" in answer.error_msg


def test_a_response_topic_that_cannot_be_used_is_answered_on_the_default_one(daemon, client):
    box = daemon("")
    caller = client(box.port, "edged/box/response/#")
    topics = ("me/+/x", "me/#", "$SYS/x", "edged/box/request/object-detection")
    for number, topic in enumerate(topics):
        body = orjson.dumps({"image": "AAAA", "request_id": f"r-{number}"})
        caller.ask("box", "object-detection", body, topic, b"1")
    until(lambda: len(caller.heard) >= len(topics), "answers")
    assert [FailedAnswer.model_validate_json(said.payload).error_code for said in caller.heard] == [400] * 4
    answered = {said.topic for said in caller.heard}
    assert answered == {f"edged/box/response/object-detection/r-{number}" for number in range(4)}
