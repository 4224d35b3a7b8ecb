"""Each kind of rule: what it tells, when, and what it says while nobody knows."""

import pytest

from edged.counts.calendar import Calendar, zone_named
from edged.events.scene import Newest
from tests.events.looks import NOON, Watched, entered, left, phases

QUEUE = {"when": {"zone": "door/till", "count": ">= 2"}}
STAYS = {"when": {"zone": "door/till", "stays": 5}}
PLATE = {"when": {"text": r"[A-Z]{2}-\d{3,4}", "stream": "gate"}}
SEEN = {"when": {"seen": "person", "stream": "yard"}}
BLIND = {"when": {"offline": "door"}, "for": "1m"}


def test_a_crossing_is_an_event_and_so_is_the_rule_over_it():
    door = Watched(visitor={"when": {"line": "door/entrance", "direction": "in"}, "actions": ["phone"]})
    line, rule = door.crosses()
    assert (line.kind, line.phase, line.line, line.direction, line.rule) == (
        "line",
        "once",
        "entrance",
        "in",
        None,
    )
    assert (rule.kind, rule.phase, rule.rule, rule.line, rule.direction) == (
        *("rule", "once", "visitor", "entrance", "in"),
    )
    assert (rule.class_name, rule.track, rule.began_at, rule.actions) == ("person", 1, NOON, ("phone",))
    assert [one.kind for one in door.later(1).crosses(direction="out")] == ["line"]
    assert [one.kind for one in door.later(1).crosses(line="back")] == ["line"]
    assert door.active("visitor") is False
    assert door.since("visitor") == NOON


def test_a_rule_without_a_direction_is_about_both():
    door = Watched(passer={"when": {"line": "door/entrance"}})
    told = [*door.crosses(), *door.later(1).crosses(direction="out")]
    assert [one.direction for one in told if one.rule == "passer"] == ["in", "out"]
    assert len({one.key for one in told}) == 4


def test_a_queue_begins_when_it_has_held_and_ends_when_it_has_not():
    door = Watched(queue={**QUEUE, "for": 60})
    door.moved(1)
    assert door.active("queue") is False
    assert door.during(59.8, lambda: door.moved(1, 2)) == []
    (begin,) = door.during(1, lambda: door.moved(1, 2))
    assert (begin.phase, begin.key, begin.zone, begin.began_at) == ("begin", "rule/queue", "till", NOON + 0.2)
    assert door.active("queue") is True
    assert door.since("queue") == begin.began_at
    assert door.during(4.8, lambda: door.moved(1)) == []
    (end,) = door.during(1, lambda: door.moved(1))
    assert (end.phase, end.key, end.reason) == ("end", "rule/queue", "over")
    assert end.lasted == pytest.approx(60.8)
    assert door.active("queue") is False
    assert door.since("queue") == pytest.approx(begin.began_at + end.lasted)


def test_a_zone_without_a_count_is_about_somebody():
    door = Watched(
        busy={"when": {"zone": "door/till"}}, empty={"when": {"zone": "door/till", "count": "<= 0"}}
    )
    assert phases(door.moved()) == [("rule/empty", "begin")]
    assert phases(door.later(0.2).moved(1)) == [("rule/busy", "begin")]


def test_who_stays_is_told_each():
    door = Watched(loiterer=STAYS)
    door.moved(17)
    told = door.during(3, lambda: door.moved({17: NOON}))
    told += door.during(3, lambda: door.moved({17: NOON, 18: NOON + 3}))
    (begin,) = told
    assert (begin.key, begin.track, begin.class_name) == ("rule/loiterer/17", 17, "person")
    assert begin.began_at == pytest.approx(NOON + 5)
    told = door.during(8, lambda: door.moved({18: NOON + 3}))
    assert phases(told) == [("rule/loiterer/18", "begin"), ("rule/loiterer/17", "end")]


def test_an_heir_goes_on_with_the_stay_and_the_visit_of_the_one_that_was_lost():
    door = Watched(zones=["till"], loiterer=STAYS)
    assert phases(door.moved(17)) == [("zone/till/17", "begin")]
    assert door.during(4, lambda: door.moved({17: NOON})) == []
    assert phases(door.during(2, lambda: door.moved({18: NOON}))) == [("rule/loiterer/17", "begin")]
    assert door.during(2, lambda: door.moved({19: NOON})) == []
    gone = [left(19, door.at - 1.5, NOON)]
    (end,) = door.later(0.2).moved(movements=gone)
    assert (end.key, end.lasted) == ("zone/till/17", pytest.approx(6.5))


