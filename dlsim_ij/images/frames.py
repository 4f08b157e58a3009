"""Folders of single frames, as the microtubule data set has them: ``HE_00.tif`` to ``HE_14.tif``.

``HE_15`` there is the mean of the fifteen, and a file ``HE_16`` of some sets their maximum: neither is a
frame. Both are recognised by their pixels, not by their names, and named in ``attrs["left_out"]``.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlsim_ij.errors import ImageError
from dlsim_ij.images.tiff import Contents

IMAGE_ENDINGS = (".tif", ".tiff", ".btf", ".tf8", ".npy")
_NUMBERED = re.compile(r"^(.*?)(\d+)$")
# A mean of n frames has 1/sqrt(n) of a frame's distance from the mean of the others; half of a frame's
# own distance is far from both.
_LIKE_A_MEAN = 0.5


@dataclass(frozen=True, slots=True)
class Numbered:
    """A file whose name ends in a number."""

    path: Path
    prefix: str
    number: int


def image_files(folder: Path) -> list[Path]:
    """Return the image files of a folder in natural order (``a2`` before ``a10``), hidden ones not.

    Raises
    ------
    ImageError
        The folder may not be listed.
    """
    try:
        entries = list(folder.iterdir())
    except OSError as error:
        raise ImageError(
            f"the folder {folder} may not be listed: {error.strerror}", "check permissions"
        ) from error
    found = [p for p in entries if p.suffix.lower() in IMAGE_ENDINGS and not p.name.startswith(".")]
    return sorted((p for p in found if not p.is_dir()), key=natural_key)


def natural_key(path: Path) -> tuple[Any, ...]:
    """Sort names with numbers as people count.

    Examples
    --------
    >>> [p.name for p in sorted(map(Path, ["f10", "f9", "F1"]), key=natural_key)]
    ['F1', 'f9', 'f10']
    """
    parts = re.split(r"(\d+)", path.name.casefold())
    key = [(int(part), "") if part.isdigit() else (-1, part) for part in parts]
    return (*key, (-2, path.name))


def numbered(files: list[Path]) -> list[Numbered] | None:
    """Return the files by number; None if a name does not end in one."""
    result = []
    for path in files:
        match = _NUMBERED.match(path.stem)
        if match is None:
            return None
        result.append(Numbered(path, match[1], int(match[2])))
    return sorted(result, key=lambda file: (file.prefix, file.number))


def read_frames(folder: Path, axes: str | None = None) -> Contents:
    """Read a folder of single frames as one stack with the axis "I".

    Raises
    ------
    ImageError
        No frames, several series, a number missing or double, sizes or types that differ, or a last
        frame that is neither a frame nor the mean of the others.
    """
    if axes is not None and axes.upper() != "IYX":
        raise ImageError(f"{folder}: a folder of frames has the axes IYX, not {axes}", "leave axes out")
    frames = check_numbering(folder, image_files(folder))
    first = _read_frame(frames[0].path)
    stack = np.empty((len(frames), *first.pixels.shape), first.pixels.dtype)
    for slot, frame in zip(stack, frames, strict=True):
        pixels = first.pixels if frame is frames[0] else _read_frame(frame.path).pixels
        _check_alike(frame.path, pixels, frames[0].path, first.pixels)
        slot[...] = pixels
    kept = n_frames(stack, [frame.path.name for frame in frames], folder)
    known = dict(first.known)
    known["labels"] = [frame.path.name for frame in frames[:kept]]
    known["left_out"] = [frame.path.name for frame in frames[kept:]]
    known["display_range"] = None  # the first frame's is not the stack's
    return Contents(stack[:kept], "IYX", known)


def check_numbering(folder: Path, files: list[Path]) -> list[Numbered]:
    """Return the frames of a folder by number, or say why these files are not one series."""
    if not files:
        inner = sorted((p for p in folder.iterdir() if p.is_dir() and p.name[0] != "."), key=natural_key)
        advice = f"give one of its folders, {inner[0].name}" if inner else "frames are files like HE_00.tif"
        raise ImageError(f"the folder {folder} holds no images", advice)
    frames = numbered(files)
    if frames is None:
        odd = next(path.name for path in files if not _NUMBERED.match(path.stem))
        raise ImageError(
            f"{folder}: '{odd}' has no frame number at its end", "name frames HE_00.tif, HE_01.tif ..."
        )
    prefixes = sorted({frame.prefix for frame in frames})
    if len(prefixes) > 1:
        shown = ", ".join(f"'{prefix}'" for prefix in prefixes[:4])
        raise ImageError(f"{folder} mixes frames called {shown}", "put each series into a folder of its own")
    number, times = Counter(frame.number for frame in frames).most_common(1)[0]
    if times > 1:
        names = ", ".join(frame.path.name for frame in frames if frame.number == number)
        raise ImageError(f"{folder} has frame {number} {times} times: {names}", "keep one of them")
    present = {frame.number for frame in frames}
    missing = [n for n in range(min(present), max(present)) if n not in present]
    if missing:
        shown = ", ".join(map(str, missing[:8])) + (" ..." if len(missing) > 8 else "")
        raise ImageError(
            f"{folder}: of the frames {min(present)} to {max(present)}, {len(missing)} missing ({shown})",
            "complete the series, or number it without gaps",
        )
    return frames


def _read_frame(path: Path) -> Contents:
    from dlsim_ij.images.read import read_file

    frame = read_file(path, None)
    if "S" in frame.axes:
        raise ImageError(f"{path} is a colour picture among single frames", "give the camera's own files")
    if frame.axes != "YX":
        size = " x ".join(map(str, frame.pixels.shape))
        raise ImageError(f"{path} is a stack ({size}) among single frames", "read the file itself instead")
    return frame


def _check_alike(path: Path, pixels: NDArray[Any], first: Path, expected: NDArray[Any]) -> None:
    if pixels.shape != expected.shape:
        sizes = [" x ".join(map(str, one.shape)) for one in (pixels, expected)]
        raise ImageError(f"{path} has {sizes[0]} pixels, {first.name} has {sizes[1]}", "frames must be alike")
    if pixels.dtype != expected.dtype:
        raise ImageError(
            f"{path} holds {pixels.dtype}, {first.name} holds {expected.dtype}", "save all frames in one type"
        )


def n_frames(stack: NDArray[Any], names: list[str], source: Path) -> int:
    """Count the frames of a stack that may end in the mean (and the maximum) of the others.

    Parameters
    ----------
    stack : (n, Y, X) ndarray
        As in the files.
    names : list of str
        Of the files, for the messages.
    source : Path
        Of the folder, for the messages.

    Returns
    -------
    int
        n, or n - 1 if the last is the mean of the others, or n - 2 if mean and maximum follow the frames.

    Raises
    ------
    ImageError
        The last looks like a mean, but not of these frames; or there are sixteen frames.
    """
    n = len(stack)
    if n < 4 or not any((frame != stack[0]).any() for frame in stack[1:]):
        return n
    if n >= 5 and (stack[-1] == stack[:-2].max(axis=0)).all() and _is_mean(stack[-2], stack[:-2]):
        return n - 2
    if _is_mean(stack[-1], stack[:-1]):
        return n - 1
    if _resembles_a_mean(stack):
        raise ImageError(
            f"{source}: {names[-1]} is close to the mean of the other frames, but not equal to it",
            "is a frame missing or changed? take the mean out of the folder",
        )
    if n == 16:
        raise ImageError(
            f"{source} holds 16 frames, and {names[-1]} is not the mean of the 15 before it",
            "take out what is no raw frame, or save the frames as one stack",
        )
    return n


def _is_mean(frame: NDArray[Any], others: NDArray[Any]) -> bool:
    mean = others.mean(axis=0, dtype=np.float64)
    if frame.dtype.kind == "f":
        return bool(np.allclose(frame, mean, rtol=1e-6, atol=1e-6 * float(np.abs(mean).max())))
    return bool((frame == np.floor(mean)).all() or (frame == np.rint(mean)).all())


def _resembles_a_mean(stack: NDArray[Any]) -> bool:
    total = stack.sum(axis=0, dtype=np.float64)
    others = len(stack) - 1

    def distance(frame: NDArray[Any]) -> float:
        difference = frame - (total - frame) / others
        return float((difference - difference.mean()).std())

    usual = np.median([distance(frame) for frame in stack[:: max(1, others // 8)][:8]])
    return distance(stack[-1]) < _LIKE_A_MEAN * float(usual)
