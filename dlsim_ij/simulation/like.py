"""Conditions as a user's stack shows them: the simulator set to a real microscope."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.fft
import scipy.ndimage
from numpy.typing import NDArray

from dlsim_ij.acquisition import fit_patterns
from dlsim_ij.errors import ImageError, LayoutError
from dlsim_ij.optics import Optics, Pattern
from dlsim_ij.reconstruction import wiener_sim
from dlsim_ij.results import Result
from dlsim_ij.simulation.band_fit import BandFit, fit_bands
from dlsim_ij.simulation.camera import Camera
from dlsim_ij.simulation.conditions import Conditions
from dlsim_ij.simulation.noise_fit import NoiseFit, fit_noise
from dlsim_ij.simulation.sim_frames import widefield

FloatArray = NDArray[np.floating]

_LOST = 5.0  # signal-to-noise ratio of a pattern's peak below which it is chance
_USUAL_SECOND = 0.6  # of order 1: what order 2 has where it cannot be seen
_UNCLEAR = 0.3  # relative error of a modulation that counts as unseen
_UNSURE_READ_VARIANCE = 0.7  # electrons squared; the spread over cameras is 1
_COARSE_PX = 4.0  # finer detail is in focus
_SCENE_HAZE_PX = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StackFit(Result):
    """What was fitted to a stack, and how sure it is.

    Attributes
    ----------
    conditions : Conditions
        For `simulate_sim`.
    noise : NoiseFit or None
        None if the camera was given.
    bands : BandFit
    assumed : tuple of str
        What the stack cannot tell, and what was taken instead.
    """

    conditions: Conditions
    noise: NoiseFit | None
    bands: BandFit
    assumed: tuple[str, ...]


def fit_stack(
    frames: NDArray[Any],
    optics: Optics,
    *,
    n_angles: int = 3,
    n_phases: int = 5,
    patterns: Sequence[Pattern] | None = None,
    camera: Camera | None = None,
) -> StackFit:
    """Fit the conditions of a stack.

    Parameters
    ----------
    frames : (n_angles * n_phases, Y, X) ndarray
        Native camera counts (`images.undo_enlargement` gives them back), angle-major.
    optics : Optics
        Nominal optics and pixel size.
    n_angles, n_phases : int
        How the frames are to be read.
    patterns : sequence of Pattern, optional
        Directions, periods and phases, if they are known: from an `Acquisition`, or from a brighter stack.
    camera : Camera, optional
        Gain, offset and noise, if they are known.

    Returns
    -------
    StackFit

    Raises
    ------
    LayoutError
        The frames are not angles times phases, or no pattern is found.
    ImageError
        The frames are no native camera frames; see `fit_noise`.
    """
    if frames.ndim != 3 or len(frames) != n_angles * n_phases:
        raise LayoutError(
            f"{len(frames)} frames are not {n_angles} angles x {n_phases} phases", "give the right --layout"
        )
    assumed = []
    noise = None
    if camera is None:
        noise = fit_noise(frames, optics.cutoff_px)
        camera = _camera(noise, frames)
        if noise.read_variance_error > _UNSURE_READ_VARIANCE and noise.read_noise_electrons < 2:
            assumed.append("read noise: the light is too bright to show it, so it has the usual value")
    electrons = (frames.astype(np.float64) - camera.offset_adu) / camera.gain_adu_per_electron
    means = electrons.mean(axis=(1, 2))
    if not (means > 0).all():
        raise ImageError(
            f"frame {int(means.argmin()) + 1} is darker than the camera's offset, "
            f"{camera.offset_adu:.0f} counts",
            "is the offset right? Give the camera's own",
        )
    even = electrons * (means.mean() / means)[:, None, None]
    if patterns is None:
        patterns = fit_patterns(even.astype(np.float32), n_angles, n_phases, optics)
        lost = [number for number, p in enumerate(patterns, start=1) if p.snr[0] < _LOST]
        if lost:
            raise LayoutError(
                f"no illumination pattern stands out in angle {' and '.join(map(str, lost))}",
                "dlsim run says more about the stack; a brighter stack of the same microscope would help",
            )
    bands = fit_bands(even, patterns, optics, read_variance=camera.read_noise_electrons**2)
    if bands.log_damping_error > 0.5:
        assumed.append("blur: too little light to see how the transfer falls, so it is near the usual one")
    fitted, weak = _with_modulation(patterns, bands)
    if weak:
        assumed.append("modulation of order 2: too weak to be measured, so it follows order 1")
    if bands.haze > 0.02 and bands.haze_sigma_px > 0.15 * min(frames.shape[1:]):
        assumed.append("haze: its blur is too wide for this field to be told from even background")
    conditions = Conditions(
        optics=optics,
        otf_damping=bands.otf_damping,
        patterns=fitted,
        photons=_light_level(even, optics.cutoff_px, camera.read_noise_electrons**2),
        haze=bands.haze,
        haze_sigma_px=bands.haze_sigma_px,
        flat=bands.flat,
        intensity=tuple(float(m) for m in means / means.mean()),
        camera=camera,
    )
    return StackFit(conditions=conditions, noise=noise, bands=bands, assumed=tuple(assumed))


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene(Result):
    """The scene of a stack, ready to be simulated.

    Attributes
    ----------
    density, haze_density : (2Y, 2X) ndarray
        What is in focus and what is not, for `simulate_sim`. Neither is the truth: stand-ins with the
        scene's own layout.
    conditions : Conditions
        Those of the stack, with the haze that this scene has.
    """

    density: FloatArray = field(repr=False, compare=False)
    haze_density: FloatArray = field(repr=False, compare=False)
    conditions: Conditions


def scene_of(frames: NDArray[Any], conditions: Conditions) -> Scene:
    """Return the scene of a stack as an object to simulate.

    Parameters
    ----------
    frames : (n_frames, Y, X) ndarray
        The stack.
    conditions : Conditions
        Fitted to it.

    Returns
    -------
    Scene
        In focus lies the Wiener image without its negative values, out of focus what the wide-field image
        has beyond it.
    """
    camera = conditions.camera
    brightness = np.array(conditions.intensity)[:, None, None]
    electrons = (frames.astype(np.float64) - camera.offset_adu) / camera.gain_adu_per_electron / brightness
    image = wiener_sim(electrons.astype(np.float32), conditions.patterns, conditions.optics)
    density = np.maximum(image, 0).astype(np.float64)
    density /= density.mean()
    wide = electrons.mean(axis=0)
    focus = widefield(density, conditions)
    fine_wide, fine_focus = (i - scipy.ndimage.gaussian_filter(i, _COARSE_PX) for i in (wide, focus))
    share = max(float((fine_wide * fine_focus).sum() / (fine_focus**2).sum()), 1e-6)
    rest = np.maximum(scipy.ndimage.gaussian_filter(wide - share * focus, _SCENE_HAZE_PX), 0)
    haze = rest.repeat(2, axis=0).repeat(2, axis=1)
    # simulate_sim moves what is out of focus by half the field
    haze = np.roll(haze, (-(haze.shape[0] // 2), -(haze.shape[1] // 3)), axis=(0, 1))
    amount = float(rest.mean()) / (share * float(focus.mean()))
    return Scene(
        density=density,
        haze_density=haze / max(float(haze.mean()), 1e-12),
        conditions=dataclasses.replace(conditions, haze=amount, haze_sigma_px=_SCENE_HAZE_PX, flat=0.0),
    )


def _camera(noise: NoiseFit, frames: NDArray[Any]) -> Camera:
    return Camera(
        gain_adu_per_electron=noise.gain_adu_per_electron,
        offset_adu=noise.offset_adu,
        read_noise_electrons=noise.read_noise_electrons,
        row_column_electrons=noise.row_column_electrons,
        multiplication=noise.multiplication,
        bits=_bits(frames),
    )


def _bits(frames: NDArray[Any]) -> int:
    """Return the camera's depth if the frames saturate at it; else all that the file can hold."""
    top = float(frames.max())
    for bits in (8, 10, 12, 14):
        if top == 2**bits - 1 and (frames == top).sum() > 3:
            return bits
    return 16


