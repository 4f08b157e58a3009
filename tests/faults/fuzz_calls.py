"""Readers of what others ask: options of a macro, jobs and requests to the worker."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from fuzz_mutations import mutate_bytes, mutate_json, mutate_text_bytes
from fuzz_target import (
    Refused,
    Target,
    demo,
    require,
)


def _option_texts(folder: Path) -> list[bytes]:
    return [
        b"wiener filter=vendor wiener=0.1 pixel_size=0.06 na=1.49 emission_nm=525 layout=3x5 phases=known",
        b"predict model=sim15 pixel_size=0.06 tile_px=64 uncertainty=true",
        b"srrf radius=0.5 magnification=2 axes=6 frames_per_time_point=15 mode=TRA drift=none",
        b"esrrf magnification=2 radius=1.5 sensitivity=1 mode=AVG block=5",
        b"resolution pixel_size=0.05 nr=20 ng=5 rmin=0 rmax=1 guard=false",
        b"check pixel_size=0.06 na=1.49 emission_nm=525 layout=3x5",
        b"score truth=other",
        b"squirrel reference='other' mode=exact sigma=2 register=true",
    ]


class _Scene:
    """One image and a square of it."""

    def image(self, name: str) -> Any:
        return _as_image(demo()[:1])

    def shown_plane(self, name: str | None = None) -> int:
        return 0

    def selection(self) -> None:
        return None

    def progress(self, done: int, total: int) -> None:
        pass


def _as_image(values: np.ndarray) -> Any:
    import xarray as xr

    return xr.DataArray(values, dims=("T", "Y", "X"), attrs={"pixel_size_um": 0.06})


def _feed_options(folder: Path, data: bytes, good: bytes) -> None:
    from dlsim_ij.fiji import Options
    from dlsim_ij.verbs import macro_verbs

    verb, _, text = data.decode("utf-8", "replace").partition(" ")
    verbs = macro_verbs()
    if verb in verbs:
        image = _as_image(demo()[:1] if verb in ("resolution", "score", "squirrel") else demo())
        verbs[verb](image, Options(verb, text, _Scene()))  # type: ignore[arg-type]


def _requests(folder: Path) -> list[bytes]:
    from dlsim_ij.worker.protocol import Request

    given = {
        "arguments": ["predict", "raw.tif", "-o", "out"],
        "folder": "/data",
        "umask": 18,
        "settings": {"DLSIM_FIJI": "/opt/Fiji.app"},
        "encoding": "utf-8",
        "errors": "strict",
    }
    return [Request.from_json(json.dumps(given).encode()).to_json()]


def _feed_request(folder: Path, data: bytes, good: bytes) -> None:
    from dlsim_ij.worker.protocol import Request

    asked = Request.from_json(data)
    require(all(isinstance(word, str) for word in asked.arguments), "arguments that are no words")
    require(Request.from_json(asked.to_json()) == asked, "a request that changes on its way")


_worker: list[Any] = []


def _http_requests(folder: Path) -> list[bytes]:
    """Start a worker of our own, and return requests that it answers."""
    from dlsim_ij.worker.place import Place

    environment = {**os.environ, "XDG_RUNTIME_DIR": str(folder), "DLSIM_WORKER": "on"}
    words = [sys.executable, "-m", "dlsim_ij", "serve", "--json", "--idle-minutes", "1"]
    process = subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True)
    atexit.register(process.kill)
    assert process.stdout is not None
    process.stdout.readline()  # it listens now
    place = json.loads(Path(Place(folder / "dlsim").file).read_text())
    host = f"Host: 127.0.0.1:{place['port']}\r\nConnection: close\r\n"
    token = f"Authorization: Bearer {place['token']}\r\n"
    body = json.dumps({"arguments": ["models"], "folder": "/"})
    form = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    _worker[:] = [process, place["port"]]
    return [
        f"GET /status HTTP/1.1\r\n{host}{token}\r\n".encode(),
        f"GET /run?token={place['token']}&arg=models&id=7 HTTP/1.1\r\n{host}\r\n".encode(),
        f"POST /jobs HTTP/1.1\r\n{host}{token}{form}\r\n{body}".encode(),
    ]


def _feed_http(folder: Path, data: bytes, good: bytes) -> None:
    process, port = _worker
    with socket.create_connection(("127.0.0.1", port), timeout=60 if data == good else 0.5) as connection:
        answer = b""
        with contextlib.suppress(ConnectionError, TimeoutError):  # it may wait for the rest of a request
            connection.sendall(data)
            while piece := connection.recv(65536):
                answer += piece
    require(process.poll() is None, "the worker has ended")
    if not answer:
        raise Refused("the connection was closed")
    status = int(answer.split(None, 2)[1])
    require(status < 500, f"answered {answer[:200]!r}")
    if status >= 400:
        raise Refused(f"{status}")
    right = place_of(good, b"Bearer ") or place_of(good, b"token=")
    require(right in data, "let in without the token")


def place_of(request: bytes, mark: bytes) -> bytes:
    """Return the word behind a mark."""
    return request.partition(mark)[2].split(b"\r")[0].split(b"&")[0]


TARGETS = [
    Target("arguments of Ext.dlsim", _option_texts, mutate_text_bytes, _feed_options),
    Target("jobs of the worker (JSON)", _requests, mutate_json, _feed_request, (ValueError,)),
    Target("HTTP requests to the worker", _http_requests, mutate_bytes, _feed_http, (Refused,)),
]
