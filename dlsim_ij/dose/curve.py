"""One bright raw stack, thinned to less and less light, and what each method makes of it.

Photons are taken away from every frame at random (`dlsim_ij.acquisition.thinning`), the
thinned stacks are reconstructed, and each image is scored against the conventional image at full light or a
truth, and against what the same method makes of the full light.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.fft
import xarray as xr
from numpy.typing import NDArray

from dlsim_ij.acquisition.detect import detect_acquisition
from dlsim_ij.acquisition.layout import Acquisition
from dlsim_ij.acquisition.light import photon_levels
from dlsim_ij.acquisition.native import NativeStacks, native_stacks
from dlsim_ij.acquisition.storage import arrange
from dlsim_ij.acquisition.thinning import CountsCamera, check_fraction, thin_frames
from dlsim_ij.bundles import shipped_names
from dlsim_ij.bundles.bundle import read_bundle
from dlsim_ij.dose.bench import CONVENTIONAL, CONVENTIONAL_SOFT, Bench, FloatImage
from dlsim_ij.errors import ConfigError, ImageError, LayoutError, ModelError
from dlsim_ij.optics import Optics
from dlsim_ij.optics.otf import PAPER_EMISSION_NM, PAPER_NA
from dlsim_ij.quality.dose_levels import DoseRow, DoseSummary, Score, summarise_rows
from dlsim_ij.results import Result

if TYPE_CHECKING:
    from dlsim_ij.inference import Model

Progress = Callable[[int, int], None]
Notice = tuple[str, str]

FRACTIONS = (1 / 2, 1 / 5, 1 / 10, 1 / 20, 1 / 50, 1 / 100)
# Thinning needs photons to draw from: where bright parts hold fewer, most pixels hold less than one.
FEWEST_PHOTONS = 5.0
_FEW_PHOTONS = 50.0  # the reference is noisy itself below this


@dataclass(frozen=True, slots=True, kw_only=True)
class DoseCurve(Result):
    """What `dose_curve` returns.

    Attributes
    ----------
    reference : {"truth", "full-light wiener"}
        What `psnr_db`, `nrmse` and `ssim` compare with.
    methods : mapping of str to int
        Frames that each method uses of the stack.
    camera : CountsCamera
    photons_per_pixel, photons_mean_per_pixel : float
        Photo-electrons per pixel and frame at full light, in the bright parts (99.5 % level) and on average.
    widefield_db : float
        Score of the mean of the frames at full light: below it, structured illumination has gained nothing.
    summary : DoseSummary
        Means over the draws, and how little light each method needs.
    rows : tuple of DoseRow
        One per level, method and draw.
    images : mapping of (fraction, method) to (2Y, 2X) ndarray
        Of the first draw; and `reference_image`, what they were compared with.
    patterns_fitted : {"once", "each"}
    pixel_size_um : float or None
        Of the images.
    acquisition : Acquisition
    warnings : tuple of (str, str)
    seconds : float
    """

    reference: str
    methods: Mapping[str, int]
    camera: CountsCamera
    photons_per_pixel: float
    photons_mean_per_pixel: float
    widefield_db: float
    summary: DoseSummary
    rows: tuple[DoseRow, ...] = field(repr=False)
    images: Mapping[tuple[float, str], FloatImage] = field(repr=False, compare=False)
    reference_image: FloatImage = field(repr=False, compare=False)
    patterns_fitted: str
    pixel_size_um: float | None
    acquisition: Acquisition = field(repr=False)
    warnings: tuple[Notice, ...]
    seconds: float


def dose_curve(
    raw: xr.DataArray | NDArray[Any],
    *,
    models: Sequence[str | Model] | None = None,
    fractions: Sequence[float] = FRACTIONS,
    draws: int = 3,
    seed: int = 0,
    truth: NDArray[Any] | None = None,
    camera: CountsCamera | None = None,
    fit_each: bool = False,
    within_db: float = 1.0,
    quality_db: float | None = None,
    pixel_size_um: float | None = None,
    na: float = PAPER_NA,
    emission_nm: float = PAPER_EMISSION_NM,
    layout: str = "3x5",
    force: bool = False,
    threads: int | None = None,
    progress: Progress | None = None,
) -> DoseCurve:
    """Thin a bright raw stack to less light, reconstruct, and score each method at each level.

    Parameters
    ----------
    raw : DataArray or (n_frames, Y, X) ndarray
        Camera counts, all phases of the first angle first; enlarged frames are recognised. Of a series the
        first stack is taken.
    models : sequence of str or Model, optional
        Networks; by default all shipped ones that take such a stack. The Wiener images (presets ``vendor``,
        here ``wiener``, and ``soft``) are always made.
    fractions : sequence of float
        Shares of the light, each above 0 and below 1; the full light is always looked at.
    draws : int
        Thinned stacks per level. Their scatter is that of the photons, not of other cells.
    seed : int
        Each level and draw has its own random numbers, whatever the other levels are.
    truth : (Y', X') ndarray, optional
        What to score against instead of the conventional image at full light; on the grid of `dlsim run`'s
        results. Then `registered_psnr_db` is measured too, and the summary is made of it.
    camera : CountsCamera, optional
        Measured in the frames by default.
    fit_each : bool
        Fit the patterns to each thinned stack anew, as without any calibration. By default those of the full
        light are used: a microscope's pattern is known from a bright sample, and a free fit that fails in the
        dark would hide how the methods themselves bear it.
    within_db : float
        The summary tells the smallest light at which a method loses at most so much.
    quality_db : float, optional
        The score whose smallest light the summary tells; by default what all methods have at full light, less
        `within_db`.
    pixel_size_um, na, emission_nm, layout, force
        See `dlsim_ij.reconstruct`.
    threads : int, optional
        Processor threads.
    progress : callable, optional
        Called with the number of reconstructed stacks and of all.

    Returns
    -------
    DoseCurve

    Raises
    ------
    ImageError
        The stack is too dim to be thinned, does not tell its gain, or the truth has another size.
    LayoutError
        The stack is not fit for reconstruction.
    ModelError
        A model does not take such a stack, or makes no finer image.
    ConfigError
        A setting is out of range.
    """
    start = time.perf_counter()
    levels = _checked_levels(fractions, draws)
    image = raw if isinstance(raw, xr.DataArray) else _named(raw)
    with scipy.fft.set_workers(threads or os.cpu_count() or 1):
        source = native_stacks(image, layout=layout, pixel_size_um=pixel_size_um)
        optics = Optics(na=na, emission_nm=emission_nm, pixel_size_um=source.pixel_size_um)
        native = source.native(0)
        found = detect_acquisition(
            native, optics.pixel_size_um, optics=optics,
            n_angles=source.stacks.n_angles, n_phases=source.stacks.n_phases,
        )  # fmt: skip
        if not found.fit and not force:
            message, hint = found.warnings[0]
            raise LayoutError(message, f"{hint} (--force goes on nevertheless)")
        native = arrange(native, found)
        camera, photons = _light(native, found, camera)
        warnings = [
            *source.notices(),
            *found.warnings,
            *_doubts(source, camera, photons[0], truth is not None),
        ]
        bench = Bench(source, found, _loaded(models, found), fit_each=fit_each, threads=threads)
        full = bench.reconstruct(native, 1.0, 0)
        bench.compare_with(full, native, truth)
        rows = bench.score(full, photons)
        images = {(1.0, method): bench.shown(image) for method, image in full.images.items()}
        whole_counts = _whole_counts(source.stacks.first())
        for number, (fraction, draw) in enumerate((q, d) for q in levels for d in range(draws)):
            generator = np.random.default_rng([seed, draw, round(fraction * 1e12)])
            thinned = thin_frames(native, camera, fraction, seed=generator, whole_counts=whole_counts)
            try:
                stack = bench.reconstruct(thinned, fraction, draw)
                rows += bench.score(stack, photons)
            except (ImageError, LayoutError) as error:
                raise type(error)(
                    f"at {fraction:.3g} of the light: {error.message}", "leave out levels as dark as this"
                ) from error
            if draw == 0:
                images |= {(fraction, method): bench.shown(image) for method, image in stack.images.items()}
            if progress is not None:
                progress(number + 1, len(levels) * draws)
    score: Score = "psnr_db" if truth is None else "registered_psnr_db"
    return DoseCurve(
        reference="full-light wiener" if truth is None else "truth",
        methods=bench.frames_used,
        camera=camera,
        photons_per_pixel=photons[0],
        photons_mean_per_pixel=photons[1],
        widefield_db=bench.widefield_db,
        summary=summarise_rows(rows, score=score, within_db=within_db, quality_db=quality_db),
        rows=tuple(rows),
        images=images,
        reference_image=bench.reference,
        patterns_fitted="each" if fit_each else "once",
        pixel_size_um=source.pixel_size_um / 2 if source.pixel_size_known else None,
        acquisition=found,
        warnings=tuple(warnings),
        seconds=time.perf_counter() - start,
    )


def models_for(n_angles: int, n_phases: int) -> list[str]:
    """Return the shipped models that take such a stack, as their cards tell."""
    return [name for name in shipped_names() if read_bundle(name).card.takes(n_angles, n_phases)]


def _checked_levels(fractions: Sequence[float], draws: int) -> list[float]:
    if draws < 1:
        raise ConfigError(f"{draws} draws", "give at least 1")
    if not fractions:
        raise ConfigError("there is no level of light", "give fractions such as 1/5,1/20")
    for fraction in fractions:
        check_fraction(fraction)
    return sorted(set(fractions), reverse=True)


def _named(raw: NDArray[Any]) -> xr.DataArray:
    if np.ndim(raw) != 3:
        raise ImageError(f"an array with {np.ndim(raw)} axes is no stack", "pass (n_frames, Y, X)")
    attributes = {"name": "the array", "pixel_size_um": None}
    return xr.DataArray(raw, dims=("I", "Y", "X"), attrs=attributes)


def _light(
    native: NDArray[Any], found: Acquisition, camera: CountsCamera | None
) -> tuple[CountsCamera, tuple[float, float]]:
    """Return the camera and the photo-electrons at full light; refuse a stack that has too few."""
    assert found.light is not None  # detect_acquisition measures it
    if camera is None:
        camera = CountsCamera.of_light(found.light)
    mean = native.mean(axis=0, dtype=np.float64)
    photons = photon_levels(mean, camera.gain_adu_per_electron, camera.offset_adu)
    if photons[0] < FEWEST_PHOTONS:
        raise ImageError(
            f"the stack has {photons[0]:.2g} photo-electrons per pixel and frame in its bright parts, too "
            f"few to take more away (at least {FEWEST_PHOTONS:g} are needed)",
            "give a stack that was taken with more light",
        )
    return camera, photons


def _doubts(source: NativeStacks, camera: CountsCamera, photons: float, with_truth: bool) -> list[Notice]:
    told: list[Notice] = []
    if len(source) > 1:
        told.append((
            f"The file holds {len(source)} stacks, the first was taken.", "Split the file for the others."
        ))  # fmt: skip
    if camera.read_noise_supposed:
        told.append((
            f"The read noise is not known; {camera.read_noise_electrons:g} electrons were supposed.",
            "Give --gain, --offset and --read-noise if you know the camera: it matters in the dark.",
        ))  # fmt: skip
    if photons < _FEW_PHOTONS and not with_truth:
        told.append((
            f"The full light is {photons:.2g} photo-electrons only, so the image that others are compared "
            "with is noisy itself.",
            "Take a brighter stack, or give --truth; read the curve as agreement with a noisy image.",
        ))  # fmt: skip
    return told


def _loaded(models: Sequence[str | Model] | None, found: Acquisition) -> list[Model]:
    if models is None:
        models = models_for(found.n_angles, found.n_phases)
    if not models:
        return []
    from dlsim_ij.inference import load_model

    loaded = [load_model(model) if isinstance(model, str) else model for model in models]
    names = [model.name for model in loaded]
    for model in loaded:
        if not model.card.takes(found.n_angles, found.n_phases):
            total = model.card.frames.total if model.card.frames else "an unknown number of"
            raise ModelError(
                f"the model '{model.name}' takes {total} frames, this stack has {found.n_angles} angles x "
                f"{found.n_phases} phases",
                "choose others: dlsim models",
            )
        if names.count(model.name) > 1 or model.name in (CONVENTIONAL, CONVENTIONAL_SOFT):
            raise ModelError(f"two methods are called '{model.name}'", "give each model a name of its own")
    return loaded


def _whole_counts(frames: NDArray[Any]) -> bool:
    """Whether the file holds a camera's whole counts; frames whose enlargement was undone are fractions."""
    return frames.dtype.kind in "iu" or bool((frames == np.rint(frames)).all())
