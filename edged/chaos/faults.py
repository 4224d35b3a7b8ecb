"""The faults, one function each: what is done, and after `holds:` what must hold.

What must hold of all: each request is answered, and a good one is not answered that it is bad.
"""

import itertools
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from edged.chaos.tally import REFUSED, Question
from edged.chaos.traps import DIES, RAISES
from edged.chaos.world import FPS, NETWORK_CAMERA, World

AWAY_S = 1.0
"""So long the broker, the camera or the disk is away."""
FROZEN_S = 2.5
"""So long the camera shows nothing: longer than the daemon is patient with it."""
ANSWER_S = 40.0
"""Wait at most so long for what a trap is answered."""
BURST = 20
_HOUR = 3600
_FAILED = frozenset({500, 503, 504})
_fps = itertools.cycle((FPS - 1, FPS))


@dataclass(frozen=True, slots=True)
class Fault:
    """What is done to the world, and by what it is told that it is well again."""

    name: str
    inflict: Callable[[World], None]
    """Does it once, and returns when it is over."""
    doubles: bool = False
    """Whether an answer may come twice: a session of MQTT is cut, or nothing could be noted."""
    camera: str | None = None
    """The stream that must show something again; none: a request must be answered."""
    why_not: Callable[[], str | None] = lambda: None
    """Why it cannot be tried on this box; none: it can."""


def daemon_killed(world: World) -> None:
    """SIGKILL, and a start at once. holds: what was acknowledged is answered by the next life."""
    world.daemon.kill()
    world.daemon.start()


def daemon_ended(world: World) -> None:
    """SIGTERM, and a start when it has ended. holds: what comes meanwhile waits at the broker."""
    world.daemon.end()
    world.daemon.start()


def daemon_reloaded(world: World) -> None:
    """SIGHUP with a configuration in which a camera's rate differs. holds: nobody else notices."""
    world.write_config(next(_fps))
    world.daemon.reload()
    time.sleep(AWAY_S)


def broker_ended(world: World) -> None:
    """SIGTERM to mosquitto: it writes down what waits, and is back after a second. holds: nothing is lost."""
    world.broker.end()
    time.sleep(AWAY_S)
    world.broker.start()


def broker_killed(world: World) -> None:
    """SIGKILL to mosquitto. holds: what it had not acknowledged, and whatever comes later, is answered.

    What it had acknowledged within five seconds of its death and was not answered is in doubt: mosquitto
    forgets what came since it last wrote, request or answer. That is counted as `forgotten`.
    """
    world.broker.end(signal.SIGKILL)
    time.sleep(AWAY_S)
    world.customer.doubt()
    world.broker.start()


def broker_frozen(world: World) -> None:
    """SIGSTOP and SIGCONT to mosquitto: connections stay, and nothing moves. holds: all goes on."""
    world.broker.freeze()
    time.sleep(AWAY_S)
    world.broker.thaw()


def camera_gone(world: World) -> None:
    """A network camera cuts its connections and refuses others. holds: its results come again."""
    world.camera.stop()
    time.sleep(AWAY_S)
    world.camera.start()


def camera_frozen(world: World) -> None:
    """A network camera stays connected and sends nothing. holds: its results come again."""
    world.camera.freeze()
    time.sleep(FROZEN_S)
    world.camera.thaw()


def garbage(world: World) -> None:
    """No JSON, no picture, half a picture, unknown fields. holds: each is answered 4xx, once."""
    picture = world.pictures[0]
    bodies = (
        b"",
        b"{not json",
        b"[]",
        b'{"image": 7}',
        b"\xff\xfe\x00",
        world.body(),
        world.body(image=b"no picture"),
        world.body(image=picture[: len(picture) // 3]),
        world.body(image=picture, colour="red"),
        world.body(image=picture, timeout_s=-1),
    )
    for body in bodies:
        world.customer.ask(body, REFUSED)
        time.sleep(AWAY_S / len(bodies))


def client_reconnects(world: World) -> None:
    """A burst of requests, and the client's connection is cut: it sends again what was not acknowledged.

    holds: the same request, come twice, is worked on once; an answer may be delivered twice.
    """
    for _ in range(BURST):
        world.customer.ask()
    world.customer.cut()
    time.sleep(AWAY_S)


def plugin_dies(world: World) -> None:
    """A model in a process of its own segfaults. holds: its request is answered 500, the others go on."""
    _answered(world.customer.ask(world.body(image=world.pictures[0]), _FAILED, DIES))


def plugin_raises(world: World) -> None:
    """A model in the daemon raises what it should not. holds: it is answered 500, the others go on."""
    pair = world.body(imagea=world.pictures[0], imageb=world.pictures[1])
    _answered(world.customer.ask(pair, _FAILED, RAISES))


def disk_full(world: World) -> None:
    """No file of the daemon may grow (RLIMIT_FSIZE). holds: requests are answered without a journal."""
    world.daemon.bound_files(0)
    time.sleep(AWAY_S)
    world.daemon.bound_files(None)


def clock_steps(world: World) -> None:
    """The daemon's clock (libfaketime) goes an hour on, and back. holds: nobody waits for it.

    The daemon is ended and started for its false clock, and killed and started for the right one:
    libfaketime 0.9.10 breaks `time.sleep`, by which it would end.
    """
    clock = world.folder / "clock"
    clock.write_text("+0")
    world.daemon.end()
    world.daemon.start(
        {
            "LD_PRELOAD": str(_faketime()),
            "FAKETIME_TIMESTAMP_FILE": str(clock),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
    )
    world.daemon.wait_ready()
    for step in (_HOUR, 0):
        clock.write_text(f"{step:+d}")
        time.sleep(AWAY_S)
    daemon_killed(world)


def _answered(question: Question) -> None:
    until = time.monotonic() + ANSWER_S
    while not question.answers and time.monotonic() < until:
        time.sleep(0.02)


def _faketime() -> Path | None:
    places = (place for root in ("/usr/lib", "/usr/local/lib") for place in Path(root).glob("**/faketime"))
    return next((f for place in places if (f := place / "libfaketimeMT.so.1").is_file()), None)


def _no_faketime() -> str | None:
    return None if _faketime() else "libfaketime is not installed"


FAULTS: Mapping[str, Fault] = {
    fault.name: fault
    for fault in (
        Fault("daemon-killed", daemon_killed, doubles=True),
        Fault("daemon-ended", daemon_ended, doubles=True),
        Fault("daemon-reloaded", daemon_reloaded),
        Fault("broker-ended", broker_ended, doubles=True),
        Fault("broker-killed", broker_killed, doubles=True),
        Fault("broker-frozen", broker_frozen),
        Fault("camera-gone", camera_gone, camera=NETWORK_CAMERA),
        Fault("camera-frozen", camera_frozen, camera=NETWORK_CAMERA),
        Fault("garbage", garbage),
        Fault("client-reconnects", client_reconnects, doubles=True),
        Fault("plugin-dies", plugin_dies),
        Fault("plugin-raises", plugin_raises),
        Fault("disk-full", disk_full),
        Fault("clock-steps", clock_steps, doubles=True, why_not=_no_faketime),
    )
}
"""By name, in the order in which they are tried."""
