"""What an input holds: a sum over its bytes, and the cheap signs that it was not touched."""

from __future__ import annotations

import hashlib
from pathlib import Path

from dlsim_ij.errors import ImageError
from dlsim_ij.images.frames import image_files
from dlsim_ij.images.zarr_image import is_zarr


def content_sha256(path: Path) -> str:
    """Return the sum of a file's bytes, or of the names and bytes of a folder's frames.

    Raises
    ------
    ImageError
        It vanished, or cannot be read.
    """
    try:
        if not path.is_dir():
            with open(path, "rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        whole = hashlib.sha256()
        for frame in _files(path):
            with open(frame, "rb") as file:
                name = frame.relative_to(path).as_posix()
                whole.update(f"{name}\0{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
        return whole.hexdigest()
    except OSError as error:
        raise ImageError(f"{path} cannot be read: {error.strerror}", "was it moved or removed?") from error


def touched(path: Path) -> str:
    """Return what changes whenever a file is written or replaced; empty if it cannot be told.

    The time of the last change of any kind, which nobody can set, and the file's number are in it, as a file
    can take another's place with size and date copied.
    """
    try:
        files = _files(path) if path.is_dir() else [path]
        states = [file.stat() for file in files]
    except OSError:
        return ""
    text = " ".join(f"{s.st_size} {s.st_mtime_ns} {s.st_ctime_ns} {s.st_ino}" for s in states)
    return text if len(states) == 1 else hashlib.sha256(text.encode()).hexdigest()


def _files(folder: Path) -> list[Path]:
    """Return the files that an input in a folder is made of."""
    if is_zarr(folder):
        return sorted(file for file in folder.rglob("*") if file.is_file())
    return image_files(folder)
