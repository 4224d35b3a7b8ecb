"""How many clients are tried, and what is told of them."""

import time

import pytest

from edged.bench import clients
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


def test_more_are_tried_as_long_as_that_gains(monkeypatch):
    gets = {1: 50.0, 2: 97.0, 4: 100.0, 8: 300.0}
    monkeypatch.setattr(clients, "_together", lambda asks, _: Throughput(len(asks), gets[len(asks)], 20, 25))
    assert [one.clients for one in asked_more_and_more(lambda: pytest.fail, 0.1)] == [1, 2, 4]


def test_what_they_get_is_measured():
    for one in asked_more_and_more(lambda: lambda: time.sleep(0.02), 0.1):
        assert 0 < one.a_second <= 50 * one.clients
        assert 20 <= one.p50_ms <= one.p99_ms


def test_an_answer_that_is_not_good_ends_it():
    def ask():
        raise EdgedError("503: not ready")

    with pytest.raises(EdgedError, match="503: not ready"):
        asked_more_and_more(lambda: ask, 0.1)
