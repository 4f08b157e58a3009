"""A batch that is disturbed: how it is started, watched and compared with an undisturbed one."""

from __future__ import annotations

import csv
import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from dlsim_ij.batch_job.manifest import COLUMNS, look, split
from dlsim_ij.errors import DlsimError

ROOT = Path(__file__).resolve().parents[2]
STATES = {"waiting", "running", "done", "failed", "interrupted"}
PATIENCE_SECONDS = 300.0


def say(line: str) -> None:
    """Tell how far a long measurement is."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def write_table(page: Path | None, name: str, head: list[str], rows: list[list[str]]) -> None:
    """Put a table between its marks in a page, if one is given."""
    if page is not None:
        sys.path.insert(0, str(ROOT / "benchmarks"))
        from doc_tables import put, table

        put(page, name, table(head, rows))


def environment(**more: str) -> dict[str, str]:
    """Return the variables of a process that runs this checkout, without a warm worker."""
    own = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "DLSIM_WORKER": "off"}
    return {**os.environ, **own, **more}


def dlsim(*words: object, prefix: tuple[str, ...] = (), **how: object) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    asked = {"capture_output": True, "text": True, "env": environment(), "timeout": PATIENCE_SECONDS, **how}
    command = [*prefix, sys.executable, "-m", "dlsim_ij", *map(str, words)]
    return subprocess.run(command, check=False, **asked)  # type: ignore[call-overload]


def start(*words: object, **how: object) -> subprocess.Popen[str]:
    """Start the command in a group of processes of its own."""
    asked = {"stderr": subprocess.PIPE, "stdout": subprocess.DEVNULL, "text": True, "env": environment()}
    command = [sys.executable, "-m", "dlsim_ij", *map(str, words)]
    return subprocess.Popen(command, start_new_session=True, **{**asked, **how})  # type: ignore[call-overload]


def batch_words(raw: Path, out: Path, *more: object, workers: int = 2, verb: str = "predict") -> list[object]:
    """Return what is said to start a batch on this machine."""
    return ["batch", raw, "-o", out, "--verb", verb, "--workers", workers, "--attempts", 100, "-q", *more]


def make_stacks(folder: Path, count: int, size: int = 128) -> Path:
    """Simulate raw stacks into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    made = dlsim("simulate", "-o", folder, "--size", size, "--count", count, "-q")
    assert made.returncode == 0, made.stderr
    for path in [*folder.glob("*truth*"), *folder.glob("*.json")]:
        path.unlink()
    assert len(list(folder.iterdir())) == count
    return folder


def workers_of(pid: int) -> list[int]:
    """Return the processes that a batch has spawned for its work."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(status.read_text().rpartition(")")[2].split()[1])
            if parent == pid and b"spawn_main" in (status.parent / "cmdline").read_bytes():
                found.append(int(status.parent.name))
        except OSError:
            continue
    return found


def is_alive(pid: int) -> bool:
    """Tell whether a process runs (one that waits to be reaped does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def kill(pid: int) -> None:
    """Kill -9, whoever was faster."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def wait_until(condition: Callable[[], object], what: str, seconds: float = PATIENCE_SECONDS) -> None:
    """Wait for something that must come."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds:g} s for {what}")
        time.sleep(0.02)


def images(out: Path) -> dict[str, bytes]:
    """Return the outputs by name; what is hidden is not an output."""
    found = sorted(p for p in out.rglob("*.tif") if not p.name.startswith("."))
    return {p.relative_to(out).as_posix(): p.read_bytes() for p in found}


def leftovers(out: Path) -> list[str]:
    """Return what lies about half written."""
    return sorted(p.relative_to(out).as_posix() for p in out.rglob(".*.part*"))


def rows(out: Path) -> list[dict[str, str]]:
    """Return every whole row of the manifest, in the order in which they were appended."""
    try:
        text = (out / "manifest.csv").read_text()
    except FileNotFoundError:
        return []
    return list(csv.DictReader(io.StringIO(text[: text.rfind("\n") + 1])))


def states(out: Path) -> Counter[str]:
    """Return how many inputs are in which state."""
    return Counter(row.state for row in look(out).rows.values())


class Reader(threading.Thread):
    """Reads the manifest again and again, as a script of the user's might; notes what is wrong with it."""

    def __init__(self, out: Path) -> None:
        super().__init__(daemon=True)
        self.out, self.reads, self.wrong = out, 0, []  # type: ignore[var-annotated]
        self._end = threading.Event()

    def run(self) -> None:
        known = 0
        while not self._end.wait(0.03):
            try:
                seen = look(self.out).rows
                for row in csv.reader(io.StringIO(_whole(self.out / "manifest.csv"))):
                    if len(row) != len(COLUMNS):
                        self.wrong.append(f"a row of {len(row)} cells")
            except FileNotFoundError:
                continue
            except (DlsimError, csv.Error, ValueError) as error:
                self.wrong.append(str(error))
                continue
            self.reads += 1
            if len(seen) < known:
                self.wrong.append(f"{len(seen)} inputs after {known}")
            known = max(known, len(seen))
            self.wrong += [f"state {row.state!r}" for row in seen.values() if row.state not in STATES]

    def stop(self) -> None:
        self._end.set()
        self.join()


def _whole(path: Path) -> str:
    text = path.read_text()
    return text[: text.rfind("\n") + 1]


@dataclass
class Ledger:
    """What is found wrong with one folder, over all calls until it is finished.

    Attributes
    ----------
    differ : int
        Outputs that are not those of an undisturbed run, seen after any call.
    twice : int
        Inputs that were begun, or whose outputs were replaced, after they had been done.
    lost : int
        Attempts that came to nothing.
    half : int
        Files that lie about half written when all is done.
    """

    out: Path
    truth: dict[str, bytes]
    differ: int = 0
    twice: int = 0
    lost: int = 0
    half: int = 0
    _done: dict[str, tuple[int, dict[str, int]]] = field(default_factory=dict)

    def settle(self) -> None:
        """Look at the folder after a call has ended, however it did."""
        again = set()
        for row in rows(self.out):
            item, attempts = row["item"], int(row["attempts"])
            if item in self._done and attempts > self._done[item][0]:
                again.add(item)
            if row["state"] == "done":
                self._done[item] = attempts, self._times(row)
        again |= {item for item, (_, times) in self._done.items() if times != self._times_of(times)}
        self.twice += len(again)
        self.differ += sum(self.truth.get(name) != data for name, data in images(self.out).items())

    def finish(self) -> None:
        """Look at the folder when nothing is left to do."""
        last = {row["item"]: row for row in rows(self.out)}
        self.differ += len(self.truth.keys() - images(self.out).keys())
        self.differ += sum(row["state"] != "done" for row in last.values())
        self.lost += sum(int(row["attempts"]) - 1 for row in last.values())
        self.half += len(leftovers(self.out))

    def _times(self, row: dict[str, str]) -> dict[str, int]:
        """Return when the outputs were written, as it was seen first."""
        before = self._done.get(row["item"])
        now = self._times_of(dict.fromkeys(split(row["output"]), 0))
        return now if before is None else before[1]

    def _times_of(self, names: dict[str, int]) -> dict[str, int]:
        return {name: (self.out / name).stat().st_mtime_ns for name in names}
