"""Parts answered by Ray Data: an actor a worker, on all machines of a cluster.

Ray gives batches to actors, never more than these can take, starts others for those that die, and gives what
they had to somebody else. A batch that comes a second time is found done, or leaves the same file again. One
actor more, where the command runs, knows what comes again and again because machines are lost with it.
"""

import logging
import os
import pickle
import socket
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path
from typing import Any

from edged.bulk.attendant import Attendant
from edged.bulk.batches import Batch
from edged.bulk.losses import Losses
from edged.bulk.question import BulkQuestion
from edged.bulk.results import Reckoning, Results, Told
from edged.contracts.errors import ConfigError, EdgedError, NotReady
from edged.log import set_up
from edged.runtimes.devices import usable_cores

AUTO = "auto"
"""The cluster that `RAY_ADDRESS` names, else one that this machine is part of."""
LOCAL = "local"
"""The address of a Ray that is started here, and ends with the command."""
_NO_CLUSTER = (
    "there is no Ray cluster: RAY_ADDRESS names none, and this machine is part of none; `ray start "
    "--address=HEAD:6379` joins one, and `--ray local` makes one of this machine for as long as it works"
)
_STORE_BYTES = 100_000_000
"""Of a Ray of ours: only names and numbers go through it."""
_CONNECT_S = 10.0
_QUIET = {
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # else it warns of what becomes of CUDA_VISIBLE_DEVICES
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_USAGE_STATS_ENABLED": "0",  # and it reports to its makers
}


def answer_on_ray(
    question: BulkQuestion,
    results: Results,
    todo: Sequence[Batch],
    told: Told,
    *,
    address: str,
    workers: int | None,
) -> None:
    """Answer them all; `workers`: at most, none: as many as the cluster has cores for.

    Raises `ConfigError` where Ray is not installed or not to be had, `NotReady` where a worker cannot open
    the model, `EdgedError` when Ray gives up.
    """
    with _connected(address) as ray:
        most = workers or _room(ray, question.threads)
        done = ray.data.from_items(
            [{"batch": pickle.dumps(batch)} for batch in todo], override_num_blocks=len(todo)
        )
        done = done.map_batches(
            _actor(question, results, _losses(ray)),
            batch_size=1,
            compute=ray.data.ActorPoolStrategy(min_size=1, initial_size=most, max_size=most),
            num_cpus=question.threads,
        )
        try:
            for rows in done.iter_batches(batch_size=None, prefetch_batches=0):
                for answered, failed, trouble in zip(*(rows[key] for key in _KEYS), strict=True):
                    if trouble:
                        raise NotReady(str(trouble))
                    told(Reckoning(int(answered), int(failed)))
        except ray.exceptions.RayError as error:
            why = str(error).strip().splitlines()[-1]
            raise EdgedError(f"Ray gave up ({why}); the same command goes on where it stopped") from error


_KEYS = ("answered", "failed", "trouble")


def _losses(ray: Any) -> Any:
    """An actor on the machine that the run ends with, anyway."""
    here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
        ray.get_runtime_context().get_node_id(), soft=False
    )
    kept = ray.remote(Losses).options(
        num_cpus=0, scheduling_strategy=here, max_restarts=-1, max_task_retries=-1
    )
    return kept.remote()


