"""Inputs to workers and outcomes to the manifest, until all are done, failed, or somebody says stop."""

from __future__ import annotations

import time
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from dlsim_ij.batch_job.manifest import Manifest, join, now
from dlsim_ij.batch_job.plan import Planned
from dlsim_ij.batch_job.task import Task
from dlsim_ij.errors import DlsimError, NoRoomError
from dlsim_ij.files import remove_leftovers

if TYPE_CHECKING:
    from distributed import Future

    from dlsim_ij.batch_job.engines import Engine
    from dlsim_ij.batch_job.stopping import Stop
    from dlsim_ij.batch_job.work import Outcome

_LOOK_SECONDS, _COUNT_SECONDS = 0.25, 2.0
_NO_WORKER_SECONDS = 180.0
_SILENCE_SECONDS = 1.0  # in which a worker may still tell that it had begun what was called off
_SET_BACK_SECONDS = 30.0
_UNTOLD_LIMIT = 10  # deaths between being sent and being begun


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """How far a batch is, for whoever shows it."""

    total: int
    done: int
    failed: int
    workers: int
    last: str = ""
    error: str = ""


@dataclass(slots=True, kw_only=True)
class _Job:
    planned: Planned
    number: int
    attempts: int
    deaths: int = 0
    untold: int = 0
    worker: str = ""
    future: Future | None = None
    ended: bool = False


