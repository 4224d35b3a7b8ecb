"""What is done with a request, step by step: read it, find who answers, fetch its media, answer."""

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any, Self

from edged.answers.drawing import drawing_of
from edged.answers.finding import Finding
from edged.artefacts.artefact import Artefact
from edged.artefacts.store import ArtefactStore
from edged.contracts.errors import BadRequest, StoreFailed, TooLarge
from edged.contracts.items import Frame, FramePair, Item
from edged.contracts.message import Envelope
from edged.contracts.model import Options
from edged.contracts.request import Answer, RequestJob
from edged.contracts.service import Service
from edged.contracts.services import ASKED, INNER, service
from edged.contracts.slot import Priority
from edged.contracts.speech import Clips
from edged.flow.budget import Budget, Share
from edged.flow.counters import Counters
from edged.media.fetch import Uploads
from edged.requests.call import Call
from edged.requests.decode import Room, fetched, item_of, wanted_of
from edged.requests.decoders import Decoders
from edged.requests.films import Films
from edged.requests.forecast import Forecast
from edged.requests.parse import options_of, parsed, validated
from edged.requests.peek import peek_timeout
from edged.requests.production import FilmTools, produced
from edged.requests.recording import Recording, SoundTools, found_in
from edged.requests.screening import Screening
from edged.requests.settings import RequestSettings
from edged.runtimes.devices import RuntimeSettings
from edged.serving.run import Cancellations, RunHandle
from edged.serving.table import Served, ServiceTable


