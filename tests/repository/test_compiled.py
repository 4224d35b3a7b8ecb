"""What a runtime compiled is opened only as it was written; else it is compiled again, and counted."""

import errno
import json
import random
import tempfile
from types import SimpleNamespace

import numpy as np
import pytest

from edged.contracts.errors import VariantError
from edged.flow.counters import Counters
from edged.repository.compiled import SEAL, CompiledGraphs
from edged.runtimes.devices import Concurrency
from edged.runtimes.opening import made_by, open_session
from tests.graphs import scores, write_graph
from tests.runtimes.test_sessions import planes

WHAT, BY = {"graph": "a"}, {"runtime": "1", "driver": "1"}


class Runtime:
    """Compiles a graph into its cache, or opens what lies there."""

    def __init__(self):
        self.did = []
        self.refuses = False

    def __call__(self, folder):
        if folder is None:
            self.did.append("compiled, not kept")
        elif (blob := folder / "1.blob").exists():
            if self.refuses:
                raise VariantError("not mine")
            self.did.append(f"opened {blob.read_text()}")
        else:
            blob.write_text("the graph")
            self.did.append("compiled")
        return SimpleNamespace()


@pytest.fixture
def counters():
    return Counters()


@pytest.fixture
def kept(tmp_path, counters):
    return CompiledGraphs(tmp_path / "models" / ".compiled", counters)


@pytest.fixture
def runtime():
    return Runtime()


def dropped(counters):
    return counters.counts().get("compiled_graphs_dropped", {})


def folder_of(kept):
    [folder] = kept._root.iterdir()
    return folder


def test_it_is_compiled_once(kept, runtime, counters):
    for _ in range(3):
        kept.opened(WHAT, BY, runtime)
    assert runtime.did == ["compiled", "opened the graph", "opened the graph"]
    assert not dropped(counters)


def spoil_blob(folder):
    (folder / "1.blob").write_text("the grapH")


def add_file(folder):
    (folder / "2.blob").write_text("another")


def lose_blob(folder):
    (folder / "1.blob").unlink()


def lose_seal(folder):
    (folder / SEAL).unlink()


def spoil_seal(folder):
    (folder / SEAL).write_bytes(b"\xff{")


@pytest.mark.parametrize("spoil", [spoil_blob, add_file, lose_blob, lose_seal, spoil_seal])
def test_what_is_not_as_it_was_written_is_thrown_away_counted_and_compiled_again(
    kept, runtime, counters, spoil
):
    kept.opened(WHAT, BY, runtime)
    spoil(folder_of(kept))
    kept.opened(WHAT, BY, runtime)
    kept.opened(WHAT, BY, runtime)
    assert runtime.did == ["compiled", "compiled", "opened the graph"]
    assert dropped(counters) == {"damaged": 1}


@pytest.mark.parametrize("by", [{"runtime": "2", "driver": "1"}, {"runtime": "1", "driver": "2"}])
def test_another_runtime_or_driver_compiles_again_and_leaves_nothing_behind(kept, runtime, counters, by):
    kept.opened(WHAT, BY, runtime)
    kept.opened(WHAT, by, runtime)
    assert runtime.did == ["compiled", "compiled"]
    assert folder_of(kept).is_dir()
    assert not dropped(counters)


def test_other_graphs_stay(kept, runtime):
    kept.opened(WHAT, BY, runtime)
    kept.opened({"graph": "b"}, BY, runtime)
    kept.opened(WHAT, BY, runtime)
    assert runtime.did == ["compiled", "compiled", "opened the graph"]


def test_what_the_runtime_refuses_is_compiled_again(kept, runtime, counters):
    kept.opened(WHAT, BY, runtime)
    runtime.refuses = True
    kept.opened(WHAT, BY, runtime)
    assert runtime.did == ["compiled", "compiled"]
    assert dropped(counters) == {"refused": 1}


def test_a_graph_that_does_not_open_leaves_nothing(kept):
    def fails(folder):
        (folder / "1.blob").write_text("half")
        raise VariantError("no")

    with pytest.raises(VariantError):
        kept.opened(WHAT, BY, fails)
    assert not list(kept._root.iterdir())


def test_where_nothing_can_be_written_nothing_is_kept(tmp_path, runtime, counters):
    (tmp_path / "file").write_text("")
    CompiledGraphs(tmp_path / "file" / ".compiled", counters).opened(WHAT, BY, runtime)
    assert runtime.did == ["compiled, not kept"]


def test_on_a_full_disk_nothing_is_kept(kept, runtime, monkeypatch):
    def full(**_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "mkdtemp", full)
    kept.opened(WHAT, BY, runtime)
    assert runtime.did == ["compiled, not kept"]


def test_openvino_with_200_bytes_inverted_answers_right(tmp_path, counters):
    graph = write_graph(tmp_path / "small.onnx")
    kept, by = CompiledGraphs(tmp_path / ".compiled", counters), made_by("openvino-f32", "cpu")
    assert {"CPU", "FULL_DEVICE_NAME"} <= by.keys()

    def answered():
        session = kept.opened(
            WHAT, by, lambda at: open_session(graph, "openvino-f32", "cpu", Concurrency(1, 1), at)
        )
        np.testing.assert_allclose(
            session.run({"pictures": planes(1)})["scores"], scores(planes(1)), atol=1e-5
        )

    answered()
    [blob] = folder_of(kept).glob("*.blob")
    seal = json.loads((folder_of(kept) / SEAL).read_text())
    assert list(seal) == [blob.name]
    answered()
    assert not dropped(counters)
    assert [*folder_of(kept).glob("*.blob")] == [blob], "it was not compiled again"
    data, chance = bytearray(blob.read_bytes()), random.Random(0)
    for _ in range(200):
        data[chance.randrange(len(data))] ^= 0xFF
    blob.chmod(0o644)
    blob.write_bytes(data)
    answered()
    assert dropped(counters) == {"damaged": 1}
    assert json.loads((folder_of(kept) / SEAL).read_text()).keys() == seal.keys()


def test_onnxruntime_compiles_nothing_that_is_kept():
    assert made_by("onnxruntime-f32", "cpu") == {}
    assert made_by("openvino-f32", "gpu:9") == {}
