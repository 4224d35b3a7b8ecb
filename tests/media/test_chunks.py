"""Chunks: nothing lost or doubled, and times that are true though blocks come late."""

import numpy as np
import pytest

from edged.media.chunks import CHUNK, WINDOW, ChunkCutter
from edged.media.sound import RATE

NOON = 1.7e9
"""When the first sample was captured."""


def ramp(begin, end):
    return np.arange(begin, end, dtype=np.float32)


def cut(*ends, late=lambda i: 0.0, cutter=None):
    """Chunks of a ramp that comes in blocks with these ends, each so late."""
    cutter = cutter or ChunkCutter()
    return [
        chunk
        for i, (begin, end) in enumerate(zip((0, *ends), ends, strict=False))
        for chunk in cutter.add(ramp(begin, end), NOON + end / RATE + late(i))
    ]


@pytest.mark.parametrize("ends", [(1, 7, 5000, 5001, 9999), (20_000,), range(160, 8000, 160)])
def test_all_samples_come_once_in_order(ends):
    cutter = ChunkCutter()
    chunks = cut(*ends, cutter=cutter)
    assert all(len(chunk.samples) == CHUNK for chunk in chunks)
    chunks += cutter.rest(NOON)
    assert [chunk.position for chunk in chunks] == list(range(0, chunks[-1].position + 1, CHUNK))
    assert len(chunks[-1].samples) % WINDOW == 0
    heard = np.concatenate([chunk.samples for chunk in chunks])
    assert np.array_equal(heard[: ends[-1]], ramp(0, ends[-1]))
    assert not heard[ends[-1] :].any()
    assert not list(cutter.rest(NOON))


def test_times_are_true_when_most_blocks_are_late():
    blocks = range(CHUNK, 100 * CHUNK + 1, CHUNK)
    chunks = cut(*blocks, late=lambda i: 0.3 if i % 5 else 0.001)
    errors = [chunk.captured_at - NOON - chunk.position / RATE for chunk in chunks]
    assert max(map(abs, errors[1:])) < 0.01


def test_a_clock_that_is_set_forward_or_back_is_followed():
    blocks = range(CHUNK, 30 * CHUNK + 1, CHUNK)
    for hour in (3600.0, -3600.0):
        last = cut(*blocks, late=lambda i, hour=hour: hour if i >= 20 else 0.0)[-1]
        assert last.captured_at - NOON - last.position / RATE == pytest.approx(hour, abs=0.01)


def test_a_gap_is_none_within_a_chunk():
    cutter = ChunkCutter()
    cut(CHUNK + 100, cutter=cutter)
    cutter.lose(RATE)
    (chunk,) = cutter.add(ramp(0, CHUNK), NOON)
    assert chunk.position == CHUNK + 100 + RATE
    assert np.array_equal(chunk.samples, ramp(0, CHUNK))
