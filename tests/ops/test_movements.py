"""Crossings, and who is in a zone: of people whose way is known."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest

from edged.ops.movements import Crossing, Entered, Left, LinePlace, Movements, ZonePlace, beyond
from edged.ops.places import Line, Zone
from edged.ops.tracks import SIGHTINGS, Seen, Tracks, follow

WIDTH, HEIGHT = 1280, 720
ACROSS = LinePlace(Line((300.0, 400.0), (980.0, 400.0)))
"""Who walks down the picture comes in."""
TILL = ZonePlace(Zone([(500.0, 300.0), (800.0, 300.0), (800.0, 500.0), (500.0, 500.0)]))
TALL = 150


class Camera:
    """Shows people, by where they stand; tells what they have done."""

    def __init__(self, lines=None, zones=None, *, fps=5, name="person"):
        self.movements = Movements(lines or {}, zones or {}, (WIDTH, HEIGHT))
        self.tracks = Tracks()
        self.told = []
        self.at = 0.0
        self._step, self._name = 1 / fps, name

    def show(self, *feet, tall=TALL):
        """One frame; boxes are cut off at the edge of the picture."""
        size = (WIDTH, HEIGHT)
        boxes = [(x - 0.2 * tall, y - tall, x + 0.2 * tall, y) for x, y in feet]
        boxes = [b for b in np.array(boxes).reshape(-1, 4) if (b[2:] > 0).all() and (b[:2] < size).all()]
        boxes = np.array(boxes).reshape(-1, 4).clip(0, np.tile(size, 2))
        seen = Seen(boxes, np.full(len(boxes), 0.8), [self._name] * len(boxes))
        step = follow(self.tracks, seen, self.at, 0.35)
        self.tracks = step.tracks
        self.told += self.movements.step(step.tracks.alive, step.ended, self.at)
        self.at += self._step
        return self

    def walk(self, *places, speed=TALL):
        """One person from place to place, `speed` pixels a second."""
        for begin, end in pairwise(places):
            steps = max(1, round(np.hypot(*np.subtract(end, begin)) / (speed * self._step)))
            for k in range(1, steps + 1):
                self.show(tuple(np.add(begin, np.subtract(end, begin) * k / steps)))
        return self

    def leave(self):
        """Nobody is there, until all tracks have ended."""
        for _ in range(round(3 / self._step)):
            self.show()
        return self

    def directions(self):
        return [told.direction for told in self.told if isinstance(told, Crossing)]


@pytest.mark.parametrize("fps", [2, 5, 10])
def test_who_walks_down_comes_in_and_who_walks_up_goes_out(fps):
    camera = (
        Camera({"door": ACROSS}, fps=fps).walk((640, 250), (640, 600)).leave().walk((640, 600), (640, 250))
    )
    assert camera.directions() == ["in", "out"]


@pytest.mark.parametrize("angle", range(0, 360, 45))
def test_in_is_from_the_left_hand_to_the_right_in_eight_directions(angle):
    along = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
    left, middle = np.array([along[1], -along[0]]), np.array([640, 400])
    line = Line(tuple(middle - 200 * along), tuple(middle + 200 * along))
    camera = Camera({"door": LinePlace(line)})
    assert camera.walk(tuple(middle + 150 * left), tuple(middle - 150 * left)).directions() == ["in"]


def test_past_the_end_of_a_line_nobody_crosses_it():
    assert not Camera({"door": ACROSS}).walk((150, 300), (150, 600)).told


def test_around_the_end_and_back_through_counts_once():
    around = Camera({"door": ACROSS}).walk((640, 250), (150, 250), (150, 600), (640, 600), (640, 250))
    assert around.directions() == ["out"]


def test_to_and_fro_on_a_line_is_no_crossing():
    """Supervision 2598: a flicker counted backwards."""
    camera = Camera({"door": ACROSS}).walk((640, 300), (640, 395))
    rng = np.random.default_rng(0)
    for _ in range(100):
        camera.show((640 + rng.normal(0, 3), 400 + rng.normal(0, 4)))
    assert camera.walk((640, 400), (640, 300)).directions() == []


def test_who_stops_on_a_line_and_goes_on_counts_once():
    camera = Camera({"door": ACROSS}).walk((640, 300), (640, 400))
    for _ in range(100):
        camera.show((640, 402))
    assert camera.walk((640, 402), (640, 600)).directions() == ["in"]


@pytest.mark.parametrize("fps", [2, 5, 10])
@pytest.mark.parametrize(
    ("line", "way"),
    [
        (((0, 712), (1280, 712)), ((640, 500), (640, 1000))),
        (((1272, 0), (1272, 720)), ((1000, 400), (1500, 400))),
        (((8, 720), (8, 0)), ((300, 400), (-300, 400))),
    ],
    ids=["below", "right", "left"],
)
def test_a_line_at_the_edge_of_the_picture_counts(line, way, fps):
    """Supervision 1838: nobody is ever seen on its far side."""
    place = LinePlace(Line(*line))
    there = Camera({"edge": place}, fps=fps).walk(*way).leave()
    back = Camera({"edge": place}, fps=fps).walk(*way[::-1]).leave()
    assert len(there.directions()) == len(back.directions()) == 1
    assert there.directions() != back.directions()


def test_who_is_lost_in_the_middle_of_the_picture_crosses_nothing():
    assert not Camera({"door": ACROSS}).walk((640, 250), (640, 380)).leave().told


def test_who_is_found_again_goes_on_with_the_path():
    """As another track: what was lost for longer than it can be followed, but where it would be by now."""
    camera = Camera({"door": ACROSS}).walk((640, 200), (640, 350))
    camera.tracks = Tracks(camera.at, (), camera.tracks.last_id)  # the tracker has lost it
    camera.walk((640, 380), (640, 600)).leave()
    assert camera.directions() == ["in"]
    assert camera.told[0].track == 2


def test_who_is_found_again_after_another_went_on_with_the_path_crosses_nothing():
    """One leaves the picture where two come in: the first of them was taken for it, and then the other."""
    camera = Camera({"door": ACROSS}).walk((640, 250), (640, 600))
    (lost,), at = camera.tracks.alive, camera.at + 0.2
    other = lost._replace(id=2, born_at=at - 0.1, seen_at=at, first=lost.box, sightings=SIGHTINGS)
    again = lost._replace(seen_at=at + 0.2, sightings=lost.sightings + 1)
    told = camera.movements.step([lost, other], [], at)
    told += camera.movements.step([again, other._replace(seen_at=at + 0.2)], [], at + 0.2)
    assert (camera.directions(), told) == (["in"], [])


def test_only_the_wanted_classes_count():
    of = LinePlace(ACROSS.line, classes=("person",))
    assert Camera({"door": of}).walk((640, 250), (640, 600)).directions() == ["in"]
    assert not Camera({"door": of}, name="dog").walk((640, 250), (640, 600)).told


def test_by_the_centre_if_that_is_wanted():
    high = LinePlace(Line((300, 200), (980, 200)), anchor="centre")
    assert Camera({"door": high}).walk((640, 200), (640, 350)).directions() == ["in"]


def test_who_comes_into_a_zone_stays_and_leaves():
    camera = Camera(zones={"till": TILL}).walk((640, 200), (640, 400))
    for _ in range(50):
        camera.show((640, 400))
    assert list(camera.movements.inside("till")) == [1]
    camera.walk((640, 400), (640, 600))
    entered, left = camera.told
    assert isinstance(entered, Entered)
    assert isinstance(left, Left)
    assert 10 < left.at - left.since < 13
    assert left.since == entered.at
    assert not camera.movements.inside("till")


def test_to_and_fro_at_the_border_of_a_zone_is_one_visit():
    camera = Camera(zones={"till": TILL}).walk((640, 200), (640, 300))
    rng = np.random.default_rng(0)
    for _ in range(100):
        camera.show((640, 300 + rng.normal(0, 4)))
    assert [type(told) for told in camera.told] == [Entered]


def test_a_thin_zone_is_not_skipped_between_two_frames():
    """Ultralytics 25492."""
    thin = ZonePlace(Zone([(300, 400), (980, 400), (980, 403), (300, 403)]))
    camera = Camera(zones={"thin": thin}, fps=2).walk((640, 250), (640, 600))
    assert [type(told) for told in camera.told] == [Entered, Left]


def test_who_is_lost_in_a_zone_has_left_it_when_seen_last():
    camera = Camera(zones={"till": TILL}).walk((640, 200), (640, 400))
    seen_at = camera.at - 0.2
    camera.leave()
    assert isinstance(camera.told[-1], Left)
    assert camera.told[-1].at == pytest.approx(seen_at)


def test_when_nothing_is_known_any_more_nobody_crosses_but_all_have_left():
    edge = LinePlace(Line((0, 712), (1280, 712)))
    camera = Camera({"edge": edge}, {"till": TILL}).walk((640, 200), (640, 400))
    assert [type(told) for told in camera.movements.stop()] == [Left]


@pytest.mark.parametrize("speed", [(0.0, 0.0), (2.0, 2.0)], ids=["stands", "hardly moves"])
def test_who_stands_at_the_edge_does_not_leave(speed):
    assert beyond((0, 600, 60, 720), speed, (WIDTH, HEIGHT), 0.2) is None


def test_who_leaves_at_a_corner_leaves_where_it_goes_to():
    assert beyond((0, 600, 60, 720), (-80.0, 5.0), (WIDTH, HEIGHT), 0.2) == (-60, 600, 0, 720)


@pytest.mark.parametrize("fps", [2, 10])
def test_of_a_thousand_who_cross_none_is_missed_and_none_counts_twice(fps):
    """Any way through the line, any speed, boxes that tremble, one in twenty missed. Of five groups one is a
    pair side by side, one a pair that meets on the line; the next group comes before the last is gone."""
    rng = np.random.default_rng(fps)
    movements, tracks, told = Movements({"door": ACROSS}, {}, (WIDTH, HEIGHT)), Tracks(), []
    groups = [_group(rng, SEEN_S + 4.0 * n, n % 5) for n in range(714)]
    first = 0
    for k in range(int((4 * len(groups) + 2 * SEEN_S) * fps)):
        at = k / fps
        while first < len(groups) and groups[first][0].at < at - SEEN_S:
            first += 1
        near = (one for group in groups[first : first + 8] for one in group if abs(at - one.at) < SEEN_S)
        boxes = _detected(rng, np.array([one.box(at) for one in near]).reshape(-1, 4))
        seen = Seen(boxes, np.full(len(boxes), 0.7), ["person"] * len(boxes))
        step = follow(tracks, seen, at, 0.35)
        tracks = step.tracks
        told += movements.step(tracks.alive, step.ended, at)
    truth = [one.direction for group in groups for one in group]
    assert len(truth) >= 999
    assert sorted(one.direction for one in told) == sorted(truth)


SEEN_S = 15.0
"""Before and after they cross."""
MISSED = 0.05
"""Share of the boxes that the detector does not see."""


@dataclass(frozen=True)
class Walker:
    """Steps on the line at a time and a place; pixels a second."""

    at: float
    x: float
    speed: tuple[float, float]
    tall: float

    @property
    def direction(self):
        return "in" if self.speed[1] > 0 else "out"

    def box(self, at):
        x, y = self.x + self.speed[0] * (at - self.at), 400 + self.speed[1] * (at - self.at)
        return x - self.tall / 5, y - self.tall, x + self.tall / 5, y


def _group(rng, at, kind):
    """One walks neither along the line nor over its ends; a pair walks straight through it."""
    tall, x = rng.uniform(80, 200), rng.uniform(450, 830)
    angle = rng.choice([-1, 1]) * np.pi * (0.5 if kind < 2 else rng.uniform(0.2, 0.8))
    speed = rng.uniform(0.3, 1.1) * tall * np.array([np.cos(angle), np.sin(angle)])
    one = Walker(at, x, tuple(speed), tall)
    other = tall * rng.uniform(0.9, 1.1)
    if kind == 0:
        return [one, Walker(at + rng.uniform(-0.2, 0.2), x + 0.5 * tall, tuple(speed), other)]
    return [one, Walker(at, x + 0.3 * tall, tuple(-speed), other)] if kind == 1 else [one]


def _detected(rng, boxes):
    sizes = boxes[:, 2:] - boxes[:, :2]
    shown = boxes + rng.normal(0, 0.02, boxes.shape) * np.tile(sizes, 2)
    shown = shown.clip(0, (WIDTH, HEIGHT, WIDTH, HEIGHT))
    is_there = (shown[:, 2:] - shown[:, :2] > sizes / 4).all(axis=1)
    return shown[is_there & (rng.random(len(boxes)) > MISSED)]
