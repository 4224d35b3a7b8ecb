"""A request on its way."""

import itertools
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from os import SEEK_END
from typing import Any

from edged.contracts.errors import EdgedError
from edged.contracts.request import Answer, RequestJob, refusal
from edged.media.fetch import IN_MEMORY, Fetched
from edged.requests.decode import Wanted
from edged.serving.run import RunHandle
from edged.serving.table import Served

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class CallTimer:
    """Rings at the deadline of a call; for nobody once that is answered."""

    call: "Call | None"


@dataclass(slots=True, eq=False)
class Call:
    """Filled step by step, by one thread at a time."""

    job: RequestJob
    deadline: float
    """`time.monotonic()`: then it is answered 504. Until it is read, that of a request that names none."""
    started: float = field(default_factory=time.monotonic)
    fields: Mapping[str, Any] = field(default_factory=dict)
    """What could be read of it, for a refusal to echo."""
    request: Any = field(init=False)
    """As the service wants it, once it is read."""
    run: RunHandle = field(init=False)
    wanted: Wanted | None = None
    """Media that must be fetched first."""
    served: Served = field(init=False)
    """Who answers, once that is known."""
    model: str | None = None
    """The id of its model, likewise."""
    media: Fetched | None = None
    """What was fetched, or came along."""
    answer: Answer | None = None
    """The end of its way."""
    replied: bool = False
    """Whether who asked has an answer, be it that the time is over."""
    timers: list[CallTimer] = field(default_factory=list)
    """That are set for it."""
    _claims: Iterator[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        if (file := self.job.recording) is not None:
            self.media = Fetched(file, file.seek(0, SEEK_END))
            file.seek(0)

    @property
    def held(self) -> int:
        """Bytes of its media that are in memory."""
        return 0 if self.media is None else min(self.media.size, IN_MEMORY)

    @contextmanager
    def step(self) -> Iterator[None]:
        """One step of it: whatever goes wrong within is its answer."""
        try:
            yield
        except EdgedError as error:
            self.refuse(error.code, str(error))
        except Exception:  # the boundary "one request"
            log.exception("request to %s failed", self.job.service)
            self.refuse(500, "the daemon failed on this request; its log says why")
        if self.answer is not None:
            self.close()

    def claim(self) -> bool:
        """Whether the right to reply is the caller's: the first who asks has it."""
        self.replied = True
        self.quiet()
        return next(self._claims) == 0

    def quiet(self) -> None:
        """No timer is set for it any more; until then each would keep its media, its answer and its model."""
        for timer in self.timers:
            timer.call = None
        self.timers = []

    def refuse(self, code: int, message: str) -> None:
        """Answer that it failed."""
        self.answer = refusal(self.fields, code, message, self.job.service, self.model)

    def close(self) -> None:
        """Give back its media."""
        if self.media is not None:
            self.media.file.close()
