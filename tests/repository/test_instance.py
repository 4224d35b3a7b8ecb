"""The one place through which every inference goes; and what is shared."""

import logging
import threading
from contextlib import contextmanager

import numpy as np
import pytest

from edged.contracts.errors import InferenceError, NotUsable
from edged.contracts.message import ModelFacts
from edged.contracts.model import Model, Options, Prepared, SinglePassModel, Tools
from edged.contracts.slot import Priority
from edged.flow.counters import Counters
from edged.repository.instance import Instance, UsedModel
from edged.repository.shared import Shared
from edged.testing import FakeRun
from tests.graphs import card, write_graph

FACTS = ModelFacts(name="small", variant="onnxruntime-f32", device="cpu")


class Recorder:
    """A slot and a session in one: what happened, in order."""

    def __init__(self):
        self.events = []

    @contextmanager
    def hold(self, priority):
        self.events.append(("taken", priority))
        yield
        self.events.append("given back")

    def run(self, inputs):
        self.events.append("run")
        return {"scores": inputs["pictures"] + 1}


class Plain(SinglePassModel):
    """Adds one, in three steps."""

    def preprocess(self, item, options):
        return Prepared({"pictures": np.array([item])}, "context")

    def postprocess(self, outputs, context, options):
        assert context == "context"
        return outputs["scores"][0]


class Loop(Model):
    """Runs its session twice."""

    def infer(self, item, options, tools, run):
        for _ in range(2):
            run.check()
            item = tools.sessions["main"].run({"pictures": np.array([item])})["scores"][0]
        return item


class Both(Loop):
    """Takes two at a time."""

    together = 2

    def infer_all(self, items, options, tools, run):
        if None in items:
            raise ValueError("none")
        return [(item, len(items)) for item in items]


class Faulty(Plain):
    """Fails as its item says."""

    def preprocess(self, item, options):
        return Prepared({"pictures": np.zeros(1)}, item)

    def postprocess(self, outputs, context, options):
        raise context


@pytest.fixture
def build(tmp_path):
    of = card(write_graph(tmp_path / "small.onnx"))

    def make(kind, session):
        model, counters = kind(of), Counters()
        return Instance(model, Tools({"main": session}), FACTS, session, counters), counters

    return make


def infer(instance, item, priority=Priority.FRAME):
    return instance.infer(item, Options(), FakeRun(), priority)


def test_each_stage_is_timed(build):
    session = Recorder()
    instance, counters = build(Plain, session)
    assert infer(instance, 1) == 2
    assert set(counters.percentiles()) == {
        "preprocess/small",
        "inference/small",
        "postprocess/small",
        "whole/small",
    }


def test_several_items_go_together_to_a_model_that_takes_them_and_one_by_one_to_others(build):
    several = [1, 2, 3], Options(), FakeRun(), Priority.JOB
    alone, counters = build(Plain, Recorder())
    assert (alone.together, alone.infer_all(*several)) == (1, [2, 3, 4])
    assert counters.percentiles()["whole/small"]
    both, counters = build(Both, Recorder())
    assert (both.together, both.infer_all(*several)) == (2, [(1, 3), (2, 3), (3, 3)])
    assert UsedModel(both).together == 2
    with pytest.raises(InferenceError, match="small failed on this item: ValueError: none"):
        both.infer_all([None], Options(), FakeRun(), Priority.JOB)


def test_who_asks_others_takes_several_where_one_of_them_does(build, tmp_path):
    of, session = card(write_graph(tmp_path / "asks.onnx")), Recorder()
    for kind, expected in ((Plain, 1), (Both, 2)):
        tools = Tools({"main": session}, {}, {"part": UsedModel(build(kind, session)[0])})
        assert Instance(Both(of), tools, FACTS, session, Counters()).together == expected


@pytest.mark.parametrize("priority", list(Priority))
def test_each_run_takes_the_slot_by_priority(build, priority):
    session = Recorder()
    instance, counters = build(Loop, session)
    assert infer(instance, 1, priority) == 3
    assert session.events == [("taken", priority), "run", "given back"] * 2
    assert set(counters.percentiles()) == {"inference/small", "whole/small"}


