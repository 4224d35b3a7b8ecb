"""How far two variants read the same texts and see the same places."""

import numpy as np
import pytest
from edged.repository.agreement import agreement

from edged.contracts.image import SceneClassification, TextRow, Texts
from edged.contracts.masks import ForegroundMask, InstanceMasks, Rle, Segmentation
from edged.contracts.parts import Embedding, Faces
from edged.ops.masks import rle_counts


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


def outlined(*rows):
    """Objects of rows (left, width of the mask), each in a box of 4 x 10 pixels of a picture of 4 x 40."""
    masks = []
    for left, width in rows:
        line = np.isin(np.arange(40), range(left, left + width))
        masks.append(Rle(rle_counts(np.stack([line] * 4)), [4, 40]))
    return InstanceMasks(
        detection_boxes=[[0, left, 4, left + 10] for left, _ in rows],
        detection_scores=[0.9] * len(rows),
        detection_classes=[3] * len(rows),
        detection_class_names=["car"] * len(rows),
        detection_masks=masks,
    )


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
        preds = np.array(rows)
        return Segmentation(np.ones(preds.shape), preds)

    same, other = pixels([0, 0, 15, 15]), pixels([0, 0, 0, 15])
    assert agreement([same], [same]) == 1
    assert agreement([same], [other]) == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert agreement([same, same], [same, pixels([0, 0, 8, 8])]) == pytest.approx((1 + 1 / 2 + 0) / 3)


def test_people_agree_by_the_overlap_of_their_masks():
    def mask(*row):
        return ForegroundMask("0", np.array([row]))

    assert agreement([mask(0, 0)], [mask(0, 0)]) == 1
    assert agreement([mask(0, 1, 1)], [mask(0, 1, 0)]) == pytest.approx(0.5)
    assert agreement([mask(0, 0)], [mask(0, 1)]) == 0
