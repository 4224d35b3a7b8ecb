"""`edged test-action`: whether a message arrives where an action sends it."""

import secrets
import time
from typing import Annotated

import numpy as np
import typer

from edged.actions.desk import receiver_of
from edged.actions.parcel import parcel
from edged.actions.receiver import Undelivered
from edged.cli.options import ConfigPath, one_of
from edged.cli.terminal import say
from edged.config import reading
from edged.config.settings import Config
from edged.contracts.happenings import EventMessage
from edged.flow.clock import iso_utc
from edged.media.picture import encode_jpeg
from edged.wiring.counts import calendar_of

app = typer.Typer()


@app.command("test-action")
def test(
    name: Annotated[str, typer.Argument(metavar="NAME", help="One of `actions` in config.yaml.")],
    *,
    config: ConfigPath,
) -> None:
    """Send one message by an action of config.yaml, and tell what became of it; exit status 1 when it did not
    arrive."""
    settings = reading.load(config)
    action = one_of(settings.actions, "action", name)
    zone = calendar_of(settings).zone
    sent = parcel(_event(settings), action.share, 0, zone, lambda address: _picture())
    receiver = receiver_of(name, action)
    began = time.monotonic()
    try:
        receiver.deliver(sent)
    except Undelivered as error:
        again = "the daemon would try again" if error.again else "the daemon would give it up"
        say(f"{name}: it did not arrive: {error} ({again})", "red")
        raise typer.Exit(1) from None
    finally:
        receiver.stop()
    say(f"{name}: arrived after {time.monotonic() - began:.1f} s: {sent.message.message}", "green")
    shared = ", ".join(action.share) or "no text, no picture, no recording"
    say(f"it shares {shared}; of each event it tells the rule, the place, the class and the time")


def _event(settings: Config) -> EventMessage:
    """As of a rule that somebody looks at a text for."""
    stream = next(iter(settings.streams), "stream")
    return EventMessage.model_validate(
        {
            "node": settings.node,
            "stream": stream,
            "seq": 0,
            "id": secrets.token_hex(12),
            "event": "rule",
            "phase": "once",
            "began_at": iso_utc(time.time()),
            "rule": "test",
            "text": "a text that was read or said",
            "snapshot": "/artefacts/test.jpg",
        }
    )


def _picture() -> bytes:
    """Of one colour."""
    return encode_jpeg(np.full((180, 320, 3), (80, 160, 80), np.uint8))
