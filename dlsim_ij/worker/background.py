"""Start, stop and look at the worker from outside; the standard library is enough."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from typing import Any

from dlsim_ij.errors import WorkerError
from dlsim_ij.worker.client import ask
from dlsim_ij.worker.fresh_python import command, root_folder
from dlsim_ij.worker.place import Place, WorkerFile

START_SECONDS = 30.0
STOP_SECONDS = 30.0


def start(place: Place, arguments: Sequence[str] = ()) -> WorkerFile:
    """Start a worker that outlives this process, unless one runs, and wait until it can be reached.

    Parameters
    ----------
    place : Place
        Of this user.
    arguments : sequence of str
        Options of ``dlsim serve``.

    Raises
    ------
    WorkerError
        It did not start.
    """
    place.prepare()
    words = command("dlsim_ij.cli.main", "serve", *arguments)
    with open(place.log, "ab", opener=lambda path, flags: os.open(path, flags, 0o600)) as log:
        where = log.tell()
        # it inherits nothing: whoever reads our output, as ImageJ's exec() does, would wait for its end
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log, cwd=root_folder(),
            env={**os.environ, "DLSIM_WORKER": "off"}, **_alone(),
        )  # fmt: skip
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        ended = process.poll() is not None
        worker = place.read()
        if worker is not None:  # ours, or that of somebody who was quicker
            process.returncode = 0  # it is to outlive us, which Popen would warn of
            return worker
        if ended:
            raise WorkerError(f"it ended at once: {_error_in(place, where)}", f"see {place.log}")
        time.sleep(0.02)
    process.kill()
    raise WorkerError(f"it did not answer within {START_SECONDS:.0f} s", f"see {place.log}")


def _alone() -> dict[str, Any]:
    if os.name == "nt":
        flags = ("DETACHED_PROCESS", "CREATE_NEW_PROCESS_GROUP")
        return {"creationflags": sum(getattr(subprocess, name) for name in flags)}
    return {"start_new_session": True}


def _error_in(place: Place, where: int) -> str:
    with open(place.log, "rb") as log:
        log.seek(where)
        lines = log.read(100_000).decode("utf-8", "replace").splitlines()
    told = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return told[0] if told else (lines[-1] if lines else "it said nothing")


def status(place: Place) -> dict[str, Any] | None:
    """Return what the worker says of itself, with its ``address`` and the ``file`` that holds its token.

    Returns
    -------
    dict or None
        None if none runs.

    Raises
    ------
    WorkerError
        It does not answer, or its file is not ours.
    """
    worker = place.read()
    if worker is None:
        return None
    code, told = ask(worker, "GET", "/status")
    if code != 200:
        raise WorkerError(f"the worker at {worker.address} answers {code}", f"end it: kill {worker.pid}")
    return {"running": True, "address": worker.address, "file": str(place.file), **told}


def stop(place: Place) -> WorkerFile | None:
    """Ask the worker to leave, and wait until it has; None if none runs.

    Raises
    ------
    WorkerError
        It does not leave.
    """
    worker = place.read()
    if worker is None:
        return None
    ask(worker, "POST", "/stop")
    deadline = time.monotonic() + STOP_SECONDS
    while place.worker_lives():
        if time.monotonic() > deadline:
            raise WorkerError(
                f"the worker (process {worker.pid}) does not leave", f"end it by hand: kill -9 {worker.pid}"
            )
        time.sleep(0.02)
    return worker
