"""Which raw frames a network sees, by name."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dlsim_ij.config import did_you_mean
from dlsim_ij.errors import DataError, LayoutError


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameSelection:
    """Input channels made from a raw stack.

    Attributes
    ----------
    name : str
        As settings and model cards call it.
    frames : tuple of int
        Numbers of the frames that are taken, from 0.
    summary : str or None
        One more channel: the "mean" or the "max" of all frames of the acquisition.
    acquisition : int
        Frames of the acquisition: exactly so many when there is a summary or all are taken, else at least
        as many as the highest number asks for.
    """

    name: str
    frames: tuple[int, ...]
    summary: str | None = None
    acquisition: int

    @property
    def channels(self) -> int:
        """Number of input channels."""
        return len(self.frames) + (self.summary is not None)


# First phase of each of three angles: frames 0, 5, 10 of an angle-major stack of 3 x 5.
SELECTIONS = {
    selection.name: selection
    for selection in (
        FrameSelection(name="sim15", frames=tuple(range(15)), acquisition=15),
        FrameSelection(name="sim3", frames=(0, 5, 10), acquisition=15),
        FrameSelection(name="sim4-mean", frames=(0, 5, 10), summary="mean", acquisition=15),
        FrameSelection(name="sim4-max", frames=(0, 5, 10), summary="max", acquisition=15),
        FrameSelection(name="srrf5", frames=tuple(range(5)), acquisition=5),
    )
}


def frame_selection(name: str) -> FrameSelection:
    """Return the selection called `name`; an unknown name raises `DataError` with the closest one."""
    if name not in SELECTIONS:
        raise DataError(f"no frame selection is called '{name}'", did_you_mean(name, SELECTIONS))
    return SELECTIONS[name]


def check_frame_count(selection: FrameSelection, n_frames: int, where: str) -> None:
    """Raise `LayoutError` unless a stack of `n_frames` can serve `selection`.

    The SIM selections know 3 angles x 5 phases and take no other number; ``srrf5`` takes any stack of five
    frames or more.
    """
    fits = n_frames >= 5 if selection.name == "srrf5" else n_frames == selection.acquisition
    if not fits:
        wanted = f"{selection.acquisition}" + (" or more" if selection.name == "srrf5" else "")
        raise LayoutError(
            f"{where}: {n_frames} frames, but the selection '{selection.name}' needs {wanted}",
            "choose another selection, or check the stack",
        )


def select_frames(frames: NDArray[np.generic], name: str) -> NDArray[np.float32]:
    """Return the input channels that `name` makes of a raw stack.

    Parameters
    ----------
    frames : (n_frames, Y, X) ndarray
        Angle-major raw frames.
    name : {"sim15", "sim3", "sim4-mean", "sim4-max", "srrf5"}
        The selection.

    Returns
    -------
    (channels, Y, X) ndarray of float32
        In counts.

    Raises
    ------
    DataError
        The name is unknown.
    LayoutError
        The number of frames does not fit.

    Examples
    --------
    >>> stack = np.arange(15)[:, None, None] * np.ones((15, 2, 2))
    >>> select_frames(stack, "sim4-mean")[:, 0, 0].tolist()
    [0.0, 5.0, 10.0, 7.0]
    """
    selection = frame_selection(name)
    check_frame_count(selection, len(frames), "the stack")
    taken = frames[list(selection.frames)].astype(np.float32)
    if selection.summary is None:
        return taken
    summary = frames.mean(axis=0) if selection.summary == "mean" else frames.max(axis=0)
    return np.concatenate([taken, summary[None].astype(np.float32)])
