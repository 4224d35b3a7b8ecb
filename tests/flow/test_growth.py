"""What is opened in this process and what works there is told apart, though several do so at a time."""

import mmap

import pytest

from edged.flow import growth
from edged.flow.footprint import resident
from edged.flow.growth import Growth


class Process:
    def __init__(self):
        self.held, self.peak = 1000, 0

    def __call__(self):
        most, self.peak = max(self.held, self.peak), 0
        return self.held, most


def opened(watch, process, *sizes):
    grown = []
    for size in sizes:
        with watch.watched() as one:
            process.held += size
        grown.append(one)
    return grown


def test_one_after_the_other():
    process = Process()
    watch = Growth(process)
    with watch.watched() as first:
        process.held += 70
    process.held += 500  # nobody opens
    with watch.watched() as second:
        process.held += 30
    assert (first.size, second.size) == (70, 30)


def test_what_grows_meanwhile_counts_half_for_each_of_two():
    process = Process()
    watch = Growth(process)
    with watch.watched() as first:
        process.held += 10
        with watch.watched() as second:
            process.held += 40
        process.held += 5
    assert (first.size, second.size) == (35, 20)


def test_a_process_that_shrank_is_not_told_of_as_less_than_nothing():
    process = Process()
    with Growth(process).watched() as grown:
        process.held -= 10
    assert grown.size == 0


def test_what_was_freed_is_given_back_before_it_is_measured(monkeypatch):
    process = Process()
    process.free = 200  # others left it behind

    def give_back():
        process.held, process.free = process.held - process.free, 0

    monkeypatch.setattr(growth, "give_back", give_back)
    with Growth(process).watched() as grown:
        process.held, process.free = process.held + 100, 25
    assert grown.size == 75


def test_what_could_not_be_opened_is_forgotten():
    process = Process()
    watch = Growth(process)
    try:
        with watch.watched():
            raise OSError
    except OSError:
        pass
    with watch.watched() as grown:
        process.held += 12
    assert grown.size == 12


def test_what_grows_while_one_works_is_its_own():
    process = Process()
    watch = Growth(process)
    ocr, whisper = opened(watch, process, 70, 30)
    process.held += 40
    watch.look([ocr])
    assert [(one.opened, one.size, one.most) for one in (ocr, whisper)] == [(70, 110, 110), (30, 30, 30)]
    process.held -= 40
    watch.look([ocr])
    assert (ocr.size, ocr.most, watch.beside.size) == (70, 110, 0)


@pytest.mark.parametrize("number", [0, 2], ids=["nobody at work", "two at work"])
def test_what_grows_while_none_or_several_work_is_nobodys(number):
    process = Process()
    watch = Growth(process)
    services = opened(watch, process, 70, 30)
    process.held += 40
    watch.look(services[:number])
    assert ([one.size for one in services], watch.beside.size) == ([70, 30], 40)


def test_what_is_given_back_by_nobody_knows_whom_is_taken_off_all_that_grew():
    process = Process()
    watch = Growth(process)
    ocr, whisper, small = opened(watch, process, 70, 30, 10)
    for one, grows in ((ocr, 40), (whisper, 120)):
        process.held += grows
        watch.look([one])
    process.held -= 80
    watch.look([small])
    assert [one.size for one in (ocr, whisper, small)] == [90, 90, 10]
    process.held -= 500  # more than work ever took
    watch.look([])
    assert [one.size for one in (ocr, whisper, small)] == [70, 30, 10]


def test_a_peak_between_two_looks_is_seen():
    process = Process()
    watch = Growth(process)
    (ocr,) = opened(watch, process, 70)
    process.held, process.peak = process.held + 5, process.held + 300
    watch.look([ocr])
    assert (ocr.size, ocr.most, watch.now, watch.most) == (75, 370, 1075, 1370)


def test_what_one_that_left_gave_back_is_taken_off_nobody():
    process = Process()
    watch = Growth(process)
    ocr, _ = opened(watch, process, 70, 30)
    process.held += 40
    watch.look([ocr])
    process.held -= 30
    watch.left()
    assert (ocr.size, watch.now) == (110, 1110)


def test_this_process_tells_what_it_holds_and_its_peak():
    resident()
    with mmap.mmap(-1, 20_000_000) as ballast:  # an array might take what the allocator holds already
        ballast.write(bytes(20_000_000))
    now, most = resident()
    assert most > now + 15_000_000
    assert resident()[1] < most
