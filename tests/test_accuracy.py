"""What is shipped of the accuracy of models belongs to the cards as they are; its figures are right."""

import numpy as np
import pytest
import yaml

from conftest import ROOT
from edged.cards import ACCURACY, load_card
from edged.contracts.errors import CardError
from edged.derive.manifest import recipe
from edged.repository.variants import variants_of
from tests.bench.accuracy import evidence
from tests.graphs import card, write_graph

CARDS = [
    loaded
    for path in sorted((ROOT / "plugins").glob("*/*.yaml"))
    if path.name != ACCURACY
    if (loaded := load_card(path)).accuracy
]


@pytest.mark.parametrize("of", CARDS, ids=lambda of: of.id)
def test_evidence_is_of_the_card_as_it_is(of):
    for variant, by_class in of.accuracy.items():
        assert variant in variants_of(of)
        for found in by_class.values():
            hint = f"measure it again: python -m tests.bench.accuracy models {of.id}"
            assert found.recipe == recipe(of, variant).digest, hint


def test_every_file_names_models_of_its_folder():
    for path in sorted((ROOT / "plugins").glob(f"*/{ACCURACY}")):
        beside = {load_card(other).id for other in path.parent.glob("*.yaml") if other != path}
        assert yaml.safe_load(path.read_text()).keys() <= beside


def test_a_faulty_file_is_named(tmp_path):
    of = card(write_graph(tmp_path / "small.onnx"))
    said = of.model_dump(mode="json", exclude={"accuracy"}) | {"api": 2}
    (tmp_path / "card.yaml").write_text(yaml.safe_dump(said))
    assert load_card(tmp_path / "card.yaml").accuracy == {}
    (tmp_path / ACCURACY).write_text("small: {openvino-f32: {vnni: {measure: top-1}}}\n")
    with pytest.raises(CardError, match=r"accuracy.openvino-f32.vnni.value"):
        load_card(tmp_path / "card.yaml")


def test_the_bound_is_two_standard_errors_of_a_share():
    random = np.random.default_rng(0)
    letters = random.integers(50, 150, 400).astype(float)
    right = random.binomial(letters.astype(int), 0.9).astype(float)
    found = evidence(np.stack([right, letters], 1), None)
    assert found["value"] == pytest.approx(0.9, abs=0.005)
    expected = np.sqrt(0.9 * 0.1 / letters.sum())
    assert found["value"] - found["at_least"] == pytest.approx(2 * expected, rel=0.15)


def test_a_loss_is_of_pairs():
    """Items differ far more than two variants do on the same item."""
    easy_and_hard = np.tile([[1.0, 1.0], [0.0, 1.0]], (100, 1))
    same = evidence(easy_and_hard, easy_and_hard)
    assert (same["f32"], same["loses_at_most"]) == (0.5, 0.0)
    assert same["at_least"] < 0.45
    worse = easy_and_hard.copy()
    worse[:8:2, 0] = 0
    lost = evidence(worse, easy_and_hard)
    assert lost["loses_at_most"] == pytest.approx(0.02 + 2 * np.sqrt(0.02 * 0.98 / 200), abs=0.001)
