"""The door of the worker: HTTP on the loopback interface, for whoever holds the token and is no web page.

=========================  ====================================================================
``POST /jobs``             a job as JSON in; lines of JSON out while it is done
``POST /jobs/N/cancel``    stop job N
``POST /stop``             leave
``GET /status``            what is going on
``GET /run?id=I&arg=...``  for ``File.openUrlAsString`` of a macro: stdout of a job out, as text
=========================  ====================================================================

A page in the user's browser can send requests to any local port, by its number or through a name of its own
that leads here. It does not know the token; through such a name it cannot name this host in the Host header;
its browser says where a request comes from; and nothing here allows another origin to read an answer.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import os
import time
import weakref
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from aiohttp import web

from dlsim_ij.worker.jobs import FullError, Job, Jobs
from dlsim_ij.worker.protocol import LARGEST_JOB, LINES, Request, settings_of

BODY_SECONDS = 10.0  # a body comes at once, or not from a client of ours
QUIET_SECONDS = 15.0  # after which a connection that has asked nothing is closed
MOST_KEPT = 8  # answers to GET /run
_LARGEST_LINE = 64 * 2**10  # bytes of a request's first line, and of a header

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

# what only browsers send
_BROWSER_HEADERS = ("Origin", "Sec-Fetch-Site", "Sec-Fetch-Mode")


class Server:
    """Routes of one worker.

    Parameters
    ----------
    jobs : Jobs
        Where jobs go.
    token : str
        That requests must bring.
    facts : dict
        What ``/status`` tells beside the state of the queue.
    stop : callable
        Called when a request asks the worker to leave.
    """

    def __init__(self, jobs: Jobs, token: str, facts: dict[str, Any], stop: Callable[[], None]) -> None:
        self._jobs, self._token, self._facts, self._stop = jobs, token.encode(), facts, stop
        self._hosts: frozenset[str] = frozenset()
        self._known: weakref.WeakSet[Any] = weakref.WeakSet()  # transports of those with the token
        self._asked: OrderedDict[str, asyncio.Task[tuple[str, bytes]]] = OrderedDict()  # GET /run, by id
        app = web.Application(middlewares=[self._guard], client_max_size=LARGEST_JOB)
        app.router.add_post("/jobs", self._post_job)
        app.router.add_post(r"/jobs/{name:\d{1,12}}/cancel", self._cancel)
        app.router.add_post("/stop", self._post_stop)
        app.router.add_get("/status", self._status, allow_head=False)
        app.router.add_get("/run", self._get_run, allow_head=False)
        # a handler whose client has gone is cancelled: that is how a killed client is noticed
        self._runner = web.AppRunner(
            app, handler_cancellation=True, access_log=None, handle_signals=False, shutdown_timeout=2.0,
            max_line_size=_LARGEST_LINE, max_field_size=_LARGEST_LINE, keepalive_timeout=5.0,
        )  # fmt: skip

    async def open(self, port: int) -> int:
        """Listen; return the port, which the system chooses if `port` is 0.

        Raises
        ------
        OSError
            The port is taken.
        """
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        port = self._runner.addresses[0][1]
        self._hosts = frozenset([f"127.0.0.1:{port}", f"localhost:{port}"])
        return port

    async def close(self) -> None:
        """Stop listening and end all connections."""
        await self._runner.cleanup()

    async def close_quiet_connections(self) -> None:
        """Close, until cancelled, connections that were opened and then ask nothing."""
        first_seen: dict[Any, float] = {}
        while True:
            await asyncio.sleep(QUIET_SECONDS / 3)
            now, server = time.monotonic(), self._runner.server
            everybody = server.connections if server is not None else []
            strangers = [each for each in everybody if each.transport not in self._known]
            first_seen = {connection: first_seen.get(connection, now) for connection in strangers}
            for connection, since in first_seen.items():
                if now - since > QUIET_SECONDS:
                    connection.force_close()

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse before anything of the body is read."""
        if request.headers.get("Host", "").lower() not in self._hosts:
            return _refusal(403, "the Host header names another host")
        if any(name in request.headers for name in _BROWSER_HEADERS):
            return _refusal(403, "this is not for web pages")
        if not hmac.compare_digest(_token_of(request), self._token):
            return _refusal(403, "the token is missing or wrong")
        self._known.add(request.transport)
        try:
            return await handler(request)
        except web.HTTPException as error:
            return _refusal(error.status, error.reason)

    async def _post_job(self, request: web.Request) -> web.StreamResponse:
        if request.content_type != "application/json" or "Content-Encoding" in request.headers:
            return _refusal(415, "a job is application/json, not compressed")
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await request.read()
            job = self._jobs.submit(Request.from_json(body))
        except TimeoutError:
            return _refusal(408, "the body did not come")
        except (ValueError, web.RequestPayloadError) as error:
            return _refusal(400, str(error))
        except FullError as error:
            return _refusal(503, str(error))
        return await self._answer(request, job)

    async def _answer(self, request: web.Request, job: Job) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": LINES, "X-Job": job.name, **_PRIVATE})
        try:
            await answer.prepare(request)
            async for line in job.frames():
                await answer.write(line)
            await answer.write_eof()
        finally:
            if not job.over:
                self._jobs.cancel(job.name)
        return answer

    async def _cancel(self, request: web.Request) -> web.StreamResponse:
        if not self._jobs.cancel(request.match_info["name"]):
            return _refusal(404, "there is no such job")
        return web.json_response({"cancelled": True}, headers=_PRIVATE)

    async def _post_stop(self, request: web.Request) -> web.StreamResponse:
        self._stop()
        return web.json_response({"stopping": True}, headers=_PRIVATE)

    async def _status(self, request: web.Request) -> web.StreamResponse:
        return web.json_response({**self._facts, **self._jobs.status()}, headers=_PRIVATE)

    async def _get_run(self, request: web.Request) -> web.StreamResponse:
        """Do a job once for each id: ImageJ asks every URL twice, first for the length of the answer."""
        arguments, name = request.query.getall("arg", []), request.query.get("id", "")
        if not (arguments and name) or set(request.query) - {"arg", "token", "folder", "id"}:
            return _refusal(400, "give id=..., new for each job, arg=... for each word, perhaps folder=...")
        task = self._asked.get(name)
        if task is None:
            given = {
                "arguments": arguments,
                "folder": request.query.get("folder") or str(Path.home()),
                "settings": settings_of(os.environ),
            }
            try:
                job = self._jobs.submit(Request.from_json(json.dumps(given).encode()))
            except ValueError as error:
                return _refusal(400, str(error))
            except FullError as error:
                return _refusal(503, str(error))
            task = self._asked[name] = asyncio.create_task(_collected(job))
            while len(self._asked) > MOST_KEPT:
                self._asked.popitem(last=False)
        exit_code, out = await asyncio.shield(task)
        headers = {"Content-Type": "text/plain; charset=utf-8", "X-Exit-Code": exit_code, **_PRIVATE}
        return web.Response(body=out, headers=headers)


async def _collected(job: Job) -> tuple[str, bytes]:
    """Return the exit code of a job and what it printed on stdout."""
    out, exit_code = b"", "none"
    async for line in job.frames():
        content = json.loads(line)
        out += base64.b64decode(content.get("out", ""))
        exit_code = str(content.get("exit", exit_code))
        if "lost" in content or "declined" in content:
            out += f"DLSIM ERROR {content.get('lost') or content.get('declined')}\n".encode()
    return exit_code, out


_PRIVATE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def _token_of(request: web.Request) -> bytes:
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "bearer":  # a macro cannot send headers
        token = request.query.get("token", "") if request.method == "GET" else ""
    return token.encode("utf-8", "surrogateescape")


def _refusal(status: int, reason: str | None) -> web.Response:
    """Refuse and close: what is left of the body is not read."""
    answer = web.Response(status=status, text=f"{reason}\n", headers=_PRIVATE)
    answer.force_close()
    return answer
