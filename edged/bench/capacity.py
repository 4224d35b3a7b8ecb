"""All that a box bears: cameras, and requests a second of each service."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edged.bench.box import scratch_box
from edged.bench.camera_rounds import camera_rounds, largest, limit
from edged.bench.camera_trial import CameraRound, CameraTerms
from edged.bench.questions import questions
from edged.bench.service_rates import ServiceRate, service_rate
from edged.config.settings import Config
from edged.contracts.slot import Report

DETECTION = "object-detection"
_USUAL_ROUNDS = 8


@dataclass(frozen=True, slots=True)
class Capacity:
    """What was measured."""

    camera_service: str | None
    """What the cameras ran; none: nothing that was asked for looks at frames."""
    rounds: Sequence[CameraRound]
    rates: Sequence[ServiceRate]
    left_out: Mapping[str, str]
    """Services that were not asked, and why."""

    @property
    def cameras(self) -> int:
        """So many are borne; 0: not one, or none was tried."""
        found = largest(self.rounds)
        return found.cameras if found is not None else 0

    @property
    def limit(self) -> str:
        """What did not hold with more cameras."""
        return limit(self.rounds)


def measured_capacity(settings: Config, names: Sequence[str], terms: CameraTerms, report: Report) -> Capacity:
    """Cameras that run the first of the named services that looks at frames, and requests to each of them.

    None named: cameras run object-detection, and all installed services are asked. Raises `NotFound` and
    `NotReady` for what is not there, `EdgedError` when the scratch daemon does not do.
    """
    if not names:
        questions(settings, [DETECTION])  # raises where it is not installed, and tells what to pull
    wanted, left_out = questions(settings, names)
    on_cameras = [one.service.name for one in wanted if one.service.takes_frames and not one.reference]
    watching = DETECTION if not names else next(iter(on_cameras), None)
    rounds = _rounds(settings, watching, terms, report) if watching is not None else []
    rates = []
    for number, question in enumerate(wanted):
        report("requests", number, len(wanted))
        rates.append(service_rate(settings, question))
    if wanted:
        report("requests", len(wanted), len(wanted))
    return Capacity(watching, rounds, rates, left_out)


def _rounds(settings: Config, name: str, terms: CameraTerms, report: Report) -> list[CameraRound]:
    done = 0

    def told(_: CameraRound) -> None:
        nonlocal done
        done += 1
        report("cameras", done, max(_USUAL_ROUNDS, done + 1))

    report("cameras", 0, _USUAL_ROUNDS)
    with scratch_box(settings, {name: settings.service(name)}) as box:
        rounds = camera_rounds(box, name, terms, told)
    report("cameras", done, done)
    return rounds
