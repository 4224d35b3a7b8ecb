"""The card: what is wrong with it is named; what it says is typed."""

import pytest
import yaml
from pydantic import Field

from edged.cards import load_card
from edged.contracts.card import Parameters
from edged.contracts.errors import CardError
from edged.contracts.image import DetectionOptions
from tests.graphs import LEAST, NOT_THERE

CARD = {
    "api": 2,
    **LEAST,
    "id": "a-model",
    "service": "object-detection",
    "weights": NOT_THERE,
    "graphs": {
        "main": {
            "weights": ["a.onnx"],
            "inputs": {"x": {"kind": "picture", "size": [8, 16], "fit": "letterbox", "colour": "bgr"}},
            "outputs": ["y"],
            "variants": ["onnxruntime-f32"],
        }
    },
    "labels": ["cat", "dog"],
    "options": {"score_threshold": 0.3, "iou_threshold": 0.5, "max_detections": 10},
}


class Strides(Parameters):
    strides: tuple[int, ...] = Field(min_length=1)
    """Of the grids."""


def card(tmp_path, **changes):
    path = tmp_path / "card.yaml"
    path.write_text(yaml.safe_dump({**CARD, **changes}))
    return load_card(path)


def test_it_says_what_to_feed_and_what_to_read(tmp_path):
    loaded = card(tmp_path)
    assert loaded.picture().format.size == (8, 16)
    assert loaded.graphs["main"].single() == ("x", "y")
    assert loaded.folder == tmp_path
    assert loaded.options_as(DetectionOptions).max_detections == 10


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"id": "A Model"}, "id: "),
        ({"colour": "red"}, "colour: this key is unknown"),
        ({"rank": 0}, "rank: "),
        (
            {"weights": {"a.onnx": {"sha256": "x", "size": 1, "origins": [{"file": "f"}]}}},
            "weights.a.onnx.sha256",
        ),
        (
            {"weights": {"a.onnx": {"size": 1, "origins": [{"file": "f"}]}}},
            "weights.a.onnx: name exactly one of sha256 and sha384",
        ),
        ({"weights": {"b.onnx": CARD["weights"]["a.onnx"]}}, "'a.onnx', which are not listed"),  # type: ignore[index]
        ({"calibration": {"media": "clip.mp4"}}, "'clip.mp4', which is not listed"),
    ],
)
def test_what_is_wrong_is_named_with_the_file(tmp_path, changes, named):
    with pytest.raises(CardError) as caught:
        card(tmp_path, **changes)
    assert named in str(caught.value)
    assert str(tmp_path / "card.yaml") in str(caught.value)


@pytest.mark.parametrize(
    "picture",
    [
        {"size": [224, 224], "fit": "crop", "colour": "rgb", "short_side": 200},
        {"size": [224, 224], "fit": "stretch", "colour": "rgb", "short_side": 256},
    ],
)
def test_a_short_side_is_for_a_crop_and_covers_the_canvas(tmp_path, picture):
    graph = {**CARD["graphs"]["main"], "inputs": {"x": picture}}  # type: ignore[index]
    with pytest.raises(CardError, match="short_side"):
        card(tmp_path, graphs={"main": graph})


def test_a_graph_that_is_quantized_has_int8_alone(tmp_path):
    graph = {**CARD["graphs"]["main"], "quantized": True}  # type: ignore[index]
    with pytest.raises(CardError, match="`quantized` has no variant onnxruntime-f32"):
        card(tmp_path, graphs={"main": graph})
    card(tmp_path, graphs={"main": {**graph, "variants": ["onnxruntime-int8"]}})


@pytest.mark.parametrize("said", [{"api": 1}, {"api": 3}, {}])
def test_a_card_of_another_edition_is_refused_with_the_page_that_tells_what_to_change(tmp_path, said):
    path = tmp_path / "card.yaml"
    path.write_text(yaml.safe_dump({**{k: v for k, v in CARD.items() if k != "api"}, **said}))
    with pytest.raises(CardError) as caught:
        load_card(path)
    assert caught.value.faults == (
        f"{path}: api: this edged knows edition 2 of the plugin contract, and the card is of "
        f"{said.get('api', 1)}; docs/plugins.md tells what to change",
    )


@pytest.mark.parametrize("text", ["", "[1, 2]", "id: [", "\x00"])
def test_a_file_that_is_no_card(tmp_path, text):
    (tmp_path / "card.yaml").write_text(text)
    with pytest.raises(CardError, match=r"card\.yaml"):
        load_card(tmp_path / "card.yaml")


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(CardError, match=r"card\.yaml"):
        load_card(tmp_path / "card.yaml")


def test_missing_and_wrong_options_are_all_named(tmp_path):
    loaded = card(tmp_path, options={"score_threshold": 3, "max_detections": 10})
    with pytest.raises(CardError) as caught:
        loaded.options_as(DetectionOptions)
    assert len(caught.value.faults) == 2
    assert "options.score_threshold" in caught.value.faults[0]
    assert "options.iou_threshold" in caught.value.faults[1]


def test_parameters_are_typed_by_who_reads_them(tmp_path):
    assert card(tmp_path, parameters={"strides": [8, 16]}).parameters_as(Strides).strides == (8, 16)
    with pytest.raises(CardError, match=r"card\.yaml: parameters\.strides: this key is missing"):
        card(tmp_path).parameters_as(Strides)
    with pytest.raises(CardError, match=r"parameters\.stride: this key is unknown; did you mean strides\?"):
        card(tmp_path, parameters={"strides": [8], "stride": 3}).parameters_as(Strides)


def test_more_than_one_output_is_not_single(tmp_path):
    graph = {**CARD["graphs"]["main"], "outputs": ["y", "z"]}  # type: ignore[index]
    with pytest.raises(CardError, match="exactly one input and one output"):
        card(tmp_path, graphs={"main": graph}).graphs["main"].single()


def test_a_class_name_is_the_first_synonym_and_longer_where_classes_share_it(tmp_path):
    labels = [
        "tench, Tinca tinca",
        "crane, wader",
        "crane, machine",
        "maillot",
        "maillot, tank suit",
        "x",
        "x",
    ]
    assert card(tmp_path, labels=labels).class_names() == (
        "tench",
        "crane, wader",
        "crane, machine",
        "maillot",
        "maillot, tank suit",
        "x (5)",
        "x (6)",
    )


def test_labels_may_be_lines_of_text(tmp_path):
    assert card(tmp_path, labels="cat\ndog").labels == ("cat", "dog")
