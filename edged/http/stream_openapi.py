"""What HTTP tells of streams, for the OpenAPI document."""

from typing import Any

from edged.contracts.schema import reference
from edged.http.openapi_parts import gets, parameter, queries


def stream_paths() -> dict[str, Any]:
    """What cameras and microphones show, counted, and what happened before them."""
    binary, named = {"type": "string", "format": "binary"}, [parameter("stream")]
    return {
        "/api/counts": _counts(),
        "/api/events": _events(),
        "/api/results": gets(
            "results",
            "stream messages as server-sent events named `result`",
            "text/event-stream",
            {"type": "string"},
            "503",
            parameters=[parameter("stream", "query")],
        ),
        "/api/streams/{stream}/live": gets(
            "live", "annotated pictures", "multipart/x-mixed-replace", binary, "404", "503", parameters=named
        ),
        "/api/streams/{stream}/snapshot": gets(
            "snapshot", "the newest annotated picture", "image/jpeg", binary, "404", "503", parameters=named
        ),
    }


def _counts() -> dict[str, Any]:
    said = {
        "stream": "name of a stream; all, unless said",
        "line": "name of a line; all, unless said",
        "from": "ISO 8601, local where it says no distance from UTC; when today began, unless said",
        "to": "likewise, not included; now, unless said",
        "format": "`csv` or `json`; else as `Accept` says",
    }
    path = gets(
        "counts",
        "who crossed the lines of cameras, by class and local hour",
        "application/json",
        reference("CountsAnswer"),
        *("400", "404", "413", "503"),
        parameters=queries(said),
    )
    path["get"]["responses"]["200"]["content"]["text/csv"] = {"schema": {"type": "string"}}
    return path


def _events() -> dict[str, Any]:
    said = {
        **{name: f"name of a {name}; all, unless said" for name in ("stream", "rule")},
        "event": "`line`, `zone` or `rule`; all, unless said",
        **{"from": "ISO 8601, as of /api/counts; all, unless said", "to": "likewise, not included"},
        **{"after": "those with a greater `number`", "before": "those with a smaller one"},
        "limit": "the newest so many, at most 1000; 100, unless said",
    }
    what, schema = "events of cameras and microphones", reference("EventsAnswer")
    path = gets("events", what, "application/json", schema, "400", "503", parameters=queries(said))
    events = {"type": "string", "description": "those that come, named `event`, the `number` as their id"}
    path["get"]["responses"]["200"]["content"]["text/event-stream"] = {"schema": events}
    return path
