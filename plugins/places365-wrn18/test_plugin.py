"""Places365: the graph that is built, against torch and on real pictures."""

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest

from edged import InferenceError, Options, Tools
from edged.contracts.errors import RepositoryError
from edged.media.picture import PictureLimits, decode_picture
from edged.repository.instance import UsedModel
from edged.runtimes.checked import checked
from edged.testing import FakeRun, FakeSession, answer_of, frame_of
from tests.reference import reference, wanted

MODEL = "places365-wrn18"
CHECKPOINT = "wideresnet18_places365.pth.tar"
WAVES = (
    np.sin(np.arange(3 * 224 * 224, dtype=np.float64) ** 2 / 1e6).reshape(1, 3, 224, 224).astype(np.float32)
)
"""A picture that is the same everywhere."""
CLASSES = [137, 140, 122, 34, 141]
"""Its five most probable classes by torch 2.13.0, in the maker's own network."""
PROBABILITIES = [0.163938, 0.129735, 0.126098, 0.114385, 0.040596]


@pytest.fixture(scope="module")
def pulled(instance_of):
    return instance_of(MODEL, "f32")


@pytest.fixture(scope="module")
def file_of(pulled, weight_store):
    """A file of the card by name."""
    return lambda name: weight_store.verified(pulled.card, name)


@pytest.fixture(scope="module")
def built(pulled, file_of):
    return pulled.model.build_graph("main", {CHECKPOINT: file_of(CHECKPOINT)})


@pytest.fixture(scope="module")
def probabilities(built):
    session = onnxruntime.InferenceSession(built.SerializeToString())
    return lambda planes: session.run(None, {"image": planes})[0]


def classified(instance, path):
    frame = decode_picture(path.read_bytes(), PictureLimits(), 0.0)
    return answer_of(instance.card, UsedModel(instance).infer(frame, FakeRun()))


@pytest.mark.parametrize("precision", ["f32", "auto"])
@pytest.mark.parametrize(
    ("picture", "scene"),
    [
        ("island.jpg", "islet"),
        ("snow.jpg", "mountain_snowy"),
        ("audio_mixer.jpg", "music_studio"),
        ("demo06.jpg", "bridge"),
        ("beverages.jpg", "coffee_shop"),
        ("red_fish.jpg", "aquarium"),
    ],
)
def test_real_weights_name_the_place_that_people_see(instance_of, file_of, picture, scene, precision):
    result = classified(instance_of(MODEL, precision), file_of(picture))
    assert result["class_name"][0] == scene
    assert len(result["class"]) == len(result["class_name"]) == 5
    assert len(result["class_probs"]) == 365
    assert sum(result["class_probs"].values()) == pytest.approx(1, abs=0.01)
    best = [result["class_probs"][name] for name in result["class_name"]]
    assert best == sorted(result["class_probs"].values(), reverse=True)[:5]


def test_a_picture_that_nothing_was_calibrated_on(instance_of, media):
    result = classified(instance_of(MODEL, "auto"), media("china.jpg"))
    assert {"pagoda", "temple-asia", "palace"} & set(result["class_name"][:2])


def test_labels_are_spelt_as_the_contract_says(pulled):
    names = pulled.card.class_names()
    assert len(set(names)) == 365
    assert {"airfield", "apartment_building-outdoor", "ocean", "zen_garden"} < set(names)
    assert not [name for name in names if "/" in name or " " in name]


def test_the_graph_gives_what_torch_gave(probabilities):
    found = probabilities(WAVES)[0]
    assert found.argsort()[::-1][:5].tolist() == CLASSES
    np.testing.assert_allclose(found[CLASSES], PROBABILITIES, atol=1e-5)


@wanted
@pytest.mark.timeout(3600)
def test_the_graph_agrees_with_torch(probabilities, file_of, media):
    names = ["island.jpg", "snow.jpg", "demo01.jpg", "demo15.jpg", "sunrise.jpg"]
    planes = np.concatenate([WAVES, *(normalised(cv2.imread(str(file_of(name)))) for name in names)])
    theirs = reference(
        ["torch"],
        """
        import importlib.util, torch
        spec = importlib.util.spec_from_file_location("wideresnet", code)
        wideresnet = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(wideresnet)
        arrays = torch.load(checkpoint, map_location="cpu", weights_only=True)["state_dict"]
        net = wideresnet.resnet18(num_classes=365).eval()
        net.load_state_dict({name.removeprefix("module."): array for name, array in arrays.items()})
        with torch.no_grad():
            result = torch.softmax(net(torch.tensor(planes)), 1).numpy()
        """,
        code=media("wideresnet.py"),
        checkpoint=file_of(CHECKPOINT),
        planes=planes,
    )
    assert abs(probabilities(planes) - theirs).max() < 1e-5
    np.testing.assert_allclose(theirs[0, CLASSES], PROBABILITIES, atol=1e-5)


def normalised(bgr):
    """As the maker does it: squeezed, red first."""
    rgb = cv2.resize(bgr, (224, 224))[..., ::-1] / 255
    planes = ((rgb - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]).transpose(2, 0, 1)
    return planes[None].astype(np.float32)


def test_the_model_feeds_what_the_maker_feeds(pulled, file_of, probabilities):
    for name in ("island.jpg", "demo01.jpg", "demo15.jpg"):
        theirs = probabilities(normalised(cv2.imread(str(file_of(name)))))[0]
        ours = np.array(list(classified(pulled, file_of(name))["class_probs"].values()))
        assert abs(ours - theirs).max() < 0.05


def test_the_graph_is_the_same_whenever_it_is_built(pulled, built, file_of):
    again = pulled.model.build_graph("main", {CHECKPOINT: file_of(CHECKPOINT)})
    assert again.SerializeToString() == built.SerializeToString()
    assert "MaxPool" not in {node.op_type for node in built.graph.node}
    onnx.checker.check_model(built)


def test_another_checkpoint_is_refused(pulled, tmp_path):
    path = tmp_path / "other.pth"
    path.write_bytes(b"PK\3\4")
    with pytest.raises(RepositoryError, match=r"other\.pth cannot be read"):
        pulled.model.build_graph("main", {CHECKPOINT: path})


def test_a_graph_that_is_not_what_the_card_says_is_named(pulled):
    for said, reason in (
        (np.ones((1, 364), np.float32), r"\(1, 364\), and not \(1, 365\)"),
        (np.full((1, 365), np.nan, np.float32), "not finite"),
    ):
        sessions = checked({"main": FakeSession(lambda _, said=said: {"probabilities": said})}, pulled.model)
        with pytest.raises(InferenceError, match=reason):
            pulled.model.infer(frame_of(np.zeros((9, 9, 3), np.uint8)), Options(), Tools(sessions), FakeRun())
