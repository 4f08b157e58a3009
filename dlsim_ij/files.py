"""Write beside, then rename: an output is either whole or absent, and never replaced unasked."""

from __future__ import annotations

import errno
import glob
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dlsim_ij.errors import NoRoomError, OutputError
from dlsim_ij.results import plain

ZARR = ".zarr"  # a folder that is an image

# What is wrong with the place then, and not with one file
_OF_THE_PLACE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}

_LONG_BYTES = 180

# Told of every temporary name before it is used; a warm worker writes them down, so that what a killed
# process leaves behind can be removed.
_observer: Callable[[Path], None] | None = None


def observe_temporaries(observer: Callable[[Path], None] | None) -> None:
    """Have `observer` told of every temporary file of ours before it exists; None ends that."""
    global _observer
    _observer = observer


def announce_temporary(path: Path) -> None:
    """Tell that a file of this name may be left behind if the process is killed now."""
    if _observer is not None:
        _observer(path.absolute())


def refuse_existing(path: Path, overwrite: bool = False) -> None:
    """Raise `OutputError` if `path` exists and may not be replaced.

    Called before any work starts, so nobody waits an hour to learn that a file was in the way.
    """
    # unlike Path's, isdir is False of a name that is too long: writing says that better
    if os.path.isdir(path) and path.suffix != ZARR:
        raise OutputError(f"{path} is a folder, an output file was to go there", "give another name")
    if os.path.exists(path) and not overwrite:
        raise OutputError(f"{path} exists already", "give another name, or allow it with --overwrite")


def make_folder(path: Path) -> Path:
    """Make an output folder (and its parents) and check that it can be written.

    Raises
    ------
    OutputError
        The folder cannot be made, is a file, or refuses writing.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {path}: {error.strerror}", "give another -o") from error
    if not os.access(path, os.W_OK):
        raise OutputError(f"the folder {path} cannot be written", "check its permissions or give another -o")
    return path


@contextmanager
def atomic_path(path: str | os.PathLike[str], *, overwrite: bool = False) -> Iterator[Path]:
    """Give a temporary name beside `path`; on success move it there in one step.

    Parameters
    ----------
    path : path-like
        Final name of the file.
    overwrite : bool
        Replace an existing file. Without it the final step itself refuses, so that two runs
        cannot overwrite each other either.

    Yields
    ------
    pathlib.Path
        Name to write to, with the same suffix.

    Raises
    ------
    OutputError
        The file exists already, or the folder is missing or write-protected (`NoRoomError`: full).
    """
    final = Path(path)
    temporary = _temporary(final, overwrite)
    try:
        yield temporary
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        if overwrite:
            os.replace(temporary, final)
        else:
            _move_without_replacing(temporary, final)
    except OutputError:
        raise
    except OSError as error:
        raise cannot_write(final, _true_reason(error, temporary)) from error
    finally:
        temporary.unlink(missing_ok=True)


def _temporary(final: Path, overwrite: bool) -> Path:
    """Return where to write what is to be called `final`, after a look whether that can be."""
    refuse_existing(final, overwrite)
    if not final.parent.is_dir():
        raise OutputError(f"the folder {final.parent} does not exist", "make it first")
    temporary = final.with_name(f".{_stem(final)}.{secrets.token_hex(4)}.part{final.suffix}")
    announce_temporary(temporary)
    return temporary


def _stem(final: Path) -> str:
    """Return what the temporary name has of the final one, which may be as long as names may be."""
    name = os.fsencode(final.stem)
    if len(name) <= _LONG_BYTES:
        return final.stem
    return f"{name[:_LONG_BYTES].decode(errors='ignore')}~{hashlib.sha256(name).hexdigest()[:16]}"


def cannot_write(path: Path, error: OSError) -> OutputError:
    """Return what to raise when `path` could not be written."""
    reason = f"cannot write {path}: {error.strerror or error}"
    if error.errno in _OF_THE_PLACE:
        return NoRoomError(reason, "make room there, or give another folder")
    if error.errno == errno.ENAMETOOLONG:
        return OutputError(reason, "give the input a shorter name")
    return OutputError(reason, "check space and permissions")


def _true_reason(error: OSError, temporary: Path) -> OSError:
    """Return why a write was short: numpy says only that it was, the next write says why."""
    if error.errno is None:
        try:
            with open(temporary, "ab") as file:
                file.write(bytes(1 << 20))
                os.fsync(file.fileno())
        except OSError as again:
            return again
    return error


def remove_leftovers(path: Path) -> None:
    """Remove what a killed process left of writing `path`; to be called when nobody writes it."""
    for left in path.parent.glob(
        f".{glob.escape(_stem(path))}.{'[0-9a-f]' * 8}.part{glob.escape(path.suffix)}"
    ):
        _remove(left)


@contextmanager
def atomic_folder(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Give a new empty folder beside `path`; on success move it there.

    Parameters
    ----------
    path : Path
        Final name of the folder.
    overwrite : bool
        Replace an existing folder of that name.

    Yields
    ------
    pathlib.Path

    Raises
    ------
    OutputError
        The folder exists already, or the one above is missing, full or write-protected.
    """
    temporary = _temporary(path, overwrite)
    try:
        temporary.mkdir()
        yield temporary
        if path.exists():
            refuse_existing(path, overwrite)
            _remove(path)
        os.rename(temporary, path)
    except OutputError:
        raise
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        _remove(temporary)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def require_space(folder: Path, needed: int, what: str) -> None:
    """Refuse to begin what the disk cannot hold.

    Parameters
    ----------
    folder : Path
        Existing, on that disk.
    needed : int
        Bytes.
    what : str
        For the message.

    Raises
    ------
    OutputError
    """
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise OutputError(
            f"{what} needs {needed / 2**30:.1f} GiB, the disk of {folder} has {free / 2**30:.1f} GiB left",
            "make room, or give an output folder on another disk",
        )


def _move_without_replacing(temporary: Path, final: Path) -> None:
    try:
        os.link(temporary, final)  # unlike rename, link refuses an existing name
    except FileExistsError:
        raise OutputError(f"{final} exists already", "allow it with --overwrite") from None
    except OSError:  # a file system without hard links
        refuse_existing(final)
        os.replace(temporary, final)


def write_text(path: str | os.PathLike[str], text: str, *, overwrite: bool = False) -> None:
    """Write UTF-8 text atomically."""
    with atomic_path(path, overwrite=overwrite) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | os.PathLike[str], data: Any, *, overwrite: bool = False) -> None:
    """Write JSON atomically; results, numpy scalars and NaN are made plain first."""
    write_text(path, json.dumps(plain(data), indent=2, ensure_ascii=False) + "\n", overwrite=overwrite)
