"""Jobs: answered later, once, whatever happens to the process."""

import threading
import time

import orjson
import pytest

from edged.contracts.errors import NotFound, QueueFull
from edged.contracts.request import Answer
from edged.flow.counters import Counters
from edged.requests.jobs import JobDesk
from edged.requests.settings import JobSettings, RequestSettings


class HeldIntake:
    """Holds what is submitted until the test answers it."""

    def __init__(self):
        self.jobs = []

    def submit(self, job):
        self.jobs.append(job)


def answer(request_id="r-1", code=200):
    return Answer(request_id, orjson.dumps({"request_id": request_id}), code, "fake")


@pytest.fixture
def opened(tmp_path):
    desks = []

    def made(intake=None, **settings):
        jobs = JobSettings(**{"max_waiting": 8, **settings})
        desk = JobDesk(tmp_path, intake or HeldIntake(), RequestSettings(jobs=jobs), Counters())
        desks.append(desk)
        desk.start()
        return desk

    yield made
    for desk in desks:
        desk.stop()


def test_a_job_waits_runs_and_is_done(opened):
    intake = HeldIntake()
    desk = opened(intake)
    job = desk.submit("ocr", b'{"request_id": "r-1"}', lambda: None)
    assert (job.state().state, job.state().request_id, job.state().code) == ("waiting", "r-1", None)
    intake.jobs[0].progress("r-1", 0.25)
    assert (job.state().state, job.state().done) == ("running", 0.25)
    assert job.state().eta_s is not None
    intake.jobs[0].reply(answer())
    state = desk.get(job.id).state()
    assert (state.state, state.done, state.code, state.eta_s) == ("done", 1.0, 200, None)


def test_it_is_kept_before_the_client_is_told(opened):
    told = threading.Event()
    opened().submit("ocr", b"{}", told.set)
    assert told.wait(30)


def test_ids_are_ours_so_a_client_may_use_its_own_again(opened):
    desk = opened()
    first, second = (desk.submit("ocr", b'{"request_id": "same"}', lambda: None) for _ in range(2))
    assert first.id != second.id
    assert desk.all() == [first, second]


def test_cancelled_at_once_whatever_the_worker_does(opened):
    intake = HeldIntake()
    desk = opened(intake)
    job = desk.submit("ocr", b'{"request_id": "r-1"}', lambda: None)
    submitted = intake.jobs[0]
    assert not submitted.is_cancelled()
    assert desk.cancel(job.id).state().state == "cancelled"
    assert submitted.is_cancelled()
    submitted.reply(answer())
    state = desk.get(job.id).state()
    assert (state.state, state.code) == ("cancelled", 499)
    assert orjson.loads(job.answer.body)["request_id"] == "r-1"


def test_a_job_that_has_ended_is_forgotten(opened):
    intake = HeldIntake()
    desk = opened(intake)
    job = desk.submit("ocr", b"{}", lambda: None)
    intake.jobs[0].reply(answer(code=422))
    assert job.state().state == "failed"
    desk.cancel(job.id)
    with pytest.raises(NotFound):
        desk.get(job.id)


def test_one_more_than_may_wait_is_refused_and_leaves_nothing(opened):
    intake = HeldIntake()
    desk = opened(intake, at_a_time=1, max_waiting=2)
    for _ in range(3):
        desk.submit("ocr", b"{}", lambda: None)
    with pytest.raises(QueueFull, match="3 jobs"):
        desk.submit("ocr", b"{}", lambda: None)
    intake.jobs[0].reply(answer())
    desk.submit("ocr", b"{}", lambda: None)
    assert len(intake.jobs) == 4


def test_a_queue_without_room_leaves_nothing_behind(opened):
    class Full:
        def submit(self, job):
            raise QueueFull("256 requests are waiting already; try again later")

    desk = opened(Full())
    with pytest.raises(QueueFull):
        desk.submit("ocr", b"{}", lambda: None)
    assert desk.all() == []
    desk.stop()
    assert opened().all() == []


def test_answers_are_forgotten_after_a_while(opened, monkeypatch):
    intake = HeldIntake()
    desk = opened(intake, kept=60)
    job = desk.submit("ocr", b"{}", lambda: None)
    intake.jobs[0].reply(answer())
    job.ended_at -= 61
    desk.submit("ocr", b"{}", lambda: None)
    assert len(desk.all()) == 1


def test_after_the_end_of_the_process_what_was_asked_is_done_and_what_was_answered_is_there(opened):
    first = HeldIntake()
    desk = opened(first)
    done = desk.submit("ocr", b'{"request_id": "done"}', lambda: None)
    left = desk.submit("ocr", b'{"request_id": "left"}', lambda: None)
    cancelled = desk.submit("ocr", b'{"request_id": "cancelled"}', lambda: None)
    first.jobs[0].reply(answer("done"))
    desk.cancel(cancelled.id)
    desk.stop()
    first.jobs[1].reply(answer("too late: it is closed"))

    second = HeldIntake()
    desk = opened(second)
    assert [job.payload for job in second.jobs] == [b'{"request_id": "left"}']
    assert second.jobs[0].received_at <= time.monotonic()
    assert second.jobs[0].key == first.jobs[1].key
    again = desk.get(done.id)
    assert again.state().received_at == done.state().received_at
    assert (again.state().state, again.answer.body) == ("done", answer("done").body)
    assert desk.get(cancelled.id).state().state == "cancelled"
    second.jobs[0].reply(answer("left"))
    assert desk.get(left.id).state().state == "done"
    desk.stop()

    third = HeldIntake()
    assert len(opened(third).all()) == 3
    assert third.jobs == []
