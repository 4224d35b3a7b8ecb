"""Rules of the configuration: what they may say, and what is told of those that cannot be."""

import re
from pathlib import Path

import pytest

from edged.config.reading import load
from edged.contracts.errors import ConfigError
from edged.events.settings import comparison, finder

DOCS = Path(__file__).parent.parent.parent / "docs"
STREAMS = r"""
streams:
  door:
    source: rtsp://camera/1
    run: [object-detection]
    lines: {entrance: {from: [0.2, 0.8], to: [0.7, 0.8], classes: [person]}}
    zones: {till: {polygon: [[0.1, 0.5], [0.4, 0.5], [0.4, 0.9]], events: true}}
  gate: {source: rtsp://camera/2, run: [{ocr: {every: 4s}}], gate: {fps: 0.5}}
  yard: {source: rtsp://camera/3, run: [image-classification, object-detection]}
  hall: {source: rtsp://camera/4, run: [scene-classification]}
  counter: {source: 'mic:', run: [speech-recognition-zh]}
"""
EXAMPLES = r"""
rules:
  visitor: {when: {line: door/entrance, direction: in}}
  queue:   {when: {zone: door/till, count: ">= 4"}, for: 60s, cool_down: 10m}
  loiterer: {when: {zone: door/till, stays: 5m}}
  plate:   {when: {text: "[A-Z]{2}-\\d{3,4}", stream: gate}}
  help:    {when: {said: 救命, stream: counter}}
  nightly: {when: {seen: person, stream: yard}, between: ["22:00", "06:00"]}
  blind:   {when: {offline: door}, for: 1m}
"""


def read(tmp_path, rules, streams=STREAMS):
    path = tmp_path / "config.yaml"
    path.write_text(streams + rules)
    return load(path)


def faults(tmp_path, rules, streams=STREAMS):
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, rules, streams)
    return [fault.partition("config.yaml: ")[2] for fault in caught.value.faults]


def test_the_examples(tmp_path):
    config = read(tmp_path, EXAMPLES)
    assert {name: rule.stream for name, rule in config.rules.items()} == {
        "visitor": "door",
        "queue": "door",
        "loiterer": "door",
        "plate": "gate",
        "help": "counter",
        "nightly": "yard",
        "blind": "door",
    }
    assert {name for name, rule in config.rules.items() if rule.is_moment} == {"visitor", "help"}
    queue = config.rules["queue"]
    assert (queue.wait, queue.end_after, queue.cool_down, queue.when.place) == (60, 5, 600, "till")
    assert [*config.rules_of("gate")] == ["plate"]
    assert config.streams["door"].zones["till"].events is True


def test_the_examples_of_the_documents_are_right(tmp_path):
    whole, *parts = re.findall(r"```yaml\n(.*?)```", (DOCS / "rules.md").read_text("utf-8"), re.DOTALL)
    assert not parts
    assert read(tmp_path, whole, "").rules.keys() == read(tmp_path, EXAMPLES).rules.keys()


def test_a_rule_over_objects_has_them_followed(tmp_path):
    config = read(tmp_path, EXAMPLES)
    assert config.streams["yard"].tracked.service == "object-detection"
    assert read(tmp_path, "").streams["yard"].tracked is None
    place = read(tmp_path, "rules: {park: {when: {seen: park, stream: hall}}}")
    assert place.streams["hall"].tracked is None


