"""Who asks for one model gets the plugins that it concerns, as if all had been asked for."""

from pathlib import Path

import pytest

from edged.discovery import discover
from edged.narrowing import concerned
from tests.test_discovery import GOOD, PLUGINS, by_card, plugin

PLACES = sorted(place for place in PLUGINS.iterdir() if place.is_dir())


@pytest.fixture(scope="module")
def everything():
    return discover([PLUGINS], entry_points=False)


def test_every_model_that_comes_with_edged_is_found_with_all_that_it_uses(everything):
    for model, source in everything.sources.items():
        card, found = everything.models[model].card, concerned(PLACES, [model])
        assert {source, *(everything.sources[used] for used in card.uses.values())} <= set(map(str, found))
        offered = concerned(PLACES, [card.service])
        assert set(found) >= {Path(source)} <= set(offered), model


def test_few_are_looked_at_for_one():
    assert [place.name for place in concerned(PLACES, ["picodet-416"])] == ["picodet-416"]
    assert len(concerned(PLACES, ["object-detection"])) < len(PLACES) / 5


def test_a_model_without_code_is_made_by_its_decoder(everything):
    (name,) = {"clip-vit-b16-image"} & set(everything.models)
    found = discover([PLUGINS], entry_points=False, words=[name])
    assert type(found.models[name]).__name__ == type(everything.models[name]).__name__
    assert not found.failures


def test_what_does_not_concern_the_model_is_not_even_imported(tmp_path):
    plugin(tmp_path, "good", GOOD)
    plugin(tmp_path, "broken", "raise ValueError", service="ocr")
    found = discover([tmp_path], entry_points=False, words=["good"])
    assert (list(found.models), found.failures) == (["good"], {})


def test_who_claims_the_same_id_concerns_it(tmp_path):
    places = [Path(plugin(tmp_path, "a", GOOD, id="same", service="ocr"))]
    places.append(Path(plugin(tmp_path, "b", GOOD, id="same")))
    assert concerned(places, ["image-classification"]) == places


@pytest.mark.parametrize("card", ["{api: 2, id: mine, service: ocr}", '"service": "ocr"', "id: 'ocr'\n"])
def test_cards_may_be_written_in_other_ways(tmp_path, card):
    (Path(by_card(tmp_path, "mine")) / "card.yaml").write_text(card)
    assert concerned([tmp_path / "mine"], ["ocr"])


def test_plugins_of_ones_own_are_always_looked_at_with_what_they_build_on(tmp_path):
    broken = plugin(tmp_path / "own", "broken", "raise ValueError")
    plugin(tmp_path / "edged", "good", GOOD)
    plugin(tmp_path / "edged", "used", GOOD)
    plugin(tmp_path / "edged", "other", GOOD)
    by_card(tmp_path / "own", "mine", uses={"part": "used"})
    found = discover([tmp_path / "edged", tmp_path / "own"], entry_points=False, words=["good"])
    assert found.models.keys() == {"good", "used"}
    assert broken in found.failures