@dataclass(slots=True, kw_only=True)
class Drive:
    """One batch at work.

    Parameters
    ----------
    task : Task
    manifest : Manifest
    engine : Engine
    deaths_allowed : int
        Workers that an input may take with it before it counts as failed.
    stop : Stop
    tell : callable
        Called with a `State` whenever something has changed, and at least every few seconds.
    """

    task: Task
    manifest: Manifest
    engine: Engine
    deaths_allowed: int
    stop: Stop
    tell: Callable[[State], None]
    failures: list[tuple[str, str]] = field(default_factory=list)
    done: int = 0
    _jobs: list[_Job] = field(default_factory=list)
    _waiting: deque[_Job] = field(default_factory=deque)
    _open: dict[int, _Job] = field(default_factory=dict)
    _news: SimpleQueue[tuple[str, Any]] = field(default_factory=SimpleQueue)
    _topic: str = field(default_factory=lambda: f"dlsim-batch-{uuid.uuid4().hex}")
    _workers: int = 0
    _counted: float = 0.0
    _seen: float = 0.0
    _silent: float = 0.0
    _no_room: str = ""
    _ahead: float = float("-inf")

    def work(self, todo: Sequence[Planned]) -> None:
        """Do all; returns when nothing is open any more, or after the time of grace.

        Raises
        ------
        DlsimError
            The scheduler was lost, no worker comes up, or there is no room for outputs or manifest.
        """
        self._jobs = [_Job(planned=p, number=n, attempts=p.attempts) for n, p in enumerate(todo)]
        self._waiting.extend(self._jobs)
        self.manifest.add_all([p.row(self.task, "waiting") for p in todo])
        for planned in todo:
            self._remove_leftovers(planned)
        client = self.engine.client
        client.subscribe_topic(self._topic, lambda event: self._news.put(("event", event[1])))
        self._seen = time.monotonic()
        try:
            while self._waiting or self._open or time.monotonic() < self._silent:
                if self._is_ending:
                    self._withdraw()
                    if self.stop.is_over or (not self._open and time.monotonic() > self._silent):
                        break
                self._count()
                self._submit()
                self._hear()
        finally:
            if client.status == "running":
                client.cancel([job.future for job in self._open.values() if job.future is not None])
                client.unsubscribe_topic(self._topic)
        if self._no_room:
            left = sum(not job.ended for job in self._jobs)
            raise NoRoomError(
                f"{self._no_room}; {left} of {len(self._jobs)} inputs are left",
                "make room; the same command goes on",
            )

    @property
    def _is_ending(self) -> bool:
        """Whether nothing new is to begin."""
        return self.stop.signal is not None or bool(self._no_room)

    def clean_up(self) -> None:
        """Remove what ended workers have left half written; to be called when they are gone."""
        for job in self._open.values():
            self._remove_leftovers(job.planned)

    def _count(self) -> None:
        """See now and then how many workers there are, and whether the scheduler still is."""
        if time.monotonic() < self._counted + _COUNT_SECONDS:
            return
        self._look_at_clock()
        client = self.engine.client
        if client.status not in ("running", "connecting") or any(
            job.future is not None and job.future.status in ("lost", "cancelled")
            for job in self._open.values()
        ):
            raise self._lost()
        try:
            self._workers = sum(client.nthreads().values())
        except (OSError, TimeoutError) as error:
            raise self._lost() from error
        self._counted = time.monotonic()
        self.engine.mend()
        if self._workers:
            self._seen = self._counted
        elif self.engine.memory_limit is not None and self._counted > self._seen + _NO_WORKER_SECONDS:
            raise DlsimError("no worker has come up for three minutes", "see why with -v -v")
        self._show()

    def _look_at_clock(self) -> None:
        """Do not wait in vain: Dask sends by the time of day, so nothing until it is as late again."""
        ahead = time.time() - time.monotonic()
        back = self._ahead - ahead
        if back > _SET_BACK_SECONDS:
            raise DlsimError(
                f"the clock of this machine was set back by {back:.0f} s", "the same command goes on"
            )
        self._ahead = max(self._ahead, ahead)

    def _lost(self) -> DlsimError:
        return DlsimError(
            f"the scheduler {self.engine.where} was lost", "start it again; the same command goes on"
        )

    def _submit(self) -> None:
        """Keep workers busy, and no more than that open: the rest can still be called off."""
        from dlsim_ij.batch_job.remote import do_in_worker

        while self._waiting and not self._is_ending and len(self._open) < 2 * max(1, self._workers) + 2:
            job = self._waiting.popleft()
            job.worker = ""
            key = (self._topic, job.number, job.deaths + job.untold)
            job.future = self.engine.client.submit(
                do_in_worker, job.planned.item, self.task, self._topic, job.number, key=key, pure=False
            )
            self._open[job.number] = job
            job.future.add_done_callback(lambda future, job=job: self._news.put(("future", (job, future))))

    def _hear(self) -> None:
        """Wait a moment for news, and take all there is."""
        try:
            kind, what = self._news.get(timeout=_LOOK_SECONDS)
        except Empty:
            return
        while True:
            if kind == "event":
                self._take_event(what)
            else:
                self._take_future(*what)
            try:
                kind, what = self._news.get_nowait()
            except Empty:
                return

    def _take_event(self, told: dict[str, Any]) -> None:
        from dlsim_ij.batch_job.remote import outcome_of

        job = self._jobs[told.get("begun", told.get("ended", 0))]
        if job.ended:
            return  # begun again by a cluster that lost a worker after its work
        if "begun" in told:
            job.worker, job.attempts = told["who"], job.attempts + 1
            self._open[job.number] = job  # if it was called off too late
            self._record(job, "running", worker=job.worker)
        else:
            self._end(job, outcome_of(told["outcome"]))

    def _take_future(self, job: _Job, future: Any) -> None:
        if job.ended or job.future is None or future is not job.future:
            return
        if future.status != "error":
            return  # finished: its event was first; lost or cancelled: see _count
        from distributed import KilledWorker

        error = future.exception()
        del self._open[job.number]
        job.future = None
        if not isinstance(error, KilledWorker):
            self._fail(job, f"the worker could not take it: {type(error).__name__}: {error}")
            return
        self._remove_leftovers(job.planned)
        if job.worker:
            job.deaths += 1
        else:
            job.untold += 1
        if self._is_ending:
            return  # stays 'running' and becomes 'interrupted'
        reason = self.engine.why_lost(job.worker)
        if job.deaths >= self.deaths_allowed or job.untold >= _UNTOLD_LIMIT:
            times = job.deaths or job.untold
            self._fail(job, f"{reason}; {times} of {times} attempts ended so")
            return
        self._record(job, "waiting", error=reason, worker=job.worker)
        self._waiting.append(job)

    def _withdraw(self) -> None:
        """Call off what no worker has begun."""
        idle = [job for job in self._open.values() if not job.worker]
        for job in idle:
            del self._open[job.number]
        if idle:
            self.engine.client.cancel([job.future for job in idle if job.future is not None])
            for job in idle:
                job.future = None  # of one that had begun all the same, its events tell the rest
            self._silent = time.monotonic() + _SILENCE_SECONDS
        self._waiting.clear()

    def _end(self, job: _Job, outcome: Outcome) -> None:
        from dlsim_ij.batch_job.work import NO_ROOM

        self._open.pop(job.number, None)
        if job.future is not None:
            job.future.release()
            job.future = None
        if outcome.state == NO_ROOM:  # so would all others end; it is not this input's failure
            self._no_room = self._no_room or outcome.error.partition("\n")[0]
            self._record(job, "interrupted", worker=outcome.worker, error=outcome.error)
            return
        job.ended = True
        self._record(
            job, outcome.state, content_sha256=outcome.content_sha256, seconds=outcome.seconds,
            worker=outcome.worker, output=join(outcome.outputs), bytes=join(outcome.sizes),
            warnings=join(outcome.warnings), error=outcome.error, touched=outcome.touched, finished=now(),
        )  # fmt: skip
        if outcome.state == "done":
            self.done += 1
            self._show(last=str(job.planned.item.path))
        else:
            self._failed(job, outcome.error)

    def _fail(self, job: _Job, error: str) -> None:
        from dlsim_ij.batch_job.content import touched

        job.ended = True
        signs = touched(job.planned.item.path)
        self._record(job, "failed", error=error, worker=job.worker, touched=signs, finished=now())
        self._failed(job, error)

    def _failed(self, job: _Job, error: str) -> None:
        self.failures.append((str(job.planned.item.path), error))
        self._show(last=str(job.planned.item.path), error=error)

    def _record(self, job: _Job, state: str, **cells: object) -> None:
        self.manifest.add(job.planned.row(self.task, state, attempts=job.attempts, **cells))

    def _remove_leftovers(self, planned: Planned) -> None:
        for path in self.task.outputs(planned.item):
            remove_leftovers(path)

    def _show(self, last: str = "", error: str = "") -> None:
        total, failed = len(self._jobs), len(self.failures)
        self.tell(
            State(total=total, done=self.done, failed=failed, workers=self._workers, last=last, error=error)
        )