def test_two_who_came_together_are_two():
    door = Watched(zones=["till"])
    assert len(door.moved(1, 2)) == 2
    assert door.later(0.2).moved({1: NOON, 3: NOON}) == []
    assert [one.key for one in door.later(0.2).moved({3: NOON})] == ["zone/till/1"]


def test_two_who_are_lost_together_have_an_heir_each():
    door = Watched(zones=["till"])
    door.moved(1, 2)
    assert door.later(0.2).moved({3: NOON, 4: NOON}) == []
    assert len(door.later(0.2).moved({3: NOON})) == 1
    assert len(door.later(0.2).moved()) == 1


def test_a_step_of_the_clock_makes_nobody_stay():
    door = Watched(loiterer=STAYS)
    door.moved()
    door.at += 3600
    assert door.later(0.2).moved({1: door.at - 3600}) == [], "the clock was set after the picture was taken"
    assert door.during(4, lambda: door.moved({1: NOON + 0.2})) == []
    door.at -= 7200
    (begin,) = door.during(2, lambda: door.moved({1: NOON + 0.2}))
    assert begin.phase == "begin"


def test_who_had_no_number_in_the_first_looks_has_stayed_since():
    door = Watched(loiterer=STAYS)
    door.cut()
    door.later(2).moved({1: NOON + 1})
    (begin,) = door.during(5, lambda: door.moved({1: NOON + 1}))
    assert begin.began_at == pytest.approx(NOON + 6)


def test_no_time_before_the_machine_counts_for_the_clock_may_have_been_set():
    door = Watched(loiterer=STAYS)
    assert door.moved({1: NOON - 3600}) == []
    assert len(door.during(5, lambda: door.moved({1: NOON - 3600}))) == 1


def test_each_text_that_is_found_is_one_event():
    gate = Watched(plate=PLATE)
    (begin,) = gate.read("Halt", "KA-123 ok")
    assert (begin.key, begin.text) == ("rule/plate/KA-123", "KA-123")
    told = gate.during(10, lambda: gate.read("KA-123", "KA-77", "xHD-4444x"), every=1)
    assert phases(told) == [("rule/plate/HD-4444", "begin")]
    told = gate.during(6, lambda: gate.read("HD-4444"), every=1)
    assert [(one.key, one.phase, one.reason) for one in told] == [("rule/plate/KA-123", "end", "over")]


def test_at_most_so_many_texts_go_on():
    gate = Watched(any={"when": {"text": ".+", "stream": "gate"}})
    assert len(gate.read(*map(str, range(1000)))) == 256
    assert len(gate.close()) == 256


def test_what_is_said_is_searched_for_as_it_is():
    counter = Watched(help={"when": {"said": "救命", "stream": "counter"}})
    assert counter.heard("你好") == []
    (once,) = counter.later(1).heard("快来,救命啊")
    assert (once.phase, once.rule, once.text) == ("once", "help", "快来,救命啊")
    assert len(counter.later(1).heard("救命")) == 1


def test_what_is_seen_is_one_of_those_who_are_followed():
    yard = Watched(nightly=SEEN)
    assert yard.moved(present={4: "cat"}) == []
    (begin,) = yard.later(0.2).moved(present={4: "cat", 5: "person"})
    assert (begin.key, begin.class_name) == ("rule/nightly", "person")
    assert yard.later(0.2).shown("cat") == [], "another service has no say"


def test_what_is_seen_where_nobody_is_followed_is_what_a_service_says():
    yard = Watched(nightly=SEEN)
    assert yard.shown("yard") == []
    assert phases(yard.later(1).shown("person", service="image-classification")) == [
        ("rule/nightly", "begin")
    ]
    assert yard.during(4, lambda: yard.shown("person"), every=1) == []
    told = yard.during(40, lambda: yard.shown("cat"), every=1)
    assert [one.reason for one in told] == [], "the other service does not look any more, so nobody knows"
    assert [one.reason for one in yard.during(60, lambda: yard.shown("cat"), every=1)] == ["unknown"]


def test_a_camera_is_blind_when_it_is_stalled_or_offline():
    door = Watched(blind=BLIND)
    assert door.active("blind") is None
    door.reached("online")
    assert door.active("blind") is False
    door.reached("stalled")
    assert door.during(59, lambda: None, every=1) == []
    door.reached("offline")
    (begin,) = door.during(2, lambda: None, every=1)
    assert (begin.key, begin.began_at) == ("rule/blind", NOON)
    door.reached("online")
    (end,) = door.during(10, lambda: None, every=1)
    assert (end.reason, end.lasted) == ("over", pytest.approx(61))


