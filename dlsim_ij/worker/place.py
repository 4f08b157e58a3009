"""Where a user's worker says how to reach it: a file in a folder that nobody else can read or make for us.

The worker holds a lock as long as it lives. The system lets go of it however the worker ends, so a file whose
lock is free is stale, whatever process has its number by now.
"""

from __future__ import annotations

import json
import os
import re
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from dlsim_ij.errors import WorkerError

PACKAGE = str(Path(__file__).resolve().parents[1])

_LARGEST_FILE = 64_000  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerFile:
    """What the file of a running worker tells."""

    port: int
    token: str
    pid: int
    version: str
    package: str  # folder of the code it runs: two installations of one version are still two

    @property
    def host(self) -> str:
        """Name and port as they must stand in the Host header."""
        return f"127.0.0.1:{self.port}"

    @property
    def address(self) -> str:
        """URL of the worker."""
        return f"http://{self.host}"


class Place:
    """The files of one user on one machine.

    Parameters
    ----------
    folder : Path, optional
        By default ``dlsim`` in ``XDG_RUNTIME_DIR`` where that is a folder of ours, else ``dlsim-<user id>``
        among the temporary files; on Windows in ``LOCALAPPDATA``.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or _usual_folder()
        # one folder may be seen by several machines; their workers must not take each other for dead
        name = f"worker-{_machine()}"
        self.file = self.folder / f"{name}.json"
        self.log = self.folder / f"{name}.log"
        self.temporaries = self.folder / f"{name}.temporaries"
        self._lock = self.folder / f"{name}.lock"
        self._engine_lock = self.folder / f"{name}.engine.lock"

    def prepare(self) -> None:
        """Make the folder, or check that the one that is there is ours alone.

        Raises
        ------
        WorkerError
            It cannot be made, or belongs to somebody else.
        """
        try:
            self.folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise WorkerError(
                f"cannot make the folder {self.folder}: {error.strerror}", _ELSEWHERE
            ) from error
        self.check_folder()

    def check_folder(self) -> None:
        """Raise `WorkerError` unless the folder is ours alone."""
        _check_ours(os.lstat(self.folder), self.folder, stat.S_ISDIR)

    def read(self) -> WorkerFile | None:
        """Return what the file tells; None if there is none, or its worker is dead (then it is removed).

        Raises
        ------
        WorkerError
            The folder or the file is not ours alone, or holds something else.
        """
        try:
            self.check_folder()
            descriptor = os.open(self.file, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise WorkerError(f"cannot read {self.file}: {error.strerror}", _REMOVE) from error
        with open(descriptor, "rb") as file:
            _check_ours(os.fstat(descriptor), self.file, stat.S_ISREG)
            text = file.read(_LARGEST_FILE)
        if self._is_stale():
            return None
        try:
            return WorkerFile(**json.loads(text))
        except (ValueError, TypeError, RecursionError) as error:
            raise WorkerError(f"{self.file} is not the file of a worker", _REMOVE) from error

    def _is_stale(self) -> bool:
        with self._locked(self._lock) as free:
            if free:  # held while we remove, so that a worker that starts now writes its file afterwards
                self.file.unlink(missing_ok=True)
            return free

    def write(self, worker: WorkerFile) -> None:
        """Write the file, for us alone from its first byte on."""
        beside = self.file.with_suffix(f".{os.getpid()}")
        beside.unlink(missing_ok=True)
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            json.dump(asdict(worker), file)
        os.replace(beside, self.file)

    def remove(self) -> None:
        """Remove the file: nobody new shall come."""
        self.file.unlink(missing_ok=True)

    @contextmanager
    def worker_lock(self, patience_seconds: float = 1.0) -> Iterator[bool]:
        """Hold the lock of the one worker; False if another holds it (clients try it for an instant)."""
        with self._locked(self._lock, patience_seconds) as free:
            yield free

    @contextmanager
    def engine_lock(self, patience_seconds: float) -> Iterator[bool]:
        """Hold the lock of the one engine; False if another still holds it."""
        with self._locked(self._engine_lock, patience_seconds) as free:
            yield free

    def worker_lives(self) -> bool:
        """Whether a worker holds its lock."""
        if not self._lock.exists():
            return False
        with self._locked(self._lock) as free:
            return not free

    def note_temporary(self, path: Path) -> None:
        """Write down the name of a file that must not stay if the engine is killed."""
        with open(self.temporaries, "a", encoding="utf-8", opener=_for_us) as file:
            file.write(json.dumps(str(path)) + "\n")

    def forget_temporaries(self) -> None:
        """Forget the names: the job has cleaned up."""
        self.temporaries.unlink(missing_ok=True)

    def remove_temporaries(self) -> bool:
        """Remove what a dead engine left half written; False if the engine lives, and nothing is done."""
        if not self.temporaries.exists():
            return True
        with self._locked(self._engine_lock) as free:
            if free:
                self.remove_noted()
            return free

    def remove_noted(self) -> None:
        """Remove the files whose names were written down; for whoever knows that no engine writes them."""
        if self.temporaries.exists():
            for line in self.temporaries.read_text(encoding="utf-8").splitlines():
                _remove_temporary(line)
            self.forget_temporaries()

    @contextmanager
    def _locked(self, path: Path, patience_seconds: float = 0.0) -> Iterator[bool]:
        deadline = time.monotonic() + patience_seconds
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
        try:
            while not (free := _try_lock(descriptor)) and time.monotonic() < deadline:
                time.sleep(0.02)
            yield free
        finally:
            os.close(descriptor)  # lets go of the lock


_ELSEWHERE = "set XDG_RUNTIME_DIR to a folder of yours that nobody else can read"
_REMOVE = "remove it, or set XDG_RUNTIME_DIR to a folder of yours that nobody else can read"


def _usual_folder() -> Path:
    named = os.environ.get("XDG_RUNTIME_DIR", "")
    if os.path.isabs(named) and os.path.isdir(named) and _is_own(os.stat(named)):
        return Path(named) / "dlsim"
    if sys.platform == "win32":  # private to the user by its access list
        return Path(os.environ.get("LOCALAPPDATA", Path.home())) / "dlsim"
    import tempfile

    return Path(tempfile.gettempdir()) / f"dlsim-{os.getuid()}"


def _machine() -> str:
    import socket

    return re.sub(r"[^\w-]", "_", socket.gethostname()) or "here"


def _is_own(status: os.stat_result) -> bool:
    return sys.platform == "win32" or status.st_uid == os.getuid()


def _check_ours(status: os.stat_result, path: Path, is_kind: object) -> None:
    if not (callable(is_kind) and is_kind(status.st_mode)):
        raise WorkerError(f"{path} is not what a worker makes", _REMOVE)
    if not _is_own(status):
        raise WorkerError(f"{path} belongs to another user", _ELSEWHERE)
    if sys.platform != "win32" and status.st_mode & 0o077:
        raise WorkerError(f"{path} is open to other users (mode {status.st_mode & 0o777:o})", _REMOVE)


def _for_us(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _remove_temporary(line: str) -> None:
    try:
        path = Path(json.loads(line))
    except (ValueError, TypeError):  # the last line, if the engine was killed while it wrote
        return
    if path.name.startswith(".") and ".part" in path.name:
        try:
            path.unlink(missing_ok=True)
        except OSError:
            return


if sys.platform == "win32":
    import msvcrt

    def _try_lock(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
