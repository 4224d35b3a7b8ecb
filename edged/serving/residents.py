"""The services that are in memory because somebody asked: what they hold, and which of them must leave."""

import logging
import threading
import time
from collections.abc import Callable

from edged.contracts.errors import EdgedError
from edged.flow.budget import Budget
from edged.flow.footprint import give_back
from edged.repository.opener import Opener
from edged.serving.offers import AS_IT_COMES
from edged.serving.table import Served, ServiceTable
from edged.serving.unit import opened_or_why, reopened

log = logging.getLogger(__name__)


class Residents:
    """Changed by one thread, asked by any; what they hold together stands in the budget."""

    def __init__(
        self,
        table: ServiceTable,
        opener: Opener,
        memory: Budget,
        changed: Callable[[], None],
    ) -> None:
        """`changed` is called when one has left."""
        self._table = table
        self._opener = opener
        self._memory = memory
        self._account = memory.account(may_leave=True)
        self._changed = changed
        self._held: dict[str, Served] = {}
        self._sizes: dict[str, int] = {}
        """Bytes, of all that were ever loaded."""
        self._lock = threading.Lock()

    def get(self, name: str) -> Served | None:
        """The service, when it is here."""
        return self._held.get(name)

    def size(self, name: str) -> int:
        """Bytes that it holds; 0 when it is not here."""
        return self._sizes.get(name, 0) if name in self._held else 0

    def open(self, name: str, model: str) -> Served | str:
        """A service, once there is room for it, not announced yet; or why it cannot be opened."""
        self.make_room(self._expected(name, model))
        with self._opener.growth.watched() as grown:
            opened = opened_or_why(name, AS_IT_COMES, self._opener)
        if isinstance(opened, str):
            return opened
        self._sizes[name] = size = grown.size
        if size <= (total := self._memory.total):
            return opened
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
            with self._opener.growth.watched() as grown:
                fresh = reopened(served, AS_IT_COMES, self._opener)
            if fresh is None:
                continue
            with self._lock:
                if taken := self._held.get(name) is served:  # else it has left meanwhile
                    self._held[name], self._sizes[name] = fresh, grown.size
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
            del served  # else it would hold the sessions still
            give_back()
            self._tell_size()
            log.info("%s left memory", name)
            self._changed()

    def tidy(self, idle_s: float) -> None:
        """All serve by what runs best now, and those leave that must."""
        self.renew()
        self.leave_idle(idle_s)
        self.make_room()

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
        """For so many bytes more, and for whoever waits: the least lately asked leave, but for one."""
        while self._memory.held + size > self._memory.total or self._memory.lacking:
            held = self._held.copy().items()
            free = [(one.usage.last, name) for name, one in held if name != but and not one.usage.is_busy]
            if not free:
                return
            self.let_go(min(free)[1])

    def clear(self) -> None:
        """All leave."""
        for name in self._held.copy():
            self.let_go(name)

    def _expected(self, name: str, model: str) -> int:
        """Bytes that a service will hold: as it did before, else as much as the files of its model."""
        if (known := self._sizes.get(name)) is not None:
            return known
        catalogue = self._opener.catalogue
        try:
            folder = catalogue.root / model / catalogue.choice(model).variant
            return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        except (EdgedError, OSError):
            return 0

    def _tell_size(self) -> None:
        self._account(sum(self._sizes[name] for name in self._held.copy()))
