"""How many clients are tried, and what is told of them."""

import threading
import time

import pytest

from edged.bench.clients import Throughput, asked_more_and_more, best
from edged.contracts.errors import EdgedError


def test_the_fewest_clients_with_nearly_the_most_answers():
    tried = [
        Throughput(1, 50, 20, 25),
        Throughput(2, 97, 20, 30),
        Throughput(4, 100, 40, 60),
        Throughput(8, 90, 90, 120),
    ]
    assert best(tried).clients == 2
    assert best(tried[:1]).clients == 1


def test_more_are_tried_as_long_as_that_gains():
    places = threading.Semaphore(2)

    def ask():
        with places:
            time.sleep(0.02)

    tried = asked_more_and_more(lambda: ask, 0.6)
    assert [one.clients for one in tried][:3] == [1, 2, 4]
    assert best(tried).clients in (2, 4)
    assert 25 < tried[0].a_second <= 50
    assert tried[1].a_second > 1.3 * tried[0].a_second
    assert tried[0].p50_ms >= 20


def test_an_answer_that_is_not_good_ends_it():
    def ask():
        raise EdgedError("503: not ready")

    with pytest.raises(EdgedError, match="503: not ready"):
        asked_more_and_more(lambda: ask, 0.1)
