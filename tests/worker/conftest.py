"""A worker of the tests' own, in a run-time folder of its own, and the real command beside it."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from dlsim_ij.worker.place import Place

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 200  # the machine may be busy


def wait_for(condition, what):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited too long for {what}"
        time.sleep(0.02)
    return value


class Worker:
    """Starts and stops workers of one run-time folder, and calls the command that would use them."""

    def __init__(self, runtime: Path) -> None:
        self.runtime = runtime
        self.place = Place(runtime / "dlsim")
        self.process = None

    @property
    def environment(self):
        own = {"XDG_RUNTIME_DIR": str(self.runtime), "DLSIM_WORKER": "on", "OMP_NUM_THREADS": "1"}
        return {**os.environ, **own}

    def start(self, *options):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "dlsim_ij", "serve", "--json", *options],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.environment,
        )  # fmt: skip
        line = self.process.stdout.readline()
        assert line, self.process.stderr.read()
        return json.loads(line)

    def stop(self):
        """Return the exit code; whoever was started in the background is stopped as well."""
        with suppress(FileNotFoundError):
            self.command("serve", "--stop")
        if self.process is None:
            return None
        _, err = self.process.communicate(timeout=PATIENCE_SECONDS)
        code, self.process = self.process.returncode, None
        assert "Traceback" not in err
        return code

    def popen(self, *words, folder, **settings):
        return subprocess.Popen(
            [sys.executable, "-m", "dlsim_ij", *map(str, words)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=folder, env={**self.environment, **settings},
        )  # fmt: skip

    def command(self, *words, folder=ROOT, **settings):
        """Call the real command; return exit code, stdout and stderr."""
        process = self.popen(*words, folder=folder, **settings)
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
        return process.returncode, out.decode(), err.decode()

    def ask(self, method, path, body=None, **headers):
        """Send one request as a client does, with other headers if given; return status and body."""
        worker = self.place.read()
        own = {"Authorization": f"Bearer {worker.token}", "Content-Type": "application/json"}
        own.update({name.replace("_", "-"): value for name, value in headers.items()})
        connection = http.client.HTTPConnection("127.0.0.1", worker.port, timeout=PATIENCE_SECONDS)
        try:
            connection.request(method, path, body, {k: v for k, v in own.items() if v is not None})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def status(self):
        code, body = self.ask("GET", "/status")
        assert code == 200
        return json.loads(body)

    def wait_until_running(self):
        return wait_for(lambda: self.status()["job"], "a job to begin")

    def wait_until_loaded(self):
        wait_for(lambda: self.status()["models"], "the models")


@pytest.fixture(scope="module")
def worker(tmp_path_factory):
    """One worker for the tests of a file; those that kill it start it again."""
    own = Worker(tmp_path_factory.mktemp("runtime"))
    own.start("--model", "sim15")
    yield own
    own.stop()


@pytest.fixture
def lone_worker(tmp_path):
    """A run-time folder without worker; the test starts one."""
    (tmp_path / "runtime").mkdir(mode=0o700)
    own = Worker(tmp_path / "runtime")
    yield own
    if own.process is not None and own.process.poll() is None:
        own.process.send_signal(signal.SIGTERM)
    own.stop()


@pytest.fixture
def folder(tmp_path):
    """A working folder of a client with small images, and a series that keeps a verb busy for long."""
    place = tmp_path / "work"
    place.mkdir()
    shutil.copy(ROOT / "examples" / "demo_raw.tif", place)
    random = np.random.default_rng(0)
    for number in range(8):
        np.save(place / f"image_{number}.npy", random.random((16, 16)).astype(np.float32))
    np.save(place / "truth.npy", random.random((16, 16)).astype(np.float32))
    np.save(place / "long.npy", random.integers(0, 60, (400, 128, 128), dtype=np.uint16))
    return place


def in_threads(function, arguments):
    """Call `function` for each argument in a thread of its own; return the answers."""
    answers = [None] * len(arguments)

    def call(number):
        answers[number] = function(arguments[number])

    threads = [threading.Thread(target=call, args=(number,)) for number in range(len(arguments))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers
