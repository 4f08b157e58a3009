"""The client's end: a command line goes to the worker, and what it prints comes back.

Imports the standard library alone, most of it only when a worker runs: this is the quick start.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from dlsim_ij.errors import WorkerError

if TYPE_CHECKING:
    from http.client import HTTPConnection, HTTPResponse

    from dlsim_ij.worker.place import Place, WorkerFile

OFF, ON, AUTO = "off", "on", "auto"

_CONNECT_SECONDS = 2.0
_CLEAN_UP_SECONDS = 8.0  # longer than an engine without worker takes to give up (engine.GRACE_SECONDS)


def run_in_worker(arguments: Sequence[str]) -> int | None:
    """Let the worker of this user do the work, if there is one and the work gains by it.

    Parameters
    ----------
    arguments : sequence of str
        What stands behind ``dlsim``.

    Returns
    -------
    int or None
        The exit code; None if nothing was done and this process is to do the work.

    Raises
    ------
    WorkerError
        The worker was lost in the middle of the job, or ``DLSIM_WORKER`` holds nonsense.
    """
    mode = wanted(arguments)
    if mode == OFF:
        return None
    from dlsim_ij.worker.place import Place

    place = Place()
    try:
        worker = place.read()
    except WorkerError as error:
        _note(f"the warm worker is not used: {error.message}", arguments)
        return None
    if worker is None and mode == AUTO:
        from dlsim_ij.worker.background import start

        try:
            worker = start(place)
        except WorkerError as error:
            _note(f"no warm worker could be started: {error.message}", arguments)
    if worker is None or not _is_of_our_kind(worker, arguments):
        return None
    return _send(place, worker, arguments)


def wanted(arguments: Sequence[str]) -> str:
    """Return "off", "on" (use a worker that runs) or "auto" (start one if none runs).

    Raises
    ------
    WorkerError
        ``DLSIM_WORKER`` is none of these.
    """
    from dlsim_ij.worker.protocol import WARM_VERBS

    words = list(arguments[: arguments.index("--")] if "--" in arguments else arguments)
    if not words or words[0] not in WARM_VERBS or {"--no-worker", "--help", "-h", "--dry-run"} & set(words):
        return OFF
    mode = os.environ.get("DLSIM_WORKER", "").lower() or ON
    if mode not in (OFF, ON, AUTO):
        raise WorkerError(f"DLSIM_WORKER={mode} is none of off, on and auto", "unset it, or choose one")
    return AUTO if "--start-worker" in words and mode == ON else mode


def _is_of_our_kind(worker: WorkerFile, arguments: Sequence[str]) -> bool:
    import dlsim_ij
    from dlsim_ij.worker.place import PACKAGE

    if worker.version != dlsim_ij.__version__:
        reason = f"it is dlsim {worker.version}, this is {dlsim_ij.__version__}"
    elif worker.package != PACKAGE:
        reason = f"it runs the code in {worker.package}, this is {PACKAGE}"
    else:
        return True
    _note(f"the warm worker is not used: {reason} (dlsim serve --stop ends it)", arguments)
    return False


def _note(text: str, arguments: Sequence[str]) -> None:
    if not {"-q", "--quiet"} & set(arguments):
        sys.stderr.write(f"note: {text}\n")


def connect(worker: WorkerFile, timeout: float = _CONNECT_SECONDS) -> HTTPConnection:
    """Return an open connection.

    Raises
    ------
    OSError
        Nobody answers.
    """
    from http.client import HTTPConnection

    connection = HTTPConnection("127.0.0.1", worker.port, timeout=timeout)
    connection.connect()
    return connection


def ask(worker: WorkerFile, method: str, path: str, timeout: float = 10.0) -> tuple[int, dict[str, Any]]:
    """Send a request with an empty body; return the HTTP status and the JSON that came back.

    Raises
    ------
    WorkerError
        The worker does not answer, or not as a worker does.
    """
    from http.client import HTTPException

    try:
        connection = connect(worker, timeout)
        try:
            connection.request(method, path, headers=_headers(worker))
            answer = connection.getresponse()
            return answer.status, dict(json.loads(answer.read()))
        finally:
            connection.close()
    except (OSError, HTTPException, ValueError) as error:
        raise WorkerError(
            f"the worker at {worker.address} (process {worker.pid}) does not answer",
            f"end it by hand if it hangs: kill {worker.pid}",
        ) from error


def _headers(worker: WorkerFile) -> dict[str, str]:
    return {"Authorization": f"Bearer {worker.token}", "Content-Type": "application/json"}


def _send(place: Place, worker: WorkerFile, arguments: Sequence[str]) -> int | None:
    from http.client import HTTPException

    from dlsim_ij.worker.protocol import LARGEST_JOB, SILENCE_SECONDS, Request

    body = Request.here(arguments).to_json()
    if len(body) > LARGEST_JOB:
        return None
    try:
        connection = connect(worker)
    except OSError:  # it is about to leave
        return None
    try:
        assert connection.sock is not None
        connection.sock.settimeout(SILENCE_SECONDS)
        try:
            connection.request("POST", "/jobs", body, _headers(worker))
            answer = connection.getresponse()
        except (OSError, HTTPException) as error:
            raise _lost(place, worker) from error
        if answer.status != 200:  # refused before any work: it is full or about to leave
            reason = answer.readline(200).decode("utf-8", "replace").strip()
            _note(f"the warm worker is not used: {reason}", arguments)
            return None
        with _ctrl_c_cancels(worker, answer.headers["X-Job"]):
            return _follow(answer, arguments)
    except _EndedError as error:
        raise _lost(place, worker) from error
    finally:
        connection.close()


def _follow(answer: HTTPResponse, arguments: Sequence[str]) -> int | None:
    """Print what comes until the exit code comes; None if the job was never begun."""
    for line in _lines(answer):
        if "out" in line:
            _write(sys.stdout, line["out"])
        if "err" in line:
            _write(sys.stderr, line["err"])
        if "lost" in line:
            raise WorkerError(line["lost"], line.get("hint"))
        if "declined" in line:
            _note(f"the warm worker is not used: {line['declined']}", arguments)
            return None
        if "exit" in line:
            return int(line["exit"])
    raise _EndedError


class _EndedError(Exception):
    """The answer ended before the exit code came."""


def _lines(answer: HTTPResponse) -> Iterator[dict[str, Any]]:
    from http.client import HTTPException

    rest = b""
    while True:
        try:
            data = answer.read1(65536)
        except (OSError, HTTPException) as error:
            raise _EndedError from error
        if not data:
            return
        *whole, rest = (rest + data).split(b"\n")
        for line in whole:
            yield dict(json.loads(line))


@contextmanager
def _ctrl_c_cancels(worker: WorkerFile, job: str) -> Iterator[None]:
    """Let the first Ctrl-C cancel the job, whose last words still come, and the second leave at once."""

    def cancel(*_: object) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        ask(worker, "POST", f"/jobs/{job}/cancel")

    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or before is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, cancel)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _write(stream: Any, encoded: str) -> None:
    data = base64.b64decode(encoded)
    buffer = getattr(stream, "buffer", None)
    if buffer is None:  # somebody collects text
        stream.write(data.decode("utf-8", "replace"))
    else:
        stream.flush()
        buffer.write(data)
        buffer.flush()


def _lost(place: Place, worker: WorkerFile) -> WorkerError:
    """Wait for the engine, which gives up without its worker, and remove what it left half written."""
    deadline = time.monotonic() + _CLEAN_UP_SECONDS
    while not place.remove_temporaries() and time.monotonic() < deadline:
        time.sleep(0.05)
    return WorkerError(
        f"the warm worker (process {worker.pid}) was lost in the middle of the job; nothing is half written",
        f"run it again, with --no-worker if that happens twice; the worker's log is {place.log}",
    )
