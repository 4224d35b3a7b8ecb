"""Memory is shared out in turn: never more than there is, and nobody waits for ever."""

import random
import threading
import time
from functools import partial

import pytest

from edged.contracts.errors import Cancelled, NotReady, TimedOut, TooLarge
from edged.flow.budget import Budget
from tests.broker import until


def test_what_is_held_is_given_back_however_the_block_ends():
    budget = Budget(100)
    with budget.hold(60), budget.hold(40):
        assert budget.held == 100
    with pytest.raises(RuntimeError), budget.hold(100):
        raise RuntimeError
    assert budget.held == 0


def test_what_can_never_be_had_is_refused_at_once_and_names_the_limit():
    with pytest.raises(TooLarge, match=r"takes 101 bytes of memory, over `runtime\.memory` of 100"):
        Budget(100).hold(101, time.monotonic() + 60).__enter__()


def test_who_waits_does_so_until_the_deadline():
    budget = Budget(100)
    with budget.hold(60):
        began = time.monotonic()
        with pytest.raises(TimedOut, match=r"`runtime\.memory`"):
            budget.hold(60, began + 0.1).__enter__()
        assert 0.1 <= time.monotonic() - began < 30
    with budget.hold(100, time.monotonic() - 1):
        assert budget.held == 100, "nobody is asked for time who need not wait"


def test_what_is_kept_is_less():
    budget = Budget(100)
    with budget.hold(90) as share:
        share.keep(30)
        share.keep(50)
        with budget.hold(70):
            assert budget.held == 100


def test_whom_nobody_waits_for_any_more_stops_waiting():
    budget = Budget(100)

    def check():
        raise Cancelled

    with budget.hold(100), pytest.raises(Cancelled):
        budget.hold(1, None, check).__enter__()
    assert budget.held == 0


def in_line(budget, waiting):
    return len(budget._line) == waiting


def test_a_small_one_does_not_overtake_a_large_one():
    budget, order = Budget(100), []

    def take(size):
        with budget.hold(size):
            order.append(size)

    with budget.hold(50):
        threads = [threading.Thread(target=take, args=(size,)) for size in (100, 10)]
        for waiting, thread in enumerate(threads, 1):
            thread.start()
            until(partial(in_line, budget, waiting))
        assert not order
    for thread in threads:
        thread.join()
    assert order == [100, 10]


def test_a_smaller_budget_refuses_who_already_waits():
    budget, said = Budget(100), []

    def take():
        try:
            with budget.hold(80):
                said.append("held")
        except TooLarge as error:
            said.append(str(error))

    with budget.hold(50):
        thread = threading.Thread(target=take)
        thread.start()
        until(lambda: budget._line)
        budget.resize(70)
        thread.join(60)
    assert "over `runtime.memory` of 70" in said[0]


def test_many_threads_never_hold_more_than_there_is():
    budget, most, chance = Budget(100), [0], random.Random(0)
    sizes = iter([chance.randint(1, 100) for _ in range(400)])

    def work():
        while size := next(sizes, 0):
            with budget.hold(size) as share:
                most[0] = max(most[0], budget.held)
                share.keep(share.size // 3)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert budget.held == 0
    assert 50 < most[0] <= 100


def test_what_processes_hold_is_there_for_nobody_else():
    budget = Budget(100)
    first, second = budget.account(), budget.account()
    assert (first(30), second(40), budget.held) == (None, None, 70)
    with budget.hold(30), pytest.raises(TimedOut):
        budget.hold(1, time.monotonic() + 0.1).__enter__()
    got = threading.Event()

    def wait():
        with budget.hold(50):
            got.set()

    thread = threading.Thread(target=wait)
    thread.start()
    assert not got.wait(0.1)
    assert second(10) is None
    assert got.wait(30)
    thread.join()
    assert (first(0), second(0), budget.held) == (None, None, 0)


def test_the_largest_process_ends_when_all_of_them_hold_too_much():
    budget = Budget(100)
    first, second = budget.account(), budget.account()
    assert first(40) is None
    with budget.hold(60):
        assert first(40) is None, "who decodes waits for processes, and ends none"
    told = "with its 61 bytes of memory all processes hold 101, over `runtime.memory` of 100"
    assert second(61) == told
    assert first(40) is None


def test_who_needs_what_processes_do_not_leave_is_told_so_but_not_at_once():
    budget = Budget(100)
    budget.account()(50)
    began = time.monotonic()
    with pytest.raises(
        NotReady, match=r"takes 60 bytes.*`runtime.memory` of 100 processes of their own and .* hold 50"
    ):
        budget.hold(60, began + 60).__enter__()
    assert 1.0 < time.monotonic() - began < 30
    with budget.hold(50):
        assert budget.held == 100


def test_what_can_be_loaded_again_leaves_before_a_process_ends():
    budget, told = Budget(100), []
    budget.on_shortage(lambda: told.append(True))
    loaded, process = budget.account(may_leave=True), budget.account()
    assert loaded(80) is None and not told
    assert process(90) is None and told, "over what there is, but not alone"
    assert loaded(0) is None
    assert "over `runtime.memory`" in (process(101) or "")


def test_how_much_is_lacking_is_told_while_somebody_waits():
    budget = Budget(100)
    loaded = budget.account(may_leave=True)
    loaded(80)
    seen: list[int] = []

    def leave():
        seen.append(budget.lacking)
        loaded(0)

    budget.on_shortage(leave)
    with budget.hold(60, time.monotonic() + 30):
        assert seen[0] == 40
    assert budget.lacking == 0


def test_there_is_room_while_a_tenth_is_free():
    budget = Budget(100)
    process = budget.account()
    assert budget.is_roomy
    process(90)
    assert budget.is_roomy
    with budget.hold(1, time.monotonic() + 60):
        assert not budget.is_roomy
    process(91)
    assert not budget.is_roomy
