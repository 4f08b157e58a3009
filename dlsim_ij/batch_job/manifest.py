"""``manifest.csv``: one row for every input, the truth about a batch.

While a batch works, rows are appended, and the last one of an input counts; when it ends, and when the next
one begins, the file is written anew with one row each. A part of an array writes rows of its own
(``manifest.part-K-of-N.csv``), as many machines cannot append to one file on a network disk; they are taken
over into ``manifest.csv`` when the part ends, or when any later batch begins.
"""

from __future__ import annotations

import csv
import datetime
import fcntl
import io
import os
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

from dlsim_ij.errors import DataError, OutputError
from dlsim_ij.files import cannot_write, make_folder, write_text

NAME, LOCK = "manifest.csv", ".dlsim_batch.lock"
_BETWEEN = " | "
_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What is known of one input.

    Attributes
    ----------
    input : str
        Absolute path.
    content_sha256 : str
        Of its bytes.
    state : str
        waiting, running, done, failed, or interrupted.
    attempts : int
        How often it was begun with this content and these parameters.
    seconds : float
        Of the last attempt.
    worker : str
        Machine and process.
    output : str
        Files below the folder of the manifest, with `` | `` between them.
    error : str
    item : str
        Sub-folder and stem of the outputs, which name the input whatever its path.
    warnings, bytes : str
        Of the outputs, likewise with `` | `` between them.
    parameters_sha256 : str
    touched : str
        See `dlsim_ij.batch_job.content.touched`.
    finished : str
    """

    input: str
    content_sha256: str = ""
    state: str
    attempts: int = 0
    seconds: float = 0.0
    worker: str = ""
    output: str = ""
    error: str = ""
    item: str
    warnings: str = ""
    bytes: str = ""
    parameters_sha256: str = ""
    touched: str = ""
    finished: str = ""

    def is_complete(self, folder: Path) -> bool:
        """Tell whether every output is there, with the size it was written with."""
        names, sizes = split(self.output), split(self.bytes)
        if self.state != "done" or not names or len(names) != len(sizes):
            return False
        try:
            return all(
                stored_bytes(folder / name) == int(size) for name, size in zip(names, sizes, strict=True)
            )
        except (OSError, ValueError):
            return False


def stored_bytes(path: Path) -> int:
    """Return the size of an output; of a zarr folder, that of all its files."""
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size


COLUMNS = [field.name for field in fields(Row)]


def join(words: Iterable[object]) -> str:
    """Put words into one cell; a bar inside a word is written %7C.

    Examples
    --------
    >>> split(join(["a|b", "c"]))
    ['a|b', 'c']
    """
    return _BETWEEN.join(str(word).replace("%7C", "%257C").replace("|", "%7C") for word in words)


def split(cell: str) -> list[str]:
    """Take the words of a cell apart."""
    return [w.replace("%7C", "|").replace("%257C", "%7C") for w in cell.split(_BETWEEN)] if cell else []


def now() -> str:
    """Return the time as the manifest states it."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


