"""The picture of an event, which is written while its message is on its way."""

import threading

import pytest

from edged.actions import pictures
from edged.actions.pictures import picture_at
from edged.artefacts.settings import ArtefactSettings
from edged.artefacts.store import ArtefactStore
from edged.flow.counters import Counters
from tests.actions.receivers import JPEG


@pytest.fixture
def store(tmp_path):
    return ArtefactStore(ArtefactSettings(), tmp_path, Counters(), lambda id: f"/artefacts/{id}")


def kept(reservation):
    with reservation.draft() as draft:
        draft.file.write(JPEG)
        draft.keep()


def test_one_that_is_there(store):
    one = store.reserve(".jpg")
    kept(one)
    for address in (
        one.artefact.address,
        one.artefact.uri,
        f"https://shop.example/edged{one.artefact.address}",
    ):
        assert picture_at(lambda: store, address) == JPEG


def test_one_that_is_still_written(store):
    one = store.reserve(".jpg")
    timer = threading.Timer(0.3, kept, (one,))
    timer.start()
    assert picture_at(lambda: store, one.artefact.address) == JPEG
    timer.join()


def test_one_that_never_comes(store, monkeypatch):
    monkeypatch.setattr(pictures, "PATIENCE_S", 0.2)
    one = store.reserve(".jpg")
    assert picture_at(lambda: store, one.artefact.address) is None
    one.drop()
    assert picture_at(lambda: store, one.artefact.address) is None
    assert picture_at(lambda: store, "/artefacts/../../secret.jpg") is None


def test_one_that_is_too_big(store, monkeypatch):
    one = store.reserve(".jpg")
    kept(one)
    monkeypatch.setattr(pictures, "MOST_BYTES", 10)
    assert picture_at(lambda: store, one.artefact.address) is None
