from collections.abc import Callable, Iterator

import pytest

from tests.streams.cameras import Watched


@pytest.fixture
def watch() -> Iterator[Callable[..., Watched]]:
    """Cameras that are supervised, as many as are asked for, until the test ends."""
    watched: list[Watched] = []

    def start(source: str, **settings: object) -> Watched:
        watched.append(Watched(source, **settings))
        return watched[-1]

    yield start
    for one in watched:
        one.unit.stop()
