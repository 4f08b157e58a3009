"""Measuring a reconstruction: resolution, agreement with the raw frames, repeatability under new noise.

Everything is measured at camera sampling, before anything is enlarged for the eye: the widefield image is
the mean of the native frames, and a result has twice its pixels along each side.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from dlsim_ij.errors import ImageError, LayoutError
from dlsim_ij.quality import (
    Frc,
    PhysicsResidual,
    Squirrel,
    frc_frame_split,
    frc_resolution,
    physics_residual,
    rse_rsp,
)
from dlsim_ij.quality.resolution import ImageResolution, image_resolution
from dlsim_ij.quality.squirrel_exact import sigma_bounds_px
from dlsim_ij.reconstruction import widefield
from dlsim_ij.results import Result

if TYPE_CHECKING:
    from dlsim_ij.acquisition.layout import Acquisition

FloatImage = NDArray[np.floating]
Reconstruct = Callable[[NDArray[Any]], FloatImage]
T = TypeVar("T")

# True of every reconstruction, so that it says nothing about one; `halves` measures what it warns of.
_KNOWN_DOUBT = "the noise is not white"
_PATTERN_DOUBT = "a regular pattern"
_NAMES = {"sr": "result", "wiener": "Wiener image", "widefield": "widefield image"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures(Result):
    """What was measured on one stack; images go by role: ``sr``, ``wiener``, ``widefield``.

    Attributes
    ----------
    resolution : mapping of role to ImageResolution
        By decorrelation analysis; the widefield image at camera sampling.
    agreement : mapping of role to Squirrel
        RSP and RSE against the widefield image at camera sampling.
    round_trip : mapping of role to PhysicsResidual
        The raw frames against those that the image predicts.
    frc : mapping of role to Frc
        Between two reconstructions, each from half of the light; empty unless asked for.
    halves : mapping of role to (ImageResolution, ImageResolution)
        Decorrelation analysis of these two reconstructions.
    limit_nm : float or None
        Finest period that optics and pattern pass on.
    magnification : int
        Pixels of the result per camera pixel, along an axis.
    warnings : tuple of (str, str)
        What could not be measured, or is doubtful, and what to do.
    seconds : float
    """

    resolution: Mapping[str, ImageResolution] = field(repr=False)
    agreement: Mapping[str, Squirrel] = field(repr=False)
    round_trip: Mapping[str, PhysicsResidual] = field(repr=False)
    frc: Mapping[str, Frc] = field(repr=False)
    halves: Mapping[str, tuple[ImageResolution, ImageResolution]] = field(repr=False)
    limit_nm: float | None
    magnification: int
    warnings: tuple[tuple[str, str], ...]
    seconds: float

    @property
    def error_map(self) -> NDArray[np.float32] | None:
        """Absolute difference of the blurred result and the widefield image, (Y, X) like the result."""
        return self.agreement["sr"].error_map if "sr" in self.agreement else None

    @property
    def residual_map(self) -> NDArray[np.float32] | None:
        """Where the raw frames contradict the result, in units of the expected noise, (Y, X) like it."""
        return self.round_trip["sr"].map if "sr" in self.round_trip else None

    def metrics(self) -> dict[str, Any]:
        """Return the numbers by name, the result's at the top, the other images' below theirs."""
        numbers: dict[str, Any] = self._of("sr")
        numbers["resolution_limit_nm"] = self.limit_nm
        numbers |= {role: self._of(role) for role in ("wiener", "widefield")}
        numbers["measuring_seconds"] = self.seconds
        return {key: value for key, value in numbers.items() if value not in ({}, None)}

    def _of(self, role: str) -> dict[str, Any]:
        numbers: dict[str, Any] = {}
        if (found := self.resolution.get(role)) is not None:
            # lengths in pixels are those of the result, so that they can be compared
            scale = self.magnification if role == "widefield" else 1
            numbers |= {
                "resolution_nm": found.resolution_nm,
                "resolution_px": None if found.resolution_px is None else scale * found.resolution_px,
                "resolution_status": found.status,
                "decorrelation_a0": found.a0,
                "enlarged_factor": found.factor,
                "residual_pattern": any(what.startswith(_PATTERN_DOUBT) for what, _ in found.warnings),
            }
        if role in self.halves:
            pair = self.halves[role]
            numbers["resolution_half_light_nm"] = [half.resolution_nm for half in pair]
        if (ring := self.frc.get(role)) is not None:
            scale = self.magnification if role == "widefield" else 1
            nm = 1000 * ring.pixel_size_um if ring.pixel_size_um is not None else None
            in_px, sd_px = ring.resolution_px, ring.resolution_sd_px
            numbers |= {
                "frc_resolution_nm": in_px * nm if in_px is not None and nm is not None else None,
                "frc_resolution_sd_nm": sd_px * nm if sd_px is not None and nm is not None else None,
                "frc_resolution_px": None if in_px is None else scale * in_px,
                "frc_status": ring.status,
            }
        if (match := self.agreement.get(role)) is not None:
            numbers |= {"rsp": match.rsp, "rse": match.rse}
            if role == "sr":
                pixel = self._camera_pixel_um()
                lowest, highest = sigma_bounds_px(self.magnification)
                numbers |= {
                    "rsp_sigma_px": match.sigma_px,
                    "rsp_sigma_um": None if pixel is None else match.sigma_px * pixel,
                    "rsp_sigma_at_bound": not 2 * lowest < match.sigma_px < 0.999 * highest,
                }
        if (trip := self.round_trip.get(role)) is not None:
            numbers |= {
                "residual": trip.value,
                "residual_limit": trip.expected[1],
                "residual_consistent": trip.consistent,
                "residual_invented": trip.invented,
                "residual_missing": trip.missing,
                "residual_share": trip.share,
                "residual_shift_y_px": trip.shift_px[0],
                "residual_shift_x_px": trip.shift_px[1],
                "residual_frames_rms": trip.frames_rms,
                "residual_misses_detail": trip.misses_detail,
            }
        return numbers

    def _camera_pixel_um(self) -> float | None:
        found = self.resolution.get("widefield")
        return None if found is None else found.pixel_size_um


def measure(
    frames: NDArray[Any],
    images: Mapping[str, FloatImage],
    *,
    acquisition: Acquisition,
    pixel_size_um: float | None,
    halves: Mapping[str, Reconstruct] | None = None,
) -> Measures:
    """Measure the images that were made from one raw stack.

    Parameters
    ----------
    frames : (n_frames, Y, X) ndarray
        Native camera counts, all of the acquisition.
    images : mapping of role to (2Y, 2X) ndarray
        ``sr``, and ``wiener`` perhaps, on the grid of the native frames.
    acquisition : Acquisition
        For the limit of the optics, and to predict the raw frames.
    pixel_size_um : float or None
        Of a camera pixel; None when it is not known, and lengths are in pixels.
    halves : mapping of role to callable, optional
        How to reconstruct each image from raw frames, the network's first. With it, the photons of all
        frames are dealt out to two stacks, both are reconstructed, and what they share is measured.

    Returns
    -------
    Measures
        A measure that an image does not allow is left out, and a warning tells why.
    """
    start = time.perf_counter()
    warnings: list[tuple[str, str]] = []
    even = widefield(frames)
    factor = images["sr"].shape[0] // even.shape[0]
    fine_um = None if pixel_size_um is None else pixel_size_um / factor
    pixels_um = {**dict.fromkeys(images, fine_um), "widefield": pixel_size_um}

    def allowed(what: str, work: Callable[[], T]) -> T | None:
        try:
            return work()
        except (ImageError, LayoutError) as error:
            warnings.append((f"{what}: {error.message}.", _sentence(error.hint or "")))
            return None

    resolution: dict[str, ImageResolution] = {}
    agreement: dict[str, Squirrel] = {}
    round_trip: dict[str, PhysicsResidual] = {}
    for role, image in {**images, "widefield": even}.items():
        name = _NAMES[role]
        # results were made just now; frames may have been enlarged or filtered before they came here
        resolve = partial(image_resolution, image, pixels_um[role], unaltered=role != "widefield")
        found = allowed(f"Resolution of the {name}", resolve)
        if found is not None:
            resolution[role] = found
        if role == "widefield":
            continue
        # Result and reference come from the same frames: their grids are known, and no border is missing.
        compare = partial(rse_rsp, even, image, register=False, crop_zero_border=False)
        match = allowed(f"RSP and RSE of the {name}", compare)
        if match is not None:
            agreement[role] = match
        if role != "sr" and "sr" not in round_trip:
            continue  # said once is enough
        predict = partial(physics_residual, image, frames, acquisition)
        trip = allowed(f"Round trip of the {name}", predict)
        if trip is not None:
            round_trip[role] = trip
    frc: dict[str, Frc] = {}
    half_resolution: dict[str, tuple[ImageResolution, ImageResolution]] = {}
    if halves:
        done = allowed("FRC", lambda: _half_light(frames, halves, pixels_um))
        if done is not None:
            frc, half_resolution = done
    warnings += _doubts(resolution, agreement)
    return Measures(
        resolution=resolution,
        agreement=agreement,
        round_trip=round_trip,
        frc=frc,
        halves=half_resolution,
        limit_nm=_limit_nm(acquisition) if pixel_size_um is not None else None,
        magnification=factor,
        warnings=tuple(warnings),
        seconds=time.perf_counter() - start,
    )


def _half_light(
    frames: NDArray[Any], reconstruct: Mapping[str, Reconstruct], pixels_um: Mapping[str, float | None]
) -> tuple[dict[str, Frc], dict[str, tuple[ImageResolution, ImageResolution]]]:
    """Deal the photons out to two stacks, reconstruct both, and compare them for every role."""
    stacks: list[NDArray[Any]] = []
    made: list[FloatImage] = []

    def network(half: NDArray[Any]) -> FloatImage:
        stacks.append(half)
        made.append(reconstruct["sr"](half))
        return made[-1]

    frc = {"sr": frc_frame_split(frames, network, split="binomial", pixel_size_um=pixels_um["sr"])}
    others = {role: work for role, work in reconstruct.items() if role != "sr"}
    for role, work in {**others, "widefield": widefield}.items():
        first, second = (work(half) for half in stacks)
        frc[role] = frc_resolution(first, second, pixel_size_um=pixels_um[role])
    one, other = (image_resolution(image, pixels_um["sr"], guard=False) for image in made)
    return frc, {"sr": (one, other)}


def _limit_nm(acquisition: Acquisition) -> float:
    """Return the finest period of the result: the optics' own, shifted out by the finest pattern."""
    optics = acquisition.optics
    pattern = max(p.orders / p.period_px for p in acquisition.patterns)
    return 1000 * optics.pixel_size_um / (optics.cutoff_px + pattern)


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:].rstrip('.')}." if text else ""


def _resolution_doubts(found: ImageResolution, role: str) -> list[tuple[str, str]]:
    known = _KNOWN_DOUBT if role != "widefield" else None
    return [(what, hint) for what, hint in found.warnings if known is None or not what.startswith(known)]


def _doubts(
    resolution: Mapping[str, ImageResolution], agreement: Mapping[str, Squirrel]
) -> list[tuple[str, str]]:
    said: dict[tuple[str, str], list[str]] = {}
    for role in ("sr", "widefield"):
        if role in resolution:
            for message, hint in _resolution_doubts(resolution[role], role):
                said.setdefault((message, hint), []).append(_NAMES[role])
    notices = [
        (f"Resolution of the {' and the '.join(names)}: {message}.", _sentence(hint))
        for (message, hint), names in said.items()
    ]
    if "sr" in agreement:
        notices += [(f"RSP and RSE of the result: {text}.", "") for text in agreement["sr"].warnings]
    return notices
