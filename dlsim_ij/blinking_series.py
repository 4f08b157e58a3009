"""Frames of a blinking sample to super-resolved images, as many frames at a time as the model takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import xarray as xr

from dlsim_ij.errors import LayoutError, ModelError
from dlsim_ij.images import require_finite, require_frames
from dlsim_ij.inference import Model, load_model, predict
from dlsim_ij.results import Result


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesPrediction(Result):
    """What `predict_series` returns.

    Attributes
    ----------
    image : DataArray
        (5Y, 5X), or (T, 5Y, 5X) where the frames make more than one image; float32 counts above the
        background, pixels a fifth of the camera's.
    warnings : tuple of str
        What is doubtful or was left out.
    seconds : float
    """

    image: xr.DataArray = field(repr=False, compare=False)
    warnings: tuple[str, ...]
    seconds: float


def predict_series(
    frames: xr.DataArray,
    *,
    model: str | Model = "srrf5",
    pixel_size_um: float | None = None,
    tile_px: int | None = None,
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> SeriesPrediction:
    """Make one image of every five consecutive frames of a blinking sample.

    Parameters
    ----------
    frames : DataArray
        From `read_image`: one axis besides Y and X, five frames or more, on the camera's own pixels.
    model : str or Model
        Whose input is of the kind ``srrf-channels``.
    pixel_size_um : float, optional
        Of a camera pixel, if `frames` does not tell or tells wrong.
    tile_px, threads
        As in `predict`.
    progress : callable, optional
        Called with the number of images done and of all images.

    Returns
    -------
    SeriesPrediction

    Raises
    ------
    ImageError
        Colour, more than one stack axis, or pixels that are no numbers.
    LayoutError
        There are too few frames.
    ModelError
        The model is one for SIM.
    """
    start = time.perf_counter()
    loaded = load_model(model) if isinstance(model, str) else model
    if loaded.card.input["kind"] != "srrf-channels":
        raise ModelError(
            f"the model '{loaded.name}' is none for blinking samples", "take srrf5; see dlsim models"
        )
    assert loaded.card.frames is not None  # load_model has seen to it
    per_image, scale = loaded.card.frames.total, loaded.card.scale
    stack = require_finite(require_frames(frames))
    name = frames.attrs.get("name") or "the stack"
    n_images, left = divmod(len(stack), per_image)
    if n_images == 0:
        raise LayoutError(
            f"{name} has {len(stack)} frames, the model '{loaded.name}' takes {per_image}",
            f"give {per_image} consecutive frames, or more for a time series",
        )
    warnings = []
    if left:
        warnings.append(left_out(left, len(stack)))
    pixel = pixel_size_um or frames.attrs.get("pixel_size_um")
    if pixel is None:
        warnings.append("the file does not tell the pixel size, so the image has none: give --pixel-size")
    images: np.ndarray | None = None
    for number in range(n_images):
        few = np.asarray(stack[number * per_image : (number + 1) * per_image])
        image = predict(loaded, few, tile_px=tile_px, threads=threads).image
        if images is None:
            images = np.empty((n_images, *image.shape), dtype=np.float32)
        images[number] = image
        if progress is not None:
            progress(number + 1, n_images)
    assert images is not None
    interval = frames.attrs.get("frame_interval_s")
    attributes = {
        "pixel_size_um": None if pixel is None else pixel / scale,
        "frame_interval_s": None if interval is None else interval * per_image,
        "name": frames.attrs.get("name"),
        "source": frames.attrs.get("source"),
    }
    joined = xr.DataArray(images, dims=("T", "Y", "X"), attrs=attributes)
    return SeriesPrediction(
        image=joined if n_images > 1 else joined[0],
        warnings=tuple(warnings),
        seconds=time.perf_counter() - start,
    )


def left_out(left: int, count: int) -> str:
    """Say that the last frames were too few."""
    return f"the last {left} of {count} frames, too few for another image, were left out"