@pytest.mark.parametrize(
    ("at", "holds"), [("21:59", 0), ("22:00", 1), ("03:00", 1), ("05:59", 1), ("06:00", 0)]
)
def test_a_rule_holds_between_two_times_of_day(at, holds):
    berlin = Calendar(zone_named("Europe/Berlin"))
    yard = Watched(calendar=berlin, nightly={**SEEN, "between": ["22:00", "06:00"]})
    yard.at = berlin.seconds(f"2026-11-26T{at}:30")
    assert len(yard.moved(1)) == holds
    assert yard.active("nightly") is bool(holds)


def test_a_rule_ends_when_its_hours_do():
    yard = Watched(nightly={**SEEN, "between": ["11:00", "12:00"]})
    yard.at -= 5
    yard.moved(1)
    assert yard.active("nightly") is True
    told = yard.during(14, lambda: yard.moved(1))
    assert [(one.reason, round(one.lasted)) for one in told] == [("over", 5)]


def test_nobody_knows_the_hour_while_the_clock_is_not_set():
    yard = Watched(nightly={**SEEN, "between": ["11:00", "13:00"]}, always=SEEN)
    yard.at = None
    told = yard.moved(1, since=1.0)
    assert [(one.key, one.began_at) for one in told] == [("rule/always", None)]
    assert yard.active("nightly") is None
    yard.at = NOON
    assert phases(yard.later(1).moved(1)) == [("rule/nightly", "begin")]


def test_a_moment_outside_of_its_hours_is_none():
    door = Watched(visitor={"when": {"line": "door/entrance"}, "between": ["13:00", "14:00"]})
    assert [one.kind for one in door.crosses()] == ["line"]


def test_gaps_are_forgiven_while_a_rule_waits():
    door = Watched(queue={**QUEUE, "for": 10})
    door.during(5, lambda: door.moved(1, 2))
    door.during(1.6, lambda: door.moved(1))
    told = door.during(4, lambda: door.moved(1, 2))
    assert [one.began_at for one in told] == [NOON + 0.2]


def test_time_that_goes_by_begins_nothing_that_must_be_seen():
    door = Watched(queue={**QUEUE, "for": 2})
    door.moved(1, 2)
    assert door.during(4, lambda: None, every=1) == []
    assert phases(door.later(0.2).moved(1, 2)) == [("rule/queue", "begin")]
    gone = Watched(queue={**QUEUE, "for": 2})
    gone.moved(1, 2)
    assert gone.during(2, lambda: None, every=1) == gone.during(4, gone.moved) == []


def test_a_service_that_fails_knows_nothing():
    hall = Watched(
        park={"when": {"seen": "park", "stream": "hall"}}, sea={"when": {"seen": "sea", "stream": "hall"}}
    )
    hall.shown("park")
    told = hall.during(59, lambda: hall.shown(None), every=1)
    assert (told, hall.active("park"), hall.active("sea")) == ([], True, None)
    assert [one.reason for one in hall.during(2, lambda: hall.shown(None), every=1)] == ["unknown"]
    gate = Watched(plate=PLATE)
    gate.read("KA-123")
    assert gate.during(30, lambda: gate.read(None), every=1) == []
    assert gate.active("plate") is True


def test_a_short_failure_while_it_is_over_does_not_keep_it_going():
    door = Watched(queue=QUEUE)
    door.moved(1, 2)
    looks = iter([door.moved, door.cut] * 100)

    def see():
        next(looks)()

    (end,) = door.during(8, see)
    assert (end.reason, end.lasted) == ("over", pytest.approx(0.2))


def test_longer_gaps_are_not():
    door = Watched(queue={**QUEUE, "for": 10})
    door.during(9, lambda: door.moved(1, 2))
    door.during(2.4, lambda: door.moved(1))
    assert door.during(9, lambda: door.moved(1, 2)) == []


@pytest.mark.parametrize("gap", [lambda door: door.cut(), lambda door: None])
def test_what_nobody_knows_is_a_gap(gap):
    door = Watched(queue={**QUEUE, "for": 10})
    door.during(9, lambda: door.moved(1, 2))
    door.during(8, lambda: gap(door))
    assert door.during(9, lambda: door.moved(1, 2)) == []


