"""The gallery: read again when it changes, each picture embedded once, a bad one left out."""

import os
import shutil
import threading
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from edged.contracts.card import ModelCard
from edged.contracts.errors import TimedOut
from edged.contracts.items import PixelFormat
from edged.contracts.parts import Embedding
from edged.flow.budget import Budget
from edged.repository import enrolment
from edged.repository import gallery as gallery_module
from edged.repository.enrolment import enrolled
from edged.repository.gallery import FolderGallery
from edged.testing import FakeRun

RUN = FakeRun()
ROOMY = Budget(10**9)
NEED = 4_000_000 + 13 * 8 * 8
"""Bytes that decoding one of the pictures here may take."""


class MeanColour:
    """An embedding: the mean colour; remembers how often it was asked."""

    def __init__(self, card_id="mean", sha="0" * 64):
        self.asked = 0
        weights = {"w": SimpleNamespace(checksum=sha)}
        self.card = ModelCard.model_construct(id=card_id, weights=weights, graphs={}, parameters={})

    def infer(self, item, run, **_):
        self.asked += 1
        vector = item.pixels(PixelFormat()).reshape(-1, 3).mean(axis=0)
        return Embedding((vector / np.linalg.norm(vector)).astype(np.float32))


def put(folder, sku, name, colour):
    (folder / sku).mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(folder / sku / name), np.full((8, 8, 3), colour, np.uint8))


@pytest.fixture(autouse=True)
def always_look(monkeypatch):
    monkeypatch.setattr(gallery_module, "LOOK_EVERY_S", 0.0)


@pytest.fixture
def shop(tmp_path):
    folder = tmp_path / "gallery"
    put(folder, "cola", "front.png", (0, 0, 200))
    put(folder, "cola", "side.png", (0, 10, 190))
    put(folder, "water", "front.jpg", (200, 0, 0))
    return folder


@pytest.fixture
def of(shop, tmp_path):
    return lambda embedding, memory=ROOMY: FolderGallery(shop, embedding, tmp_path / "cache", memory)


def test_a_folder_is_a_product(of):
    index = of(MeanColour()).index(RUN)
    assert index.skus == ("cola", "water")
    assert index.ids == (1, 2)
    assert index.owners.tolist() == [0, 0, 1]
    np.testing.assert_allclose(index.vectors[2], [1, 0, 0], atol=0.02)


def test_only_what_is_new_is_embedded(of, shop):
    embedding = MeanColour()
    gallery = of(embedding)
    assert gallery.index(RUN) is gallery.index(RUN)
    assert embedding.asked == 3
    put(shop, "milk", "a.png", (200, 200, 200))
    assert gallery.index(RUN).skus == ("cola", "milk", "water")
    assert embedding.asked == 4
    (shop / "water" / "front.jpg").unlink()
    assert gallery.index(RUN).skus == ("cola", "milk")
    put(shop, "milk", "a.png", (100, 200, 100))
    os.utime(shop / "milk" / "a.png", ns=(1, 1))
    assert gallery.index(RUN).vectors[2][1] > 0.8
    assert embedding.asked == 5


def test_of_a_picture_that_is_gone_nothing_is_kept(of, shop, tmp_path):
    gallery = of(MeanColour())
    gallery.index(RUN)
    (shop / "water" / "front.jpg").unlink()
    gallery.index(RUN)
    assert len(gallery._digests) == len(gallery._vectors) == 2
    with np.load(next((tmp_path / "cache").glob("*.npz"))) as stored:
        assert len(stored.files) == 2


def test_ids_stay_whatever_comes_and_goes(of, shop):
    gallery = of(MeanColour())
    assert gallery.index(RUN).ids == (1, 2)
    put(shop, "beer", "a.png", (200, 200, 200))
    assert (gallery.index(RUN).skus, gallery.index(RUN).ids) == (("beer", "cola", "water"), (3, 1, 2))
    shutil.rmtree(shop / "cola")
    assert (gallery.index(RUN).skus, gallery.index(RUN).ids) == (("beer", "water"), (3, 2))
    assert of(MeanColour()).index(RUN).ids == (3, 2)  # and after a new start
    put(shop, "cola", "b.png", (0, 0, 200))
    assert gallery.index(RUN).ids == (3, 1, 2)


def test_a_new_start_finds_the_vectors(of):
    first = of(MeanColour()).index(RUN)
    embedding = MeanColour()
    again = of(embedding).index(RUN)
    assert embedding.asked == 0
    np.testing.assert_array_equal(first.vectors, again.vectors)


@pytest.mark.parametrize("other", [MeanColour("other"), MeanColour(sha="1" * 64)])
def test_another_model_embeds_anew(of, other):
    of(MeanColour()).index(RUN)
    of(other).index(RUN)
    assert other.asked == 3


def test_damaged_vectors_are_made_again(of, tmp_path):
    of(MeanColour()).index(RUN)
    (kept,) = (tmp_path / "cache").glob("*.npz")
    kept.write_bytes(b"no zip")
    embedding = MeanColour()
    assert len(of(embedding).index(RUN).vectors) == 3
    assert embedding.asked == 3


def test_vectors_that_are_not_those_that_were_written_are_made_again(of, tmp_path, caplog):
    of(MeanColour()).index(RUN)
    (kept,) = (tmp_path / "cache").glob("*.npz")
    with np.load(kept) as arrays:
        np.savez(kept, **{digest: arrays[digest] + 1 for digest in arrays.files})
    embedding = MeanColour()
    of(embedding).index(RUN)
    assert embedding.asked == 3
    assert "is not what was written" in caplog.text


