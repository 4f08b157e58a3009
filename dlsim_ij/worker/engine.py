"""The engine: the process that does the work, job after job, with everything loaded.

It reads jobs as lines on its standard input, and writes what they print to its standard output and error,
which are pipes of the worker. When its input ends the worker is gone: a running job is interrupted, so that
it cleans up, and the process ends.
"""

from __future__ import annotations

import gc
import importlib
import io
import json
import logging
import os
import queue
import signal
import sys
import tempfile
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from dlsim_ij.errors import DlsimError
from dlsim_ij.files import observe_temporaries
from dlsim_ij.worker.fresh_python import root_folder
from dlsim_ij.worker.place import Place
from dlsim_ij.worker.protocol import Request, is_setting

Run = Callable[[list[str]], int]

GRACE_SECONDS = 5.0  # for a job to clean up when the worker is gone
BUG, INTERRUPTED = 1, 130

# what the verbs import when they start to work; a client would wait for it in its first job
_MODULES = (
    "dlsim_ij.run_job",
    "dlsim_ij.report.figures",
    "dlsim_ij.inference.chain",
    "dlsim_ij.images.frames",
)


class Engine:
    """The loop of the engine's process.

    Parameters
    ----------
    run : callable
        Does a command line and returns the exit code.
    mark : bytes
        See `dlsim_ij.worker.protocol.MarkedStream`.
    """

    def __init__(self, run: Run, mark: bytes) -> None:
        self._run, self._mark = run, mark
        self._place = Place()
        self._messages: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._busy = False
        self._threads = 0
        self._environment = dict(os.environ)

    def serve(self) -> None:
        """Work until the standard input ends."""
        orders = os.fdopen(os.dup(0), "rb")
        with open(os.devnull, "rb") as nothing:  # no verb reads a person's answer, none shall read a job
            os.dup2(nothing.fileno(), 0)
        signal.signal(signal.SIGINT, self._interrupted)
        observe_temporaries(self._place.note_temporary)
        with self._place.engine_lock(patience_seconds=3 * GRACE_SECONDS) as free:
            if not free:
                raise SystemExit("the engine of an earlier worker does not end")
            self._place.remove_noted()
            threading.Thread(target=self._read, args=(orders,), daemon=True).start()
            while (message := self._messages.get()) is not None:
                if "load" in message:
                    self._load(**message["load"])
                    self._tell({})
                    gc.collect()
                    gc.freeze()  # modules and weights stay: later collections need not look at them
                else:
                    self._tell(self._do(Request(**message["job"])))
                    gc.collect()  # behind the answer, which nobody shall wait for

    def _read(self, orders: io.BufferedReader) -> None:
        for line in orders:
            self._messages.put(json.loads(line))
        self._messages.put(None)
        if self._busy:
            os.kill(os.getpid(), signal.SIGINT)
            threading.Event().wait(GRACE_SECONDS)
            os._exit(BUG)

    def _interrupted(self, number: int, where: FrameType | None) -> None:
        if self._busy:  # else the job that was meant has just ended
            raise KeyboardInterrupt

    def _load(self, models: list[str], java: dict[str, Any] | None) -> None:
        """Load what jobs will need; what fails is told in the log, and again by the job that needs it."""
        from dlsim_ij.inference.kept import keep_models

        keep_models()
        for name in _MODULES:
            importlib.import_module(name)
        import torch

        self._threads = torch.get_num_threads()
        from dlsim_ij.inference import load_model

        for model in models:
            try:
                load_model(model)
            except DlsimError as error:
                sys.stderr.write(f"cannot load the model {model}: {error.message}\n")
        if java is not None:
            from dlsim_ij.fiji import Fiji

            try:
                if Fiji(engine=java["engine"], path=java["path"]).start().name == "none":
                    sys.stderr.write("no ImageJ was found\n")
            except DlsimError as error:
                sys.stderr.write(f"cannot start Java: {error.message}\n")

    def _do(self, request: Request) -> dict[str, Any]:
        """Do one job; return its exit code, or why it could not begin."""
        answer: dict[str, Any] = {"exit": BUG}
        try:
            self._busy = True
            with _surroundings(request, self._environment, self._threads):
                answer["exit"] = self._run(request.arguments)
        except KeyboardInterrupt:  # where the command line could not catch it
            answer["exit"] = INTERRUPTED
        except DlsimError as error:
            answer = {"lost": error.message, "hint": error.hint}
        except BaseException:
            traceback.print_exc()
        self._busy = False
        self._place.forget_temporaries()
        return answer

    def _tell(self, answer: dict[str, Any]) -> None:
        """Write what came of an order behind its output, on both pipes."""
        from dlsim_ij.inference.kept import kept_models

        facts = {"models": kept_models(), "java": _java(), **answer}
        data = self._mark + json.dumps(facts).encode("ascii") + b"\n"
        for descriptor in (2, 1):
            _write_all(descriptor, data)


def _java() -> str:
    """Return "none", "runs" or "over" (it ran, and cannot run again in this process)."""
    launch = sys.modules.get("dlsim_ij.fiji.launch")
    session = launch.session() if launch is not None else None
    if session is None:
        return "none"
    return "runs" if session.is_healthy else "over"


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


class _Stream(io.TextIOWrapper):
    """A stream to the client, which says whether a person looks at it."""

    def __init__(self, descriptor: int, encoding: str, errors: str, is_terminal: bool) -> None:
        file = io.BufferedWriter(io.FileIO(descriptor, "wb", closefd=False))
        super().__init__(file, encoding=encoding, errors=errors, line_buffering=descriptor == 2)
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


@contextmanager
def _surroundings(request: Request, base: dict[str, str], threads: int) -> Iterator[None]:
    """Make this process look to a job like one of its own, and put everything back behind it."""
    import torch

    out = _Stream(1, request.encoding, request.errors, request.out_is_terminal)
    err = _Stream(2, request.encoding, "backslashreplace", request.err_is_terminal)
    logger = logging.getLogger("dlsim_ij")
    before = sys.stdout, sys.stderr, sys.argv
    handlers, level = logger.handlers[:], logger.level
    try:
        with warnings.catch_warnings():  # one that was shown in an earlier job is shown again
            os.environ.clear()
            os.environ.update({name: value for name, value in base.items() if not is_setting(name)})
            os.environ.update(request.settings)
            os.environ["DLSIM_WORKER"] = "off"
            tempfile.tempdir = None
            sys.stdout, sys.stderr, sys.argv = out, err, ["dlsim", *request.arguments]
            os.umask(request.umask)
            torch.set_num_threads(_number(request.settings.get("OMP_NUM_THREADS")) or threads)
            try:
                os.chdir(request.folder)
            except OSError as error:
                raise DlsimError(f"cannot enter {request.folder}: {error.strerror}") from error
            yield
    finally:
        with suppress(OSError, ValueError):
            out.flush()
            err.flush()
        sys.stdout, sys.stderr, sys.argv = before
        logger.handlers[:] = handlers
        logger.setLevel(level)
        os.environ.clear()
        os.environ.update(base)
        os.umask(0o077)
        os.chdir(root_folder())


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() and int(text) > 0 else None