def test_a_slow_service_is_forgiven_three_results():
    gate = Watched(plate={**PLATE, "for": 30})
    told = gate.during(20, lambda: gate.read("KA-123"), every=4)
    told += gate.during(8, gate.read, every=4)
    assert told == []
    (begin,) = gate.during(8, lambda: gate.read("KA-123"), every=4)
    assert begin.began_at == NOON + 4
    assert gate.during(8, gate.read, every=4) == [], "three results are more than 5 s"
    assert len(gate.during(8, gate.read, every=4)) == 1


def test_how_often_a_service_looks_may_be_said():
    gate = Watched(every={"ocr": 60}, plate=PLATE)
    gate.read("KA-123")
    assert gate.during(170, lambda: None, every=1) == []
    assert gate.active("plate") is True


def test_what_nobody_knows_for_a_minute_has_ended():
    door = Watched(queue=QUEUE)
    door.during(10, lambda: door.moved(1, 2))
    door.later(0.5).reached("offline")
    told = door.during(59, lambda: None, every=1)
    assert (told, door.active("queue")) == ([], True)
    (end,) = door.during(2, lambda: None, every=1)
    assert (end.reason, end.lasted) == ("unknown", pytest.approx(9.8))
    assert door.active("queue") is None


@pytest.mark.parametrize("state", ["offline", "stalled"])
def test_nobody_knows_at_once_of_a_camera_that_shows_nothing(state):
    door = Watched(queue=QUEUE)
    assert door.active("queue") is None
    door.moved(1)
    assert door.active("queue") is False
    door.reached(state)
    assert door.active("queue") is None
    assert door.since("queue") == NOON
    door.later(1).reached("online")
    assert door.active("queue") is None
    door.later(1).moved(1)
    assert (door.active("queue"), door.since("queue")) == (False, NOON + 2)


def test_nobody_knows_after_5_s_without_a_look():
    door = Watched(queue=QUEUE)
    door.moved(1)
    door.during(5, lambda: None, every=1)
    assert door.active("queue") is False
    door.during(1, lambda: None, every=1)
    assert door.active("queue") is None


def test_a_camera_that_turns_leaves_a_rule_as_it_is():
    door = Watched(queue=QUEUE)
    door.moved(1, 2)
    assert door.during(3, door.cut) == []
    assert door.active("queue") is True
    assert door.during(9, lambda: door.moved(3, 4)) == []


def test_a_camera_that_turns_hides_whom_it_saw():
    yard = Watched(nightly=SEEN)
    yard.moved(1)
    assert yard.during(30, yard.cut) == []
    assert yard.active("nightly") is True


def test_looks_without_ticks_are_enough():
    door = Watched(queue=QUEUE)
    door.moved(1, 2)
    end, begin = door.later(100).moved(1, 2)
    assert (end.reason, begin.phase) == ("unknown", "begin")


def test_a_camera_at_rest_is_not_slow():
    newest = Newest()
    for ticks in (0.0, 20.0, 40.0):
        newest.put("anything", ticks)
        newest.still(ticks + 19)
    assert newest.lasts(2.0) == 2.0
    newest.put("anything", 60.0)
    newest.put("anything", 61.0)
    assert newest.lasts(2.0) == 3.0


def test_a_picture_in_which_nothing_moves_is_as_the_last_one():
    door = Watched(zones=["till"], queue={**QUEUE, "for": 20}, loiterer=STAYS)
    door.moved(1, 2)
    told = door.during(30, door.still)
    assert phases(told) == [
        ("rule/loiterer/1", "begin"),
        ("rule/loiterer/2", "begin"),
        ("rule/queue", "begin"),
    ]


def test_a_late_look_says_nothing_and_neither_does_one_that_comes_twice():
    door = Watched(zones=["till"], busy={"when": {"zone": "door/till"}, "end_after": 0})
    door.moved(1)
    for late in (0.0, 0.1, 3.0):
        assert door.moved(ago=late) == []
    assert door.active("busy") is True


def test_a_crossing_counts_however_late_and_once():
    door = Watched(visitor={"when": {"line": "door/entrance"}})
    first = door.crosses()
    assert door.crosses() == []
    assert len(first) == len(door.later(0.5).crosses(track=7, ago=0.6)) == 2


def test_what_was_captured_before_the_camera_was_lost_comes_too_late():
    door = Watched(queue=QUEUE)
    door.moved()
    door.later(1).reached("offline")
    assert door.moved(1, 2, ago=0.5) == []
    assert door.active("queue") is None


