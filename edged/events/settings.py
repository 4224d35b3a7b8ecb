"""What the configuration says of rules, as far as a rule can be judged by itself."""

import operator
import re
from collections.abc import Callable, Iterator
from typing import Annotated, Literal

import re2
from pydantic import BeforeValidator, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from edged.contracts.settings import LACKING, Seconds, Settings, seconds

MOST_RULES = 200
LONGEST_PATTERN = 1000
"""Characters."""
PATTERN_BYTES = 1 << 20
"""A pattern may hold so much memory; RE2 refuses what needs more."""

Subject = Literal["line", "zone", "text", "said", "seen", "offline"]
SUBJECTS: tuple[Subject, ...] = ("line", "zone", "text", "said", "seen", "offline")
"""What a rule may be about."""
MOMENTS = frozenset(("line", "said"))
"""Subjects that are over at once."""
_BESIDE = {"direction": ("line",), "count": ("zone",), "stays": ("zone",), "stream": ("text", "said", "seen")}
"""What may stand beside which subject."""

_COUNT = re.compile(r"(>=|<=|==|>|<)?\s*(\d{1,4})")
_COMPARED = {">=": operator.ge, "<=": operator.le, "==": operator.eq, ">": operator.gt, "<": operator.lt}
_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")


def _quoted(value: object) -> object:
    """What YAML 1.1 took an unquoted word for is refused; lists and the like are left for pydantic."""
    if value is None or isinstance(value, str | list | dict):
        return value
    read = str(value).lower() if isinstance(value, bool) else str(value)
    raise ValueError(f"YAML reads this as {read}, which is no text; quote it")


def _clock(value: object) -> object:
    """A time of day. YAML 1.1 reads 22:00 as the number 1320."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 24 * 60:
        raise ValueError(
            f'YAML reads this as the number {value}; quote it: "{value // 60:02}:{value % 60:02}"'
        )
    if isinstance(value := _quoted(value), str) and not _CLOCK.fullmatch(value):
        raise ValueError('a time of day is "HH:MM", from "00:00" to "23:59"')
    return value


def _count(value: object) -> object:
    """A comparison with a number, as text."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value := _quoted(value), str):
        return value
    if not (found := _COUNT.fullmatch(value.strip())):
        raise ValueError('a count is ">= 4", "<= 0", "< 3", "> 2", "== 1" or a number; up to 9999')
    is_met = {comparison(value)(number) for number in range(int(found[2]) + 2)}
    if len(is_met) == 1:
        raise ValueError(f"{value!r} holds {'always' if is_met == {True} else 'never'}: nobody is 0")
    return value


Text = Annotated[str, BeforeValidator(_quoted), Field(min_length=1)]
Count = Annotated[str, BeforeValidator(_count)]
ClockTime = Annotated[str, BeforeValidator(_clock)]
Span = Annotated[float, BeforeValidator(seconds), Field(ge=0, allow_inf_nan=False)]
"""A duration; it may be 0."""


def comparison(count: str) -> Callable[[int], bool]:
    """Whether a number is as a count of the configuration says."""
    found = _COUNT.fullmatch(count.strip())
    assert found is not None, "settings were validated"  # noqa: S101
    compare, limit = _COMPARED[found[1] or "=="], int(found[2])
    return lambda number: bool(compare(number, limit))


def finder(pattern: str) -> Callable[[str], str | None]:
    """What gives the part of a text in which a pattern is found first, none where it is not or is empty.

    It takes linear time, whatever it looks at. Raises `ValueError` that says what is wrong with the pattern.
    """
    if len(pattern) > LONGEST_PATTERN:
        raise ValueError(f"a pattern has at most {LONGEST_PATTERN} characters, and this one {len(pattern)}")
    options = re2.Options()
    options.log_errors = False
    options.max_mem = PATTERN_BYTES
    try:
        search = re2.compile(pattern, options).search
    except (re2.error, UnicodeError) as error:
        why = error.args[0]
        why = why.decode("utf-8", "replace") if isinstance(why, bytes) else "it is no text in Unicode"
        hint = (
            "patterns are RE2's, without look-around and back-references; \\ before a sign takes it as it is"
        )
        raise ValueError(f"this is no pattern: {why}; {hint}") from None
    if search("") is not None:
        raise ValueError(
            "this pattern is found in the empty text, so in any; `.` finds whatever is not empty"
        )
    return lambda text: found[0] or None if (found := search(text)) is not None else None


