"""What has been measured so far, on disk after each plane, so that a run can go on where it was stopped.

For a table ``t.csv`` there are ``t.partial.csv``, valid at any moment, and ``t.partial.jsonl``: a first line
that says which run this is, then one record a line. Both go when the table itself is written.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from dlsim_ij.errors import OutputError
from dlsim_ij.files import refuse_existing, write_text
from dlsim_ij.resolution_job.tables import Record, Table, table_text
from dlsim_ij.results import plain


class Journal:
    """Records of a run and the tables that grow with them.

    Parameters
    ----------
    tables : sequence of Table
        At least one; the journal lies beside the first.
    run : mapping
        All that decides the numbers: settings, and each file with its size and date.
    overwrite : bool
        Start anew over what another run has left. An interrupted run of the same kind goes on either way.

    Attributes
    ----------
    done : list
        The records so far; a beginning of the run's.

    Raises
    ------
    OutputError
        Another run left its records here, or is writing them now.
    """

    def __init__(self, tables: Sequence[Table], run: Mapping[str, Any], *, overwrite: bool = False) -> None:
        self.tables = tables
        self.path = partial_path(tables[0].path).with_suffix(".jsonl")
        self.partial = [partial_path(table.path) for table in tables]
        self.done: list[Record] = []
        try:
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        except OSError as error:
            raise _cannot_write(self.path, error) from error
        try:
            self._begin(json.loads(_line(run)), overwrite)
        except BaseException:
            if not os.fstat(self._file).st_size:
                self.path.unlink(missing_ok=True)  # made just now
            os.close(self._file)
            raise

    def _begin(self, run: dict[str, Any], overwrite: bool) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise OutputError(
                f"another dlsim is writing {self.path}", "wait for it, or give another name"
            ) from error
        try:
            before, records = self._read()
        except (ValueError, AttributeError) as error:
            raise OutputError(f"{self.path} is not of dlsim", "move it, or give another name") from error
        if before is None:
            for path in self.partial:
                refuse_existing(path, overwrite)
        elif (other := _difference(before, run)) is None:
            self.done = records
        elif not overwrite:
            raise OutputError(
                f"{self.path} is of an interrupted run with {other}",
                "repeat that run, or start anew with --overwrite",
            )
        text = "".join(f"{_line(entry)}\n" for entry in (run, *self.done))
        try:
            os.ftruncate(self._file, 0)
            self._write(self._file, text)
            for table, path in zip(self.tables, self.partial, strict=True):
                write_text(path, table_text(table, self.done), overwrite=True)
        except OSError as error:
            raise _cannot_write(self.path, error) from error

    def _read(self) -> tuple[dict[str, Any] | None, list[Record]]:
        """Return what stands in the file: the run, if any, and its records."""
        *lines, _ = self.path.read_text(encoding="utf-8").split("\n")  # the last may be torn
        entries: list[dict[str, Any]] = [dict(json.loads(line).items()) for line in lines]
        return (entries[0], list(entries[1:])) if entries else (None, [])

    def add(self, record: Record) -> None:
        """Note a record, on disk when this returns."""
        try:
            self._write(self._file, _line(record) + "\n")
            self.done.append(record)
            for table, path in zip(self.tables, self.partial, strict=True):
                file = os.open(path, os.O_WRONLY | os.O_APPEND)
                try:
                    self._write(file, table_text(table, [record], heading=False))
                finally:
                    os.close(file)
        except OSError as error:
            raise _cannot_write(self.path, error) from error

    def finish(self, *, overwrite: bool = False) -> None:
        """Write the tables and remove the partial files."""
        for table in self.tables:
            write_text(table.path, table_text(table, table.in_order(self.done)), overwrite=overwrite)
        self._remove()

    def close(self) -> None:
        """Let go of the files; what is in them stays, but a run that measured nothing leaves nothing."""
        if all(record["status"] == "refused" for record in self.done):
            self._remove()
        os.close(self._file)

    def _remove(self) -> None:
        for path in (*self.partial, self.path):
            path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @staticmethod
    def _write(file: int, text: str) -> None:
        # one call: neither Ctrl-C nor an error between two halves can tear a line
        os.write(file, text.encode())


def partial_path(path: Path) -> Path:
    """Return where the rows of a table wait for the last one.

    Examples
    --------
    >>> partial_path(Path("out/t.csv")).name
    't.partial.csv'
    """
    return path.with_name(f"{path.stem}.partial{path.suffix or '.csv'}")


def _line(entry: Mapping[str, Any]) -> str:
    return json.dumps(plain(dict(entry)), ensure_ascii=False, allow_nan=False)


def _difference(before: dict[str, Any], now: dict[str, Any]) -> str | None:
    """Say the first thing in which two runs differ."""
    for key in {**before, **now}:
        old, new = before.get(key), now.get(key)
        if old == new:
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            inner = _difference(old, new)
            return f"{key} {inner}" if key == "files" else inner
        return f"{key} {'none' if old is None else old}, not {'none' if new is None else new}"
    return None


def _cannot_write(path: Path, error: OSError) -> OutputError:
    if isinstance(error, OutputError):
        return error
    if not path.parent.is_dir():
        return OutputError(f"the folder {path.parent} does not exist", "make it first")
    return OutputError(f"cannot write {path}: {error.strerror or error}", "check space and permissions")
