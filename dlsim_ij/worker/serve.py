"""The life of a worker: lock, log, door and queue up; leave when told to or idle; everything down again."""

from __future__ import annotations

import asyncio
import logging
import logging.handlers
import os
import secrets
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass

import dlsim_ij
from dlsim_ij.errors import WorkerError
from dlsim_ij.worker.jobs import Jobs
from dlsim_ij.worker.place import PACKAGE, Place, WorkerFile

logger = logging.getLogger(__name__)

LARGEST_LOG = 1_000_000  # bytes; one older log is kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a worker is to be.

    Attributes
    ----------
    idle_minutes : float
        It leaves when it had nothing to do for so long; 0: never.
    port : int
        On the loopback interface; 0: one that is free.
    models : sequence of str
        Loaded at once.
    java : mapping, optional
        ``engine`` and ``path`` of the ImageJ that is started at once.
    """

    idle_minutes: float = 30.0
    port: int = 0
    models: Sequence[str] = ()
    java: Mapping[str, str | None] | None = None


def serve(plan: Plan, ready: Callable[[WorkerFile], None]) -> None:
    """Be the worker of this user on this machine until told to leave.

    Parameters
    ----------
    plan : Plan
        What to be.
    ready : callable
        Called once clients may come.

    Raises
    ------
    WorkerError
        There is one already, its folder is not ours, or the port is taken.
    """
    place = Place()
    place.prepare()
    with ExitStack() as stack:
        if not stack.enter_context(place.worker_lock()):
            raise WorkerError("a worker runs already", "dlsim serve --status tells of it, --stop ends it")
        before = os.umask(0o077)
        stack.callback(os.umask, before)
        _log_to_file(place, stack)
        place.remove_temporaries()
        try:
            asyncio.run(_serve(plan, place, ready))
        except OSError as error:
            raise WorkerError(
                f"cannot listen on port {plan.port}: {error.strerror}", "leave --port away, or give another"
            ) from error
        finally:
            place.remove()


def _log_to_file(place: Place, stack: ExitStack) -> None:
    handler = logging.handlers.RotatingFileHandler(
        place.log, maxBytes=LARGEST_LOG, backupCount=1, encoding="utf-8"
    )
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    handler.addFilter(_without_traceback_of_nonsense)
    for name in ("dlsim_ij.worker", "aiohttp", "asyncio"):
        log = logging.getLogger(name)
        log.addHandler(handler)
        log.setLevel(logging.INFO)
        log.propagate = False
        stack.callback(log.removeHandler, handler)
    stack.callback(handler.close)


def _without_traceback_of_nonsense(record: logging.LogRecord) -> bool:
    """Shorten what aiohttp says of a request that is none: whoever sends one could fill the log."""
    from aiohttp.http_exceptions import HttpProcessingError
    from aiohttp.web import RequestPayloadError

    if record.exc_info and isinstance(record.exc_info[1], (HttpProcessingError, RequestPayloadError)):
        reason = " ".join(str(record.exc_info[1]).split())[:100]
        record.msg, record.args, record.exc_info = "a malformed request was refused: %s", (reason,), None
    return True


async def _serve(plan: Plan, place: Place, ready: Callable[[WorkerFile], None]) -> None:
    from dlsim_ij.worker.server import Server

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):  # Windows
            loop.add_signal_handler(number, stop.set)
    jobs = Jobs(place, plan.models, plan.java)
    token = secrets.token_urlsafe(32)
    facts = {
        "pid": os.getpid(), "version": dlsim_ij.__version__, "package": PACKAGE, "log": str(place.log),
        "idle_minutes": plan.idle_minutes, "started": round(time.time()),
    }  # fmt: skip
    server = Server(jobs, token, facts, stop.set)
    port = await server.open(plan.port)
    tasks = [asyncio.create_task(work) for work in (jobs.work(), server.close_quiet_connections())]
    worker = WorkerFile(
        port=port, token=token, pid=os.getpid(), version=dlsim_ij.__version__, package=PACKAGE
    )
    place.write(worker)
    logger.info("dlsim %s serves at %s", dlsim_ij.__version__, worker.address)
    try:
        ready(worker)
        await _until_told_or_idle(stop, jobs, plan.idle_minutes)
    finally:
        place.remove()  # first, so that nobody new comes
        await jobs.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.close()
        logger.info("left")


async def _until_told_or_idle(stop: asyncio.Event, jobs: Jobs, idle_minutes: float) -> None:
    patience = 60 * idle_minutes
    while not stop.is_set():
        left = patience - jobs.idle_seconds if idle_minutes else 3600.0
        if left <= 0:
            logger.info("nothing to do for %g minutes", idle_minutes)
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), max(left, 0.05))