class Manifest:
    """The rows of a folder, held by this process alone.

    Parameters
    ----------
    folder : Path
        Made if it does not exist.
    part : (int, int), optional
        K and N: other parts of the same N may be at work beside this one.

    Attributes
    ----------
    rows : dict
        Last row by item.

    Raises
    ------
    OutputError
        Another batch is at work here, or the folder cannot be written.
    DataError
        A manifest is not ours.
    """

    def __init__(self, folder: Path, part: tuple[int, int] | None = None) -> None:
        self.folder, self.part = make_folder(folder), part
        self.path = folder / (NAME if part is None else f"manifest.part-{part[0]}-of-{part[1]}.csv")
        self.rows: dict[str, Row] = {}
        self._changed: set[str] = set()
        self._lock = self._open(folder / LOCK)
        try:
            self._take(self._lock, fcntl.LOCK_EX if part is None else fcntl.LOCK_SH)
            self._file = self._begin()
        except BaseException:
            os.close(self._lock)
            raise

    def add(self, row: Row) -> None:
        """Append a row, with one call, so that it is never half there for a reader."""
        self.add_all([row])

    def add_all(self, rows: Sequence[Row]) -> None:
        """Append many rows."""
        for row in rows:
            self.rows[row.item] = row
            self._changed.add(row.item)
        text = _text(rows, heading=False).encode()
        try:
            while text:
                text = text[os.write(self._file, text) :]
        except OSError as error:
            raise cannot_write(self.path, error) from error

    def close(self) -> None:
        """Write one row for every input; what still runs was interrupted."""
        for item, row in self.rows.items():
            if row.state == "running" and item in self._changed:
                self.rows[item] = Row(**{**asdict(row), "state": "interrupted"})
        try:
            if self.part is None:
                write_text(self.path, _text(self.rows.values()), overwrite=True)
            else:
                self._give_over()
        finally:
            os.close(self._file)
            os.close(self._lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _begin(self) -> int:
        """Read what is known and open the file that rows are appended to."""
        main = self.folder / NAME
        self.rows = _read(main)
        journals = sorted(self.folder.glob("manifest.part-*-of-*.csv"))
        if self.part is None:
            for journal in journals:
                self.rows |= _read(journal)
            write_text(main, _text(self.rows.values()), overwrite=True)
            for journal in journals:
                journal.unlink()
            return self._open(main)
        for journal in journals:
            if not journal.name.endswith(f"-of-{self.part[1]}.csv"):
                self._refuse_if_held(journal)
            self.rows |= _read(journal)
        file = self._open(self.path)
        try:
            self._take(file, fcntl.LOCK_EX)
            kept = _text(_read(self.path).values())
            self._changed = set(_read(self.path))
            os.ftruncate(file, 0)
            os.write(file, kept.encode())
        except BaseException:
            os.close(file)
            raise
        return file

    def _give_over(self) -> None:
        """Take the rows of this part into the manifest of all."""
        door = self._open(self.folder / f"{LOCK}.merge")
        try:
            end = time.monotonic() + _PATIENCE_SECONDS
            while True:
                try:
                    fcntl.flock(door, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except OSError:
                    if time.monotonic() > end:
                        return  # the rows stay in the part's own file, the next batch takes them over
                    time.sleep(0.05)
            merged = _read(self.folder / NAME)
            merged |= {item: row for item, row in self.rows.items() if item in self._changed}
            write_text(self.folder / NAME, _text(merged.values()), overwrite=True)
            self.path.unlink(missing_ok=True)
        finally:
            os.close(door)

    def _open(self, path: Path) -> int:
        try:
            return os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        except OSError as error:
            raise OutputError(
                f"cannot write {path}: {error.strerror}", "check its permissions or give another -o"
            ) from error

    def _take(self, file: int, how: int) -> None:
        try:
            fcntl.flock(file, how | fcntl.LOCK_NB)
        except OSError as error:
            raise OutputError(
                f"another dlsim batch is at work in {self.folder}", "wait for it, or give another -o"
            ) from error

    def _refuse_if_held(self, journal: Path) -> None:
        file = self._open(journal)
        try:
            self._take(file, fcntl.LOCK_EX)
        except OutputError as error:
            raise OutputError(
                f"{journal.name} is being written: another division of the same batch is at work",
                "wait for it, or use the same N",
            ) from error
        finally:
            os.close(file)


class Look:
    """The rows of a folder as they are, without holding or changing anything."""

    def __init__(self, rows: dict[str, Row]) -> None:
        self.rows = rows

    def add(self, row: Row) -> None:
        """Keep a row here only."""
        self.rows[row.item] = row


def look(folder: Path) -> Look:
    """Read the manifest of a folder, and what parts have not given over yet."""
    rows = _read(folder / NAME)
    for journal in sorted(folder.glob("manifest.part-*-of-*.csv")):
        rows |= _read(journal)
    return Look(rows)


def _text(rows: Iterable[Row], heading: bool = True) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    if heading:
        writer.writeheader()
    for row in rows:
        # one line a row, whatever an error says or a file is called: a torn line is then told by its end
        writer.writerow({k: re.sub(r"[\r\n]+", " ", str(v)) for k, v in asdict(row).items()})
    return out.getvalue()


def _read(path: Path) -> dict[str, Row]:
    """Return the last row of every item; a torn last line, as a kill leaves it, is left out."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}", "move it away, or give another -o") from error
    whole = text[: text.rfind("\n") + 1]
    if not whole:
        return {}
    found: dict[str, Row] = {}
    try:
        reader = csv.DictReader(io.StringIO(whole))
        if reader.fieldnames != COLUMNS:
            raise ValueError("its columns are others")
        for cells in reader:
            more: dict[str, Any] = {"attempts": int(cells["attempts"]), "seconds": float(cells["seconds"])}
            row = Row(**{**cells, **more})
            found[row.item] = row
    except (ValueError, TypeError, csv.Error) as error:
        raise DataError(
            f"{path} is not a manifest of dlsim batch: {error}", "move it away, or give another -o"
        ) from error
    return found
