"""What Dask runs in a worker: one input at a time, told to the one who asked when it begins and ends."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from distributed import Worker, WorkerPlugin, get_worker

from dlsim_ij.batch_job.task import Task
from dlsim_ij.batch_job.work import Outcome, do_input

if TYPE_CHECKING:
    from dlsim_ij.images import ImageInput

# A worker of somebody else's cluster may have several threads; a model's buffers and ImageJ have one user.
_one_at_a_time = threading.Lock()


def do_in_worker(item: ImageInput, task: Task, topic: str, number: int) -> None:
    """Do one input; the outcome goes back as an event, which no death of this worker can undo.

    (A result of a Dask task stays in the worker until it is fetched; lost with it, the work is done again.)
    """
    worker = get_worker()

    def on_main(call: Callable[[], Any]) -> Any:
        async def there() -> Any:
            return call()

        return asyncio.run_coroutine_threadsafe(there(), worker.loop.asyncio_loop).result()

    with _one_at_a_time:
        # ("worker" would be overwritten with Dask's own address)
        who = f"{socket.gethostname()}:{os.getpid()}"
        worker.log_event(topic, {"begun": number, "who": who})
        outcome = do_input(item, task, on_main)
        worker.log_event(topic, {"ended": number, "outcome": asdict(outcome)})


def outcome_of(told: dict[str, Any]) -> Outcome:
    """Make an outcome of an event; tuples have become lists on the way."""
    cells: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in told.items()}
    return Outcome(**cells)


class OwnWorker(WorkerPlugin):  # type: ignore[misc]
    """Makes a worker that we started ours: signals are the caller's, and Java ends with it."""

    name = "dlsim"

    def setup(self, worker: Worker) -> None:
        """Leave Ctrl-C and SLURM's SIGTERM, which reach the whole process group, to the main process."""
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)

    def teardown(self, worker: Worker) -> None:
        """Close Java, whose threads would keep the process."""
        launch = sys.modules.get("dlsim_ij.fiji.launch")
        if launch is not None:
            launch.close()
