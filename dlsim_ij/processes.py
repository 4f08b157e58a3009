"""Work on both cores where threads are held back by Python's lock: fresh processes, answers in order."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar

from dlsim_ij.errors import DlsimError

Job = TypeVar("Job")
Answer = TypeVar("Answer")

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def available_processors() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def map_in_processes(
    function: Callable[[Job], Answer], jobs: Sequence[Job], n_processes: int
) -> Generator[Answer, None, None]:
    """Call `function` on each job in processes of its own, and give the answers in the order of the jobs.

    Parameters
    ----------
    function : callable
        Pickled once for each process, so what it keeps (an open file) it keeps from job to job.
    jobs : sequence
        Each is pickled to the process that is free.
    n_processes : int
        Each computes on a single thread.

    Yields
    ------
    answer
        As soon as it and all those before it are there.

    Raises
    ------
    DlsimError
        A process was ended from outside, as the system does when memory runs out.

    Notes
    -----
    Processes are spawned, not forked, so threads and an embedded Java of the caller do them no harm. They
    end when the iterator is closed, or when the caller dies, however it dies. Ctrl-C is the caller's.
    An exception in `function` is raised here when its turn comes, with the process's own traceback as a note.
    """
    workers = _start(function, min(n_processes, len(jobs)))
    waiting: dict[int, tuple[Answer, Exception | None]] = {}
    try:
        number_of: dict[Connection, int] = {}
        following = 0
        for pipe in workers:
            pipe.send((following, jobs[following]))
            number_of[pipe] = following
            following += 1
        for number in range(len(jobs)):
            while number not in waiting:
                for ready in wait(list(number_of)):
                    assert isinstance(ready, Connection)
                    done, answer, error = _receive(ready)
                    waiting[done] = answer, error
                    del number_of[ready]
                    if following < len(jobs):
                        ready.send((following, jobs[following]))
                        number_of[ready] = following
                        following += 1
            answer, error = waiting.pop(number)
            if error is not None:
                raise error
            yield answer
    finally:
        for pipe, process in workers.items():
            pipe.close()
            process.terminate()
        for process in workers.values():
            process.join()


def _start(
    function: Callable[[Any], Any], n_processes: int
) -> dict[Connection, multiprocessing.context.SpawnProcess]:
    fresh = multiprocessing.get_context("spawn")
    workers = {}
    with threads_of_children(1), _interrupts_ignored():
        for _ in range(n_processes):
            ours, theirs = fresh.Pipe()
            process = fresh.Process(target=_serve, args=(function, theirs), daemon=True)
            process.start()
            theirs.close()  # so that the end of the process is the end of the pipe
            workers[ours] = process
    return workers


@contextmanager
def threads_of_children(threads: int) -> Iterator[None]:
    """Let processes started now use so many threads for linear algebra, read when numpy is imported."""
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(threads)))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Let processes started now ignore Ctrl-C from their first instruction on: that much is inherited."""
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGINT) is None:
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _receive(pipe: Connection) -> tuple[int, Any, Exception | None]:
    try:
        number, answer, error = pipe.recv()
    except (EOFError, ConnectionError) as ended:
        raise DlsimError(
            "a process that worked for dlsim was ended from outside, perhaps because memory ran out",
            "use fewer of them: --threads 1",
        ) from ended
    return number, answer, error


def _serve(function: Callable[[Any], Any], pipe: Connection) -> None:
    """Answer jobs until the other side of the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        while True:
            number, job = pipe.recv()
            try:
                message: tuple[int, Any, Exception | None] = (number, function(job), None)
            except Exception as error:
                error.add_note(f"In a process of its own:\n{traceback.format_exc()}")
                message = (number, None, error)
            pipe.send(message)
    except (EOFError, ConnectionError):
        return
