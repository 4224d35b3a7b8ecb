"""What is published beside the services' own answers. Every field has its unit, shape and frame below it."""

from typing import Any, Literal

from pydantic import ConfigDict, Field

from edged.contracts.described import Described

ClockState = Literal["synced", "unsynced", "unknown"]
Decodes = Literal["all", "key frames"]


class Published(Described):
    """Base of all that is published."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Envelope(Published):
    """Fields that every request may carry beside those of its service."""

    request_id: str | None = Field(default=None, min_length=1, max_length=200)
    """Echoed in the answer; without it a UUID4 is made."""
    reply_to: str | None = Field(default=None, min_length=1, max_length=1000)
    """MQTT 3.1.1 only: topic for the answer, instead of `edged/<node>/response/<service>/<request_id>`."""
    timeout_s: float | None = Field(default=None, gt=0, le=86400)
    """Seconds from the arrival after which the answer is 504."""


class FailedAnswer(Published):
    """The whole answer of a failed request, of any service but those of videos."""

    request_id: str
    """Echo of the request's, or the UUID4 that was made."""
    success: Literal[False] = False
    """Always false."""
    error_code: int
    """As HTTP: 400, 403, 404, 413, 415, 422, 429, 499 (cancelled), 500, 503 or 504; over HTTP also 401, 405,
    409, 416 and 431."""
    error_msg: str
    """One sentence that names the field and the limit or the fix."""


class FailedVideoAnswer(FailedAnswer):
    """The whole answer of a failed request of a video service: its clients look into `result`."""

    oss_path: Literal[""] = ""
    """Always empty: there is no video."""
    result: str
    """The same as `error_msg`."""


class FrameFacts(Published):
    """The frame that a stream message speaks of."""

    width: int
    """Pixels; boxes of the result are in this frame."""
    height: int
    """Pixels."""
    seq: int
    """Number of the frame within its source since it was opened, from 0; a video file that begins again is
    opened again."""


class ClipFacts(Published):
    """The piece of sound that a stream message speaks of."""

    start_us: int
    """Microseconds from the opening of the source to its first sample; the key of the result."""
    seconds: float
    """Its length."""
    seq: int
    """Number of the utterance, or of the piece, within its stream, from 0; partial results share it with the
    final one."""


class ModelFacts(Published):
    """What produced a result."""

    name: str
    """Id of the model."""
    variant: str
    """Runtime and precision that really ran."""
    device: str
    """Device that really ran it."""


class ErrorFacts(Published):
    """Why a stream message has no result."""

    code: int
    """As `error_code` of a failed answer."""
    message: str
    """One sentence."""


class StreamMessage(Published):
    """One result of one service on one item of a stream, as far as the stream's `publish` lets it through.

    Under `publish: {on: change}` the last one is retained, and comes again with the same `seq` when the
    broker was away. When the stream is disabled or leaves the configuration, an empty message takes it back.
    """

    schema_: str = Field(alias="schema")
    """`edged/<service>/<version>`."""
    node: str
    """Name of the box."""
    stream: str
    """Name of the stream in the configuration."""
    seq: int
    """Counts the messages of this topic from 0; a gap is a message that was lost or dropped. What `publish`
    holds back counts only in `results_suppressed/<stream>` of the health message."""
    captured_at: str
    """UTC, ISO 8601 with microseconds: when the frame was taken, or the first sample of the clip."""
    latency_ms: float
    """From the capture, of a clip that of its last sample, to the moment at which this message was encoded,
    milliseconds."""
    frame: FrameFacts | None = None
    """The frame that was looked at; absent on a microphone."""
    clip: ClipFacts | None = None
    """The sound that was listened to; absent on a camera."""
    final: bool | None = None
    """Microphones: false while somebody still speaks; the same utterance comes again, and once with true."""
    model: ModelFacts
    """What looked at it."""
    result: dict[str, Any] | str | None = None
    """The service's answer, of the classes that `publish` names; absent when there is an error."""
    tracks: list[int | None] | None = None
    """Cameras that follow what they see: of each object of `result`, in the same order, the id of its track,
    the same as long as the object is seen and for 2 s after; null: it was seen once only. Ids of a stream are
    never used again."""
    error: ErrorFacts | None = None
    """Present instead of `result` when the item failed; `on: change` tells when that begins and ends."""
    recording: str | None = None
    """Cameras with `record`, under `on: change`: the address of an MP4 file of what happens around this
    message, under `http.public_url`, else as a path (where HTTP is off, the URI in the store). GET answers
    409 until it is written, and 404 when it could not be or is older than the store keeps. An event that
    comes while one is recorded prolongs it and has the same address."""


class StreamState(Published):
    """How a stream is; told whenever it changes."""

    state: Literal["online", "stalled", "offline"]
    """`stalled`: connected, but no frame for a while; `offline`: not connected: trying again, or switched
    off."""
    fps: float
    """Frames decoded a second, over the last seconds; of sound, chunks of about a tenth of a second."""
    why: str
    """One sentence, empty when online; `disabled by control/disable` until `control/enable`."""
    decodes: Decodes = "all"
    """Cameras: `key frames` where only these are decoded, as `gate.key_frames_only` says, or chooses while
    nothing moves; `fps` counts them alone then."""
    source: str = ""
    """Cameras with `detect_source`, of which all else is told: why their `source`, which is recorded, does
    not run; empty when it does."""
    recordings: str = ""
    """Why the last recording of the camera was not made; empty when it was, or none was wanted."""
    enabled: bool = True
    """Whether it is switched on: `control/switch`, `enable`, `disable`."""


