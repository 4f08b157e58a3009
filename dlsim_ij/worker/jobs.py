"""The queue of the worker: one job after the other, each in the engine, whatever becomes of it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import time
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dlsim_ij.worker.engine_process import GRACE_SECONDS, EngineDiedError, EngineProcess
from dlsim_ij.worker.place import Place
from dlsim_ij.worker.protocol import BEAT_SECONDS, Request, frame, settings_of
from dlsim_ij.worker.wish import CARDS, Wish, java_wish, wish_of

logger = logging.getLogger(__name__)

MOST_WAITING = 1000
LARGEST_BACKLOG = 32 * 2**20  # bytes that a client may leave unread before its job is given up
INTERRUPTED = 130


class FullError(Exception):
    """No more jobs are taken now; the words say why."""


@dataclass(eq=False)
class Job:
    """A request on its way, and its answer so far."""

    request: Request
    name: str
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    over: bool = False
    begun: float | None = None  # time.monotonic()
    _frames: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue)
    _backlog: int = 0

    def print(self, name: str, data: bytes) -> None:
        """Send on what the job printed, on "out" or "err"."""
        if self._backlog > LARGEST_BACKLOG:
            logger.warning("job %s: nobody reads its output; cancelled", self.name)
            self.cancelled.set()
            return
        self._put(frame(**{name: data}))

    def finish(self, **answer: Any) -> None:
        """Send the last line: ``exit``; ``lost`` and ``hint``; or ``declined``, when nothing was done."""
        if not self.over:
            self.over = True
            self._put(frame(**answer))
            logger.info("job %s: %s", self.name, answer)

    def _put(self, line: bytes) -> None:
        self._backlog += len(line)
        self._frames.put_nowait(line)

    async def frames(self) -> AsyncIterator[bytes]:
        """Give the lines of the answer, and a sign of life where there is nothing to say."""
        while not (self.over and self._frames.empty()):
            try:
                line = await asyncio.wait_for(self._frames.get(), BEAT_SECONDS)
            except TimeoutError:
                yield frame(beat=round(time.monotonic() - self.begun, 1) if self.begun else None)
                continue
            self._backlog -= len(line)
            yield line


class Jobs:
    """The queue and the one engine.

    Parameters
    ----------
    place : Place
        Whose half-written files are removed when an engine dies.
    models : sequence of str
        Loaded at once.
    java : mapping, optional
        ``engine`` and ``path`` of the ImageJ that is started at once.
    """

    def __init__(
        self, place: Place, models: Sequence[str] = (), java: Mapping[str, str | None] | None = None
    ) -> None:
        self._place, self._models, self._java = place, list(models), java
        self._waiting: asyncio.Queue[Job] = asyncio.Queue()
        self._jobs: dict[str, Job] = {}
        self._numbers = itertools.count(1)
        self._current: Job | None = None
        self._engine: EngineProcess | None = None
        self._closing = False
        self._last_active = time.monotonic()
        self.done = 0

    @property
    def idle_seconds(self) -> float:
        """How long nothing was asked of it; 0 while a job runs or waits."""
        return 0.0 if self._jobs else time.monotonic() - self._last_active

    def submit(self, request: Request) -> Job:
        """Put a job into the queue.

        Raises
        ------
        FullError
            The worker is about to leave, or too many wait already.
        """
        if self._closing:
            raise FullError("it is about to leave")
        if len(self._jobs) >= MOST_WAITING:
            raise FullError(f"{len(self._jobs)} jobs wait already")
        job = Job(request, str(next(self._numbers)))
        logger.info("job %s: dlsim %s (in %s)", job.name, request.arguments, request.folder)
        self._jobs[job.name] = job
        self._waiting.put_nowait(job)
        return job

    def cancel(self, name: str) -> bool:
        """Ask a job to stop, waiting or running; False if there is none of that name."""
        job = self._jobs.get(name)
        if job is None:
            return False
        logger.info("job %s: cancelled", name)
        job.cancelled.set()
        if job is not self._current:
            self._end(job, exit=INTERRUPTED)
        return True

    def status(self) -> dict[str, Any]:
        """Return what is going on, for ``dlsim serve --status``."""
        job, engine = self._current, self._engine
        current = None
        if job is not None and job.begun is not None:
            seconds = round(time.monotonic() - job.begun, 1)
            current = {"name": job.name, "arguments": job.request.arguments, "seconds": seconds}
        return {
            "done": self.done,
            "waiting": sum(each is not job for each in self._jobs.values()),
            "job": current,
            "engine_pid": engine.pid if engine is not None and engine.lives else None,
            "models": sorted(set(engine.models.values())) if engine is not None else [],
            "java": engine is not None and engine.java == "runs",
            "idle_seconds": round(self.idle_seconds, 1),
        }

    async def work(self) -> None:
        """Do what comes, until cancelled."""
        try:
            self._engine = await self._fresh_engine()
        except OSError:  # the first job will try again, and tell
            logger.exception("no engine could be started")
        while True:
            job = await self._waiting.get()
            if job.over:  # cancelled while it waited
                continue
            self._current, job.begun = job, time.monotonic()
            try:
                await self._do(job)
            except Exception as error:
                logger.exception("job %s", job.name)
                self._end(
                    job, lost=f"this is a bug of dlsim's worker: {error}", hint=f"see {self._place.log}"
                )
            finally:
                self._current = None

    def _end(self, job: Job, **answer: Any) -> None:
        if job.over:
            return
        job.finish(**answer)
        self._jobs.pop(job.name, None)
        self._last_active = time.monotonic()
        self.done += 1

    async def _do(self, job: Job) -> None:
        engine = await self._engine_for(job.request)
        if await _unless_cancelled(job, engine.ready()) is None:
            self._end(job, exit=INTERRUPTED)
            return
        doing = asyncio.create_task(engine.do(job.request, job.print))
        interrupted = await _unless_cancelled(job, doing) is None
        if interrupted:
            engine.interrupt()
            await asyncio.wait([doing], timeout=GRACE_SECONDS)
            if not doing.done():
                await engine.close(patience_seconds=0)
        try:
            answer = await doing
        except EngineDiedError as died:
            await self._renew_engine()
            if interrupted:
                job.print("err", b"interrupted: nothing is half written\n")
                self._end(job, exit=INTERRUPTED)
            else:
                logger.error("job %s: the engine died, %s", job.name, died.reason)
                self._end(
                    job, lost=f"the process that did the job is gone: {died.reason}; nothing is half written",
                    hint=f"the worker goes on with a fresh one; try --no-worker, or see {self._place.log}",
                )  # fmt: skip
            return
        if engine.java == "runs" and engine.kind.java is None:
            engine.kind = Wish(engine.kind.cards, wish_of(job.request.arguments, job.request.settings).java)
        self._end(job, **answer)
        if interrupted or engine.java == "over":
            # an exception in any line of any library may leave things half done: nobody relies on that
            await self._renew_engine()

    async def _engine_for(self, request: Request) -> EngineProcess:
        """Return the engine, or another if Java or the processor would not be those that the job asks for."""
        wish = wish_of(request.arguments, request.settings)
        if self._engine is None or not self._engine.lives:
            logger.error("the engine died while it had nothing to do")
        elif wish.is_met_by(self._engine.kind):
            return self._engine
        else:
            logger.info("the job asks for another Java or processor")
        await self._renew_engine(wish)
        assert self._engine is not None
        return self._engine

    async def _renew_engine(self, wish: Wish | None = None) -> None:
        old, self._engine = self._engine, None
        if old is not None:
            self._models = list(old.models) or self._models
            await old.close()
        self._place.remove_temporaries()
        if not self._closing:
            self._engine = await self._fresh_engine(wish)

    async def _fresh_engine(self, wish: Wish | None = None) -> EngineProcess:
        """Start one as the worker was asked to, or as a job asks for."""
        environment, java = dict(os.environ), self._java
        kind = Wish(environment.get(CARDS), None)
        if java is not None:
            kind = Wish(kind.cards, java_wish(java["engine"], java["path"], settings_of(environment)))
        if wish is not None and not wish.is_met_by(kind):
            kind, java = Wish(wish.cards, None), None
            environment.pop(CARDS, None)
            if wish.cards is not None:
                environment[CARDS] = wish.cards
        return await EngineProcess.start(self._models, java, kind, environment)

    async def close(self) -> None:
        """Take no more, cancel all, end the engine."""
        self._closing = True
        for job in list(self._jobs.values()):
            if job is not self._current:
                self._end(job, declined="it was stopped before the job began")
        current = self._current
        if current is not None:
            self.cancel(current.name)
            deadline = time.monotonic() + GRACE_SECONDS + 2
            while not current.over and time.monotonic() < deadline:
                await asyncio.sleep(0.02)
        if self._engine is not None:
            await self._engine.close(GRACE_SECONDS if self._engine.is_ready else 0)
            self._place.remove_temporaries()


async def _unless_cancelled(job: Job, work: asyncio.Task[Any] | Coroutine[Any, Any, Any]) -> bool | None:
    """Wait for `work`, whatever comes of it; None if the job is cancelled first."""
    task = work if isinstance(work, asyncio.Task) else asyncio.create_task(work)
    cancelling = asyncio.create_task(job.cancelled.wait())
    await asyncio.wait([task, cancelling], return_when=asyncio.FIRST_COMPLETED)
    cancelling.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await cancelling
    return True if task.done() else None
