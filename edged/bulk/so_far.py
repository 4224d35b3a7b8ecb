"""The rows that a batch has so far, in a file that outlives its worker: the next one goes on behind them.

So the item that was in work when a worker died is known without a word from it: the one behind the last row.
"""

from collections.abc import Iterator
from pathlib import Path

import orjson

from edged.bulk.results import Result
from edged.bulk.stores import told


def rows_in(draft: Path) -> Iterator[Result]:
    """All that are whole."""
    with draft.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                yield orjson.loads(line)


def line_of(row: Result) -> bytes:
    """What is appended for a row, in one write that may be cut off."""
    return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)


def count_whole(draft: Path) -> int:
    """So many rows are whole; what stands behind them is cut off. Raises as `told`."""
    with told(str(draft)), draft.open("rb+") as file:
        sizes = [len(line) for line in file if line.endswith(b"\n")]
        file.truncate(sum(sizes))
    return len(sizes)
