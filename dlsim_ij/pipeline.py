"""The main job on arrays: check the acquisition, reconstruct, compare, measure."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.fft
import xarray as xr

from dlsim_ij.acquisition.brightness import equalise_frames, estimate_offset
from dlsim_ij.acquisition.detect import detect_acquisition
from dlsim_ij.acquisition.layout import Acquisition, RawStacks
from dlsim_ij.acquisition.native import NativeStacks, native_stacks
from dlsim_ij.acquisition.single_frames import fit_single_frames
from dlsim_ij.acquisition.storage import arrange
from dlsim_ij.datasets.inputs import normalised_frames
from dlsim_ij.datasets.normalise import Scaling, robust_scaling
from dlsim_ij.errors import LayoutError, ModelError
from dlsim_ij.images import Enlargement
from dlsim_ij.measuring import Measures, Reconstruct, measure
from dlsim_ij.optics import Optics, Pattern
from dlsim_ij.optics.otf import PAPER_EMISSION_NM, PAPER_NA
from dlsim_ij.quality.consistency import correlation_with_widefield
from dlsim_ij.quality.doubtful import doubtful_pixels
from dlsim_ij.reconstruction import widefield, wiener_sim
from dlsim_ij.reconstruction.wiener_parameters import check_same_pixel, parameters_from_dict
from dlsim_ij.results import Result

if TYPE_CHECKING:
    from dlsim_ij.inference import Model, Prediction

Resize = Callable[[np.ndarray, float], np.ndarray]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconstruction(Result):
    """What `reconstruct` returns.

    Attributes
    ----------
    sr, widefield, wiener : DataArray
        Super-resolved image, mean of the raw frames on the same grid, and the conventional SIM image (the
        last two None without ``compare``). Axes of the input's time and channels come first.
    uncertainty : DataArray or None
        One standard deviation of the error of `sr` in every pixel, in its counts, as the network tells it:
        sr +- 1.645 times it holds the truth in 90 % of the pixels. None from a network that does not tell it.
    residual : DataArray or None
        Where the raw frames of the first stack contradict its result, in units of the expected noise; red or
        positive: light that the result misses, blue or negative: light that it invented. None without
        ``measures``, or where it could not be told.
    error : DataArray or None
        Where the result of the first stack disagrees with its widefield image, in counts; None without
        ``measures``.
    acquisition : Acquisition
        Of the first stack.
    enlargement : Enlargement or None
        How the frames had been enlarged before, if they had.
    warnings : tuple of (str, str)
        What was seen, and what to do.
    metrics : dict
        Numbers of the first stack.
    measures : Measures or None
        The same with all curves and maps; None without ``measures``.
    model : str
    seconds : float
        Network and reconstruction, all stacks together.
    """

    sr: xr.DataArray = field(repr=False, compare=False)
    widefield: xr.DataArray | None = field(repr=False, compare=False)
    wiener: xr.DataArray | None = field(repr=False, compare=False)
    error: xr.DataArray | None = field(repr=False, compare=False)
    residual: xr.DataArray | None = field(repr=False, compare=False)
    uncertainty: xr.DataArray | None = field(repr=False, compare=False)
    acquisition: Acquisition
    enlargement: Enlargement | None
    warnings: tuple[tuple[str, str], ...]
    metrics: Mapping[str, Any]
    measures: Measures | None = field(repr=False, compare=False)
    model: str
    seconds: float


def reconstruct(
    raw: xr.DataArray | np.ndarray,
    *,
    model: str | Model = "sim15",
    target: str | None = None,
    denoiser: Model | None = None,
    pixel_size_um: float | None = None,
    na: float = PAPER_NA,
    emission_nm: float = PAPER_EMISSION_NM,
    layout: str = "3x5",
    calibration: Mapping[str, Any] | None = None,
    channel: int = 0,
    resize: Resize | None = None,
    tile_px: int | None = None,
    threads: int | None = None,
    force: bool = False,
    compare: bool = True,
    measures: bool = True,
    frc: bool = False,
) -> Reconstruction:
    """Reconstruct a raw SIM stack, or a series of them.

    Parameters
    ----------
    raw : DataArray or (n_frames, Y, X) ndarray
        Raw frames, all phases of the first angle first; from `dlsim_ij.read_image`. Time and channel
        axes, or a whole multiple of the frames along one axis, make a series.
    model : str or Model
        Name of a shipped model, a model folder, or a loaded model.
    target : str, optional
        Which of the model's images, see `dlsim_ij.inference.predict`.
    denoiser : Model, optional
        Makes bright frames of dark ones before `model` sees them, see `dlsim_ij.inference.cascade`.
    pixel_size_um : float, optional
        Pixel of `raw` in micrometres, if `raw` does not tell or tells wrong.
    na, emission_nm : float
        Numerical aperture and emission wavelength.
    layout : str
        Angles x phases. ``3x1``: one frame of each angle, for a model that takes those; needs a
        `calibration`.
    calibration : mapping, optional
        Illumination of another stack of the session, as `SimParameters.to_dict` or a file of ``dlsim recon``
        holds it: frequencies are taken from it, phases measured. In the dark a free fit goes wrong.
    channel : int
        Whose patterns the calibration gives, if `raw` has no channels.
    resize : callable, optional
        ``resize(image, scale)``, ImageJ's bicubic: `Fiji.resize`, or by default the same in numpy.
    tile_px : int, optional
        Side of a tile of the network, when a field is too large for memory.
    threads : int, optional
        Processor threads of the network.
    force : bool
        Go on when no regular illumination was found, as in a stack in the wrong order.
    compare : bool
        Make the widefield and the Wiener image and the metrics too.
    measures : bool
        With `compare`: measure resolution, RSP and RSE of the first stack.
    frc : bool
        With `measures`: reconstruct the first stack twice more, each time from half of its photons, and
        measure by Fourier ring correlation what the two share.

    Returns
    -------
    Reconstruction

    Raises
    ------
    ImageError, LayoutError, ModelError
        The stack cannot be used, does not look like a SIM acquisition, or does not fit the model.
    """
    from dlsim_ij.images import bicubic_enlarge
    from dlsim_ij.inference import cascade, load_model, predict

    loaded = load_model(model) if isinstance(model, str) else model
    if loaded.card.input["kind"] == "srrf-channels":
        raise ModelError(
            f"the model '{loaded.name}' takes frames of a blinking sample, not a SIM stack",
            f"dlsim predict STACK --model {loaded.name}, or dlsim_ij.blinking_series.predict_series",
        )
    apply = predict if denoiser is None else partial(cascade, denoiser)
    array = _as_array(raw)
    source = native_stacks(array, layout=layout, pixel_size_um=pixel_size_um)
    stacks, enlarged = source.stacks, source.enlargement is not None
    warnings = source.notices()
    optics = Optics(na=na, emission_nm=emission_nm, pixel_size_um=source.pixel_size_um)

    images: dict[str, list[np.ndarray]] = {"sr": [], "uncertainty": [], "widefield": [], "wiener": []}
    acquisition: Acquisition | None = None
    measured: Measures | None = None
    maps: dict[str, np.ndarray | None] = {}
    doubts: dict[str, float] = {}
    seconds = 0.0
    for number, (stack, native) in enumerate(zip(stacks, source, strict=True)):
        with scipy.fft.set_workers(threads or os.cpu_count() or 1):
            known = _known(calibration, source, number, channel)
            found = _detected(native, stacks, optics, known, compare)
            if not found.fit and not force:
                message, hint = found.warnings[0]
                raise LayoutError(message, f"{hint} (--force goes on nevertheless)")
            native = arrange(native, found)  # with force: the patterns belong to the sorted frames
            start = time.perf_counter()
            prediction = apply(
                loaded, native, target=target, patterns=found.patterns, optics=optics, tile_px=tile_px,
                threads=threads,
            )  # fmt: skip
            seconds += time.perf_counter() - start
            if prediction.image.ndim != 2:
                raise ModelError(
                    f"the model '{loaded.name}' gives {len(prediction.image)} frames, no finer image",
                    "put it before a model that makes one: dlsim predict --model SIM --denoiser SNR",
                )
            made: dict[str, np.ndarray] = {"sr": prediction.image}
            if prediction.uncertainty is not None:
                made["uncertainty"] = prediction.uncertainty
            if compare:
                made["wiener"] = _wiener(native, found, prediction.scaling)
            if compare and measures and number == 0:
                network = partial(
                    apply, loaded, target=target, optics=optics, tile_px=tile_px, threads=threads
                )
                compared = {role: made[role] for role in ("sr", "wiener")}
                measured = measure(
                    native, compared, acquisition=found,
                    pixel_size_um=optics.pixel_size_um if source.pixel_size_known else None,
                    halves=_half_light(network, found) if frc else None,
                )  # fmt: skip
                maps = {
                    role: None if found_map is None else source.to_input_grid(found_map)
                    for role, found_map in (
                        ("error", measured.error_map), ("residual", measured.residual_map),
                    )
                }  # fmt: skip
        if number == 0:
            doubts = _doubt_metrics(made, measured)
        made = {role: source.to_input_grid(image) for role, image in made.items()}
        if compare:
            even = widefield(stack)
            made["widefield"] = even if enlarged else (resize or bicubic_enlarge)(even, 2)
        for role, image in made.items():
            images[role].append(np.asarray(image, dtype=np.float32))
        acquisition = acquisition or found
        warnings += [notice for notice in found.warnings if notice not in warnings]
    assert acquisition is not None  # split_stack gives at least one stack

    joined = {role: source.join(planes) for role, planes in images.items() if planes}
    metrics: dict[str, Any] = {"seconds": seconds}
    metrics |= doubts
    if compare:
        sigma_px = 0.21 * emission_nm / 1000 / na / (optics.pixel_size_um / 2)
        metrics["correlation_widefield"] = correlation_with_widefield(
            images["widefield"][0], images["sr"][0], sigma_px=sigma_px
        )
        both = images["wiener"][0].ravel(), images["sr"][0].ravel()
        metrics["correlation_wiener"] = float(np.corrcoef(*both)[0, 1])
    if measured is not None:
        metrics |= measured.metrics()
        warnings += measured.warnings
    return Reconstruction(
        sr=joined["sr"],
        widefield=joined.get("widefield"),
        wiener=joined.get("wiener"),
        uncertainty=joined.get("uncertainty"),
        error=_error_image(joined["sr"], maps.get("error")),
        residual=_residual_image(joined["sr"], maps.get("residual"), measured),
        acquisition=acquisition,
        enlargement=source.enlargement,
        warnings=tuple(warnings),
        metrics=metrics,
        measures=measured,
        model=loaded.name if denoiser is None else f"{denoiser.name} + {loaded.name}",
        seconds=seconds,
    )


def _as_array(raw: xr.DataArray | np.ndarray) -> xr.DataArray:
    if isinstance(raw, xr.DataArray):
        return raw
    dims = ("I", "Y", "X") if np.ndim(raw) == 3 else tuple(f"axis {n}" for n in range(np.ndim(raw)))
    return xr.DataArray(raw, dims=dims, attrs={"name": "the array", "pixel_size_um": None})


def _known(
    calibration: Mapping[str, Any] | None, source: NativeStacks, number: int, channel: int
) -> tuple[Pattern, ...] | None:
    """Return the calibration's patterns for the channel of a stack."""
    if calibration is None:
        return None
    channel = source.stacks.positions()[number].get("C", channel)
    where = "the calibration"
    n_phases = max(source.stacks.n_phases, 3)
    known = parameters_from_dict(calibration, n_phases=n_phases, where=where, channel=channel)
    check_same_pixel(known, source.pixel_size_um, where)
    return known.patterns


