"""What the small model is pulled from."""

import pytest

from tests.graphs import write_graph
from tests.media.clips import write_clip


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Its graph, and a clip of 30 frames."""
    folder = tmp_path_factory.mktemp("files")
    write_graph(folder / "small.onnx")
    write_clip(folder / "clip.mp4", frames=30)
    return folder
