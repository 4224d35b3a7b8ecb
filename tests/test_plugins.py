"""Every model of `plugins/` whose weights can be had, through all checks of `edged test-plugin`."""

import pytest

from conftest import ROOT
from edged.contracts.services import any_service
from edged.discovery import discover
from edged.testing import Subject, checked_rows, items_for

FOUND = discover([ROOT / "plugins"], entry_points=False)
CARDS = {model.card.id: model.card for model in FOUND.models.values()}


def pullable(card):
    return card.verified and all(pullable(CARDS[used]) for used in card.uses.values())


GIVEN = {
    "yunet-sface": ["astronaut.png", "astronaut.png"],
    "dlib-fer": ["four-women.jpg"],
    "ffdnet-span": ["astronaut.png"],
    "modnet": ["astronaut.png"],
    "eiseg-hrnet18": ["astronaut.png"],
    "ppocrv6-small": ["page.png"],
    "ppocrv6-tiny": ["page.png"],
    "ina-gender": ["woman.wav"],
    "mandarin-recognition": ["mandarin.wav"],
    "speech-vector-en": ["english.wav"],
    "shelf-count": ["coffee.png"],
}
"""Models that are tried on something real; the others answer to anything."""


IDLE = {"ffdnet-span"}
"""Models of which a graph is run only for what is given by their own tests."""
LONG = {"whisper-small", "clip-vit-b16-image", "colour-by-reference"}
"""Models that no other test pulls, and that are derived for minutes; others of their kind are tried. The last
one keeps its promises in its own tests, by an embedding that takes no time."""


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(card.id, marks=pytest.mark.long if card.id in LONG else ())
        for card in CARDS.values()
        if pullable(card)
    ],
)
def test_it_keeps_every_promise(instance_of, media, name):
    instance = instance_of(name)
    given = [str(media(one)) for one in GIVEN.get(name, ())]
    items = items_for(any_service(instance.card.service), given, reference=instance.card.reference)
    rows = list(checked_rows(Subject(instance.model, instance.tools, items)))
    assert [row for row in rows if row.result == "failed"] == []
    assert name in IDLE or not [row for row in rows if "never run" in row.said]


def test_all_plugins_load():
    assert FOUND.failures == {}