def test_actions_are_silent_while_they_cool_down_and_events_are_not():
    door = Watched(queue={**QUEUE, "cool_down": 60, "actions": ["phone"], "also": ["end"], "end_after": 0})
    loud = []
    for _ in range(5):
        loud += [one.actions for one in door.during(10, lambda: door.moved(1, 2))]
        loud += [one.actions for one in door.during(10, door.moved)]
    assert loud == [("phone",)] * 2 + [()] * 4 + [("phone",)] * 2 + [()] * 2


def test_an_end_is_silent_unless_it_is_asked_for():
    door = Watched(queue={**QUEUE, "actions": ["phone", "desk"]})
    door.moved(1, 2)
    assert [one.actions for one in (*door.told, *door.close())] == [("phone", "desk"), ()]


@pytest.mark.parametrize(("more", "at_end"), [({"also": ["end"]}, ("phone",)), ({}, ())])
def test_a_beginning_says_what_is_done_at_its_end_unless_it_was_silent(more, at_end):
    rule = {**QUEUE, "cool_down": 60, "actions": ["phone"], **more}
    assert Watched(acted={"queue": 1000.0 - 60}, queue=rule).moved(1, 2)[0].at_end == at_end
    assert Watched(acted={"queue": 1000.0 - 59}, queue=rule).moved(1, 2)[0].at_end == ()


def test_cool_down_goes_on_over_a_restart():
    rule = {**QUEUE, "cool_down": 60, "actions": ["phone"]}
    assert Watched(acted={"queue": 1000.0 - 59}, queue=rule).moved(1, 2)[0].actions == ()
    assert Watched(acted={"queue": 1000.0 - 60}, queue=rule).moved(1, 2)[0].actions == ("phone",)


@pytest.mark.parametrize("reason", ["reload", "removed", "disabled", "stopped"])
def test_whatever_goes_on_ends_with_the_machine(reason):
    door = Watched(zones=["till"], queue=QUEUE, plate=PLATE, slow={**QUEUE, "for": 60})
    door.moved(1, 2)
    door.read("KA-123")
    ends = door.later(2).close(reason)
    assert sorted(one.key for one in ends) == [
        "rule/plate/KA-123",
        "rule/queue",
        "zone/till/1",
        "zone/till/2",
    ]
    assert {(one.phase, one.reason, one.lasted) for one in ends} == {("end", reason, 2)}
    assert door.close() == []
    assert door.active("queue") is None


def test_a_visit_begins_and_ends_when_it_did():
    door = Watched(zones=["till"])
    door.moved()
    (begin,) = door.later(1).moved({3: NOON + 1}, movements=[entered(3, NOON + 1)])
    assert (begin.kind, begin.key, begin.track, begin.began_at) == ("zone", "zone/till/3", 3, NOON + 1)
    assert door.during(10, lambda: door.moved({3: NOON + 1})) == []
    (end,) = door.later(2).moved(movements=[left(3, NOON + 11, NOON + 1)])
    assert (end.phase, end.reason, end.lasted) == ("end", "over", pytest.approx(10))


def test_who_goes_through_a_zone_between_two_looks_was_in_it():
    door = Watched(zones=["till"])
    told = door.moved(movements=[entered(3, NOON), left(3, NOON, NOON)])
    assert [(one.phase, one.lasted) for one in told] == [("begin", None), ("end", 0)]
    assert door.moved(movements=[entered(3, NOON), left(3, NOON, NOON)]) == [], "it comes twice"
    assert door.close() == []


def test_a_visit_ends_with_its_track_where_the_camera_turns():
    door = Watched(zones=["till"])
    door.moved(1)
    door.during(4, lambda: door.moved({1: NOON}))
    assert door.during(2, door.cut) == []
    end, begin = door.later(0.2).moved(2)
    assert (end.key, end.lasted, begin.key) == ("zone/till/1", pytest.approx(4), "zone/till/2")


def test_nobody_knows_for_a_minute_who_is_in_a_zone():
    door = Watched(zones=["till"])
    door.moved(1)
    door.reached("offline")
    told = door.during(61, lambda: None, every=1)
    assert [(one.reason, one.lasted) for one in told] == [("unknown", 0)]


def test_two_hundred_objects_and_fifty_rules():
    rules = {f"stays{n}": {"when": {"zone": "door/till", "stays": n + 1}} for n in range(25)}
    rules |= {f"count{n}": {"when": {"zone": "door/till", "count": f"> {n * 10}"}} for n in range(25)}
    door = Watched(zones=["till"], **rules)
    people = dict.fromkeys(range(200), NOON)
    told = [*door.moved(people), *door.during(26, lambda: door.moved(people), every=1)]
    assert len(told) == 200 + 20 + 25 * 200
    assert len(door.close()) == len(told)
