"""Who is who from frame to frame: on scenes whose truth is known, and on what detectors saw in real clips."""

import json
from pathlib import Path

import numpy as np
import pytest

from edged.ops.assignment import assigned
from edged.ops.tracks import LOST_S, Seen, Tracks, cut, follow, held
from tests.ops.scenes import SURE, idf1, walkers


def seen(*boxes, score=0.8, name="person"):
    return Seen(np.array(boxes, float).reshape(-1, 4), np.full(len(boxes), score), [name] * len(boxes))


def box(x, y=300.0, w=60.0, h=150.0):
    return (x - w / 2, y - h, x + w / 2, y)


def walk(tracks, steps):
    """`steps`: (at, what was seen); the ids of each."""
    ids = []
    for at, found in steps:
        step = follow(tracks, found, at, SURE)
        tracks = step.tracks
        ids.append(step.ids)
    return tracks, ids


@pytest.mark.parametrize(("fps", "least"), [(2, 0.9), (5, 0.95), (10, 0.95)])
def test_ids_fit_who_is_who(fps, least):
    assert np.mean([idf1(walkers(seed, fps)) for seed in range(20)]) >= least


@pytest.mark.parametrize("every", [1, 2, 5], ids=["10 a second", "5 a second", "2 a second"])
@pytest.mark.parametrize(
    ("clip", "name", "by_eye", "twice"), [("persons", "person", 6, 0), ("bottles", "bottle", 7, 1)]
)
def test_as_many_as_the_eye_counts(clip, name, by_eye, twice, every):
    """What YOLOX-Nano sees in two clips (Intel, CC BY 4.0): six people come to a table one after the other;
    three bottles stand there, three are taken away and four are put down. `twice`: so many may count again,
    for a hand lifts a bottle faster than it can be followed."""
    lines = Path(__file__).with_name(f"{clip}.jsonl").read_text().splitlines()
    tracks, classes = Tracks(), {}
    for line in lines[::every]:
        at, boxes, scores, names = json.loads(line)
        step = follow(tracks, Seen(np.array(boxes, float).reshape(-1, 4), np.array(scores), names), at, SURE)
        tracks = step.tracks
        classes |= {track.id: track.class_name for track in tracks.alive if track.id}
    assert by_eye <= list(classes.values()).count(name) <= by_eye + twice


def test_what_is_seen_once_has_no_id():
    _, ids = walk(Tracks(), [(0.0, seen(box(100))), (0.2, seen()), (0.4, seen(box(600)))])
    assert ids == [[None], [], [None]]


def test_who_is_missed_between_the_first_two_sightings_has_an_id_after_them():
    steps = [(0.0, seen(box(100))), (0.2, seen()), (0.4, seen(box(104))), (0.6, seen(box(106)))]
    assert walk(Tracks(), steps)[1] == [[None], [], [1], [1]]
    late = [(0.0, seen(box(100))), (0.2, seen()), (0.4, seen()), (0.6, seen(box(104)))]
    assert walk(Tracks(), late)[1][-1] == [None], "two looks missed it"


def test_an_id_is_never_used_again():
    tracks, _ = walk(Tracks(last_id=41), [(0.0, seen(box(100))), (0.2, seen(box(100)))])
    _, ids = walk(cut(tracks), [(0.4, seen(box(100))), (0.6, seen(box(100)))])
    assert (tracks.last_id, ids[-1]) == (42, [43])


def test_a_low_score_continues_a_track_and_begins_none():
    low = seen(box(100), box(700), score=0.15)
    tracks, ids = walk(Tracks(), [(0.0, seen(box(100))), (0.2, seen(box(100))), (0.4, low), (0.6, low)])
    assert ids[2:] == [[1, None], [1, None]]
    assert len(tracks.alive) == 1


def test_a_low_score_of_another_class_continues_nothing():
    """Where a person went out of the picture the wall was a laptop, a little, for as long as nobody came."""
    wall = seen(box(100), score=0.25, name="laptop")
    steps = [(0.0, seen(box(100))), (0.2, seen(box(100))), *((0.4 + t / 5, wall) for t in range(12))]
    tracks, ids = walk(Tracks(), steps)
    assert ids[2:] == [[None]] * 12
    assert not tracks.alive