class ServiceFacts(Published):
    """One line of `info`: what fulfils a service, or would as soon as it is asked."""

    service: str
    """Name of the service."""
    model: str
    """Id of the model."""
    variant: str = ""
    """Runtime and precision that it really runs in; empty while it is not in memory."""
    device: str = ""
    """Device that it really runs on; empty likewise."""
    why: str = ""
    """Why the CPU does what its device should, which fails or is set aside; empty when all is well."""
    schema_: str = Field(alias="schema")
    """Id of the schema of its answers."""
    state: Literal["ready", "idle", "loading"] = "ready"
    """`ready`: in memory; `idle`: it is installed, not configured, and loads when it is asked; `loading`: it
    was asked, and requests to it wait."""


class ActionReach(Published):
    """One action of the configuration, in `info`. Where it leads is a secret, and told nowhere."""

    name: str
    """Name of the action."""
    kind: Literal["notify", "webhook"]
    """How its messages travel."""
    why: str = ""
    """Why it cannot deliver now, as its newest try met it; empty when it can, as far as anybody knows."""


class Info(Published):
    """What this box is and serves; told whenever it changes."""

    node: str
    """Name of the box."""
    version: str
    """Of edged."""
    mqtt: Literal["5", "3.1.1"]
    """Protocol spoken with the broker."""
    services: list[ServiceFacts]
    """Those that can be asked: ready, and installed ones that load when they are asked. One that is
    configured is listed only once its model is warm. Requests to any node are taken for all of them."""
    not_ready: dict[str, str] = Field(default_factory=dict)
    """Why each other service cannot answer now that is configured, or that could not be loaded on demand, by
    its name."""
    preparing: dict[str, str] = Field(default_factory=dict)
    """What is made in the background for models that serve already, by the model's id: their other variants,
    derived and compared."""
    actions: list[ActionReach] = Field(default_factory=list)
    """Those of the configuration: whom rules may have told."""


class Latency(Published):
    """Milliseconds over the last minutes."""

    p50: float
    """Median."""
    p99: float
    """99th percentile."""


class Health(Published):
    """How the daemon is: every `health_every` seconds; the last one is retained."""

    node: str
    """Name of the box."""
    uptime_s: float
    """Seconds since the start."""
    counters: dict[str, dict[str, int]]
    """By name, then by reason or code, since the start. `counts_failures`: crossings and events that could
    not be put down at once; `event_failures`: events that were never sent, and other faults of theirs."""
    latency_ms: dict[str, Latency]
    """By stage."""
    queues: dict[str, int]
    """Items waiting, by queue. `events`: on disk, for the broker. Of those that are in memory for it:
    `mqtt/answers` and `mqtt/events` (none is dropped), `mqtt/results` (health and progress too;
    `mqtt.max_waiting_results` at most), `mqtt/snapshots` and `mqtt/states` (the newest a topic),
    `mqtt/unacknowledged` (sent, but not acknowledged); of the last run: `mqtt/leftovers`."""
    units: dict[str, str]
    """State of every unit: `running`, or why not."""
    durability: str
    """What requests survive now: `memory`, `process` or `power`, as configured; `memory: ...`, with the
    reason, while the disk cannot be written."""
    clock: ClockState
    """`unsynced`: nobody has set this box's clock since it started; `unknown`: the system does not tell, or
    has the time of its hypervisor or of its battery clock, as it started with it. That is believed, too."""
    preparing: dict[str, str] = Field(default_factory=dict)
    """What is made in the background for models that serve already: as in `info`."""
    disk_free_bytes: int | None = None
    """That the daemon could still write where its state lies; null: the system does not tell."""
    at: str | None = None
    """UTC, ISO 8601 with microseconds: when this was told; null: nobody had set the box's clock."""


class Progress(Published):
    """How far long work is."""

    done: float
    """Share, 0 to 1."""
    eta_s: float | None
    """Seconds to go, once it can be told."""


class JobState(Published):
    """A request over HTTP whose answer is fetched later (`Prefer: respond-async`): `/api/jobs/<id>`."""

    id: str
    """Of the job, made by the box: a client may use its `request_id` again."""
    service: str
    """As it was asked for."""
    request_id: str
    """The client's; empty until there is an answer where it gave none."""
    state: Literal["waiting", "running", "done", "failed", "cancelled"]
    """`failed`: its answer says why."""
    done: float
    """Share, 0 to 1, as far as its model tells."""
    eta_s: float | None
    """Seconds to go, once it can be told."""
    received_at: str
    """UTC, ISO 8601 with microseconds."""
    code: int | None
    """Of its answer: 200, or as `error_code`; null while there is none."""
    artefact: str | None = None
    """Where the file that it made can be fetched; null where there is none."""


class ControlAnswer(Published):
    """The answer to a command.

    `reload` reads config.yaml again. `disable` and `enable` switch the `stream` that they name off and on,
    and `switch` does as its `enabled` says, true or false; this is remembered over restarts. `snapshot`
    publishes a picture of the `stream` that it names, or of all, on
    `edged/<node>/stream/<stream>/snapshot`: an annotated JPEG, in MQTT 5 with the user property
    `captured_at`. `record` records the `stream` that it names, from `record.before` on until `seconds` from
    now, without them as `record.after` says. `cancel` ends the request whose `request_id` it names, which is
    answered 499.
    """

    verb: str
    """The last level of the topic of the command."""
    success: bool
    """Whether it was done."""
    message: str
    """What was done, or why not."""
    recording: str | None = None
    """Of `record`: where its file will be, as `recording` of a stream message."""
