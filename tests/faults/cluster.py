"""A Dask cluster of its own processes, as `dask scheduler` and `dask worker` make one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from disturbed import environment, wait_until


class Cluster:
    """A scheduler and two workers with their keepers; all ended on leaving.

    Parameters
    ----------
    folder : Path
        For its files; made.
    """

    def __init__(self, folder: Path, workers: int = 2) -> None:
        self.folder, self.count = folder, workers
        self.processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True)
        file = self.folder / "scheduler.json"
        own = ["--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(file), "--no-dashboard"]
        self.scheduler = self._start("scheduler", *own)
        wait_until(file.exists, "the scheduler", 60)
        self.address = str(json.loads(file.read_text())["address"])
        for _ in range(self.count):
            self._start(
                "worker", self.address, "--nthreads", "1", "--no-dashboard", "--memory-limit", "4GB",
                "--local-directory", str(self.folder), "--death-timeout", "60",
            )  # fmt: skip
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self.processes:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        for process in self.processes:
            process.wait()

    def batch_words(self, raw: Path, out: Path) -> list[object]:
        """Return what is said to do a batch with these workers."""
        own = ["--scheduler", self.address, "--attempts", 100, "-q"]
        return ["batch", raw, "-o", out, "--verb", "predict", *own]

    def working(self) -> list[int]:
        """Return the workers' own processes, without their keepers."""
        keepers = {process.pid for process in self.processes if process is not self.scheduler}
        found = []
        for status in Path("/proc").glob("[0-9]*/stat"):
            try:
                parent = int(status.read_text().rpartition(")")[2].split()[1])
                if parent in keepers and b"spawn_main" in (status.parent / "cmdline").read_bytes():
                    found.append(int(status.parent.name))
            except OSError:
                continue
        return found

    def _start(self, *words: str) -> subprocess.Popen[bytes]:
        with open(self.folder / f"{words[0]}.{len(self.processes)}.log", "wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "dask", *words], start_new_session=True, stdout=log, stderr=log,
                env=environment(DASK_DISTRIBUTED__WORKER__DAEMON="False"), cwd=self.folder,
            )  # fmt: skip
        self.processes.append(process)
        return process


def wait_for_end(process: subprocess.Popen[str], seconds: float) -> float:
    """Return the seconds that a process still needed."""
    begin = time.monotonic()
    process.wait(seconds)
    return time.monotonic() - begin
