"""The child's end of `notify`: apprise speaks to its hundred services here, and may hang or crash alone."""

import logging
import os
from collections.abc import Mapping
from typing import Any

from apprise import Apprise, AppriseAsset, LogCapture
from apprise.attachment.memory import AttachMemory

from edged.children.inside import Handle, Parent
from edged.children.wire import Message, Tree


def notifier(parent: Parent, given: Mapping[str, Any]) -> tuple[Tree, Handle]:
    """A `children.inside.Maker`. `given`: `environment`, more variables, not seen from outside."""
    os.environ.update(given["environment"])
    log = logging.getLogger("apprise")
    log.propagate = False
    log.addHandler(logging.NullHandler())
    return {}, _answer


def _answer(call: Message) -> Message:
    if "urls" in call.tree:
        return Message({"unknown": [i for i, url in enumerate(call.tree["urls"]) if not _opened(url)]})
    url, picture = call.tree["url"], None
    if call.arrays:
        picture = AttachMemory(content=call.arrays[0].tobytes(), name="picture.jpg", mimetype="image/jpeg")
    with LogCapture(level=logging.WARNING, fmt="%(message)s") as told:
        done = _opened(url).notify(call.tree["body"], call.tree["title"], body_format="text", attach=picture)
        why = told.getvalue().strip().splitlines()
    return Message({"done": bool(done), "why": why[-1] if why else ""})


def _opened(url: str) -> Apprise:
    """What speaks to a URL; false where apprise cannot."""
    asset = AppriseAsset(app_id="edged", app_desc="edged", app_url="")
    asset.http_redirects = False  # a URL may say otherwise of itself: `?redirect=yes`
    opened = Apprise(asset=asset)
    opened.add(url)
    return opened
