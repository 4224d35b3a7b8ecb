"""What a node tells of itself, made up: messages as the daemon's own code writes them."""

from collections.abc import Iterator

from edged.contracts.message import Health, Info, Latency, ServiceFacts, StreamState

FACTS = ServiceFacts(
    service="ocr", model="ppocrv6-small", variant="openvino-int8", device="cpu", schema="edged/ocr/1"
)


def info(node: str = "shop-1", **more) -> Info:
    return Info(node=node, **{"version": "0.2.0", "mqtt": "5", "services": [FACTS], **more})


def health(node: str = "shop-1", **more) -> Health:
    fields = {
        "uptime_s": 12.5,
        "counters": {"requests/ocr": {"200": 7}},
        "latency_ms": {
            "whole/ppocrv6-small": Latency(p50=20, p99=31.5),
            "whole/yunet": Latency(p50=3, p99=5),
            "inference/ppocrv6-small": Latency(p50=500, p99=900),
        },
        "queues": {"requests": 2, "loading": 1, "mqtt/results": 900, "events": 50},
        "units": {"mqtt": "running", "service/ocr": "running", "stream/door": "running"},
        "durability": "process",
        "clock": "synced",
        "disk_free_bytes": 40_000_000_000,
        "at": "2026-11-26T10:00:00.000000Z",
    }
    return Health(node=node, **{**fields, **more})


def stream(state: str = "online", why: str = "", **more) -> StreamState:
    return StreamState(state=state, fps=25.0 if state == "online" else 0.0, why=why, **more)


def told(node: str, *, online: bool = True, **streams: StreamState) -> Iterator[tuple[str, bytes]]:
    """Topics and payloads of a whole node."""
    yield f"edged/{node}/availability", b"online" if online else b"offline"
    yield f"edged/{node}/info", encoded(info(node))
    yield f"edged/{node}/health", encoded(health(node))
    for name, state in streams.items():
        yield f"edged/{node}/stream/{name}/state", encoded(state)


def encoded(message) -> bytes:
    return bytes(message.model_dump_json(by_alias=True), "utf-8")
