"""The worker's handle on its engine: orders go in, output and facts come out, and its death is noticed."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import secrets
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from dlsim_ij.worker.fresh_python import command, root_folder
from dlsim_ij.worker.protocol import MarkedStream, Request
from dlsim_ij.worker.wish import Wish

logger = logging.getLogger(__name__)

GRACE_SECONDS = 10.0  # between the request to stop a job and the end of its process

Sink = Callable[[str, bytes], None]


class EngineDiedError(Exception):
    """The process of the engine has ended."""

    def __init__(self, returncode: int) -> None:
        super().__init__(returncode)
        self.returncode = returncode

    @property
    def reason(self) -> str:
        """What is known of it, in words."""
        if self.returncode >= 0:
            return f"it ended with exit code {self.returncode}"
        try:
            name = signal.Signals(-self.returncode).name
        except ValueError:
            name = str(-self.returncode)
        why = {"SIGKILL": ", perhaps because memory ran out", "SIGSEGV": ", a crash in a library or in Java"}
        return f"it was killed by {name}{why.get(name, '')}"


class EngineProcess:
    """One engine, from its start to its end; use `start`.

    Attributes
    ----------
    models : dict
        That are loaded: folder to name.
    java : str
        "none", "runs" or "over".
    kind : Wish
        What jobs it can do.
    """

    def __init__(self, process: asyncio.subprocess.Process, mark: bytes, kind: Wish) -> None:
        self._process, self.kind = process, kind
        self._sink: Sink | None = None
        self._marks: dict[str, asyncio.Queue[dict[str, Any]]] = {
            "out": asyncio.Queue(),
            "err": asyncio.Queue(),
        }
        assert process.stdout is not None
        assert process.stderr is not None
        self._readers = [
            asyncio.create_task(self._read("out", process.stdout, MarkedStream(mark))),
            asyncio.create_task(self._read("err", process.stderr, MarkedStream(mark))),
        ]
        self._ended = asyncio.create_task(process.wait())
        self._loading: asyncio.Task[None] | None = None
        self.models: dict[str, str] = {}
        self.java = "none"

    @classmethod
    async def start(
        cls,
        models: list[str],
        java: Mapping[str, str | None] | None,
        kind: Wish,
        environment: Mapping[str, str],
    ) -> EngineProcess:
        """Start the process and have it load.

        Parameters
        ----------
        models : list of str
            Loaded before the first job.
        java : mapping, optional
            ``engine`` and ``path`` of the ImageJ that is started before the first job.
        kind : Wish
            What it will be able to do.
        environment : mapping
            Environment variables of the process.
        """
        mark = b"\0" + secrets.token_bytes(15).replace(b"\n", b"\r")
        process = await asyncio.create_subprocess_exec(
            *command("dlsim_ij.cli.engine_main", mark.hex()),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            start_new_session=True, cwd=root_folder(), env=environment,
        )  # fmt: skip
        engine = cls(process, mark, kind)
        order = {"load": {"models": models, "java": None if java is None else dict(java)}}
        engine._loading = asyncio.create_task(engine._load(order))
        logger.info("engine %d started", process.pid)
        return engine

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    @property
    def lives(self) -> bool:
        """Whether the process runs, as far as is known."""
        return not self._ended.done()

    async def _load(self, order: dict[str, Any]) -> None:
        with suppress(EngineDiedError):  # the job that waits for it will see the same
            await self._order(order)

    @property
    def is_ready(self) -> bool:
        """Whether it has loaded what it was to load."""
        return self._loading is not None and self._loading.done()

    async def ready(self) -> None:
        """Wait until it has loaded what it was to load."""
        assert self._loading is not None
        await asyncio.shield(self._loading)

    async def do(self, request: Request, sink: Sink) -> dict[str, Any]:
        """Do a job; pass on what it prints; return ``exit``, or ``lost`` and ``hint`` if it could not begin.

        Raises
        ------
        EngineDiedError
            The process has ended before the job did.
        """
        self._sink = sink
        try:
            return await self._order({"job": asdict(request)})
        finally:
            self._sink = None

    async def _order(self, order: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        with suppress(ConnectionError):  # its end is told below
            self._process.stdin.write(json.dumps(order).encode("ascii") + b"\n")
            await self._process.stdin.drain()
        answer = asyncio.gather(*(marks.get() for marks in self._marks.values()))
        either: list[asyncio.Future[Any]] = [answer, self._ended]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            # its last words, unless a process that it started keeps the pipes open
            await asyncio.wait(self._readers, timeout=0.5)
            answer.cancel()
            with suppress(asyncio.CancelledError):
                await answer
            raise EngineDiedError(self._ended.result())
        facts = answer.result()[0]
        self.models, self.java = facts.pop("models"), facts.pop("java")
        return facts

    async def _read(self, name: str, pipe: asyncio.StreamReader, stream: MarkedStream) -> None:
        while data := await pipe.read(65536):
            for kind, piece in stream.feed(data):
                if kind == "fact":
                    self._marks[name].put_nowait(json.loads(piece))
                elif self._sink is not None:
                    self._sink(name, piece)
                else:
                    text = piece.decode("utf-8", "replace").rstrip()
                    logger.warning("engine %d says: %s", self.pid, text)

    def interrupt(self) -> None:
        """Ask the job to stop, as Ctrl-C does."""
        with suppress(ProcessLookupError):
            if os.name == "nt":
                self._process.kill()
            else:
                os.kill(self.pid, signal.SIGINT)

    async def close(self, patience_seconds: float = GRACE_SECONDS) -> None:
        """End the process: it may finish what it does for a while, then it is killed with all it started."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        await asyncio.wait([self._ended], timeout=patience_seconds)
        if os.name == "nt":
            with suppress(ProcessLookupError):
                self._process.kill()
        else:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)  # Xvfb and processes of the job too
        await self._ended
        for task in self._readers:
            task.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)
        logger.info("engine %d ended with exit code %s", self.pid, self._process.returncode)
