"""Pictures of events: the address at once, the file soon, and none where nobody has room."""

import threading

import cv2
import numpy as np
import pytest

from edged.artefacts.settings import ArtefactSettings
from edged.artefacts.store import ArtefactStore
from edged.contracts.errors import NotFound
from edged.flow.counters import Counters
from edged.streams.live import LiveViews
from edged.streams.pictures import MOST_WAITING, EventPictures
from edged.testing import frame_of
from tests.broker import until


class Camera:
    """Views of one stream, a store, and what takes pictures of it."""

    def __init__(self, folder):
        self.counters = Counters()
        self.store = ArtefactStore(ArtefactSettings(), folder, self.counters, lambda id: f"/artefacts/{id}")
        self.views = LiveViews()
        self.pictures = EventPictures(self.views, lambda: self.store, self.counters)
        self.view = self.views.add("door")

    def show(self, shade=200):
        self.view.put_bare(frame_of(np.full((40, 60, 3), shade, np.uint8), 0))

    def read(self, address):
        try:
            with self.store.open(address.removeprefix("/artefacts/")) as found:
                return found.file.read()
        except NotFound:
            return None

    @property
    def counted(self):
        return self.counters.counts().get("event_pictures")


@pytest.fixture
def camera(tmp_path):
    return Camera(tmp_path)


def test_the_address_comes_at_once_and_the_picture_soon(camera):
    assert camera.pictures.take("door") is None, "it shows nothing yet"
    assert camera.pictures.take("microphone") is None
    camera.show()
    address = camera.pictures.take("door")
    until(lambda: camera.read(address))
    picture = cv2.imdecode(np.frombuffer(camera.read(address), np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (40, 60, 3)
    assert abs(int(picture.mean()) - 200) < 5
    again = camera.pictures.take("door")
    assert again != address
    until(lambda: camera.read(again))
    until(lambda: camera.counted == {"kept": 2})


def test_where_too_many_wait_there_is_none(camera, monkeypatch):
    camera.show()
    free = threading.Event()
    shot = camera.view.shot
    monkeypatch.setattr(camera.view, "shot", lambda: free.wait(60) and shot())
    first = camera.pictures.take("door")
    until(lambda: not camera.pictures._waiting, "it is being written")
    taken = [camera.pictures.take("door") for _ in range(MOST_WAITING + 3)]
    assert taken[MOST_WAITING:] == [None] * 3
    free.set()
    until(lambda: all(camera.read(address) for address in (first, *taken[:MOST_WAITING])))
    until(lambda: camera.counted == {"none: too many wait": 3, "kept": 1 + MOST_WAITING})


def test_a_store_that_is_full_costs_the_picture_alone(camera, monkeypatch, tmp_path):
    camera.show()
    monkeypatch.setattr(camera.view, "shot", lambda: (_ for _ in ()).throw(OSError(28, "No space left")))
    address = camera.pictures.take("door")
    until(lambda: camera.counted == {"failed": 1})
    assert camera.read(address) is None
    assert not camera.store.is_reserved(address.removeprefix("/artefacts/"))
    monkeypatch.undo()
    later = camera.pictures.take("door")
    until(lambda: camera.read(later))
