"""Videos that are made for an answer, encoded in children: what a file does to FFmpeg it does to no other."""

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import IO

from edged.children.terms import Terms, Work
from edged.children.wire import Message
from edged.contracts.errors import InferenceError
from edged.contracts.items import Pixels
from edged.flow.budget import Budget
from edged.media.film import CUT_CRF, ENLARGED_CRF
from edged.requests.pool import Ask, ChildPool, descriptor_of

WORK = Work("edged.tenants.film:open_film_maker", {})
TERMS = Terms(
    # *Measured*: 125 MB at 640 x 360, 184 at 1280 x 720, 289 at 1080p, 356 at 3840 x 2160; 1.1 GB at 8K.
    memory_bytes=1_600_000_000,
    address_bytes=2_600_000_000,  # libraries and the stacks of threads take up to 700 MB that nobody holds
    environment=(("OPENBLAS_NUM_THREADS", "1"),),
    start_s=60.0,
    again=False,
)
WAITING = 2
"""Pictures that are made before the first of them is encoded."""


class Films:
    """MP4 files that a browser plays, of the pictures and the sound of a request's video. Safe from all
    threads.

    Raised is what is wrong with the source (`NotMedia`, `NotUsable`), `RequestError` when there is no room
    for the film, `ChildDied`, and what `check` raises, which is asked all the while. Then what is in the
    target is no film.
    """

    def __init__(self, memory: Budget, idle: int = 0) -> None:
        """`memory`, `idle`: as of `ChildPool`."""
        self._pool = ChildPool("the maker of films", WORK, TERMS, memory, idle)

    def cut(
        self,
        source: IO[bytes],
        start_us: int,
        end_us: int,
        target: IO[bytes],
        check: Callable[[], None],
    ) -> None:
        """A film of the pictures that are shown first within these microseconds of the source, upright.

        The target is a file on a disk, empty, open to be written; so it is after this.
        """
        with self._pool.child(check) as ask:
            _begin(ask, source, (start_us, end_us), target, CUT_CRF)
            while ask(Message({"verb": "cut"})).tree.get("ended") is not True:
                check()
            ask(Message({"verb": "end"}))

    def encode(
        self,
        source: IO[bytes],
        span_us: tuple[int, int | None],
        pictures: Iterator[tuple[Pixels, int]],
        target: IO[bytes],
        check: Callable[[], None],
    ) -> None:
        """A film of pictures that were made of those of a span of the source; no end is the source's.

        Each is [height, width, 3] BGR, all of one size, with the microseconds since the beginning of the
        source at which it is shown. While one is encoded the next ones are made; what making them raises
        ends it. The target is as in `cut`.
        """
        with ThreadPoolExecutor(1, "film") as sender, self._pool.child(check) as ask:
            _begin(ask, source, span_us, target, ENLARGED_CRF)
            waiting: deque[Future[Message]] = deque()
            for bgr, at_us in _of_one_size(pictures):
                check()
                while len(waiting) >= WAITING:
                    waiting.popleft().result()
                waiting.append(sender.submit(ask, Message({"verb": "pictures", "at_us": [at_us]}, [bgr])))
            for sent in waiting:
                sent.result()
            ask(Message({"verb": "end"}))

    def close(self) -> None:
        """End the children that wait."""
        self._pool.close()


def _begin(ask: Ask, source: IO[bytes], span_us: tuple[int, int | None], target: IO[bytes], crf: int) -> None:
    descriptor = descriptor_of(source)
    try:
        ask(Message({"verb": "source"}, file=descriptor))
    finally:
        os.close(descriptor)
    start_us, end_us = span_us
    said = {"verb": "target", "crf": crf, "start_us": start_us, "end_us": end_us}
    ask(Message(said, file=target.fileno()))


def _of_one_size(pictures: Iterator[tuple[Pixels, int]]) -> Iterator[tuple[Pixels, int]]:
    shape = None
    for bgr, at_us in pictures:
        shape = shape or bgr.shape
        if bgr.shape != shape:
            raise InferenceError(f"pictures of {list(shape)} and {list(bgr.shape)} make no video")
        yield bgr, at_us
