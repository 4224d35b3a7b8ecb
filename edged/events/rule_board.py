"""How the rules are, as it is told: on change, to another broker again, and after a restart."""

from collections.abc import Callable, Collection

from edged.contracts.message import RuleState
from edged.counts.chronicle import Chronicle
from edged.events.book import EventBook
from edged.events.dispatch import EventWay
from edged.events.happening import Standing
from edged.flow.clock import iso_utc


class RuleBoard:
    """Safe from all threads."""

    def __init__(self, chronicle: Chronicle, way: Callable[[], EventWay | None]) -> None:
        self._chronicle = chronicle
        self._way = way
        self._standings: dict[str, Standing] = {}
        """As it was told last."""

    def remember(self) -> None:
        """What an earlier run told; of a rule that held then nobody knows whether it still does."""
        self._standings = self._chronicle.do(lambda db: EventBook(db).stood()) or {}

    def put(self, rule: str, standing: Standing) -> None:
        """How a rule is."""
        with self._chronicle.lock:  # who tells later knows later
            known = self._standings.get(rule, standing)
            if standing.active is False is known.active and standing.since is None:
                standing = known  # an earlier run knows when it was last
            if self._standings.get(rule) != standing:
                self._standings[rule] = standing
                self._chronicle.do(lambda db: EventBook(db).stand(rule, standing))
                self._tell(rule, standing)

    def tell_all(self) -> None:
        """To a way that knows nothing yet."""
        with self._chronicle.lock:
            for rule, standing in self._standings.items():
                self._tell(rule, standing)

    def keep_only(self, rules: Collection[str]) -> None:
        """There are no others any more."""
        with self._chronicle.lock:
            self._standings = {rule: it for rule, it in self._standings.items() if rule in rules}
            self._chronicle.do(lambda db: EventBook(db).keep_rules(rules))

    def _tell(self, rule: str, standing: Standing) -> None:
        if (way := self._way()) is not None:
            since = None if standing.since is None else iso_utc(standing.since)
            way.rule(rule, RuleState(active=standing.active, since=since))
