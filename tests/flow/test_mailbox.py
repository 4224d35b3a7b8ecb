"""Bounded hand-over: the newest wins, or the full one refuses; nothing is lost in silence."""

import threading

import pytest

from edged.contracts.errors import QueueFull
from edged.flow.mailbox import Fifo, Latest


def test_latest_keeps_the_newest_and_counts_the_rest():
    dropped = []
    box = Latest[int](lambda: dropped.append(1))
    for value in range(5):
        box.put(value)
    assert (len(box), box.take(), box.take(), len(dropped)) == (1, 4, None, 4)


def test_latest_may_keep_a_few_in_order():
    dropped = []
    box = Latest[int](lambda: dropped.append(1), room=3)
    for value in range(5):
        box.put(value)
    assert (len(box), [box.take() for _ in range(4)], len(dropped)) == (3, [2, 3, 4, None], 2)


def test_fifo_keeps_order_and_refuses_in_count():
    box = Fifo[str](max_items=2, max_bytes=100)
    box.put("a", 1)
    box.put("b", 1)
    with pytest.raises(QueueFull, match="2 requests are waiting"):
        box.put("c", 1)
    assert [box.take(), box.take(), box.take()] == ["a", "b", None]


def test_fifo_refuses_in_bytes_and_gives_them_back():
    box = Fifo[str](max_items=10, max_bytes=100)
    box.put("a", 60)
    with pytest.raises(QueueFull, match="100 bytes"):
        box.put("b", 60)
    box.take()
    box.put("b", 60)
    assert len(box) == 1


def test_an_empty_fifo_takes_even_what_is_over_its_bytes():
    box = Fifo[str](max_items=10, max_bytes=10)
    box.put("large", 50)
    assert box.take() == "large"


def test_ready_is_called_outside_of_the_lock():
    box = Fifo[int](5, 5)
    seen: list[int] = []
    box.ready = lambda: seen.append(len(box))
    box.put(1, 1)
    assert seen == [1]


def test_many_threads_lose_nothing():
    box = Fifo[int](10_000, 10_000_000)
    got: list[int] = []

    def write(start: int) -> None:
        for value in range(start, start + 1000):
            box.put(value, 1)

    threads = [threading.Thread(target=write, args=(n * 1000,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    while (value := box.take()) is not None:
        got.append(value)
    assert sorted(got) == list(range(4000))
