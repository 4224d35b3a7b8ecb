"""The services that are in memory because somebody asked: what they hold, and which of them must leave."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from edged.flow.budget import Budget
from edged.flow.footprint import give_back
from edged.repository.opener import Opener
from edged.serving.offers import AS_IT_COMES, bytes_read
from edged.serving.table import Served, ServiceTable, is_apart
from edged.serving.unit import opened_or_why, reopened

log = logging.getLogger(__name__)

FILES_TIMES = 2
"""Opening a model takes so many times what it reads at most: that, and what the runtime packs of it."""
WORK_PART = 10
"""What its first work takes is known to nobody: such a part of the budget is kept for it."""

LOOK_S = 1.0
"""Seconds between two looks at what this process holds."""


class Residents:
    """Changed by one thread, asked by any; what they hold together stands in the budget."""

    def __init__(
        self, table: ServiceTable, opener: Opener, memory: Budget, changed: Callable[[], None]
    ) -> None:
        """`changed` is called when one has left."""
        self._table = table
        self._opener = opener
        self._memory = memory
        self._account = memory.account(may_leave=True)
        self._changed = changed
        self._held: dict[str, Served] = {}
        self._known: dict[str, int] = {}
        """Bytes that those held at their peak that have left."""
        self._told = 0
        """Bytes in the account."""
        self._look_at = 0.0
        self._lock = threading.Lock()

    def get(self, name: str) -> Served | None:
        """The service, when it is here."""
        return self._held.get(name)

    def open(self, name: str, model: str) -> Served | str:
        """A service, once there is room for it, not announced yet; or why it cannot be opened."""
        self.make_room(self._expected(name, model))
        with self._opener.growth.watched() as grown:
            opened = opened_or_why(name, AS_IT_COMES, self._opener)
        if isinstance(opened, str):
            return opened
        if (size := grown.size) <= (total := self._memory.total):
            return replace(opened, grown=grown)
        self._opener.release(opened.instance)
        return f"its model takes {size} bytes of memory, over `runtime.memory` of {total}; raise it"

    def add(self, served: Served) -> None:
        """One has come, and is announced."""
        with self._lock:
            self._held[served.service.name] = served
        self._table.put(served)
        self._tell_size()

    def renew(self) -> None:
        """All serve by what runs best now; the old instances answer until the new ones are warm."""
        for name, served in self._held.copy().items():
            if (fresh := reopened(served, AS_IT_COMES, self._opener)) is None:
                continue
            with self._lock:
                if taken := self._held.get(name) is served:  # else it has left meanwhile
                    self._held[name] = fresh
                    self._table.put(fresh)
            self._opener.release(served.instance if taken else fresh.instance)
            self._tell_size()
            self._changed()

    def let_go(self, name: str) -> None:
        """It leaves; what is in work with it holds it until that is done."""
        with self._lock:
            served = self._held.pop(name, None)
        if served is not None:
            self._table.retire(served)
            self._opener.release(served.instance)
            self._known[name] = served.grown.most
            del served  # else it would hold the sessions still
            give_back()
            self._opener.growth.left()
            self._tell_size()
            log.info("%s left memory", name)
            self._changed()

    def tidy(self, idle_s: float) -> None:
        """All serve by what runs best now, and those leave that must."""
        self.renew()
        self.look()
        self.leave_idle(idle_s)
        self.make_room()

    def look(self) -> None:
        """See what was taken and given back by those who worked since the last time; not too often."""
        if time.monotonic() >= self._look_at:
            self._look()

    def _look(self) -> None:
        self._look_at = time.monotonic() + LOOK_S
        ready = [served for served in self._table.ready() if served.usage.has_worked()]
        self._opener.growth.look([one.grown for one in ready if not is_apart(one)])
        self._tell_size()

    def leave_idle(self, idle_s: float) -> None:
        """Those leave that nobody asked for so long, and those that have units of their own now."""
        for name in [name for name, served in self._held.copy().items() if self._is_left(served, idle_s)]:
            self.let_go(name)

    def _is_left(self, served: Served, idle_s: float) -> bool:
        usage, name = served.usage, served.service.name
        if name in self._table.wanted:
            return not self._table.is_loading(name)  # until its own unit has the instance, it stays open
        return not usage.is_busy and time.monotonic() - usage.last >= idle_s

    def make_room(self, size: int = 0, but: str = "") -> None:
        """For so many bytes more, and for whoever waits: all give up what they keep for their next run; where
        that is not enough, the least lately asked leave, but for one."""
        if not self._lacks(size):
            return
        self._opener.sessions.rest(at_once=True)
        give_back()
        self._look()
        while self._lacks(size):
            held = self._held.copy().items()
            free = [(one.usage.last, name) for name, one in held if name != but and not one.usage.is_busy]
            if not free:
                return
            self.let_go(min(free)[1])

    def _lacks(self, size: int) -> bool:
        """Whether so many bytes more are too many: by the account, or by what this process really holds.

        That includes the libraries and what is decoded, but not what is configured, which stays and is for
        no budget. For its sake the last one stays, too: it would come and go with each request.
        """
        budget = self._memory
        if budget.lacking or budget.held + size > budget.total:
            return True
        return len(self._held) > 1 and self._really() + size > budget.total

    def _really(self) -> int:
        """Bytes that this process holds but for what is configured, and processes of their own."""
        pinned = [one for one in self._table.ready() if one.service.name not in self._held]
        own = self._opener.growth.now - sum(one.grown.size for one in pinned if not is_apart(one))
        return own + self._memory.kept - self._told

    def clear(self) -> None:
        """All leave."""
        for name in self._held.copy():
            self.let_go(name)

    def _expected(self, name: str, model: str) -> int:
        """Bytes that a service will hold at most: as it did before, else a guess."""
        if (known := self._known.get(name)) is not None:
            return known
        return FILES_TIMES * bytes_read(model, self._opener.catalogue) + self._memory.total // WORK_PART

    def _tell_size(self) -> None:
        self._told = sum(served.grown.size for served in self._held.copy().values())
        self._account(self._told)
