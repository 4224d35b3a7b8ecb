"""`Prefer: respond-async`: the answer is fetched later, watched, or not wanted any more."""

import threading

import orjson
import pytest

from edged.contracts.message import JobState
from edged.contracts.request import Answer
from edged.flow.counters import Counters
from edged.requests.jobs import JobDesk
from edged.requests.settings import JobSettings, RequestSettings
from tests.broker import until


class Held:
    """Holds requests until the test lets them go."""

    def __init__(self):
        self.jobs = []

    def submit(self, job):
        self.jobs.append(job)

    def answer(self, number):
        self.jobs[number].reply(Answer("r-1", b'{"request_id":"r-1","success":true}', 200, "fake"))


@pytest.fixture
def held():
    return Held()


@pytest.fixture
def server(box, held, tmp_path):
    settings = RequestSettings(jobs=JobSettings(max_waiting=2))
    desk = JobDesk(tmp_path, held, settings, Counters())
    desk.start()
    yield box.start(intake=held, jobs=lambda: desk)
    desk.stop()


def later(server, body=None):
    return server.post("/api/predict/ocr", body or {"request_id": "r-1"}, Prefer="respond-async")


def test_taken_watched_and_fetched(server, held):
    taken = later(server)
    assert taken.code == 202
    assert taken.headers["Preference-Applied"] == "respond-async"
    where = taken.headers["Location"]
    assert where == f"/api/jobs/{taken.json['id']}"
    held.jobs[0].progress("r-1", 0.5)
    state = server.get(where).json
    assert (state.pop("answer"), state["state"], state["done"]) == (None, "running", 0.5)
    JobState.model_validate(state)
    held.answer(0)
    ended = server.get(where).json
    assert (ended["state"], ended["code"], ended["answer"]["success"]) == ("done", 200, True)
    assert [job["id"] for job in server.get("/api/jobs").json["jobs"]] == [ended["id"]]


def test_events_end_with_the_answer(server, held):
    where = later(server).headers["Location"]
    seen = []

    def listen():
        seen.append(server.get(where, accept="text/event-stream"))

    listener = threading.Thread(target=listen)
    listener.start()
    held.jobs[0].progress("r-1", 0.5)
    held.answer(0)
    listener.join(30)
    events = [part.split(b"\n") for part in seen[0].body.strip().split(b"\n\n")]
    assert seen[0].headers.get_content_type() == "text/event-stream"
    assert events[-1][0] == b"event: answer"
    assert orjson.loads(events[-1][1].removeprefix(b"data: "))["answer"]["success"] is True
    assert all(kind == b"event: progress" for kind, _ in events[:-1])


def test_deleted_is_cancelled_then_forgotten(server, held):
    where = later(server).headers["Location"]
    assert server.ask("DELETE", where).json["state"] == "cancelled"
    assert held.jobs[0].is_cancelled()
    assert server.get(where).json["answer"]["error_code"] == 499
    assert server.ask("DELETE", where).code == 200
    assert server.get(where).code == 404


def test_too_many_are_refused_at_once(server):
    codes = [later(server).code for _ in range(5)]
    assert codes == [202, 202, 202, 429, 429]


def test_other_wishes_are_no_jobs(server, held):
    until_answered = threading.Thread(
        target=lambda: (until(lambda: held.jobs), held.answer(0)),
    )
    until_answered.start()
    assert server.post("/api/predict/ocr", {}, Prefer="wait=10, handling=lenient").code == 200
    until_answered.join()


def test_wishes_beside_others_count(server):
    assert server.post("/api/predict/ocr", {}, Prefer='return=minimal, Respond-Async; x="y"').code == 202


def test_a_job_has_no_drawing(server):
    refused = server.post("/api/predict/ocr?drawing=true", {}, Prefer="respond-async")
    assert refused.code == 400
    assert "respond-async" in refused.json["error_msg"]


def test_where_no_jobs_are_taken_it_is_said(box):
    box.start()
    assert later(box).code == 503
    assert box.get("/api/jobs").code == 503


def test_who_leaves_without_a_job_has_cancelled_it(server, held):
    connection = server.connection()
    connection.request("POST", "/api/predict/ocr", b"{}")
    until(lambda: held.jobs)
    assert not held.jobs[0].is_cancelled()
    connection.close()
    until(held.jobs[0].is_cancelled)
    held.answer(0)
