"""What Prometheus reads."""

from prometheus_client.parser import text_string_to_metric_families

from edged.http.metrics import MOST_REASONS
from edged.http.status import ServiceStatus, StreamStatus


def scraped(box):
    """Samples by name and labels."""
    answer = box.get("/metrics")
    assert answer.code == 200
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    families = list(text_string_to_metric_families(answer.body.decode()))
    assert len({family.name for family in families}) == len(families), "each family once"
    assert all(family.documentation for family in families)
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def test_counters_have_names_and_labels(box):
    box.start()
    box.counters.count("requests/ocr", "200", by=3)
    box.counters.count("requests/ocr", "429")
    box.counters.count("frames_dropped/door", "rate", by=7)
    box.counters.count("frames_dropped/yard", "busy")
    box.counters.count("something new/x", 'odd "reason"\n')
    box.counters.count("mqtt_requests", "taken")
    found = scraped(box)
    assert found["edged_requests_total", ("code", "200"), ("service", "ocr")] == 3
    assert found["edged_requests_total", ("code", "429"), ("service", "ocr")] == 1
    assert found["edged_frames_dropped_total", ("reason", "rate"), ("stream", "door")] == 7
    assert found["edged_frames_dropped_total", ("reason", "busy"), ("stream", "yard")] == 1
    assert found["edged_something_new_total", ("of", "x"), ("reason", 'odd "reason"\n')] == 1
    assert found["edged_mqtt_requests_total", ("of", ""), ("reason", "taken")] == 1


def test_durations_are_summaries(box):
    box.start()
    for _ in range(4):
        box.counters.observe("preprocess/fake", 0.25)
        box.counters.observe("decode", 0.5)
        box.counters.observe("latency/door", 2.0)
    found = scraped(box)
    of_fake = ("model", "fake"), ("stage", "preprocess")
    assert found["edged_stage_seconds_count", *of_fake] == 4
    assert found["edged_stage_seconds_sum", *of_fake] == 1
    assert (
        found["edged_stage_seconds", ("model", "fake"), ("quantile", "0.5"), ("stage", "preprocess")] == 0.25
    )
    assert found["edged_stage_seconds_sum", ("model", ""), ("stage", "decode")] == 2
    assert found["edged_latency_seconds_count", ("stream", "door")] == 4
    assert found["edged_latency_seconds", ("quantile", "0.99"), ("stream", "door")] == 2


def test_what_is_now(box):
    found = scraped(box.start())
    assert found["edged_info", ("node", "box"), ("version", "1.2.3")] == 1
    assert found["edged_queue_depth", ("queue", "requests")] == 3
    assert found["edged_unit_up", ("unit", "requests")] == 1
    assert found["edged_unit_up", ("unit", "mqtt")] == 0
    assert found["edged_service_up", ("service", "object-detection")] == 1
    assert found["edged_stream_up", ("stream", "door")] == 1
    assert found["edged_stream_fps", ("stream", "door")] == 5
    assert found["process_resident_memory_bytes",] > 1e6


TOLD = {
    "disk_free_bytes": {"state": 5_000_000, "models": 7_000_000},
    "durability": "memory: no space left on device",
    "clock": "unsynced",
}


def test_what_wants_somebodys_attention(box):
    spared = ServiceStatus(service="ocr", state="running", why="the GPU failed")
    cut = StreamStatus(
        name="yard",
        state="online",
        fps=1,
        why="",
        recordings="no space",
        services=[],
        listens=False,
        enabled=True,
    )
    now = box.status()
    parts = {"services": [*now.services, spared], "streams": [*now.streams, cut]}
    box.status = lambda: now.model_copy(update={**TOLD, **parts})
    found = scraped(box.start())
    assert found["edged_disk_free_bytes", ("path", "state")] == 5_000_000
    assert found["edged_disk_free_bytes", ("path", "models")] == 7_000_000
    assert (found["edged_durable",], found["edged_clock_synced",]) == (0, 0)
    assert found["edged_service_spared", ("service", "ocr")] == 1
    assert found["edged_service_spared", ("service", "object-detection")] == 0
    assert found["edged_stream_unrecorded", ("stream", "yard")] == 1
    assert found["edged_stream_unrecorded", ("stream", "door")] == 0


def test_what_nobody_knows_is_left_out(box):
    names = {name for name, *_ in scraped(box.start())}
    assert not {"edged_disk_free_bytes", "edged_durable", "edged_clock_synced"} & names


def test_our_own_answers_are_counted_by_code(box):
    box.start()
    box.get("/nothing")
    box.get("/v2/health/live")
    found = scraped(box)
    assert found["edged_http_answers_total", ("code", "404"), ("of", "")] == 1
    assert found["edged_http_answers_total", ("code", "200"), ("of", "")] == 1


def test_strangers_cannot_make_it_grow(box):
    box.start()
    for number in range(3 * MOST_REASONS):
        box.get(f"/nothing/{number}")
        box.counters.count("x", f"reason {number}")
    reasons = [key for key in scraped(box) if key[0] == "edged_x_total"]
    assert len(reasons) == MOST_REASONS + 1
    found = scraped(box)
    assert found["edged_x_total", ("of", ""), ("reason", "other")] == 2 * MOST_REASONS
    assert not [key for key in found if "nothing" in str(key)]
