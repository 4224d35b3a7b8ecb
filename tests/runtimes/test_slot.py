"""The right to run: by priority, never more than the capacity, and nobody starves."""

import threading
import time

from edged.contracts.slot import Priority
from edged.runtimes.slot import PATIENCE, DeviceSlot


def queue_up(slot, priorities):
    """Threads that wait in this order; returns the order in which they ran."""
    ran: list[Priority] = []
    threads = []
    with slot.hold(Priority.REQUEST):
        for priority in priorities:
            waiting = sum(len(queue) for queue in slot._waiting.values())

            def work(priority=priority):
                with slot.hold(priority):
                    ran.append(priority)

            threads.append(threading.Thread(target=work))
            threads[-1].start()
            ends_at = time.monotonic() + 60
            while sum(len(q) for q in slot._waiting.values()) == waiting and time.monotonic() < ends_at:
                time.sleep(0.001)
    for thread in threads:
        thread.join(60)
    return ran


def test_requests_go_before_frames_before_jobs():
    asked = [Priority.JOB, Priority.FRAME, Priority.REQUEST, Priority.FRAME, Priority.REQUEST]
    assert queue_up(DeviceSlot(1), asked) == sorted(asked)


def test_a_flood_of_requests_does_not_starve_a_frame():
    ran = queue_up(DeviceSlot(1), [Priority.FRAME] + [Priority.REQUEST] * (PATIENCE * 2))
    assert ran.index(Priority.FRAME) == PATIENCE


def test_never_more_than_the_capacity():
    slot, inside, most, lock = DeviceSlot(2), 0, 0, threading.Lock()

    def work():
        nonlocal inside, most
        for _ in range(50):
            with slot.hold(Priority.FRAME):
                with lock:
                    inside += 1
                    most = max(most, inside)
                time.sleep(0.0002)
                with lock:
                    inside -= 1

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (most, inside) == (2, 0)


def test_an_error_inside_gives_the_right_back():
    slot = DeviceSlot(1)
    for _ in range(3):
        try:
            with slot.hold(Priority.JOB):
                raise ValueError
        except ValueError:
            pass
    with slot.hold(Priority.JOB):
        pass