def _with_modulation(patterns: Sequence[Pattern], bands: BandFit) -> tuple[tuple[Pattern, ...], bool]:
    """Return the patterns with the fitted modulation, and whether an order 2 could not be seen."""
    fitted, weak = [], False
    for pattern, strengths, errors in zip(patterns, bands.modulation, bands.modulation_error, strict=True):
        first, *others = strengths
        if others and errors[1] > _UNCLEAR * max(others[0], 0.1):
            weak, others = True, [_USUAL_SECOND * first]
        fitted.append(dataclasses.replace(pattern, modulation=(first, *others), snr=()))
    return tuple(fitted), weak


def _light_level(electrons: FloatArray, cutoff_px: float, read_variance: float) -> float:
    """Return the 99.5 % level of the wide-field image as it would be without noise.

    Noise would raise it, so the mean of the frames goes through the Wiener filter that its own spectrum
    asks for.
    """
    mean = electrons.mean(axis=0)
    level = float(mean.mean())
    # the border repeated backwards: no step that would pass for detail
    height, width = mean.shape
    whole = np.block([[mean, mean[:, ::-1]], [mean[::-1], mean[::-1, ::-1]]]) - level
    spectrum = scipy.fft.rfft2(whole)
    fy, fx = scipy.fft.fftfreq(2 * height)[:, None], scipy.fft.rfftfreq(2 * width)
    radius = np.hypot(fy, fx)
    ring = np.rint(radius * min(whole.shape)).astype(int)
    power = np.bincount(ring.ravel(), (np.abs(spectrum) ** 2).ravel()) / np.maximum(
        np.bincount(ring.ravel()), 1
    )
    noise = whole.size * (level + read_variance) / len(electrons)
    keep = np.maximum(1 - noise / np.maximum(power, noise), 0)[ring] * (radius < cutoff_px)
    smooth = scipy.fft.irfft2(spectrum * keep, whole.shape)[:height, :width] + level
    return float(np.percentile(smooth, 99.5))
