"""Lines and zones: which side, through or past, in or out."""

import numpy as np
import pytest

from edged.ops.places import Line, Zone, area, crosses_itself

SQUARE = [(0.0, 0.0), (10.0, 0.0), (10.0, 10.0), (0.0, 10.0)]
BOW = [(0.0, 0.0), (10.0, 10.0), (10.0, 0.0), (0.0, 10.0)]


@pytest.mark.parametrize("angle", range(0, 360, 45))
def test_the_right_hand_is_right_of_whoever_looks_along_the_line(angle):
    """Eight directions. On a screen, y down, right of somebody who looks to the right is below."""
    along = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
    right = np.array([-along[1], along[0]])
    line = Line(tuple(-100 * along), tuple(100 * along))
    assert line.right_of(tuple(7 * right + 30 * along)) == pytest.approx(7)
    assert line.right_of(tuple(-7 * right - 30 * along)) == pytest.approx(-7)


def test_looking_to_the_right_below_is_right():
    assert Line((20, 80), (70, 80)).right_of((50, 90)) > 0


@pytest.mark.parametrize(
    ("path", "cut"),
    [
        ([(5, -1), (5, 1)], True),
        ([(-1, -1), (-1, 1)], False),
        ([(5, -1), (12, -1), (12, 1), (5, 1)], False),
        ([(5, -3), (5, -1), (6, 2)], True),
        ([(0, -1), (0, 1)], True),
        ([(5, 0), (5, 1)], True),
        ([(2, 0), (8, 0)], True),
        ([(12, 0), (18, 0)], False),
        ([(5, 1)], False),
    ],
    ids=[
        "through",
        "past",
        "around the end",
        "in two steps",
        "its end",
        "from it",
        "along it",
        "beyond it",
        "no way",
    ],
)
def test_a_path_goes_through_between_the_ends(path, cut):
    assert Line((0, 0), (10, 0)).is_cut(path) is cut


def test_how_deep_a_point_lies_in_a_zone():
    zone = Zone(SQUARE)
    assert zone.depth((5, 4)) == pytest.approx(4)
    assert zone.depth((13, 14)) == pytest.approx(-5)
    assert zone.depth((0, 5)) == pytest.approx(0)


def test_a_zone_may_have_a_bay():
    bay = Zone([(0, 0), (10, 0), (10, 10), (5, 2), (0, 10)])
    assert bay.depth((5, 8)) < 0 < bay.depth((1, 5))


def test_a_way_through_a_thin_zone_cuts_it():
    thin = Zone([(0, 0), (10, 0), (10, 0.1), (0, 0.1)])
    assert thin.is_cut((5, -5), (5, 5))
    assert not thin.is_cut((15, -5), (15, 5))


def test_a_polygon_that_crosses_itself():
    assert crosses_itself(BOW)
    assert not crosses_itself(SQUARE)


def test_area_whichever_way_round():
    assert area(SQUARE) == area(SQUARE[::-1]) == 100
