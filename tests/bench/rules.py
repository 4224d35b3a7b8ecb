"""What a look costs where many rules watch: `python -m tests.bench.rules`."""

import time
from statistics import median

from edged.counts.calendar import Calendar, zone_named
from edged.events.look import Look, Moved, Read
from edged.events.machine import Machine
from edged.events.settings import RuleSettings

RULES = 50
LOOKS = 2000
EVERY_S = 0.2
PLATES = [f"KA-{number}" for number in range(100, 105)]
WHENS = (
    {"when": {"zone": "door/till", "count": ">= 4"}, "for": 60},
    {"when": {"zone": "door/till", "stays": "5m"}},
    {"when": {"seen": "person", "stream": "door"}, "between": ["22:00", "06:00"]},
    {"when": {"line": "door/entrance", "direction": "in"}},
    {"when": {"text": r"[A-Z]{2}-\d{3,4}", "stream": "door"}},
)


def machine(rules: int) -> Machine:
    """So many rules, of each kind as many."""
    made = {f"rule-{n}": RuleSettings.model_validate(WHENS[n % len(WHENS)]) for n in range(rules)}
    return Machine(made, ["till"], Calendar(zone_named("Europe/Berlin")), {})


def microseconds(rules: int, objects: int, *, reads: bool = False) -> tuple[float, float]:
    """Of a look: the median, and of 100 the slowest but one."""
    watched, took = machine(rules), []
    begin = time.time()
    inside = {"till": dict.fromkeys(range(objects), ("person", begin))}
    present = dict.fromkeys(range(objects), "person")
    for number in range(LOOKS):
        now = number * EVERY_S
        what = Read("ocr", [*PLATES, *["way out"] * 5]) if reads else Moved((), inside, present)
        before = time.perf_counter()
        watched.step(Look(now, begin + now, what))
        took.append((time.perf_counter() - before) * 1e6)
    return median(took), sorted(took)[-LOOKS // 100]


def main() -> None:
    """Print a table."""
    print("| rules | objects | median, us a look | p99, us |\n|---|---|---|---|")
    for rules, objects in ((0, 20), (1, 20), (RULES, 5), (RULES, 20), (RULES, 200)):
        middle, slow = microseconds(rules, objects)
        print(f"| {rules} | {objects} | {middle:.1f} | {slow:.1f} |")
    middle, slow = microseconds(RULES, 0, reads=True)
    print(f"| {RULES} | 10 texts | {middle:.1f} | {slow:.1f} |")


if __name__ == "__main__":
    main()
