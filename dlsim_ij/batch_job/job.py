"""A batch from its inputs to its result: lock, plan, workers, manifest, report."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dlsim_ij.batch_job.manifest import Manifest
from dlsim_ij.batch_job.plan import make_plan
from dlsim_ij.results import Result

if TYPE_CHECKING:
    from dlsim_ij.batch_job.drive import State
    from dlsim_ij.batch_job.engines import Engine
    from dlsim_ij.batch_job.stopping import Stop
    from dlsim_ij.batch_job.task import Task
    from dlsim_ij.images import ImageInput


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchResult(Result):
    """What came of a batch.

    Attributes
    ----------
    done, failed, skipped : int
        Inputs done now; failed now or before; done before.
    left : int
        Inputs that a signal left undone.
    failures : list of dict
        ``input`` and ``error`` of each that failed now.
    manifest : Path
    report : Path or None
    seconds : float
    """

    done: int
    failed: int
    skipped: int
    left: int
    manifest: Path
    report: Path | None = None
    seconds: float
    failures: list[dict[str, str]] = field(default_factory=list)


def do_batch(
    items: Sequence[ImageInput],
    task: Task,
    engine: Callable[[], AbstractContextManager[Engine]],
    *,
    stop: Stop,
    tell: Callable[[State], None],
    part: tuple[int, int] | None = None,
    resume: bool = True,
    retry_failed: bool = False,
    overwrite: bool = False,
    attempts: int = 3,
    report: bool = False,
) -> BatchResult:
    """Do what is left to do of a batch.

    Parameters
    ----------
    items : sequence of ImageInput
        From `dlsim_ij.batch_job.plan.batch_inputs`.
    task : Task
    engine : callable
        Opens the workers; not called when nothing is left to do.
    stop : Stop
        Entered by the caller.
    tell : callable
        See `dlsim_ij.batch_job.drive.Drive`.
    part : (int, int), optional
        K and N, see `Manifest`.
    resume, retry_failed, overwrite : bool
        See `make_plan`.
    attempts : int
        Workers that one input may take with it before it counts as failed.
    report : bool
        Build the report of the folder at the end.

    Raises
    ------
    DlsimError
        Another batch is at work in the folder, a file is in the way, the scheduler was lost.
    """
    start = time.monotonic()
    failures: list[tuple[str, str]] = []
    done, page = 0, None
    with Manifest(task.output, part) as manifest:
        plan = make_plan(items, task, manifest, resume=resume, retry_failed=retry_failed, overwrite=overwrite)
        if plan.todo and stop.signal is None:
            from dlsim_ij.batch_job.drive import Drive

            with contextlib.ExitStack() as last, engine() as workers:
                drive = Drive(
                    task=task, manifest=manifest, engine=workers, deaths_allowed=attempts, stop=stop,
                    tell=tell,
                )  # fmt: skip
                last.callback(drive.clean_up)  # whatever happens, and when the workers are gone
                drive.work(plan.todo)
            done, failures = drive.done, drive.failures
    left = len(plan.todo) - done - len(failures)
    if report and left == 0 and done + len(plan.done):
        from dlsim_ij.report import write_report

        page = write_report(task.output, overwrite=overwrite)
    return BatchResult(
        done=done, failed=len(failures) + len(plan.failed), skipped=len(plan.done), left=left,
        manifest=task.output / "manifest.csv", report=page, seconds=round(time.monotonic() - start, 3),
        failures=[{"input": path, "error": error} for path, error in failures],
    )  # fmt: skip
