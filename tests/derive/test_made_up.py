"""What models are tried on when there is nothing else."""

import numpy as np
import pytest

from edged.contracts.items import PixelFormat
from edged.contracts.services import PARTS, SERVICES
from edged.derive.made_up import ITEMS, items, page, tensors
from tests.graphs import card, write_graph


@pytest.mark.parametrize("of", [*SERVICES.values(), *PARTS.values()], ids=lambda of: of.name)
def test_every_service_of_one_item_has_some(of):
    found = items(of)
    assert len(found) == (ITEMS if of.media in ("picture", "recording", "text") else 0)


def test_they_are_the_same_each_time_and_differ():
    twice = [items(PARTS["image-embedding"]) for _ in range(2)]
    first, again = ([frame.pixels(PixelFormat()) for frame in found] for found in twice)
    assert all(map(np.array_equal, first, again))
    assert len({pixels.tobytes() for pixels in first}) == ITEMS
    assert min(pixels.std() for pixels in first) > 20, "there is something to see"


def test_pages_are_of_several_sizes_in_both_languages_with_their_text():
    pages = [page(seed) for seed in range(ITEMS)]
    assert len({paper.shape for paper, _ in pages}) >= 4
    said = "".join(line for _, lines in pages for line in lines)
    assert sum(letter > "\u4e00" for letter in said) > 300
    assert sum(letter.isascii() for letter in said) > 300
    paper, lines = pages[0]
    assert len(lines) == 9
    assert paper.std() > 20


def test_graphs_are_fed_what_their_card_says(tmp_path):
    write_graph(tmp_path / "small.onnx")
    given = tensors(card(tmp_path / "small.onnx"))
    assert len(given) == ITEMS
    (pictures,) = given[0]["main"].values()
    assert pictures.shape == (1, 8, 8, 3)
    assert pictures.dtype == np.uint8
