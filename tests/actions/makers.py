"""Notifiers that hang and crash: what lives in a child in the place of apprise."""

import os
import time

from edged.children.wire import Message


def hanging(parent, given):
    """Never done."""

    def answer(call):
        while True:
            time.sleep(60)

    return {}, answer


def crashing(parent, given):
    """Dies of each message."""

    def answer(call):
        os.abort()

    return {}, answer


def raising(parent, given):
    """Says the URL in its error."""

    def answer(call):
        raise RuntimeError(f"cannot use {call.tree['url']}")

    return {}, answer


def unwilling(parent, given):
    """Cannot be made."""
    raise RuntimeError("no")


def counting(parent, given):
    """Delivers nothing, and is done."""
    return {}, lambda call: Message({"done": True, "why": ""})