def test_what_is_no_picture_is_left_out(of, shop, caplog):
    (shop / "cola" / "bad.jpg").write_bytes(b"not a picture")
    (shop / "cola" / "notes.txt").write_text("a note")
    (shop / ".hidden").mkdir()
    put(shop, "unknown", "a.png", (1, 2, 3))
    (shop / "loose.jpg").write_bytes(b"beside the folders")
    index = of(MeanColour()).index(RUN)
    assert (index.skus, len(index.vectors)) == (("cola", "water"), 3)
    assert "bad.jpg is left out" in caplog.text


def test_no_folder_is_an_empty_gallery(tmp_path):
    gallery = FolderGallery(tmp_path / "nowhere", MeanColour(), tmp_path, ROOMY)
    assert gallery.index(RUN).skus == ()
    assert gallery.index(RUN).vectors.shape[0] == 0


def test_a_request_that_runs_out_of_time_leaves_what_was_done(of):
    class Impatient(FakeRun):
        left = 2

        def check(self):
            self.left -= 1
            if self.left < 0:
                raise TimedOut("too long")

    embedding = MeanColour()
    gallery = of(embedding)
    with pytest.raises(TimedOut):
        gallery.index(Impatient())
    assert embedding.asked == 2
    assert len(gallery.index(RUN).vectors) == 3
    assert embedding.asked == 3


def test_others_go_on_while_one_embeds(of, shop):
    started, go_on = threading.Event(), threading.Event()

    class Slow(MeanColour):
        def infer(self, item, run, **_):
            if self.asked >= 3:
                started.set()
                assert go_on.wait(30)
            return super().infer(item, run)

    gallery = of(Slow())
    before = gallery.index(RUN)
    put(shop, "milk", "a.png", (200, 200, 200))
    thread = threading.Thread(target=gallery.index, args=(RUN,))
    thread.start()
    assert started.wait(30)
    assert gallery.index(RUN) is before
    go_on.set()
    thread.join()
    assert gallery.index(RUN).skus == ("cola", "milk", "water")


def test_a_cache_that_cannot_be_written_is_no_fault(shop, tmp_path):
    (tmp_path / "cache").write_text("a file where the folder should be")
    gallery = FolderGallery(shop, MeanColour(), tmp_path / "cache", ROOMY)
    assert len(gallery.index(RUN).vectors) == 3


def test_enrolled_lists_pictures_by_product(shop):
    assert [(one.sku, one.name) for one in enrolled(shop)] == [
        ("cola", "front.png"),
        ("cola", "side.png"),
        ("water", "front.jpg"),
    ]


def test_pictures_are_also_seen_from_afar(shop, tmp_path):
    class Sizes(MeanColour):
        def infer(self, item, run, **_):
            sizes.append((item.height, item.width))
            return super().infer(item, run)

    sizes = []
    cv2.imwrite(str(shop / "water" / "wide.png"), np.full((20, 80, 3), 50, np.uint8))
    index = FolderGallery(shop, Sizes(), tmp_path / "cache", ROOMY, (4, 40)).index(RUN)
    assert sizes[:2] == [(8, 8), (4, 4)]
    assert sizes[-3:] == [(20, 80), (1, 4), (10, 40)]
    assert index.owners.tolist() == [0] * 4 + [1] * 5
    again = FolderGallery(shop, Sizes(), tmp_path / "cache", ROOMY, (4, 40)).index(RUN)
    assert len(sizes) == 9
    np.testing.assert_array_equal(again.vectors, index.vectors)


def test_pictures_take_their_part_of_the_memory_and_give_it_back(of):
    held = []

    class Looking(MeanColour):
        def infer(self, item, run, **_):
            held.append(memory.held)
            return super().infer(item, run)

    memory = Budget(NEED)
    assert len(of(Looking(), memory).index(RUN).vectors) == 3
    assert held == [3 * 8 * 8] * 3, "what was decoded, while it is looked at"
    assert memory.held == 0


def test_a_picture_that_takes_more_than_there_is_is_told_by_name_and_left_out(of, shop, caplog):
    cv2.imwrite(str(shop / "cola" / "huge.png"), np.zeros((100, 100, 3), np.uint8))
    (shop / "cola" / "long.jpg").write_bytes(b"\xff\xd8" + bytes(20_000_000))
    index = of(MeanColour(), Budget(NEED)).index(RUN)
    assert len(index.vectors) == 3
    assert (
        "huge.png is left out: decoding it takes 4130000 bytes of memory, over `runtime.memory`"
        in caplog.text
    )
    assert "long.jpg is left out: the picture has 20000001 bytes, over the limit" in caplog.text


def test_a_picture_for_which_no_memory_is_free_is_looked_at_the_next_time(of, caplog, monkeypatch):
    monkeypatch.setattr(enrolment, "PATIENCE_S", 0.05)
    memory, embedding = Budget(NEED), MeanColour()
    gallery = of(embedding, memory)
    with memory.hold(1):  # a request that asks for the gallery has its picture there
        assert gallery.index(RUN).skus == ()
        assert "front.png has to wait: others used all of `runtime.memory`" in caplog.text
        assert len(caplog.messages) == 1, "and for the others it did not try"
    assert gallery.index(RUN).skus == ("cola", "water")
    assert embedding.asked == 3


def test_a_request_that_is_over_while_its_picture_is_embedded_does_not_spoil_the_picture(of):
    class Late(MeanColour):
        def infer(self, item, run, **_):
            if not self.asked:
                self.asked += 1
                raise TimedOut("too long")
            return super().infer(item, run)

    gallery = of(Late())
    with pytest.raises(TimedOut):
        gallery.index(RUN)
    assert len(gallery.index(RUN).vectors) == 3