def test_who_is_hidden_comes_back_with_the_same_id():
    def at(t):
        return t, seen(box(100 + 150 * t))

    tracks, _ = walk(Tracks(), [at(t / 5) for t in range(10)])
    _, ids = walk(tracks, [*((t / 5, seen()) for t in range(10, 16)), at(3.2)])
    assert ids[-1] == [1]


def test_a_track_ends_when_it_is_lost():
    tracks, _ = walk(Tracks(), [(0.0, seen(box(100))), (0.2, seen(box(100)))])
    ended = []
    for at in np.arange(0.4, 3, 0.2):
        step = follow(tracks, seen(), float(at), SURE)
        tracks = step.tracks
        ended += [(track.id, float(at)) for track in step.ended]
    assert ended == [(1, pytest.approx(0.2 + LOST_S, abs=0.21))]
    assert not tracks.alive


@pytest.mark.parametrize("at", [0.2 + LOST_S + 0.1, 0.1, -50.0], ids=["a stall", "a step back", "a loop"])
def test_after_a_gap_nothing_is_known(at):
    tracks, _ = walk(Tracks(), [(0.0, seen(box(100))), (0.2, seen(box(100)))])
    step = follow(tracks, seen(box(100)), at, SURE)
    assert [track.id for track in step.ended] == [1]
    assert step.ids == [None]


def test_while_nothing_moves_a_track_is_held():
    tracks, _ = walk(Tracks(), [(0.0, seen(box(100))), (0.2, seen(box(100)))])
    step = follow(held(tracks, 60.0), seen(box(101)), 60.2, SURE)
    assert step.ids == [1]


def test_a_class_is_the_one_with_most_votes():
    names = ["car", "truck", "car", "car"]
    tracks, ids = walk(Tracks(), [(n / 5, seen(box(100), name=name)) for n, name in enumerate(names)])
    assert tracks.alive[0].class_name == "car"
    assert ids[1:] == [[1], [1], [1]]


def test_two_who_cross_keep_their_ids():
    def at(t):
        right, left = box(100 + 200 * t, 300), box(900 - 200 * t, 320)
        return t, seen(left) if abs(100 + 200 * t - 900 + 200 * t) < 40 else seen(left, right)

    _, ids = walk(Tracks(), [at(t / 5) for t in range(20)])
    assert ids[-1] == ids[1]


def test_pairs_are_as_many_as_possible_and_then_the_cheapest():
    assert assigned({(0, 0): 1.0, (0, 1): 2.0, (1, 0): 1.5}) == {0: 1, 1: 0}
    assert assigned({(0, 0): 1.0, (0, 1): 2.0, (1, 0): 3.0, (1, 1): 1.0, (2, 0): 0.1}) == {1: 1, 2: 0}
    assert assigned({(0, 7): 1.0, (5, 2): 1.0}) == {0: 7, 5: 2}
    assert assigned({}) == {}


def test_a_crowd_is_matched_one_by_one():
    rng = np.random.default_rng(0)
    costs = rng.uniform(1, 2, (40, 40)) - 1.5 * np.eye(40)
    assert assigned(dict(np.ndenumerate(costs))) == {i: i for i in range(40)}


def test_two_hundred_objects_are_followed():
    rng = np.random.default_rng(1)
    places = rng.uniform((40, 100), (1240, 700), (200, 2))
    steps = [(t / 5, seen(*(box(x + t, y, 10, 24) for x, y in places))) for t in range(10)]
    _, ids = walk(Tracks(), steps)
    assert np.mean([a == b for a, b in zip(ids[1], ids[-1], strict=True)]) > 0.95


def test_boxes_without_an_area_do_no_harm():
    flat = seen((5, 5, 5, 5), (5, 5, 5, 5))
    tracks, _ = walk(Tracks(), [(0.0, flat), (0.2, flat), (0.4, seen())])
    assert len(tracks.alive) == 2
