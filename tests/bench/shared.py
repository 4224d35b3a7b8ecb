"""Requests to `edged/any`, shared by two, four and eight daemons on one machine, at a real mosquitto.

`python -m tests.bench.shared [--daemons 1 2 4 8] [--requests 2000] [--json]`. The model takes no time, so
this is what the protocol and the daemons cost. Each number of daemons twice: undisturbed, and with one that
is killed (SIGKILL) half way; the customer asks again what was not answered within two seconds.
"""

import argparse
import json
import sys
import tempfile
from contextlib import redirect_stdout
from dataclasses import asdict
from pathlib import Path

from edged.bench.machine import machine
from tests.broker import Mosquitto
from tests.fleet.light import settle
from tests.fleet.sharing import Outcome, fleet, one_killed, undisturbed

RETRY_S = 2.0


def main() -> None:
    """Print a row a run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--daemons", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--no-retry", action="store_true", help="the customer never asks again")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    print(json.dumps(asdict(machine())))
    with tempfile.TemporaryDirectory() as named:
        folder = Path(named)
        settle(folder)
        broker = Mosquitto(folder)
        broker.start()
        try:
            for daemons in options.daemons:
                _both(folder, broker.port, daemons, options)
        finally:
            broker.stop()


def _both(folder: Path, port: int, daemons: int, options: argparse.Namespace) -> None:
    with redirect_stdout(sys.stderr), fleet(folder, port, daemons) as (customer, started):
        outcome = undisturbed(customer, started, options.requests)
    _print("undisturbed", outcome, options.json)
    if daemons > 1:
        retry_s = None if options.no_retry else RETRY_S
        with redirect_stdout(sys.stderr), fleet(folder, port, daemons) as (customer, started):
            outcome = one_killed(folder, customer, started, options.requests, retry_s)
        _print("one killed", outcome, options.json)


def _print(run: str, of: Outcome, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"run": run, **asdict(of)}), flush=True)
        return
    shares = ", ".join(f"{100 * n / max(1, sum(of.shares.values())):.0f} %" for n in of.shares.values())
    print(
        f"{of.daemons} daemons, {run}: {of.requests / of.seconds:.0f} requests a second; shares {shares}; "
        f"stranded {of.stranded}, asked again {of.asked_again}, lost {of.lost}, twice {of.twice}",
        flush=True,
    )


if __name__ == "__main__":
    main()
