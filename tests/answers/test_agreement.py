"""How far two variants read the same texts and see the same places."""

import numpy as np
import pytest

from edged.answers.kinds import agreement
from edged.contracts.image import Detections, SceneClassification, TextRow, Texts
from edged.contracts.masks import Foreground, InstanceMasks, Opacity, PartMask, Segmentation
from edged.contracts.parts import Embedding, Enlarged, Faces
from tests.answers.examples import LAST, RESULTS


def read(*rows):
    """Texts of rows (text, x), each 40 x 20 pixels."""
    made = [
        TextRow(np.array([[x, 0], [x + 40, 0], [x + 40, 20], [x, 20]]), 0.9, text, range(len(text)), 0.9)
        for text, x in rows
    ]
    return Texts(made, (100, 1000), ["background", "text"])


@pytest.mark.parametrize(
    ("other", "share"),
    [
        ([("出口", 0), ("Exit", 100)], 1),
        ([("Exit", 105), ("出口", 3)], 1),
        ([("出口", 0), ("E x it", 100)], 1),  # a space is no letter
        ([("出口", 0), ("Exif", 100)], 5 / 6),  # one letter of six
        ([("出口", 0), ("Ext", 100)], 5 / 6),
        ([("出", 0), ("Exits", 100)], 4 / 6),
        ([("出口", 0), ("Exit", 130)], 0),  # elsewhere: four are missing, and four too many
        ([("出口", 0)], 2 / 6),
        ([("出口", 0), ("Exit", 100), ("7", 300)], 5 / 6),
        ([], 0),
    ],
)
def test_texts_agree_by_their_letters_where_they_stand(other, share):
    assert agreement([read(("出口", 0), ("Exit", 100))], [read(*other)]) == pytest.approx(share)


def test_two_that_find_nothing_agree():
    assert agreement([read()], [read()]) == 1
    assert agreement([read()], [read(("7", 0))]) == 0


def test_a_long_text_weighs_more_than_a_short_one():
    long, short = read(("Exit to the left", 0)), read(("7", 0))
    assert agreement([long, short], [long, read(("1", 0))]) == pytest.approx(13 / 14)


def test_scenes_agree_when_the_most_probable_one_is_the_same():
    names = ["beach", "church", "cliff", "field", "street", "tower"]
    beach, church = (SceneClassification(p, names) for p in np.eye(6)[:2])
    nearly = SceneClassification(np.array([0.4, 0, 0, 0.3, 0.2, 0.1]), names)
    assert agreement([beach, church, church, church], [nearly, church, church, beach]) == 0.75


def outlined(*rows):
    """Objects of rows (left, width of the mask), each in a box of 4 x 10 pixels of a picture of 4 x 40."""
    boxes = np.array([[left, 0, left + 10, 4] for left, _ in rows], np.float32).reshape(-1, 4)
    found = Detections(boxes, np.full(len(rows), 0.9), np.full(len(rows), 3), {3: "car"})
    masks = [PartMask(0, left, np.ones((4, width), np.bool_)) for left, width in rows]
    return InstanceMasks.of(found, masks, (4, 40))


@pytest.mark.parametrize(
    ("other", "share"),
    [
        ([(0, 10), (20, 10)], 1),
        ([(20, 10), (0, 10)], 1),
        ([(0, 5), (20, 10)], 0.75),
        ([(0, 10)], 2 / 3),
        ([(0, 10), (30, 10)], 0.5),
        ([], 0),
    ],
)
def test_objects_agree_by_as_much_as_their_masks_overlap(other, share):
    assert agreement([outlined((0, 10), (20, 10))], [outlined(*other)]) == pytest.approx(share)
    assert agreement([outlined()], [outlined()]) == 1


def faces(*boxes):
    return Faces(
        np.array(boxes, np.float32).reshape(-1, 4), np.ones(len(boxes)), np.zeros((len(boxes), 5, 2))
    )


def test_faces_agree_by_their_boxes_and_vectors_by_their_cosine():
    one, other = [0, 0, 10, 10], [50, 50, 60, 60]
    assert agreement([faces(one, other)], [faces([1, 0, 10, 10])]) == pytest.approx(2 / 3)
    assert agreement([faces()], [faces()]) == 1
    a, b = Embedding(np.array([1.0, 0.0])), Embedding(np.array([0.6, 0.8]))
    assert agreement([a, a], [a, b]) == pytest.approx(0.8)
    assert agreement([a], [Embedding(-a.vector)]) == 0


def test_maps_agree_by_the_overlap_of_their_classes():
    def pixels(*rows):
        return Segmentation(np.moveaxis(np.eye(16)[np.array(rows)], -1, 0), (10, 40), range(16))

    same, other = pixels([0, 0, 15, 15]), pixels([0, 0, 0, 15])
    assert agreement([same], [same]) == 1
    assert agreement([same], [other]) == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert agreement([same, same], [same, pixels([0, 0, 8, 8])]) == pytest.approx((1 + 1 / 2 + 0) / 3)


def test_people_agree_by_the_overlap_of_their_masks():
    def people(*row):
        """Somebody in the parts of a row that are 1, each as high as the picture."""
        boxes = [np.array([20 * i, 0, 20 * i + 20, 20]) for i, there in enumerate(row) if there]
        return Foreground([Opacity(np.ones((1, 1)), box) for box in boxes], (1, 4), (20, 80))

    assert agreement([people(0, 0, 0, 0)], [people(0, 0, 0, 0)]) == 1
    assert agreement([people(0, 1, 1, 0)], [people(0, 1, 0, 0)]) == pytest.approx(0.5)
    assert agreement([people(0, 0, 0, 0)], [people(0, 1, 0, 0)]) == 0


@pytest.mark.parametrize("name", sorted(RESULTS))
def test_a_result_agrees_with_itself_and_of_no_results_nobody_knows(name):
    results = [RESULTS[name](n) for n in range(1, LAST + 1)]
    assert agreement(results, results) in (1, None)
    assert agreement([], []) is None


def test_of_enlarged_pictures_by_psnr():
    gray = np.full((20, 30, 3), 100, np.uint8)
    errors = [agreement([Enlarged(gray)], [Enlarged(gray + np.uint8(n))]) for n in (0, 1, 5, 100)]
    decibels = [50 * share for share in errors]
    assert decibels == pytest.approx([50, 48.13, 34.15, 8.13], abs=0.01)
    halves = agreement([Enlarged(gray)] * 2, [Enlarged(gray), Enlarged(gray + np.uint8(5))])
    assert 50 * halves == pytest.approx(34.15 + 3.01, abs=0.01)
