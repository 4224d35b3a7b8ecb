"""DeOldify's whole path on a small graph with the same input and output; its weights cannot be had here."""

import hashlib
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import cv2
import numpy as np
import onnx
import orjson
import pybase64
import pytest
import yaml
from onnx import TensorProto, helper, numpy_helper

from edged import InferenceError, ModelCard, PictureOptions, Tools
from edged.cards import load_card
from edged.contracts.errors import NotReady
from edged.contracts.request import RequestJob
from edged.contracts.slot import Priority
from edged.discovery import discover
from edged.flow.counters import Counters
from edged.media.picture import PictureLimits, decode_picture
from edged.requests.settings import RequestSettings
from edged.requests.steps import Steps
from edged.runtimes.checked import checked
from edged.serving.table import ServiceTable
from edged.serving.unit import ServiceSettings, open_service
from edged.testing import FakeRun, FakeSession, answer_of, conformance, frame_of
from tests.broker import free_port, until
from tests.e2e.box import EDGED, running
from tests.opened import models_in, pulled

HERE = Path(__file__).parent
CARD = load_card(HERE / "card.yaml")
PNG = PictureOptions(image_format="png")


@pytest.fixture(scope="module")
def model():
    return discover([HERE.parent], entry_points=False).models[CARD.id]


def redder(folder):
    """Fields of the card over a graph, written into `folder`, that paints everything redder than it is."""
    tint = np.array([1.3, 0.9, 0.7], np.float32).reshape(1, 3, 1, 1)
    sides = [1, 3, 256, 256]
    graph = helper.make_graph(
        [helper.make_node("Mul", ["input", "tint"], ["output"])],
        "tint",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, sides)],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, sides)],
        [numpy_helper.from_array(tint, "tint")],
    )
    path = folder / "deoldify_artistic.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), str(path))
    data = path.read_bytes()
    weights = {
        "sha256": hashlib.sha256(data).hexdigest(),
        "size": len(data),
        "origins": [{"file": path.name}],
    }
    return {**yaml.safe_load((HERE / "card.yaml").read_text()), "weights": {path.name: weights}}


@pytest.fixture(scope="module")
def painter(tmp_path_factory, model):
    """The model over that graph, pulled from a file."""
    folder = tmp_path_factory.mktemp("deoldify")
    own = type(model)(ModelCard.model_validate({**redder(folder), "folder": str(folder)}))
    return pulled(folder / "models", {CARD.id: own}, CARD.id)


def coloured(instance, bgr):
    return instance.infer(frame_of(bgr), PNG, FakeRun(), Priority.REQUEST).pixels


def luminance(bgr):
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2YCrCb)[..., 0].astype(int)


@pytest.mark.parametrize("precision", ["f32"])
def test_a_gray_picture_gets_colour_and_keeps_its_light(painter, media, precision):
    instance = painter.acquire(CARD.id, precision=precision)
    gray = cv2.cvtColor(cv2.imread(str(media("coffee.png")), cv2.IMREAD_GRAYSCALE), cv2.COLOR_GRAY2BGR)
    after = coloured(instance, gray)
    assert after.shape == gray.shape
    blue, _, red = (after[..., channel].astype(int) for channel in range(3))
    middle = (gray[..., 0] > 60) & (gray[..., 0] < 180)
    assert np.median((red - blue)[middle]) > 20
    assert np.abs(luminance(after) - luminance(gray))[middle].max() <= 2


def test_the_colour_of_the_input_is_not_looked_at(painter):
    instance = painter.acquire(CARD.id, precision="f32")
    green = np.zeros((60, 90, 3), np.uint8)
    green[..., 1] = 120
    gray = np.full((60, 90, 3), luminance(green)[0, 0], np.uint8)
    assert np.abs(coloured(instance, green).astype(int) - coloured(instance, gray)).max() <= 2


def test_it_keeps_the_promises_of_a_model(model):
    session = FakeSession(lambda fed: {"output": np.full((1, 3, 256, 256), 90, np.float32)})
    answer = answer_of(CARD, conformance(model, {"main": session}))
    picture = decode_picture(pybase64.b64decode(answer["out_image"]), PictureLimits(), 0.0)
    assert (picture.height, picture.width) == (120, 160)


@pytest.mark.parametrize("wrong", [np.full((1, 3, 256, 256), np.nan), np.zeros((1, 1, 256, 256))])
def test_a_graph_that_paints_nothing_is_said_to(model, wrong):
    sessions = checked({"main": FakeSession(lambda _: {"output": wrong.astype("f4")})}, model)
    with pytest.raises(InferenceError):
        model.infer(frame_of(np.zeros((9, 9, 3), np.uint8)), PNG, Tools(sessions), FakeRun())


def test_without_the_weights_the_answer_is_503_and_the_line_that_mends_it(model, tmp_path):
    assert not CARD.verified
    opener, table = models_in(tmp_path, {CARD.id: model}).opener, ServiceTable()
    with pytest.raises(NotReady, match="edged pull deoldify-artistic") as error:
        open_service(CARD.service, ServiceSettings(), opener)
    table.withdraw(CARD.service, str(error.value))
    route = Steps(table, RequestSettings(), Counters())
    job = RequestJob(CARD.service, b'{"image": "aGVsbG8="}', time.monotonic(), lambda _: None)
    answer = orjson.loads(route.all_at_once(job).body)
    assert (answer["success"], answer["error_code"]) == (False, 503)
    assert "edged pull deoldify-artistic" in answer["error_msg"]


def test_the_command_that_a_bare_box_names_mends_it_as_it_runs(tmp_path):
    """With a stand-in that can be had here, and so goes before what was never fetched."""
    own, port, http = tmp_path / "plugins" / "tint", free_port(), free_port()
    own.mkdir(parents=True)
    shutil.copy(HERE / "plugin.py", own)
    (own / "card.yaml").write_text(yaml.safe_dump({**redder(own), "id": "tint"}))
    config = tmp_path / "config.yaml"
    config.write_text(
        f"node: box\nmqtt: {{embedded_port: {port}}}\nhttp: {{listen: '127.0.0.1:{http}'}}\n"
        "paths: {plugins: [plugins]}\n"
    )
    picture = pybase64.b64encode(cv2.imencode(".png", np.full((8, 8, 3), 90, np.uint8))[1].tobytes())
    url = f"http://127.0.0.1:{http}/api/predict/{CARD.service}"

    def ask(**more):
        body = orjson.dumps({"image": picture.decode(), **more})
        try:
            with urllib.request.urlopen(urllib.request.Request(url, body), timeout=60) as answer:
                return orjson.loads(answer.read())
        except urllib.error.HTTPError as error:
            return orjson.loads(error.read())

    with running(config, port, "box", "--quiet") as box:
        until(lambda: box.said("subscribe to:"), "the daemon", 90)
        refused = ask()
        assert refused["error_code"] == 404
        named = re.search(r"run `edged (pull tint)`$", refused["error_msg"])
        assert named, refused["error_msg"]
        command = [*EDGED, *named[1].split(), "--config", str(config)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert ask()["out_image"]
        refused = ask(reference=picture.decode())
        assert refused["error_code"] == 400
        other = "`services.image-colorization.model: colour-by-reference` does"
        assert refused["error_msg"] == f"tint takes no `reference`; {other}"
