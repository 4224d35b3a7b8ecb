"""What is opened in this process is told apart, though several are opened at a time."""

from edged.flow import growth
from edged.flow.growth import Growth


class Process:
    def __init__(self):
        self.held = 1000

    def __call__(self):
        return self.held


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
    monkeypatch.setattr(growth, "give_back", lambda: setattr(process, "held", process.held - 25))
    with Growth(process).watched() as grown:
        process.held += 100
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