def test_how_often_services_look(tmp_path):
    streams = read(tmp_path, "").streams
    assert (streams["gate"].intervals, streams["door"].intervals) == ({"ocr": 4.0}, {})


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ("{when: {line: door/entrancee}}", "when.line: the stream 'door' has no line 'entrancee'.*entrance."),
        ("{when: {zone: door/entrance}}", "when.zone: the stream 'door' has no zone 'entrance'; .*till"),
        ("{when: {zone: dor/till}}", "when.zone: no stream is called 'dor'; did you mean door"),
        ("{when: {line: entrance}}", "when: a line is named with its stream, as `line: door/name`"),
        ("{when: {offline: roof}}", "when.offline: no stream is called 'roof'; "),
        ("{when: {seen: cat, stream: yrad}}", "when.stream: no stream is called 'yrad'; did you mean yard"),
        ("{when: {seen: cat, stream: counter}}", "when.seen: is about classes, and needs a service"),
        ("{when: {seen: cat, stream: gate}}", "when.seen: is about classes, and needs a service"),
        ("{when: {text: cat, stream: door}}", "when.text: is about what is read, and needs .*as ocr"),
        ("{when: {said: cat, stream: door}}", "when.said: is about what is said, and needs .*speech"),
        ("{when: {seen: cat}}", "when: `seen` wants `stream: NAME` beside it"),
        ("{when: {}}", "when: a rule is about exactly one of line, .*; here is none"),
        ("{when: {line: door/entrance, zone: door/till}}", "when: .*one of .*here are line, zone"),
        ("{for: 3s}", "when: this key is missing"),
        ("{when: {zone: door/till, direction: in}}", "when: `direction` stands beside `line`, and"),
        ("{when: {line: door/entrance, count: 3}}", "when: `count` stands beside `zone`, and this"),
        ("{when: {zone: door/till, stays: 5m, count: 3}}", "when: `count` and `stays` do not go together"),
        ("{when: {zone: door/till, stream: door}}", "when: `stream` stands beside `text` or .*`seen`"),
        ("{when: {zone: door/till, count: many}}", "when.count: a count is \">= 4\", .*9999"),
        ("{when: {zone: door/till, count: '>= 0'}}", "when.count: '>= 0' holds always"),
        ("{when: {zone: door/till, count: '< 0'}}", "when.count: '< 0' holds never"),
        ("{when: {zone: door/till, count: 10000}}", "when.count: a count is"),
        ("{when: {zone: door/till, count: yes}}", "when.count: YAML reads this as true, .*quote it"),
        ("{when: {line: door/entrance}, for: 3s}", "`for` is for .*`line` is over at once"),
        ("{when: {said: x, stream: counter}, end_after: 3s}", "`end_after` is for what lasts, and `said` is"),
        ("{when: {line: door/entrance}, also: [end]}", "`also` is for what lasts"),
        ("{when: {zone: door/till, stays: 5m}, for: 3s}", "`for` beside `stays`"),
        ("{when: {zone: door/till}, for: -1}", "for: must be at least 0"),
        ("{when: {zone: door/till}, for: .inf}", "for: must be a finite number"),
        ("{when: {zone: door/till}, fro: 1s}", "fro: this key is unknown; did you mean for?"),
        ("{when: {zone: door/till}, between: [22:00, 06:00]}", "between.0: YAML reads .*1320; .*: \"22:00\""),
        ("{when: {zone: door/till}, between: ['22:00', '24:00']}", "between.1: a time of day is \"HH:MM\""),
        ("{when: {zone: door/till}, between: ['22:00', '22:00']}", "`between` begins when it ends"),
        ("{when: {zone: door/till}, between: ['22:00']}", "between.1: this entry is missing"),
        ("{when: {said: on, stream: counter}}", "when.said: YAML reads this as true, .*quote it"),
        ("{when: {text: 2024-11-22, stream: gate}}", "when.text: YAML reads this as 2024-11-22, .*quote it"),
        ("{when: {seen: 12, stream: yard}}", "when.seen: YAML reads this as 12, .*quote it"),
        ("{when: {offline: no}}", "when.offline: YAML reads this as false, .*quote it"),
        ("{when: {zone: door/till}, actions: [on]}", "actions.0: YAML reads this as true, .*quote it"),
        ("{when: {zone: door/till}, actions: [phone]}", "actions.0: no action is called 'phone'; "),
        ("{when: {text: '(a', stream: gate}}", "when.text: this is no pattern: missing \\).*RE2"),
        ("{when: {text: '(?=a)', stream: gate}}", "when.text: this is no pattern: .*without look-around"),
        ("{when: {text: 'a*', stream: gate}}", "when.text: this pattern is found in the empty text"),
        ("{when: {text: '((a{99}){99}){9}', stream: gate}}", "when.text: this is no pattern: "),
        ("{when: {text: '(\\pL{90}){9}', stream: gate}}", "when.text: this is no pattern: pattern too large"),
        (f"{{when: {{text: {'a' * 1001}, stream: gate}}}}", "when.text: a pattern has at most 1000 .*1001"),
    ],
)  # fmt: skip
def test_what_a_rule_cannot_be(tmp_path, rule, told):
    (said,) = faults(tmp_path, f"rules: {{one: {rule}}}")
    assert re.match(rf"rules\.one(\.|: )?{told}", said), said


def test_names_of_rules_are_levels_of_topics(tmp_path):
    (said,) = faults(tmp_path, "rules: {a/b: {when: {offline: door}}}")
    assert said.startswith("rules.a/b: a name is one level of MQTT topics")


def test_there_are_not_too_many_rules(tmp_path):
    rule = "{when: {offline: door}}"
    assert len(read(tmp_path, "rules:\n" + "".join(f"  r{n}: {rule}\n" for n in range(200))).rules) == 200
    (said,) = faults(tmp_path, "rules:\n" + "".join(f"  r{n}: {rule}\n" for n in range(201)))
    assert re.match("rules: .*at most 200 entries", said)


@pytest.mark.parametrize(
    ("stream", "told"),
    [
        ("gate: {key_frames_only: true}", "gate.key_frames_only: .*the rule 'one' .*every 1 s"),
        ("gate: {fps: 0.5}", "gate.fps: 0.5 frames a second are too few"),
        ("run: [{object-detection: {every: 2s}}]", "run: `every: 2s` of object-detection is too seldom"),
    ],
)  # fmt: skip
def test_objects_must_be_looked_at_often(tmp_path, stream, told):
    run = "" if "run:" in stream else "run: [object-detection], "
    streams = f"streams: {{roof: {{source: rtsp://camera, {run}{stream}}}}}\n"
    assert len(read(tmp_path, "", streams).streams) == 1
    (said,) = faults(tmp_path, "rules: {one: {when: {seen: cat, stream: roof}}}", streams)
    assert re.match(rf"streams\.roof\.{told}", said), said


@pytest.mark.parametrize(
    ("count", "met"),
    [(">= 2", {2, 3}), ("<=2", {0, 1, 2}), ("< 3", {0, 1, 2}), ("> 2", {3}), ("== 1", {1}), (" 1 ", {1})],
)
def test_counts(count, met):
    assert {number for number in range(4) if comparison(count)(number)} == met


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("救命", "啊救命啊", "救命"),
        (r"[A-Z]{2}-\d{3,4}", "x AB-12345", "AB-1234"),
        (r"[A-Z]{2}-\d{3,4}", "ab-123", None),
        (r"(?i)[A-Z]{2}-\d{3}", "ab-123", "ab-123"),
        (r"^ab$", "xab", None),
        (r"\b", "ab", None),
    ],
)
def test_patterns_are_found_anywhere(pattern, text, found):
    assert finder(pattern)(text) == found


def test_no_pattern_takes_long():
    """A backtracking one would take years."""
    assert finder("(a|a|aa)+$")("a" * 10_000 + "b") is None
