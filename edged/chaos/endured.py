"""What came of each fault, and what to think of the box. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from edged.chaos.tally import Count

COLUMNS = (
    "fault",
    "times",
    "asked",
    "once",
    "twice",
    "never",
    "forgotten",
    "wrong",
    "results lost",
    "recovered s",
    "MB before",
    "MB after",
    "held",
)
_MB = 1_000_000
NOTHING = Count(0, 0, 0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Endured:
    """A fault, as often as it was inflicted; or why it was not."""

    fault: str
    times: int
    count: Count
    lost: int
    """Results of the streams that are missing."""
    recovered_s: float
    """The longest that one infliction took, from its end until all was well."""
    before_bytes: int
    """Memory of the daemon and its children."""
    after_bytes: int
    broken: tuple[str, ...] = ()
    """What did not hold, each a few words."""
    not_tried: str = ""
    """Why, where it could not be tried; empty: it was."""

    def with_next(self, other: "Endured") -> "Endured":
        """The same fault in a later round, added."""
        mine, others = self.count, other.count
        total = Count(*(getattr(mine, f) + getattr(others, f) for f in Count.__slots__))
        return replace(
            self,
            times=self.times + other.times,
            count=total,
            lost=self.lost + other.lost,
            recovered_s=max(self.recovered_s, other.recovered_s),
            after_bytes=other.after_bytes,
            broken=tuple(dict.fromkeys((*self.broken, *other.broken))),
        )


def together(earlier: Sequence[Endured], latest: Sequence[Endured]) -> list[Endured]:
    """The rounds until now and one more; the first has none before it."""
    return [a.with_next(b) for a, b in zip(earlier, latest, strict=True)] if earlier else list(latest)


def faults_of(count: Count, doubles: bool) -> tuple[str, ...]:
    """What did not hold of the requests; `doubles`: as of the fault."""
    said = []
    if count.never:
        said.append(f"{count.never} never answered")
    if count.twice and not doubles:
        said.append(f"{count.twice} answered twice")
    if count.wrong:
        said.append(f"{count.wrong} answered wrongly")
    return tuple(said)


def cells(one: Endured) -> Sequence[object]:
    """A row of the table."""
    if one.not_tried:
        return (one.fault, 0, *("" for _ in COLUMNS[2:-1]), f"not tried: {one.not_tried}")
    c = one.count
    return (
        one.fault,
        one.times,
        c.asked,
        c.once,
        c.twice,
        c.never,
        c.forgotten,
        c.wrong,
        one.lost,
        f"{one.recovered_s:.2f}",
        round(one.before_bytes / _MB),
        round(one.after_bytes / _MB),
        "; ".join(one.broken) or "yes",
    )


def verdict(all_: Iterable[Endured]) -> str:
    """One sentence."""
    endured = list(all_)
    if broken := [f"{one.fault} ({'; '.join(one.broken)})" for one in endured if one.broken]:
        return f"Do not trust this box yet: {', '.join(broken)}."
    tried = [one for one in endured if not one.not_tried]
    asked, twice = (sum(getattr(one.count, f) for one in tried) for f in ("asked", "twice"))
    forgotten = sum(one.count.forgotten for one in tried)
    said = f"This box endured {len(tried)} faults: of {asked} requests none was left without its answer"
    said += f", {twice} were answered twice" if twice else ", none was answered twice"
    return f"{said}, {forgotten} were forgotten by the broker that was killed." if forgotten else f"{said}."
