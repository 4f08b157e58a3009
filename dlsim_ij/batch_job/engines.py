"""Who does the work: Dask workers on this machine, of a running cluster, or started as jobs of a queue."""

from __future__ import annotations

import functools
import importlib.util
import logging
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlsim_ij.errors import ConfigError, DlsimError
from dlsim_ij.processes import THREAD_VARIABLES, available_processors, threads_of_children

if TYPE_CHECKING:
    from distributed import Client

    from dlsim_ij.batch_job.resources import Resources, System

_MEMORY_WANTED = 2 * 2**30  # of one worker with a model and a Java, for the default number of workers
_CONNECT_SECONDS = 20
_START_TRIALS = 3
# After how long Dask dismisses the keeper of a worker that has died, if just then there is none again: the
# keeper starts another by itself. In a queue the job itself may be gone, and is handed in anew.
_DISMISSAL = "distributed.deploy.lost-worker-timeout"
_OF_A_KEEPER, _OF_A_JOB = "240h", "120s"


@dataclass(slots=True, kw_only=True)
class Engine:
    """Workers that wait for inputs.

    Attributes
    ----------
    client : distributed.Client
    where : str
        In words.
    memory_limit : int or None
        Bytes of each worker, if somebody watches them.
    too_large : set of int
        Process ids of local workers that were ended because they used more.
    mend : callable
        Replaces workers for which Dask does not start another.
    """

    client: Client
    where: str
    memory_limit: int | None = None
    too_large: set[int] = field(default_factory=set)
    mend: Callable[[], None] = lambda: None

    def why_lost(self, worker: str) -> str:
        """Say why a worker has died, as far as it can be told."""
        if self.memory_limit is None:
            return f"the worker {worker} was lost: killed, out of memory, or its machine is gone"
        limit = f"{self.memory_limit / 2**30:.2g} GiB"
        if int(worker.rpartition(":")[2] or 0) in self.too_large:
            return f"the worker {worker} used more than its memory limit of {limit}"
        return f"the worker {worker} was ended from outside (killed, or the machine was out of memory)"


def require_dask() -> None:
    """Refuse kindly where Dask is not installed.

    Raises
    ------
    ConfigError
    """
    if importlib.util.find_spec("distributed") is None:
        raise ConfigError(
            "dlsim batch works on Dask, which is not installed", 'pip install "dlsim-ij[batch]"'
        )


def machine_memory() -> int:
    """Return the bytes of this machine, or of the group of processes that this one is limited to."""
    from distributed.system import MEMORY_LIMIT

    return int(MEMORY_LIMIT)


