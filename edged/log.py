"""Logging to stderr: one line an event, in systemd's levels when journald listens."""

import logging
import os
import sys


def set_up(verbose: bool = False) -> None:
    """Configure the root logger, once, before anything is started."""
    journald = "JOURNAL_STREAM" in os.environ
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        _Journald() if journald else logging.Formatter("%(asctime)s %(levelname)s %(message)s")
    )
    logging.basicConfig(level=logging.DEBUG if verbose else logging.INFO, handlers=[handler], force=True)
    logging.captureWarnings(True)


class _Journald(logging.Formatter):
    """`<3>message`: journald reads the level from the prefix and adds the time itself."""

    LEVELS = ((logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))

    def format(self, record: logging.LogRecord) -> str:
        level = next((syslog for least, syslog in self.LEVELS if record.levelno >= least), 7)
        return f"<{level}>" + super().format(record).replace("\n", f"\n<{level}>")