def _detected(
    native: np.ndarray,
    stacks: RawStacks,
    optics: Optics,
    known: tuple[Pattern, ...] | None,
    compare: bool,
) -> Acquisition:
    """Find the illumination of a stack, or of one frame for each angle."""
    if stacks.n_phases > 1:
        return detect_acquisition(
            native, optics.pixel_size_um, optics=optics, n_angles=stacks.n_angles, n_phases=stacks.n_phases,
            known=known,
        )  # fmt: skip
    if known is None:
        raise LayoutError(
            "one frame of each angle does not tell its own illumination pattern",
            "give that of a whole stack of the same session: --parameters FILE of dlsim recon",
        )
    if compare:
        raise LayoutError(
            "one frame of each angle has no conventional image to be compared with",
            "dlsim predict makes the network's image alone",
        )
    signal = equalise_frames(native, estimate_offset(native))
    return Acquisition(
        n_angles=stacks.n_angles, n_phases=1, order="angle-major", optics=optics, warnings=(), fit=True,
        patterns=tuple(fit_single_frames(signal, optics, known=known)),
    )  # fmt: skip


def _doubt_metrics(made: Mapping[str, np.ndarray], measured: Measures | None) -> dict[str, float]:
    """Return how much of a result its own uncertainty and the raw frames put in doubt."""
    if "uncertainty" not in made:
        return {}
    trip = measured.round_trip.get("sr") if measured is not None else None
    doubt = doubtful_pixels(
        made["sr"],
        made["uncertainty"],
        residual=None if trip is None else trip.map,
        limit=None if trip is None else trip.expected[1],
    )
    return {"uncertainty_percent": doubt.uncertainty_percent, "doubtful_percent": doubt.percent}