class WhenSettings(Settings):
    """What a rule is about: exactly one of `line`, `zone`, `text`, `said`, `seen`, `offline`."""

    line: Text | None = None
    """`door/entrance`: somebody crosses this line of the stream `door`."""
    direction: Literal["in", "out"] | None = None
    """Beside `line`: only this way; none: both."""
    zone: Text | None = None
    """`door/till`: somebody is in this zone of the stream `door`, or as many as `count` says, or for as long
    as `stays` says."""
    count: Count | None = None
    """Beside `zone`: so many are in it: `">= 4"`, `"<= 0"`, `"< 3"`, `"> 2"`, `"== 1"`; 4 means `"== 4"`."""
    stays: Seconds | None = None
    """Beside `zone`: somebody is in it for so long; each who does has an event."""
    text: Text | None = None
    """A pattern (RE2) that is found in a text that `ocr` reads; each text that it finds has its event."""
    said: Text | None = None
    """A pattern (RE2) that is found in what somebody has said."""
    seen: Text | None = None
    """A class, such as `person`, of which an object is there; or which a service that finds no boxes, such as
    `scene-classification`, says of the picture."""
    stream: Text | None = None
    """Beside `text`, `said` and `seen`: the name of the stream."""
    offline: Text | None = None
    """The name of a stream that shows nothing: it is offline or stalled."""

    @field_validator("text", "said")
    @classmethod
    def _is_a_pattern(cls, text: str | None) -> str | None:
        if text is not None:
            finder(text)
        return text

    @model_validator(mode="after")
    def _is_about_one_thing(self) -> "WhenSettings":
        given = [name for name in SUBJECTS if getattr(self, name) is not None]
        one = f"a rule is about exactly one of {', '.join(SUBJECTS)}"
        if not given:
            raise PydanticCustomError(LACKING, f"{one}; here is none")
        if len(given) > 1:
            raise ValueError(f"{one}; here are {', '.join(given)}: make a rule of each")
        if faults := [*self._faults(given[0])]:
            raise ValueError("\n".join(faults))
        if self.stream is None and given[0] in _BESIDE["stream"]:
            raise PydanticCustomError(LACKING, f"`{given[0]}` wants `stream: NAME` beside it")
        return self

    def _faults(self, subject: str) -> Iterator[str]:
        for key, subjects in _BESIDE.items():
            if getattr(self, key) is not None and subject not in subjects:
                wanted = " or ".join(f"`{name}`" for name in subjects)
                yield f"`{key}` stands beside {wanted}, and this is `{subject}`; leave it out"
        if self.count is not None and self.stays is not None:
            yield "`count` and `stays` do not go together: make a rule of each"
        place = self.line or self.zone
        if place is not None and not all(place.partition("/")):
            yield f"a {subject} is named with its stream, as `{subject}: door/name`"

    @property
    def subject(self) -> Subject:
        """What it is about."""
        return next(name for name in SUBJECTS if getattr(self, name) is not None)

    @property
    def place(self) -> str | None:
        """Name of the line or the zone within its stream."""
        named = self.line or self.zone
        return None if named is None else named.partition("/")[2]


class RuleSettings(Settings):
    """A rule over what one stream shows."""

    when: WhenSettings
    """What it is about, such as `{zone: door/till, count: ">= 4"}`."""
    wait: Span = Field(default=0.0, alias="for")
    """It begins when it has held for so long; a shorter gap than 2 s, or than three results of a service that
    is slower, is forgiven."""
    end_after: Span = 5.0
    """It ends when it has not held for so long; at least for as long as `for` forgives."""
    between: tuple[ClockTime, ClockTime] | None = None
    """It holds from the one time of day to the other only, `["22:00", "06:00"]`, by `time_zone`."""
    cool_down: Span = 0.0
    """So long after its last actions it has no others; its events are told all the same."""
    actions: tuple[Text, ...] = ()
    """Names of `actions` that are done when it begins."""
    also: tuple[Literal["end"], ...] = ()
    """`[end]`: they are done when it ends, too."""

    @model_validator(mode="after")
    def _fits_together(self) -> "RuleSettings":
        if faults := [*self._faults()]:
            raise ValueError("\n".join(faults))
        return self

    def _faults(self) -> Iterator[str]:
        subject = self.when.subject
        if self.is_moment:
            for key, name in (("for", "wait"), ("end_after", "end_after"), ("also", "also")):
                if name in self.model_fields_set:
                    yield f"`{key}` is for what lasts, and `{subject}` is over at once; leave it out"
        if self.when.stays is not None and self.wait:
            yield "`for` beside `stays`: `stays` says how long already; leave `for` out"
        if self.between is not None and self.between[0] == self.between[1]:
            yield "`between` begins when it ends; for the whole day leave it out"

    @property
    def stream(self) -> str:
        """Name of the stream over which it is."""
        when = self.when
        named = when.line or when.zone
        return named.partition("/")[0] if named is not None else when.stream or when.offline or ""

    @property
    def is_moment(self) -> bool:
        """Whether it is over at once, so that it has no beginning and no end."""
        return self.when.subject in MOMENTS
