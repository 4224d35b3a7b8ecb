"""How many cameras a box bears: more and more of them, until results come too late or too seldom."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from edged.bench.box import ScratchBox
from edged.bench.camera_trial import CameraRound, CameraTerms, CameraTrial, camera_trial, is_disturbed
from edged.bench.search import TriedCount, borne, next_count
from edged.runtimes.devices import usable_cores

KEPT = 0.95
"""Share of the wanted results that must come, and of the frames of a camera alone that must be decoded."""
EVEN = 0.8
"""Share of its own results that must come of each camera: none pays for the others."""
NEAR = (0.85, 1.5)
"""What keeps so large a share, and is late by so much at most, may have failed by chance."""
TIMES = 3
"""So often a count is measured at most."""


def camera_rounds(
    box: ScratchBox, service: str, terms: CameraTerms, report: Callable[[CameraRound], None]
) -> list[CameraRound]:
    """All rounds, in order; `report` gets each. Raises `NotReady`, `EdgedError`."""
    rounds: list[CameraRound] = []
    with camera_trial(box, service, terms) as trial:
        while (count := next_count(trials(rounds), terms.most)) is not None:
            rounds += _tried(trial, count, rounds[:1], report)
    return rounds


def _tried(
    trial: CameraTrial, count: int, alone: Sequence[CameraRound], report: Callable[[CameraRound], None]
) -> list[CameraRound]:
    """One round, and others while it is not sure that the box is to blame."""
    rounds: list[CameraRound] = []
    while not rounds or (len(rounds) < TIMES and is_doubtful(rounds[-1], trial.terms)):
        rounds.append(judged(trial.round(count), trial.terms, alone))
        report(rounds[-1])
        if rounds[-1].why_not and is_disturbed(rounds[-1].other_cores):
            trial.rest()
    return rounds


def trials(rounds: Sequence[CameraRound]) -> list[TriedCount]:
    """What the search must know of them."""
    cores = usable_cores()
    return [TriedCount(one.cameras, not one.why_not, (one.cores + one.bench_cores) / cores) for one in rounds]


def largest(rounds: Sequence[CameraRound]) -> CameraRound | None:
    """The round of the most cameras that the box bears; none: not even one."""
    count = borne(trials(rounds))
    return next((one for one in reversed(rounds) if one.cameras == count), None)


def limit(rounds: Sequence[CameraRound]) -> str:
    """What did not hold with more cameras; empty: no more were tried."""
    fine = borne(trials(rounds))
    failed = [one for one in reversed(rounds) if one.why_not and one.cameras > fine]
    return min(failed, key=lambda one: one.cameras).why_not if failed else ""


def judged(measured: CameraRound, terms: CameraTerms, alone: Sequence[CameraRound]) -> CameraRound:
    """With what did not hold; `alone`: the round of one camera, where there was one."""
    wanted = KEPT * terms.rate
    frames = KEPT * alone[0].frames_a_second - 1 / terms.window_s if alone else 0.0  # a window cuts one off
    why_not = ""
    if measured.p99_ms is None or measured.results_a_second < wanted:
        why_not = f"{measured.results_a_second:.1f} results a second of {terms.rate:g}"
    elif measured.least_a_second < EVEN * terms.rate:
        why_not = f"{measured.least_a_second:.1f} results a second of one camera"
    elif measured.frames_a_second < frames:
        why_not = f"{measured.frames_a_second:.1f} frames a second of {alone[0].frames_a_second:.1f}"
    elif measured.p99_ms > terms.p99_s * 1000:
        why_not = f"p99 {measured.p99_ms:.0f} ms"
    return replace(measured, why_not=why_not)


def is_doubtful(one: CameraRound, terms: CameraTerms) -> bool:
    """Whether it failed by little, or while others took the box."""
    if not one.why_not:
        return False
    kept, late = NEAR
    near = one.results_a_second >= kept * terms.rate and (one.p99_ms or 0.0) <= late * terms.p99_s * 1000
    return near or is_disturbed(one.other_cores)