def _error_image(image: xr.DataArray, plane: np.ndarray | None) -> xr.DataArray | None:
    """Return the error map, black to white over 99.9 % of its values."""
    if plane is None:
        return None
    return _like(image, plane, (0.0, float(np.quantile(plane, 0.999)) or 1.0))


def _residual_image(
    image: xr.DataArray, plane: np.ndarray | None, measured: Measures | None
) -> xr.DataArray | None:
    """Return the residual map, with the full colours at twice what chance explains."""
    if plane is None or measured is None:
        return None
    high = 2 * measured.round_trip["sr"].expected[1]
    return _like(image, plane, (-high, high))


def _like(image: xr.DataArray, plane: np.ndarray, display_range: tuple[float, float]) -> xr.DataArray:
    """Return a plane with the pixel size of `image`."""
    kept = {key: image.attrs.get(key) for key in ("pixel_size_um", "name", "source")}
    attributes = {**kept, "display_range": display_range}
    return xr.DataArray(np.asarray(plane, dtype=np.float32), dims=("Y", "X"), attrs=attributes)


def _wiener(native: np.ndarray, acquisition: Acquisition, scaling: Scaling) -> np.ndarray:
    """Return the conventional image, in counts above the background like the network's."""
    signal = normalised_frames(native, scaling)
    return wiener_sim(signal, acquisition.patterns, acquisition.optics) * np.float32(scaling.scale)


def _half_light(network: Callable[..., Prediction], found: Acquisition) -> dict[str, Reconstruct]:
    """Return how to reconstruct half of the photons: as the whole, with the patterns found in the whole."""

    def result(half: np.ndarray) -> np.ndarray:
        return network(half, patterns=found.patterns).image

    def wiener(half: np.ndarray) -> np.ndarray:
        return _wiener(half, found, robust_scaling(half))

    return {"sr": result, "wiener": wiener}