class Steps:
    """Each takes a call further, in the thread of who calls it, and raises what is wrong with it."""

    def __init__(
        self,
        table: ServiceTable,
        settings: RequestSettings,
        counters: Counters,
        memory: Budget | None = None,
        store: Callable[[], ArtefactStore] | None = None,
        *,
        uploads: Uploads | None = None,
    ) -> None:
        """`memory`: what decoding shares with whatever else; none: half the box. `store`: of artefacts, as it
        is now; none: what makes one fails. `uploads`: what requests may name; none: nothing."""
        self._memory = memory or Budget(RuntimeSettings().memory_bytes())
        self.cancellations = Cancellations()
        self._decoders, self._films = Decoders(self._memory), Films(self._memory)
        self._store, self._uploads = store or _no_store, uploads
        self._stopping = False
        self._table = table
        self._settings = settings
        self._counters = counters

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the processes that decode."""
        self._decoders.close()
        self._films.close()

    def stop_jobs(self) -> None:
        """Let go of what would take minutes: it stays with the journal of who submitted it."""
        self._stopping = True

    def all_at_once(self, job: RequestJob) -> Answer:
        """The answer of a job: the result, or the error as `FailedAnswer`."""
        call = Call(job, self.deadline_of(job))
        with call.step():
            self.read(call)
            self.open(call)
            self.fetch(call)
            self.answer(call)
        assert call.answer is not None  # noqa: S101 - the last step makes one, and so does an error
        return call.answer

    def deadline_of(self, job: RequestJob) -> float:
        """Of a job that nobody has looked into; `time.monotonic()`."""
        known, named = ASKED.get(job.service), peek_timeout(job.payload)
        usual = self._settings.timeout_of(known) if known else self._settings.timeout_s
        return job.deadline(named or usual)

    def read(self, call: Call) -> None:
        """Step 1: look into the request, but for one that is not the service's."""
        if call.job.work is not None:
            service(call.job.service)
            call.run = RunHandle(call.deadline, None, call.job.is_cancelled)
            call.run.check()
            return
        call.fields = parsed(call.job.payload)
        known = INNER[call.job.service] if call.job.inner else service(call.job.service)
        call.request = validated(known, call.fields)
        call.run = self._run(call.job, known, call.request)
        call.deadline = call.run.deadline or call.deadline
        call.run.check()
        call.wanted = wanted_of(call.request, self._settings)

    def open(self, call: Call) -> None:
        """Step 2: who answers. Raises `NotFound`, `NotReady`."""
        call.served = self._table.get(call.job.service)
        call.model = call.served.instance.facts.name

    def fetch(self, call: Call) -> None:
        """Step 3: bring the media that it wants, if any."""
        if call.wanted is None:
            return
        call.run.check()
        with self._counters.timed("fetch"):
            call.media = fetched(call.wanted, self._settings.fetch, call.run.deadline, self._uploads)

    def answer(self, call: Call) -> None:
        """Step 4: decode, infer, encode."""
        call.run.check()
        with call.served.usage.at_work(), ExitStack() as held:
            if call.job.work is None:
                self._answer(call, partial(self._room, held, call.run))
                return
            answer = call.job.work(call.served.instance, call.job.payload, call.run)
            call.run.check_cancelled()
            most = self._settings.max_answer_bytes
            _check_size(answer.body, most, "ask for fewer outputs, or send less at a time")
            call.answer = answer

    def _room(self, held: ExitStack, run: RunHandle, size: int) -> Share:
        """Memory to decode, as soon as there is some."""
        with self._counters.timed("memory"):
            return held.enter_context(self._memory.hold(size, run.deadline, run.check))

    def _answer(self, call: Call, room: Room) -> None:
        request, served = call.request, call.served
        _check_reference(request, served)
        with self._counters.timed("decode"):
            item = item_of(request, self._settings, call.media, room, served.instance.picture)
        options = served.options_with(options_of(served.service, request))
        result, artefact = self._result(call, item, options)
        finding = served.finding(result, options)
        call.run.check_cancelled()
        with self._counters.timed("encode"):
            body = _encoded(finding, request.request_id)
        _check_size(body, self._settings.max_answer_bytes, finding.kind.shrink)
        draw = partial(drawing_of, _pictures(item), [finding]) if call.job.wants_drawing else None
        call.answer = Answer(
            *(request.request_id, body, 200, call.model, request.reply_to),
            artefact=None if artefact is None else artefact.address,
            draw=draw if served.service.takes_pictures else None,
        )

    def _result(self, call: Call, item: Any, options: Options) -> tuple[Any, Artefact | None]:
        """What the model finds in it, and the file that was made of it, if any."""
        served, run = call.served, call.run
        match item:
            case Recording():
                with_sound = SoundTools(self._decoders, self._settings.sound, self._memory)
                tell = call.job.ahead
                ahead = partial(_tell_ahead, tell, call, options) if tell is not None else None
                return found_in(item, served, options, run, with_sound, ahead=ahead), None
            case Screening():
                tools = FilmTools(self._decoders, self._films, self._store, self._settings.video)
                return produced(item, served, options, run, tools)
        return served.instance.infer(item, options, run, Priority.REQUEST), None

    def _run(self, job: RequestJob, known: Service, request: Envelope) -> RunHandle:
        request_id = request.request_id or ""
        deadline = job.deadline(request.timeout_s or self._settings.timeout_of(known))
        forecast = Forecast(deadline, None if job.progress is None else partial(job.progress, request_id))

        def is_cancelled() -> bool:
            return (
                self.cancellations.concern(request_id, job.received_at)
                or (self._stopping and known.is_job)
                or (job.is_cancelled is not None and job.is_cancelled())
            )

        return RunHandle(deadline, forecast.progress, is_cancelled)


def _check_reference(request: Envelope, served: Served) -> None:
    """Raises `BadRequest` where the model wants one and there is none, or the other way round."""
    if fault := served.reference_fault(given=getattr(request, "reference", None) is not None):
        raise BadRequest(fault)


def _encoded(finding: Finding, request_id: str) -> bytes:
    return finding.encoded(
        {"request_id": request_id, "success": True} if finding.service.wraps_answer else {}
    )


def _tell_ahead(tell: Callable[[bytes], None], call: Call, options: Options, heard: Clips[Any]) -> None:
    """Of some clips, what their whole answer would be; nothing to who has an answer already."""
    if not call.replied:
        tell(_encoded(call.served.finding(heard, options), call.request.request_id))


def _check_size(body: bytes, most: int, shrink: str) -> None:
    """Raises `TooLarge`, which says how to have less."""
    if len(body) > most:
        raise TooLarge(
            f"the answer has {len(body)} bytes, over `requests.max_answer_bytes` of {most}; {shrink}"
        )


def _no_store() -> ArtefactStore:
    raise StoreFailed("there is no store of artefacts here")


def _pictures(item: Item | Recording | Screening) -> list[Frame]:
    """The pictures that can be drawn into."""
    if isinstance(item, FramePair):
        return [item.a, item.b]
    return [item] if isinstance(item, Frame) else []
