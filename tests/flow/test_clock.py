"""Time that nobody can set."""

import pytest

from edged.flow import clock
from edged.flow.clock import Moment

HOUR, TEN_YEARS = 3600.0, 315_360_000.0
WALL = 1_800_000_000.0


def moment(boot: str, ticks: float, wall: float = WALL, trusted: bool = True) -> Moment:
    return Moment(boot, ticks, wall, trusted)


@pytest.mark.parametrize("step", [0.0, HOUR, -HOUR, TEN_YEARS, -TEN_YEARS])
def test_within_a_boot_the_wall_clock_is_not_asked(step):
    assert moment("a", 105.0, WALL + step).since(moment("a", 100.0)) == 5.0


def test_over_a_reboot_the_wall_clock_tells_how_long_the_box_was_off():
    assert moment("b", 20.0, WALL + HOUR).since(moment("a", 100.0)) == HOUR


@pytest.mark.parametrize(("then", "now"), [(True, False), (False, True), (False, False)])
@pytest.mark.parametrize("step", [TEN_YEARS, -TEN_YEARS])
def test_one_that_was_wrong_tells_nothing_and_the_time_since_the_boot_remains(then, now, step):
    assert moment("b", 20.0, WALL + step, now).since(moment("a", 100.0, trusted=then)) == 20.0


def test_a_clock_that_was_set_back_makes_nothing_younger_than_the_boot():
    assert moment("b", 20.0, WALL - HOUR).since(moment("a", 100.0)) == 20.0


def test_of_an_unknown_boot_only_the_wall_clock_tells():
    assert moment("b", 20.0, WALL + 5).since(moment("", 0.0)) == 5.0
    assert moment("b", 20.0, WALL - 5).since(moment("", 0.0)) == 0.0


@pytest.mark.parametrize(
    "told",
    [
        (0, WALL, "synced", "synced"),
        (5, WALL, "unsynced", "synced"),
        (-1, WALL, "unknown", "synced"),
        (0, 1000.0, "unsynced", "unsynced"),
    ],
    ids=["ntp", "nobody", "seccomp", "1970"],
)
def test_who_has_set_the_clock(monkeypatch, tmp_path, told):
    kernel, wall, said, said_with_timesyncd = told
    mark = tmp_path / "synchronized"
    monkeypatch.setattr(clock, "_SYNCED", mark)
    monkeypatch.setattr(clock, "_begun_right", lambda: False)
    monkeypatch.setattr(clock, "_adjtimex", lambda: kernel)
    monkeypatch.setattr(clock.time, "time", lambda: wall)
    assert clock.state() == said
    mark.touch()
    assert clock.state() == said_with_timesyncd


@pytest.mark.parametrize(
    ("flags", "battery", "said"),
    [
        ("flags\t\t: fpu vme", None, "unsynced"),
        ("flags\t\t: fpu vme hypervisor lahf_lm", None, "unknown"),
        ("", WALL - 30, "unknown"),
        ("", 86_400, "unsynced"),
        ("", "", "unsynced"),
    ],
    ids=["nothing", "guest", "battery", "no battery", "unreadable"],
)
def test_a_clock_that_nobody_but_the_boot_has_set(monkeypatch, tmp_path, flags, battery, said):
    cpus, rtc = tmp_path / "cpuinfo", tmp_path / "since_epoch"
    cpus.write_text(f"processor\t: 0\n{flags}\n", "utf-8")
    if battery is not None:
        rtc.write_text(f"{battery}\n", "ascii")
    monkeypatch.setattr(clock, "_SYNCED", tmp_path / "synchronized")
    monkeypatch.setattr(clock, "_CPUS", cpus)
    monkeypatch.setattr(clock, "_BATTERY_CLOCK", rtc)
    monkeypatch.setattr(clock, "_adjtimex", lambda: 5)
    monkeypatch.setattr(clock.time, "time", lambda: WALL)
    clock._is_guest.cache_clear()
    assert clock.state() == said
    clock._is_guest.cache_clear()


def test_now_is_of_this_boot():
    before = clock.now()
    assert before.boot
    assert 0.0 <= clock.now().since(before) < 10.0