def default_workers(threads: int) -> int:
    """Return how many workers this machine has cores and memory for."""
    return max(1, min(available_processors() // threads, machine_memory() // _MEMORY_WANTED))


@contextmanager
def local_engine(workers: int, threads: int, memory_limit: int | None = None) -> Iterator[Engine]:
    """Start spawned processes on this machine; a dead one is replaced.

    Parameters
    ----------
    workers, threads : int
        Processes, and threads of each.
    memory_limit : int, optional
        Bytes of each; by default 90 % of the machine's, divided.
    """
    import dask
    from distributed import Client

    limit = memory_limit or int(0.9 * machine_memory() / workers)
    with (
        _quiet(),
        threads_of_children(threads),  # Dask prefers the environment to its configuration
        dask.config.set({**_configuration(threads), _DISMISSAL: _OF_A_KEEPER}),
        _watch_memory() as too_large,
    ):
        cluster = _local_cluster(workers, limit)
        with cluster, Client(cluster) as client:
            _make_own(client)
            yield Engine(
                client=client, where=f"{workers} on this machine", memory_limit=limit, too_large=too_large,
                mend=functools.partial(_mend, cluster, workers),
            )  # fmt: skip


@contextmanager
def scheduler_engine(address: str) -> Iterator[Engine]:
    """Use the workers of a Dask scheduler that runs.

    Raises
    ------
    DlsimError
        Nobody answers there, or it is something else.
    """
    from distributed import Client

    with _quiet():
        try:
            client = Client(address, timeout=_CONNECT_SECONDS)
        except (OSError, ValueError, TypeError, TimeoutError) as error:
            raise DlsimError(
                f"no Dask scheduler answers at {address}: {_one_line(error)}",
                "start one with 'dask scheduler' and workers with 'dask worker ADDRESS', or use --workers",
            ) from error
        with client:
            yield Engine(client=client, where=f"at {address}")


@contextmanager
def queue_engine(
    system: System, jobs: int, threads: int, resources: Resources, logs: Path
) -> Iterator[Engine]:
    """Hand in jobs to a queueing system, each with workers; they end with the batch.

    Parameters
    ----------
    system : {"slurm", "pbs", "sge"}
    jobs : int
    threads : int
        Of each worker.
    resources : Resources
    logs : Path
        Folder for what the jobs print.

    Raises
    ------
    DlsimError
        The system's commands are not here, or refuse.
    """
    import dask
    import dask_jobqueue
    from distributed import Client

    kind = {"slurm": "SLURMCluster", "pbs": "PBSCluster", "sge": "SGECluster"}[system]
    who_pays = {"project" if system == "sge" else "account": resources.account}
    said = [f"export {name}={threads}" for name in THREAD_VARIABLES]
    said.append("export DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED=False")  # see _configuration
    settings = {**_configuration(threads), _DISMISSAL: _OF_A_JOB, "jobqueue": dask.config.get("jobqueue", {})}
    with _quiet(), dask.config.set(settings):
        try:
            cluster = getattr(dask_jobqueue, kind)(
                queue=resources.queue, cores=resources.workers_per_job, processes=resources.workers_per_job,
                memory=resources.memory, walltime=resources.walltime, interface=resources.interface,
                local_directory=resources.local_directory, log_directory=str(logs),
                job_extra_directives=list(resources.directives), python=sys.executable,
                job_script_prologue=[*said, *resources.prologue], death_timeout=120,
                scheduler_options={"dashboard_address": ":0"},
                worker_extra_args=["--no-dashboard"], name="dlsim-batch",
                **{k: v for k, v in who_pays.items() if v}, **_cores(system, resources),
            )  # fmt: skip
            with cluster, Client(cluster) as client:
                _make_own(client)
                cluster.scale(jobs=jobs)
                cluster.sync(cluster._correct_state)  # raises what sbatch or qsub says; scale alone is silent
                again = functools.partial(_hand_in_again, cluster, jobs)
                yield Engine(client=client, where=f"of {jobs} {system} jobs", mend=again)
        except (OSError, RuntimeError, ValueError) as error:
            if isinstance(error, DlsimError):
                raise
            raise DlsimError(
                f"{system} cannot be used: {_one_line(error)}", "try --array, which writes a plain script"
            ) from error


def _cores(system: System, resources: Resources) -> dict[str, int]:
    """Return the cores of a job where they are told apart from its workers."""
    names = {"slurm": "job_cpu", "pbs": "ncpus"}
    return {names[system]: resources.cores} if system in names else {}


def _local_cluster(workers: int, memory_limit: int) -> Any:
    """Start the processes; one that dies while it starts takes the others with it, so twice more is tried."""
    from distributed import LocalCluster

    for trial in range(_START_TRIALS):
        try:
            return LocalCluster(
                n_workers=workers, threads_per_worker=1, processes=True, memory_limit=memory_limit,
                # Dask's page would be open to the network, on a port that another batch may hold
                host="127.0.0.1", dashboard_address="127.0.0.1:0", worker_dashboard_address="127.0.0.1:0",
                silence_logs=logging.WARNING if _shows_all() else logging.CRITICAL,
            )  # fmt: skip
        except (OSError, RuntimeError, TimeoutError) as error:
            if trial == _START_TRIALS - 1:
                raise DlsimError(
                    f"no workers could be started: {_one_line(error)}", "try --workers 1, see why with -v -v"
                ) from error
    raise AssertionError


def _mend(cluster: Any, workers: int) -> None:
    """Start workers anew whose keeper has given up, as it does when one dies while it starts."""
    from distributed.core import Status

    async def forget_closed() -> int:
        gone = [n for n, keeper in cluster.workers.items() if keeper.status in (Status.closed, Status.failed)]
        for name in gone:
            del cluster.workers[name]
        return len(cluster.workers)

    if cluster.sync(forget_closed) < workers:
        cluster.scale(workers)


def _hand_in_again(cluster: Any, jobs: int) -> None:
    """Hand in as many jobs as Dask has dismissed: their time was over, or their machine is gone."""
    if len(cluster.workers) < jobs:
        cluster.scale(jobs=jobs)


def _make_own(client: Client) -> None:
    from dlsim_ij.batch_job.remote import OwnWorker

    client.register_plugin(OwnWorker())


def _configuration(threads: int) -> dict[str, Any]:
    return {
        "distributed.nanny.pre-spawn-environ": dict.fromkeys(THREAD_VARIABLES, threads),
        "distributed.worker.multiprocessing-method": "spawn",
        # a death costs one attempt, and we do the counting
        "distributed.scheduler.allowed-failures": 0,
        "distributed.scheduler.worker-saturation": 1.0,
        # a long step that holds Python's lock is not a death
        "distributed.scheduler.worker-ttl": None,
        # there are no results to put on disk, and a paused worker would wait for ever
        "distributed.worker.memory.target": False,
        "distributed.worker.memory.spill": False,
        "distributed.worker.memory.pause": False,
        "distributed.worker.memory.terminate": 0.95,
        # a stack of every 10 ms is kept for an hour: 100 MiB in five minutes
        "distributed.worker.profile.enabled": False,
    }


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask's log of deaths and restarts from the terminal: they are told in the manifest."""
    shown = _shows_all()
    # Dask gives two of those below a level and a handler of their own
    names = ("distributed", "distributed.client", "tornado", "tornado.application", "asyncio", "bokeh")
    loggers = [logging.getLogger(name) for name in names]
    before = [(logger.level, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING if shown else logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, (level, propagate) in zip(loggers, before, strict=True):
            logger.setLevel(level)
            logger.propagate = propagate


def _shows_all() -> bool:
    return logging.getLogger("dlsim_ij").isEnabledFor(logging.DEBUG)


@contextmanager
def _watch_memory() -> Iterator[set[int]]:
    """Collect the process ids that Dask's watcher ends for their memory; it tells them to its log alone."""
    pids: set[int] = set()

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told = re.search(r"pid=(\d+)\) exceeded", record.getMessage())
            if told:
                pids.add(int(told[1]))

    logger = logging.getLogger("distributed.nanny.memory")
    listener, before = Listener(), (logger.level, logger.propagate)
    logger.addHandler(listener)
    logger.setLevel(logging.WARNING)
    logger.propagate = False
    try:
        yield pids
    finally:
        logger.removeHandler(listener)
        logger.level, logger.propagate = before


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
