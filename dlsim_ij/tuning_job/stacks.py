"""The user's stacks: read, taken back to native pixels, and fitted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlsim_ij.acquisition import detect_acquisition
from dlsim_ij.acquisition.layout import Acquisition, parse_layout
from dlsim_ij.acquisition.native import native_stacks
from dlsim_ij.datasets.like import FittedStack, FittedStacks, shrunk_scene
from dlsim_ij.errors import ConfigError, DlsimError, ImageError, LayoutError
from dlsim_ij.images import expand_inputs, read_image
from dlsim_ij.optics import Optics
from dlsim_ij.results import Result
from dlsim_ij.simulation import StackFit, fit_stack, scene_of, spread_of

MOST_STACKS = 8  # more tell nothing new of a microscope, and each is measured twice in the proof
_BRIGHT = 50.0  # photo-electrons from which a stack's reconstruction is a scene, and not noise
_SCENE_PX = 512  # native side of a scene
_AROUND = 2.0  # the light of training reaches so far beyond that of the stacks
_LIGHT = 1.0, 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class UserStack(Result):
    """One raw stack of the user.

    Attributes
    ----------
    name : str
        Of the file, and the number of the stack in it if there are more.
    enlarged : bool
        The frames had been enlarged before they were saved.
    frames : (n_frames, Y, X) ndarray
        Native camera counts, angle-major.
    acquisition : Acquisition
        Its patterns, and what was found.
    fit : StackFit
    """

    name: str
    enlarged: bool
    frames: NDArray[Any] = field(repr=False, compare=False)
    acquisition: Acquisition = field(repr=False, compare=False)
    fit: StackFit


@dataclass(frozen=True, slots=True, kw_only=True)
class _Raw:
    name: str
    enlarged: bool
    frames: NDArray[Any]


def read_stacks(
    paths: Sequence[Path],
    *,
    layout: str = "3x5",
    pixel_size_um: float | None = None,
    na: float,
    emission_nm: float,
) -> tuple[list[UserStack], list[str]]:
    """Read and fit the stacks of one microscope.

    Parameters
    ----------
    paths : sequence of Path
        Files or folders; of many stacks at most eight are used, spread over all.
    layout : str
        Angles x phases.
    pixel_size_um : float, optional
        Of the frames as they are, if the files do not tell.
    na, emission_nm : float
        Nominal optics.

    Returns
    -------
    stacks : list of UserStack
    left_out : list of str
        Of which stacks the illumination was not found, and why.

    Raises
    ------
    ImageError, LayoutError
        A stack cannot be read or fitted, or none shows a regular illumination.
    ConfigError
        The stacks are of different pixel sizes, or of several channels.
    """
    n_angles, n_phases = parse_layout(layout)
    raws, pixel_um = _read(paths, layout, pixel_size_um)
    optics = Optics(na=na, emission_nm=emission_nm, pixel_size_um=pixel_um)
    found = []
    for raw in raws:
        with _named(raw.name):
            found.append(
                detect_acquisition(raw.frames, pixel_um, optics=optics, n_angles=n_angles, n_phases=n_phases)
            )
    stacks, left_out = [], []
    for raw, acquisition in zip(raws, _with_help(raws, found, optics), strict=True):
        if not acquisition.fit:
            left_out.append(f"{raw.name} is left out: {acquisition.warnings[0][0]}")
            continue
        with _named(raw.name):
            fit = fit_stack(
                raw.frames, optics, n_angles=n_angles, n_phases=n_phases, patterns=acquisition.patterns
            )
        stacks.append(
            UserStack(
                name=raw.name, enlarged=raw.enlarged, frames=raw.frames, acquisition=acquisition, fit=fit
            )
        )
    return stacks, left_out


def fitted_stacks(stacks: Sequence[UserStack]) -> FittedStacks:
    """Return what training needs to know of the stacks; the scenes are those of bright ones."""
    fitted = tuple(
        FittedStack(conditions=s.fit.conditions, spread=spread_of(s.fit), assumed=s.fit.assumed)
        for s in stacks
    )
    scenes = []
    for stack in stacks:
        if stack.fit.conditions.photons >= _BRIGHT:
            scene = scene_of(_middle(stack.frames, _SCENE_PX), stack.fit.conditions)
            scenes.append(shrunk_scene(scene.density))
    return FittedStacks(stacks=fitted, scenes=tuple(scenes))


def light_range(fitted: FittedStacks) -> tuple[float, float]:
    """Return the light levels to train at, in photo-electrons: those of the stacks, and twice around."""
    levels = [stack.conditions.photons for stack in fitted.stacks]
    low, high = _LIGHT
    found = max(low, min(levels) / _AROUND), min(high, max(2 * low, max(levels) * _AROUND))
    return float(f"{found[0]:.2g}"), float(f"{found[1]:.2g}")


def _read(paths: Sequence[Path], layout: str, pixel_size_um: float | None) -> tuple[list[_Raw], float]:
    items = expand_inputs(paths, distinct_names=False)
    items = [items[n] for n in _spread_over(len(items), MOST_STACKS)]
    names = _distinct_names([item.path for item in items])
    each = -(-MOST_STACKS // len(items))
    raws: list[_Raw] = []
    sizes: list[float] = []
    for item in items:
        with _named(item.path.name):
            source = native_stacks(read_image(item.path), layout=layout, pixel_size_um=pixel_size_um)
            if not source.pixel_size_known:
                raise ImageError(
                    "the file does not tell its pixel size", "give it in micrometres: --pixel-size 0.06"
                )
            if dict(source.stacks.series).get("C", 1) > 1:
                raise ConfigError(
                    "it has several channels, each with its own wavelength",
                    "split it in ImageJ (Image > Color > Split Channels) and tune to one channel",
                )
            for number in _spread_over(len(source), each):
                name = names[item.path] if len(source) == 1 else f"{names[item.path]} ({number + 1})"
                raws.append(
                    _Raw(
                        name=name,
                        enlarged=source.enlargement is not None,
                        frames=_even(source.native(number)),
                    )
                )
        sizes.append(source.pixel_size_um)
    if max(sizes) > 1.01 * min(sizes):
        raise ConfigError(
            f"the stacks have native pixels of {1000 * min(sizes):.1f} to {1000 * max(sizes):.1f} nm",
            "tune to the stacks of one camera and objective",
        )
    return raws[:MOST_STACKS], sizes[0]


def _distinct_names(paths: Sequence[Path]) -> dict[Path, str]:
    """Return the name of each file, with as many folders in front as tell them apart."""
    depth = 1
    while True:
        names = {path: "/".join(path.with_suffix("").parts[-depth:]) for path in paths}
        if len(set(names.values())) == len(names) or depth > max(len(path.parts) for path in paths):
            return names
        depth += 1


def _spread_over(count: int, most: int) -> list[int]:
    """Return at most so many numbers below `count`, evenly apart."""
    return [int(n) for n in np.unique(np.linspace(0, count - 1, min(count, most)).round())]


def _even(frames: NDArray[Any]) -> NDArray[Any]:
    height, width = (side - side % 2 for side in frames.shape[1:])  # simulated fields have even sides
    return frames[:, :height, :width]


def _middle(frames: NDArray[Any], side: int) -> NDArray[Any]:
    start_y, start_x = (max(0, (n - side) // 4 * 2) for n in frames.shape[1:])
    return frames[:, start_y : start_y + side, start_x : start_x + side]


def _with_help(raws: Sequence[_Raw], found: Sequence[Acquisition], optics: Optics) -> list[Acquisition]:
    """Fit what was not found anew, with the directions and periods of the clearest stack."""
    clear = [a for a in found if a.fit]
    if not clear:
        message, hint = found[0].warnings[0]
        raise LayoutError(f"{raws[0].name}: {message}", hint)
    best = max(clear, key=lambda a: min(p.snr[0] for p in a.patterns))
    return [
        acquisition
        if acquisition.fit
        else detect_acquisition(
            raw.frames,
            optics.pixel_size_um,
            optics=optics,
            n_angles=best.n_angles,
            n_phases=best.n_phases,
            known=best.patterns,
        )
        for raw, acquisition in zip(raws, found, strict=True)
    ]


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Put the name of a stack before what an error says."""
    try:
        yield
    except DlsimError as error:
        if name in error.message:
            raise
        raise type(error)(f"{name}: {error.message}", error.hint) from error
