"""What the broker kept while the daemon was away is answered when its service is up."""

import json
import urllib.error
import urllib.request

import orjson

from tests.broker import free_port, until
from tests.e2e.box import config_text, running
from tests.e2e.test_daemon import photo


def ready(port: int) -> bool | None:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/health/ready", timeout=5) as answer:
            return bool(json.load(answer)["ready"])
    except urllib.error.HTTPError as error:
        with error:
            return bool(json.load(error)["ready"])
    except OSError:
        return None


def availability(caller) -> bytes | None:
    told = caller.on("edged/box/availability")
    return told[-1].payload if told else None


def up(caller, told) -> list[list[str]]:
    """What is ready, by each info but the first ones."""
    infos = [json.loads(m.payload)["services"] for m in caller.on("edged/box/info")[told:]]
    return [[one["service"] for one in info if one["state"] == "ready"] for info in infos]


def test_sixty_requests_that_waited_for_the_daemon(tmp_path, models_dir, client, bikes, mosquitto):
    port, http = mosquitto().port, free_port()
    config = tmp_path / "config.yaml"
    text = config_text(models_dir, port, http=http)
    config.write_text(
        text.replace(f"{{url: embedded, embedded_port: {port}}}", f"{{url: 'mqtt://127.0.0.1:{port}'}}")
    )
    caller = client(port, "me/answers", "edged/box/availability", "edged/box/info")
    with running(config, port, "box") as first:
        until(lambda: first.said("subscribe to:"), "readiness", 90)
        assert first.stop() == 0
    until(lambda: availability(caller) == b"offline")
    body = orjson.dumps({"image": photo(bikes)})
    for n in range(60):
        caller.ask("box", "object-detection", body, "me/answers", n.to_bytes(4, "big"))
    told = len(caller.on("edged/box/info"))
    with running(config, port, "box") as second:
        until(lambda: availability(caller) == b"online")
        until(lambda: len(caller.on("me/answers")) >= 60, "60 answers", 90)
        until(lambda: ready(http), "a ready daemon")
        assert second.said("connected to the broker")
        until(lambda: up(caller, told)[-1] == ["object-detection"], "info says it, too")
    answers = {m.properties.CorrelationData: json.loads(m.payload) for m in caller.on("me/answers")}
    assert len(answers) == 60
    assert [answer.get("error_code") for answer in answers.values()] == [None] * 60
    assert up(caller, told) == sorted(up(caller, told), key=len), "what is ready stays so"