def test_waiting_for_the_slot_is_no_inference_time(build):
    class Slow(Recorder):
        @contextmanager
        def hold(self, priority):
            threading.Event().wait(0.2)
            yield

    instance, counters = build(Plain, Slow())
    infer(instance, 1)
    seconds = counters.percentiles()
    assert seconds["inference/small"][0] + 0.19 < seconds["whole/small"][0]


def test_a_faulty_model_is_an_inference_error_and_is_counted(build, caplog):
    instance, counters = build(Faulty, Recorder())
    for _ in range(5):
        with pytest.raises(InferenceError, match="small failed on this item: KeyError: 'oops'"):
            infer(instance, KeyError("oops"))
    assert counters.counts() == {"inference_failed/small": {"KeyError": 5}}


def test_at_most_one_traceback_a_second(build, caplog):
    instance, _ = build(Faulty, Recorder())
    instance._logged_at = float("-inf")
    now = [100.0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("edged.repository.instance.time.monotonic", lambda: now[0])
        for step in (0, 0.5, 0.4, 0.2):
            now[0] += step
            with pytest.raises(InferenceError):
                infer(instance, ValueError("oops"))
    logged = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert len(logged) == 2
    assert logged[0].exc_info


def test_an_error_of_ours_passes_as_it_is(build, caplog):
    instance, counters = build(Faulty, Recorder())
    error = NotUsable("two faces")
    with pytest.raises(NotUsable) as raised:
        infer(instance, error)
    assert raised.value is error
    assert counters.counts() == {"inference_failed/small": {"NotUsable": 1}}
    assert not caplog.records


def test_outputs_that_the_model_does_not_expect_are_found_for_it(build):
    class Shaped(Plain):
        def shapes(self, graph):
            return {"scores": (1,)}

    instance, counters = build(Shaped, Recorder())
    assert infer(instance, 1) == 2
    with pytest.raises(InferenceError, match=r"the graph 'main' of small gives 'scores' of shape \(1, 2\)"):
        infer(instance, [1, 2])
    with pytest.raises(InferenceError, match="not finite"):
        infer(instance, np.nan)
    assert counters.counts() == {"inference_failed/small": {"InferenceError": 2}}


def test_a_graph_that_takes_one_picture_is_run_for_each_and_waits_for_its_turn_each_time(build):
    class Several(Plain):
        def preprocess(self, item, options):
            return Prepared({"pictures": np.array(item)}, "context")

        def postprocess(self, outputs, context, options):
            return outputs["scores"].tolist()

    session = Recorder()
    instance, _ = build(Several, session)
    assert infer(instance, [1, 5, 7]) == [2, 6, 8]
    assert session.events == [("taken", Priority.FRAME), "run", "given back"] * 3


def test_shared_makes_once_and_forgets_with_the_last():
    made = []
    shared = Shared()
    for _ in range(3):
        assert shared.acquire("a", lambda: made.append(1) or "value") == "value"
    assert made == [1]
    assert shared.release("a") is None
    assert shared.release("a") is None
    assert shared.release("a") == "value"
    assert len(shared) == 0


def test_shared_tries_again_after_a_failure():
    shared = Shared()
    with pytest.raises(ZeroDivisionError):
        shared.acquire("a", lambda: 1 / 0)
    assert len(shared) == 0
    assert shared.acquire("a", lambda: 1) == 1


def test_shared_holds_up_only_those_who_want_the_same():
    shared = Shared()
    begun, go_on = threading.Event(), threading.Event()
    answers = []

    def slow():
        begun.set()
        assert go_on.wait(30)
        return "slow"

    threads = [threading.Thread(target=lambda: answers.append(shared.acquire("a", slow))) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert begun.wait(30)
    assert shared.acquire("b", lambda: "quick") == "quick"
    assert answers == []
    go_on.set()
    for thread in threads:
        thread.join(30)
    assert answers == ["slow"] * 3
