"""JSON lines: in order, flushed, and never in the way of a frame."""

import contextlib
import os
import time

from edged.flow.counters import Counters
from edged.jsonl import WAITING, JsonLines


def piped():
    read, write = os.pipe()
    return os.fdopen(read, "rb"), os.fdopen(write, "wb")


def test_lines_come_in_order_and_are_written_before_the_end():
    reader, writer = piped()
    with reader, writer:
        lines = JsonLines(Counters(), writer)
        lines.start()
        for n in range(100):
            lines("door", "object-detection", b'{"seq":%d}' % n)
        lines.stop()
        writer.close()
        assert reader.read() == b"".join(b'{"seq":%d}\n' % n for n in range(100))


def test_a_reader_that_pauses_holds_nobody_up_and_what_is_lost_is_counted():
    reader, writer = piped()
    with reader:
        counters = Counters()
        lines = JsonLines(counters, writer)
        lines.start()
        body = b"x" * 10_000
        started = time.monotonic()
        for _ in range(WAITING * 3):  # far more than the pipe and the queue hold
            lines("door", "object-detection", body)
        assert time.monotonic() - started < 30
        lost = counters.counts()["jsonl_dropped"]["the reader is too slow"]
        assert WAITING <= lost <= WAITING * 3
        taken = 0
        while taken < (WAITING * 3 - lost) * (len(body) + 1):  # the reader goes on: all the rest comes
            taken += len(os.read(reader.fileno(), 1 << 20))
        lines.stop()
        writer.close()


def test_a_reader_that_went_away_ends_the_writer_and_not_the_daemon():
    reader, writer = piped()
    lines = JsonLines(Counters(), writer)
    lines.start()
    reader.close()
    ends_at = time.monotonic() + 60
    while lines.state() == "running":
        lines("door", "object-detection", b"{}")
        assert time.monotonic() < ends_at
        time.sleep(0.005)
    lines("door", "object-detection", b"{}")
    lines.stop()
    with contextlib.suppress(BrokenPipeError):
        writer.close()
