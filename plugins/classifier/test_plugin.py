"""The decoder `classification`: the card of README.md becomes a model, known values in, known classes out."""

import re
from pathlib import Path

import numpy as np
import pytest

from edged import CardError, InferenceError, Options, Tools
from edged.cards import load_card
from edged.discovery import discover
from edged.runtimes.checked import checked
from edged.testing import FakeRun, FakeSession, answer_of, conformance, frame_of

HERE = Path(__file__).parent
FRAME = frame_of(np.full((30, 40, 3), 128, np.uint8))


@pytest.fixture
def made(tmp_path):
    """Makes a model of the card in a README, this one's if not told, with replacements."""

    def make(*replacements, page=HERE / "README.md"):
        found = re.search(r"```yaml\n(api: .*?)```", page.read_text("utf-8"), re.DOTALL)
        assert found is not None
        text = re.sub("<sha256sum .*?>", "ab" * 32, found[1].replace("<bytes>", "1"))
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new)
        (tmp_path / "card.yaml").write_text(text, "utf-8")
        card = load_card(tmp_path / "card.yaml")
        return discover([HERE.parent], entry_points=False).decoders[card.decoder](card)

    return make


@pytest.mark.parametrize("folder", ["../..", "../embedding", "../yolox-nano"])
def test_the_cards_that_are_shown_become_models(made, folder):
    made(page=HERE / folder / "README.md")


def says(*values):
    return {"main": FakeSession(lambda _: {"logits": np.array([values], np.float32)})}


def answered(model, sessions):
    return answer_of(model.card, conformance(model, sessions))


def test_logits_become_probabilities(made):
    answer = answered(made(), says(0.0, np.log(3.0)))
    assert (answer["class"], answer["class_name"]) == (1, "unripe")
    assert answer["class_probs"] == pytest.approx({"ripe": 0.25, "unripe": 0.75})


def test_probabilities_are_left_as_they_are(made):
    answer = answered(made(("softmax", "none")), says(0.9, 0.1))
    assert (answer["class"], answer["class_name"]) == (0, "ripe")
    assert answer["class_probs"] == pytest.approx({"ripe": 0.9, "unripe": 0.1})


def test_bytes_become_probabilities(made):
    bytes_ = {"main": FakeSession(lambda _: {"logits": np.array([[192, 64]], np.uint8)})}
    answer = answered(made(("activation: softmax", "activation: none, scale: 0.00390625")), bytes_)
    assert answer["class_probs"] == {"ripe": 0.75, "unripe": 0.25}


def test_the_graph_is_fed_red_first_and_not_normalised(made):
    red = np.zeros((30, 40, 3), np.uint8)
    red[..., 2] = 255
    (fed,) = made().preprocess(frame_of(red), Options()).inputs.values()
    assert fed.shape == (1, 224, 224, 3)
    assert fed[0, 0, 0].tolist() == [255, 0, 0]


def test_a_gray_graph_is_fed_one_channel(made):
    model = made(("rgb", "gray"), ("[123.675, 116.28, 103.53]", "[128]"), ("[58.395, 57.12, 57.375]", "[64]"))
    sessions = says(0.0, 1.0)
    conformance(model, sessions)
    assert sessions["main"].asked[0]["input"].shape == (1, 224, 224, 1)


@pytest.mark.parametrize(
    ("values", "reason"), [((1.0, 2.0, 3.0), "3 values for 2 labels"), ((np.nan, 1.0), "not finite")]
)
def test_a_graph_that_is_not_what_the_card_says_is_named(made, values, reason):
    model = made()
    with pytest.raises(InferenceError, match=reason):
        model.infer(FRAME, Options(), Tools(checked(says(*values), model)), FakeRun())


def test_a_card_must_say_what_the_output_is(made):
    with pytest.raises(CardError, match=r"parameters\.activation"):
        made(("softmax", "sigmoid"))
