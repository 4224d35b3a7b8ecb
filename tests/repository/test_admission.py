"""Whom accuracy admits: by the card where it tells, by what was measured here where it does not."""

import datetime as dt

import pytest

from edged.contracts.accuracy import Evidence
from edged.derive.manifest import Manifest, Measured, recipe
from edged.repository.admission import evidence, refused, standing
from edged.repository.variants import Candidate, Preference, candidates
from edged.runtimes.devices import Device
from tests.graphs import card, write_graph

VARIANT = "openvino-int8"
CPU = Device("cpu", "openvino", "a CPU", ("f32",), "1", "avx512_amx")
OLD = Device("cpu", "openvino", "an old CPU", ("f32",), "1", "avx2")


@pytest.fixture(scope="module")
def of(tmp_path_factory):
    return card(write_graph(tmp_path_factory.mktemp("graph") / "small.onnx"))


def shipped(of, **facts):
    """The card with evidence for the variant on CPUs with VNNI."""
    known = {
        "measure": "top-1",
        "against": "f32",
        "value": 0.96,
        "at_least": 0.94,
        "items": 200,
        "date": dt.date(2026, 11, 26),
        "runtime": "2026.4.1",
        "recipe": recipe(of, VARIANT).digest,
    }
    return of.model_copy(update={"accuracy": {VARIANT: {"vnni": Evidence(**{**known, **facts})}}})


def derived(of, device=CPU, variant=VARIANT, **facts):
    made = recipe(of, variant)
    manifest = Manifest(model="small", variant=variant, recipe=made, tools={}, files={}, seconds=0)
    return (
        manifest.with_measured(Measured(device="cpu", identity=device.identity, **facts))
        if facts
        else manifest
    )


TRUTH = {"against": "truth", "value": 0.61, "at_least": 0.59, "f32": 0.62}


@pytest.mark.parametrize(
    ("facts", "admitted"),
    [
        ({}, True),
        ({"at_least": 0.89}, False),
        # against the truth it is the loss that counts, not how little of the truth f32 finds
        ({**TRUTH, "loses_at_most": 0.015}, True),
        ({**TRUTH, "loses_at_most": 0.025}, False),
        # nothing is lost beside f32 where there is none
        ({"against": "truth", "value": 0.8, "at_least": 0.7}, True),
    ],
)
def test_the_card_decides(of, facts, admitted):
    told = shipped(of, **facts)
    found = standing(told, derived(told), CPU)
    assert found is not None
    assert found.admitted is admitted
    assert (refused(told, derived(told), CPU) is None) is admitted


def test_what_the_card_tells_of_something_else_does_not_count(of):
    told = shipped(of)
    assert evidence(told, derived(told), CPU)
    assert not evidence(told, derived(told), OLD), "other instructions"
    assert not evidence(shipped(of, recipe="0" * 16), derived(told), CPU), "another calibration, say"
    assert not evidence(told, derived(told, variant="openvino-f32"), CPU)


@pytest.mark.parametrize(
    ("facts", "admitted"),
    [
        ({"agreement": 0.8, "at_least": 0.6, "items": 4}, True),  # four items do not outweigh two hundred
        ({"agreement": 0.2, "at_least": 0.0, "items": 4}, False),  # but it computes nonsense here
        ({"agreement": 0.8, "at_least": 0.7, "items": 60, "full": True}, False),  # the owner had it measured
        ({"agreement": 0.99, "at_least": 0.98, "items": 60, "full": True}, True),
    ],
)
def test_beside_what_was_measured_here(of, facts, admitted):
    told = shipped(of)
    assert (refused(told, derived(told, **facts), CPU) is None) is admitted


def test_where_the_card_tells_nothing_what_was_measured_here_counts(of):
    low = derived(of, OLD, agreement=0.93, at_least=0.88, items=48)
    assert refused(shipped(of), low, OLD) == (
        "agrees with f32 by 0.930, surely by 0.880 of 48 items, and the card wants 0.90"
    )
    assert standing(of, derived(of), CPU) is None


def test_before_anything_was_measured_here_the_card_keeps_out_what_it_refuses(of):
    told = shipped(of, at_least=0.5)
    ranking = candidates(told, [CPU], Preference(), {VARIANT: derived(told)})
    assert ranking.candidates == ()
    assert "top-1 0.960, at least 0.500, against f32" in ranking.skipped[f"{VARIANT} on cpu"]
    asked = candidates(told, [CPU], Preference(precision="int8"), {VARIANT: derived(told)})
    assert asked.candidates == (Candidate(VARIANT, "cpu"),), "an explicit precision is taken at its word"
