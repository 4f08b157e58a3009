"""Which planes of a file form one raw stack, and what an acquisition is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from dlsim_ij.acquisition.checks import FrameChecks
from dlsim_ij.acquisition.light import Light
from dlsim_ij.errors import LayoutError
from dlsim_ij.optics import Optics, Pattern
from dlsim_ij.results import Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Acquisition(Result):
    """One raw stack: its frames, its fitted illumination, and what was found wrong.

    Attributes
    ----------
    n_angles, n_phases : int
    order : str
        Of the frames as they came: "angle-major" (all phases of the first angle first), "phase-major"
        (first phase of every angle first), "other", or "unknown".
    patterns : tuple of Pattern
        One per angle, of the frames in angle-major order; lengths in native pixels.
    optics : Optics
        Nominal optics of the fit, with the native pixel size.
    warnings : tuple of (str, str)
        What was seen, and what to do.
    fit : bool
        The stack, as it came, can be reconstructed.
    permutation : tuple of int
        ``frames[list(permutation)]`` is angle-major; see `arrange`. Empty: as they came.
    confidence : float
        Probability that layout and order are right.
    beams : int
        2 or 3; 0 when not looked at.
    beams_confidence : float
        How sure that is.
    light : Light, optional
        Gain, offset, read noise and photons, from the noise.
    checks : FrameChecks, optional
        Bleaching, drift, evenness, saturation, hot pixels.
    """

    n_angles: int
    n_phases: int
    order: str
    patterns: tuple[Pattern, ...]
    optics: Optics
    warnings: tuple[tuple[str, str], ...]
    fit: bool
    permutation: tuple[int, ...] = ()
    confidence: float = 0.0
    beams: int = 0
    beams_confidence: float = 0.0
    light: Light | None = None
    checks: FrameChecks | None = None

    @property
    def layout(self) -> str:
        """Angles x phases, such as ``3x5``."""
        return f"{self.n_angles}x{self.n_phases}"

    @property
    def verdict(self) -> str:
        """``fit``, ``fit with warnings`` or ``not fit``."""
        if not self.fit:
            return "not fit"
        return "fit with warnings" if self.warnings else "fit"


@dataclass(frozen=True, slots=True, kw_only=True)
class RawStacks(Result):
    """The raw stacks of one image: one, or a series in time and channels.

    Attributes
    ----------
    n_angles, n_phases : int
    series : tuple of (str, int)
        Axes in front of the frames, outermost first; empty for a single stack.
    frames : (..., n_frames, Y, X) ndarray
        The axes of `series`, then the frames: angle-major, if the file is as it should be.
    storage : str
        How the file holds them, see `storage.py`.
    """

    n_angles: int
    n_phases: int
    series: tuple[tuple[str, int], ...]
    attributes: dict[str, object] = field(repr=False, compare=False)
    frames: NDArray[np.generic] = field(repr=False, compare=False)
    storage: str = "flat"

    def __len__(self) -> int:
        return int(np.prod([size for _, size in self.series], dtype=int))

    def __getitem__(self, number: int) -> NDArray[np.generic]:
        """Return one stack, (n_frames, Y, X), counted from 0 with the innermost axis fastest."""
        sizes = tuple(size for _, size in self.series)
        return self.frames[np.unravel_index(number, sizes) if sizes else ()]

    def __iter__(self) -> Iterator[NDArray[np.generic]]:
        return (self[number] for number in range(len(self)))

    def positions(self) -> list[dict[str, int]]:
        """Return the place of each stack in the series, such as {"T": 3, "C": 0}."""
        names = [name for name, _ in self.series]
        return [dict(zip(names, at, strict=True)) for at in np.ndindex(*(size for _, size in self.series))]

    def first(self) -> NDArray[np.generic]:
        """Return the first stack, (n_frames, Y, X)."""
        return self[0]

    def join(self, images: list[NDArray[np.floating]], *, pixel_size_um: float | None) -> xr.DataArray:
        """Put one image per stack together as the series was, with the attributes that still hold."""
        dims = (*(name for name, _ in self.series), "Y", "X")
        shape = (*(size for _, size in self.series), *images[0].shape)
        kept = {key: self.attributes.get(key) for key in ("frame_interval_s", "name", "source")}
        return xr.DataArray(
            np.stack(images).reshape(shape), dims=dims, attrs={"pixel_size_um": pixel_size_um, **kept}
        )


def parse_layout(layout: str) -> tuple[int, int]:
    """Return (angles, phases) of a word such as ``3x5``.

    Raises
    ------
    LayoutError
        The word is something else.

    Examples
    --------
    >>> parse_layout("3x5")
    (3, 5)
    """
    found = re.fullmatch(r"([1-9])x([1-9])", layout.strip().lower())
    if not found:
        raise LayoutError(f"the layout '{layout}' is not angles x phases", "for example --layout 3x5")
    return int(found[1]), int(found[2])


def split_stack(image: xr.DataArray, layout: str = "3x5") -> RawStacks:
    """Find the raw stacks of an image.

    Parameters
    ----------
    image : DataArray
        From `read_image`; dims out of I, T, Z, C, Y, X.
    layout : str
        Angles x phases; their product is the number of frames of one stack.

    Returns
    -------
    RawStacks

    Raises
    ------
    LayoutError
        No axis, or more than one, can be the frames.

    Notes
    -----
    The frames lie along the one axis whose length is their number, or a whole multiple of it (then it
    also holds the time series). Without a unique choice I is preferred, then Z, T and C.
    """
    n_angles, n_phases = parse_layout(layout)
    wanted = n_angles * n_phases
    name = image.attrs.get("name") or "the image"
    others = [str(dim) for dim in image.dims if dim not in ("Y", "X")]
    if not {"Y", "X"} <= set(image.dims) or set(others) - set("ITZC"):
        raise LayoutError(
            f"{name} has the axes {', '.join(map(str, image.dims))}", "give --axes when reading it"
        )
    frames_axis = _frames_axis({dim: image.sizes[dim] for dim in others}, wanted, layout, str(name))
    stacked = [dim for dim in "TZCI" if dim in others and dim != frames_axis and image.sizes[dim] > 1]
    single = [dim for dim in others if dim != frames_axis and image.sizes[dim] == 1]
    pixels = image.isel(dict.fromkeys(single, 0)).transpose(*stacked, frames_axis, "Y", "X").values
    series = [(dim, image.sizes[dim]) for dim in stacked]
    repeats = image.sizes[frames_axis] // wanted
    if repeats > 1:
        time = "T" if "T" not in stacked else frames_axis
        series.append((time, repeats))
        pixels = pixels.reshape(*pixels.shape[:-3], repeats, wanted, *pixels.shape[-2:])
    return RawStacks(
        n_angles=n_angles,
        n_phases=n_phases,
        series=tuple(series),
        attributes={str(key): value for key, value in image.attrs.items()},
        frames=pixels,
    )


def _frames_axis(sizes: dict[str, int], wanted: int, layout: str, name: str) -> str:
    exact = [dim for dim in "IZTC" if sizes.get(dim) == wanted]
    if exact:
        return exact[0]
    multiple = [dim for dim in "ITZC" if dim in sizes and sizes[dim] % wanted == 0 and sizes[dim] > 0]
    if len(multiple) == 1:
        return multiple[0]
    seen = " x ".join(f"{size} along {dim}" for dim, size in sizes.items()) or "a single plane"
    if multiple:
        raise LayoutError(
            f"{name} has {seen}: more than one axis could be the {wanted} frames", "split the file first"
        )
    raise LayoutError(
        f"{name} has {seen}, not {wanted} frames ({layout.replace('x', ' angles x ')} phases)",
        "is it a raw stack? Another number of angles and phases is given as --layout",
    )
