"""A spawned process with a socket to it: how it is started, watched and ended."""

import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from edged.children.wire import Channel

INSIDE = "edged.children.inside"
KEPT = (
    *(
        "PATH",
        "HOME",
        "LANG",
        "LC_ALL",
        "TZ",
        "TMPDIR",
        "LD_LIBRARY_PATH",
        "XDG_CACHE_HOME",
        "CUDA_VISIBLE_DEVICES",
    ),
    *("OMP_NUM_THREADS", "OV_CPU_MAX_ISA", "JOURNAL_STREAM", "ONEDNN_MAX_CPU_ISA"),
    *("VK_DRIVER_FILES", "ORT_WEBGPU_EP_ALLOW_SOFTWARE_ADAPTER"),
)
"""Variables of the environment that a child gets too; passwords stand in others."""
_PAGE = os.sysconf("SC_PAGE_SIZE")
_RESIDENT = 1
_STDERR = 2
_END_S = 5.0


class Process:
    """One life of a child. Start it in a thread that lives as long as it shall: the kernel ends it with that
    thread."""

    def __init__(self, name: str, environment: Mapping[str, str]) -> None:
        """`environment`: beside `KEPT`."""
        ours, its = socket.socketpair()
        kept = {key: os.environ[key] for key in KEPT if key in os.environ}
        places = os.pathsep.join(place for place in sys.path if place)
        with its:
            self._running = subprocess.Popen(
                [sys.executable, "-P", "-m", INSIDE, str(its.fileno()), str(os.getpid())],
                stdin=subprocess.DEVNULL,
                stdout=_STDERR,  # what the daemon itself writes to stdout is for others
                env={**kept, **environment, "PYTHONPATH": places},
                pass_fds=[its.fileno()],
                start_new_session=True,  # Ctrl-C is for the daemon, which ends it in its turn
            )
        self.name = name
        self.channel = Channel(ours, trusts=False)
        self._lifeline = os.pidfd_open(self._running.pid)
        self.talk = threading.Lock()
        """Held by whoever uses the channel."""
        self._why: str | None = None
        self._lock = threading.Lock()

    @property
    def id(self) -> int:
        """Its number at the kernel."""
        return self._running.pid

    def end(self, why: str) -> None:
        """Kill it; the first reason counts."""
        with self._lock:
            self._why = self._why or why
        with suppress(OSError):
            signal.pidfd_send_signal(self._lifeline, signal.SIGKILL)

    def lives(self, patience_s: float) -> bool:
        """Whether it still runs after so many seconds; returns at once when it ends before."""
        poll = select.poll()
        poll.register(self._lifeline, select.POLLIN)
        return not poll.poll(patience_s * 1000)

    def why(self) -> str:
        """Of what it died; waits until it has."""
        try:
            code = self._running.wait(_END_S)
        except subprocess.TimeoutExpired:
            self.end("it closed its socket and went on")
            code = self._running.wait()
        if self._why is not None:
            return self._why
        if code < 0:
            return f"it died of {signal.Signals(-code).name}"
        return f"it ended itself with the code {code}"

    def memory(self) -> int:
        """Bytes of memory that it holds."""
        try:
            pages = Path(f"/proc/{self.id}/statm").read_text("ascii").split()
        except (OSError, IndexError):
            return 0
        return int(pages[_RESIDENT]) * _PAGE if len(pages) > _RESIDENT else 0

    def close(self) -> None:
        """Give its end of the socket and its handle back, once it is dead and nobody talks to it any more."""
        with self.talk:
            self.channel.close()
            lifeline, self._lifeline = self._lifeline, -1
            os.close(lifeline)

    @property
    def closed(self) -> bool:
        """Whether it was given back."""
        return self._lifeline < 0
