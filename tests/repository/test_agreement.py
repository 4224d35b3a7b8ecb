"""How far two variants read the same texts."""

import pytest

from edged.contracts.image import TextRow, Texts
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