def _actor(question: BulkQuestion, results: Results, losses: Any) -> type:
    """What lives on the machines: a class with all that it needs, for objects may be lost."""

    class Answering:
        def __init__(self) -> None:
            set_up()
            self._trouble = ""
            try:
                share = max(1, usable_cores() // question.threads)
                self._attendant = Attendant(question, results, share)
                self._attendant.opened()
            except EdgedError as error:  # told once, and not tried for ever
                self._trouble = f"{socket.gethostname()}: {error}"

        def __call__(self, given: dict[str, Any]) -> dict[str, list[Any]]:
            total = Reckoning()
            for packed in given["batch"]:
                if not self._trouble:
                    batch = pickle.loads(packed)  # noqa: S301 - our own
                    total += _answered(self._attendant, results, batch, losses)
            return {"answered": [total.answered], "failed": [total.failed], "trouble": [self._trouble]}

    return Answering


def _answered(attendant: Attendant, results: Results, batch: Batch, losses: Any) -> Reckoning:
    """By its worker, unless somebody did it who could not tell any more."""
    import ray  # noqa: PLC0415 - who does without needs none of it

    is_there = not batch.again and results.has(batch.name)
    if is_there and (known := results.outcomes(batch.name)) is not None:
        good = [is_good for _, is_good in known]
        return Reckoning(sum(good), len(good) - sum(good))

    def may(number: int) -> bool:
        return bool(ray.get(losses.may.remote(batch.name, number)))

    was_lost = ray.get(losses.begins.remote(batch.name))
    tally = attendant.answer(batch, may=may if was_lost else None)
    ray.get(losses.ends.remote(batch.name))
    return tally


def _room(ray: Any, threads: int) -> int:
    """Workers that the cluster has cores for."""
    alive = (node for node in ray.nodes() if node["Alive"])
    return max(1, sum(int(node["Resources"].get("CPU", 0) // threads) for node in alive))


def _named() -> str:
    """The address in RAY_ADDRESS, else of the last `ray start` on this machine; Ray looks there, too.

    Nothing where neither names one: after `ray start --temp-dir` Ray finds it by its processes.
    """
    temporary = os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp"  # noqa: S108 - as Ray's
    with suppress(OSError):
        return os.environ.get("RAY_ADDRESS") or Path(temporary, "ray/ray_current_cluster").read_text().strip()
    return ""


def _check_port(address: str) -> None:
    """Ray itself waits for minutes. Raises `ConfigError` where nobody listens."""
    host, _, port = address.rpartition("/")[2].rpartition(":")
    if not host or not port.isdecimal():
        return
    try:
        socket.create_connection((host, int(port)), _CONNECT_S).close()
    except OSError as error:
        raise ConfigError(f"there is no Ray at {address}: {error}") from error


@contextmanager
def _hushed() -> Iterator[None]:
    """Nothing reaches stderr: Ray's C++ says there that it was told to say nothing."""
    sys.stderr.flush()
    with Path(os.devnull).open("w") as nowhere, os.fdopen(os.dup(2), "w") as kept:
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept.fileno(), 2)


def _joined(ray: Any, address: str) -> None:
    """Be of that cluster, or of one that is started here. Raises `ConfigError`."""
    own = {"num_cpus": usable_cores(), "object_store_memory": _STORE_BYTES, "include_dashboard": False}
    more = own if address == LOCAL else {}
    found = _named() if address == AUTO else address
    _check_port(found)
    try:
        with _hushed():
            # not what was found: Ray takes the token of `ray start` for `auto` alone
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **more)
    except (ConnectionError, ValueError) as error:
        hint = "; one that wants a token is joined with RAY_AUTH_MODE=token"
        raise ConfigError(f"there is no Ray at {found}: {error}{hint}" if found else _NO_CLUSTER) from error


@contextmanager
def _connected(address: str) -> Iterator[Any]:
    """Ray, quiet, until the end of the block."""
    os.environ.update({key: value for key, value in _QUIET.items() if key not in os.environ})
    # it prints pages of a machine that is lost, though it was told to print no logs
    with warnings.catch_warnings(), Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
        warnings.simplefilter("ignore")  # of its own old ways
        try:
            import ray  # noqa: PLC0415 - takes seconds, and may be missing
            import ray.data  # noqa: PLC0415
        except ImportError:
            raise ConfigError("--ray wants Ray: pip install 'edged[bulk]'") from None
        warnings.simplefilter("ignore")  # it has put a filter of its own before ours
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        _joined(ray, address)
        try:
            context = ray.data.DataContext.get_current()
            context.enable_progress_bars = context.print_on_execution_start = False
            yield ray
        finally:
            ray.shutdown()
