"""How far two variants read the same texts and see the same places."""

import numpy as np
import pytest

from edged.contracts.image import SceneClassification, TextRow, Texts
from edged.repository.agreement import agreement


def read(*rows):
    """Texts of rows (text, x), each 40 x 20 pixels."""
    made = [
        TextRow([[x, 0], [x + 40, 0], [x + 40, 20], [x, 20]], 0.9, text, range(len(text)), 0.9)
        for text, x in rows
    ]
    return Texts.from_rows(made, (100, 1000), ["background", "text"])


@pytest.mark.parametrize(
    ("other", "share"),
    [
        ([("出口", 0), ("Exit", 100)], 1),
        ([("Exit", 105), ("出口", 3)], 1),
        ([("出口", 0), ("Exif", 100)], 0.5),
        ([("出口", 0), ("Exit", 130)], 0.5),
        ([("出口", 0)], 2 / 3),
        ([("出口", 0), ("Exit", 100), ("7", 300)], 4 / 5),
        ([], 0),
    ],
)
def test_the_same_text_at_the_same_place_counts(other, share):
    assert agreement([read(("出口", 0), ("Exit", 100))], [read(*other)]) == pytest.approx(share)


def test_two_that_find_nothing_agree():
    assert agreement([read()], [read()]) == 1


def test_scenes_agree_when_the_most_probable_one_is_the_same():
    names = ["beach", "church", "cliff", "field", "street", "tower"]
    beach, church = (SceneClassification.from_array(p, names) for p in np.eye(6)[:2])
    nearly = SceneClassification.from_array(np.array([0.4, 0, 0, 0.3, 0.2, 0.1]), names)
    assert agreement([beach, church, church, church], [nearly, church, church, beach]) == 0.75
