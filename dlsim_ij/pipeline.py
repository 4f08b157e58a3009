"""The main job: read, check the acquisition, reconstruct, compare, measure, report."""

from __future__ import annotations

import datetime
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.fft
import xarray as xr

import dlsim_ij
from dlsim_ij.acquisition.detect import detect_acquisition
from dlsim_ij.acquisition.layout import Acquisition, split_stack
from dlsim_ij.acquisition.storage import arrange
from dlsim_ij.datasets.inputs import normalised_frames
from dlsim_ij.datasets.normalise import Scaling, robust_scaling
from dlsim_ij.errors import ImageError, LayoutError, ModelError
from dlsim_ij.files import make_folder, refuse_existing
from dlsim_ij.images import Enlargement, read_image, require_finite, require_grey, undo_enlargement
from dlsim_ij.images.lookup_tables import error_colours, signed_error_colours
from dlsim_ij.images.write import write_image
from dlsim_ij.measuring import Measures, Reconstruct, measure
from dlsim_ij.optics import Optics
from dlsim_ij.optics.otf import PAPER_EMISSION_NM, PAPER_NA, PAPER_PIXEL_SIZE_UM
from dlsim_ij.quality import scores
from dlsim_ij.quality.consistency import correlation_with_widefield
from dlsim_ij.reconstruction import widefield, wiener_sim
from dlsim_ij.report import Notice, RunImage, RunRecord, save_curves, save_record
from dlsim_ij.report.acquisition_table import acquisition_rows
from dlsim_ij.report.curves import curve_set
from dlsim_ij.report.verdict import judge
from dlsim_ij.results import Result

if TYPE_CHECKING:
    from dlsim_ij.images import ImageInput
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
    uncertainty : None
        Not measured yet by any shipped model.
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
    uncertainty: None = None
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
    pixel_size_um: float | None = None,
    na: float = PAPER_NA,
    emission_nm: float = PAPER_EMISSION_NM,
    layout: str = "3x5",
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
    pixel_size_um : float, optional
        Pixel of `raw` in micrometres, if `raw` does not tell or tells wrong.
    na, emission_nm : float
        Numerical aperture and emission wavelength.
    layout : str
        Angles x phases.
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
    from dlsim_ij.inference import load_model, predict

    loaded = load_model(model) if isinstance(model, str) else model
    array = _as_array(raw)
    require_finite(require_grey(array))
    pixel = pixel_size_um if pixel_size_um is not None else array.attrs.get("pixel_size_um")
    warnings: list[tuple[str, str]] = []
    stacks = split_stack(array, layout=layout)
    first = stacks.first()
    examined = undo_enlargement(first)
    enlargement = examined if examined.was_enlarged else None
    native_pixel = _native_pixel(pixel, enlargement, warnings)
    if enlargement is not None:
        warnings.append(_enlarged_notice(enlargement))
    optics = Optics(na=na, emission_nm=emission_nm, pixel_size_um=native_pixel)

    images: dict[str, list[np.ndarray]] = {"sr": [], "widefield": [], "wiener": []}
    acquisition: Acquisition | None = None
    measured: Measures | None = None
    maps: dict[str, np.ndarray | None] = {}
    seconds = 0.0
    for number, stack in enumerate(stacks):
        undone = enlargement if number == 0 or enlargement is None else _same_enlargement(stack, enlargement)
        native = stack if undone is None else undone.frames
        with scipy.fft.set_workers(threads or os.cpu_count() or 1):
            found = detect_acquisition(
                native, native_pixel, optics=optics, n_angles=stacks.n_angles, n_phases=stacks.n_phases
            )
            if not found.fit and not force:
                message, hint = found.warnings[0]
                raise LayoutError(message, f"{hint} (--force goes on nevertheless)")
            native = arrange(native, found)  # with force: the patterns belong to the sorted frames
            start = time.perf_counter()
            prediction = predict(
                loaded, native, patterns=found.patterns, optics=optics, tile_px=tile_px, threads=threads
            )
            seconds += time.perf_counter() - start
            if prediction.image.ndim != 2:
                raise ModelError(
                    f"the model '{loaded.name}' gives {len(prediction.image)} frames, no finer image",
                    "call dlsim_ij.inference.predict, and hand its frames to a model that makes one",
                )
            made: dict[str, np.ndarray] = {"sr": prediction.image}
            if compare:
                made["wiener"] = _wiener(native, found, prediction.scaling)
            if compare and measures and number == 0:
                network = partial(predict, loaded, optics=optics, tile_px=tile_px, threads=threads)
                measured = measure(
                    native, made, acquisition=found, pixel_size_um=None if pixel is None else native_pixel,
                    halves=_half_light(network, found) if frc else None,
                )  # fmt: skip
                maps = {"error": measured.error_map, "residual": measured.residual_map}
                if undone is not None:
                    maps = {
                        role: None if found_map is None else undone.to_input_grid(found_map)
                        for role, found_map in maps.items()
                    }
        if undone is not None:
            made = {role: undone.to_input_grid(image) for role, image in made.items()}
        if compare:
            even = widefield(stack)
            made["widefield"] = even if undone else (resize or bicubic_enlarge)(even, 2)
        for role, image in made.items():
            images[role].append(np.asarray(image, dtype=np.float32))
        acquisition = acquisition or found
        warnings += [notice for notice in found.warnings if notice not in warnings]
    assert acquisition is not None  # split_stack gives at least one stack

    output_pixel = None if pixel is None else native_pixel / 2
    joined = {
        role: stacks.join(planes, pixel_size_um=output_pixel) for role, planes in images.items() if planes
    }
    metrics: dict[str, Any] = {"seconds": seconds}
    if compare:
        sigma_px = 0.21 * emission_nm / 1000 / na / (native_pixel / 2)
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
        error=_error_image(joined["sr"], maps.get("error")),
        residual=_residual_image(joined["sr"], maps.get("residual"), measured),
        acquisition=acquisition,
        enlargement=enlargement,
        warnings=tuple(warnings),
        metrics=metrics,
        measures=measured,
        model=loaded.name,
        seconds=seconds,
    )


def run_input(
    item: ImageInput,
    output: Path,
    *,
    model: Model,
    pixel_size_um: float | None = None,
    na: float = PAPER_NA,
    emission_nm: float = PAPER_EMISSION_NM,
    layout: str = "3x5",
    truth: Path | None = None,
    resize: Resize | None = None,
    engine: Mapping[str, Any] | None = None,
    tile_px: int | None = None,
    threads: int | None = None,
    force: bool = False,
    measures: bool = True,
    frc: bool = False,
    ome: bool = False,
    overwrite: bool = False,
    command: str = "",
) -> dict[str, Any]:
    """Do the main job for one input: images and their record, ready for the report.

    Parameters
    ----------
    item : ImageInput
        From `dlsim_ij.images.expand_inputs`.
    output : Path
        Results folder; the input's sub-folder is made below it.
    truth : Path, optional
        Image to score the result against.
    engine : mapping, optional
        Name and version of whoever enlarges, for the record.
    ome : bool
        Write OME-TIFF instead of ImageJ hyperstacks.
    overwrite : bool
        Replace existing outputs.
    command : str
        For the record.
    **others
        See `reconstruct`.

    Returns
    -------
    dict
        ``input, model, outputs, metrics, warnings``, as ``dlsim run --json`` prints it.

    Raises
    ------
    DlsimError
        See `reconstruct`; also an output that exists.
    """
    folder = make_folder(output / item.subfolder)
    paths = {role: folder / f"{item.name}{ending}" for role, ending in output_names(ome, measures).items()}
    for path in [*paths.values(), folder / f"{item.name}_run.json"]:
        refuse_existing(path, overwrite)
    raw = read_image(item.path)
    done = reconstruct(
        raw, model=model, pixel_size_um=pixel_size_um, na=na, emission_nm=emission_nm, layout=layout,
        resize=resize, tile_px=tile_px, threads=threads, force=force, measures=measures, frc=frc,
    )  # fmt: skip
    metrics = dict(done.metrics)
    if truth is not None:
        metrics |= _truth_scores(truth, done.sr)
    images = {
        "sr": done.sr,
        "widefield": done.widefield,
        "wiener": done.wiener,
        "error": done.error,
        "residual": done.residual,
    }
    colours = {"error": error_colours, "residual": signed_error_colours}
    for role, image in images.items():
        if image is not None:
            lut = colours[role]() if role in colours else None
            write_image(paths[role], image, overwrite=overwrite, ome=ome, lut=lut)
    written = {role: str(paths[role]) for role, image in images.items() if image is not None}
    if done.measures is not None:
        found = done.measures
        curves = curve_set(found.resolution, found.frc, widefield_pixel_px=found.magnification)
        save_curves(curves, paths["curves"], overwrite=overwrite)
        written["curves"] = str(paths["curves"])
    level, verdict = judge(
        metrics,
        pattern_snr=min(pattern.snr[0] for pattern in done.acquisition.patterns),
        fit=done.acquisition.fit,
        doubts=[message for message, _ in done.acquisition.warnings],
    )
    record = RunRecord(
        name=item.name,
        input=str(item.path),
        model=done.model,
        images={
            role: RunImage(
                file=paths[role].name, pixel_size_um=image.attrs.get("pixel_size_um"), note=_note(role, done)
            )
            for role, image in images.items()
            if image is not None
        },
        verdict=verdict,
        verdict_level=level,
        metrics=metrics,
        acquisition=acquisition_rows(
            {str(dim): size for dim, size in raw.sizes.items()}, str(raw.dtype), done.acquisition
        ),
        parameters={
            "model": model.describe(),
            "na": na,
            "emission_nm": emission_nm,
            "native_pixel_size_um": done.acquisition.optics.pixel_size_um,
            "layout": layout,
            "enlargement": done.enlargement.to_dict() if done.enlargement else None,
            "patterns": [pattern.to_dict() for pattern in done.acquisition.patterns],
        },
        engine=dict(engine or {"name": "none", "version": ""}),
        warnings=tuple(Notice(message=message, hint=hint) for message, hint in done.warnings),
        curves=paths["curves"].name if done.measures is not None else "",
        command=command,
        created=datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        dlsim_version=dlsim_ij.__version__,
    )
    save_record(record, folder, overwrite=overwrite)
    return {
        "input": str(item.path),
        "model": done.model,
        "outputs": written,
        "metrics": metrics,
        "warnings": [message for message, _ in done.warnings],
    }


def output_names(ome: bool = False, measures: bool = True) -> dict[str, str]:
    """Return the endings of the outputs of a run by role (interface.md, section 1)."""
    kind = ".ome.tif" if ome else ".tif"
    names = {"sr": f"_sr{kind}", "widefield": f"_wf{kind}", "wiener": f"_wiener{kind}"}
    if measures:
        names |= {"error": f"_error{kind}", "residual": f"_resid{kind}", "curves": "_curves.json"}
    return names


def _as_array(raw: xr.DataArray | np.ndarray) -> xr.DataArray:
    if isinstance(raw, xr.DataArray):
        return raw
    dims = ("I", "Y", "X") if np.ndim(raw) == 3 else tuple(f"axis {n}" for n in range(np.ndim(raw)))
    return xr.DataArray(raw, dims=dims, attrs={"name": "the array", "pixel_size_um": None})


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


def _native_pixel(
    pixel: float | None, enlargement: Enlargement | None, warnings: list[tuple[str, str]]
) -> float:
    if pixel is None:
        warnings.append(
            (
                f"The pixel size is not known; {PAPER_PIXEL_SIZE_UM * 1000:g} nm was assumed for a camera "
                "pixel in the sample, and the result carries no scale.",
                "Give the pixel size of the frames in micrometres, for example --pixel-size 0.06.",
            )
        )
        return PAPER_PIXEL_SIZE_UM
    return pixel * (enlargement.scale if enlargement else 1)


def _enlarged_notice(enlargement: Enlargement) -> tuple[str, str]:
    height, width = enlargement.frames.shape[1:]
    return (
        f"The frames had been enlarged {enlargement.scale} times with ImageJ's bicubic before; the result "
        f"was made from the {height} x {width} native pixels, recovered to within "
        f"{enlargement.misfit_rms:.2g} counts, and lies on the grid of the frames as given.",
        "Give frames as the camera wrote them, if you have them; the pixel size stated is that of the "
        "enlarged frames.",
    )


def _same_enlargement(stack: np.ndarray, expected: Enlargement) -> Enlargement:
    undone = undo_enlargement(stack, expected.scale)
    if not undone.was_enlarged or undone.offset_px != expected.offset_px:
        raise ImageError(
            "some stacks of the series were enlarged before, others not or otherwise",
            "split the file and run the parts one by one",
        )
    return undone


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


def _truth_scores(truth: Path, sr: xr.DataArray) -> dict[str, Any]:
    true = read_image(truth)
    if true.ndim != 2 or sr.ndim != 2:
        raise ImageError(
            f"{truth} or the result is a series, scores need two single images", "use dlsim score"
        )
    return scores(true.values, sr.values).to_dict()


def _note(role: str, done: Reconstruction) -> str:
    n_frames = done.acquisition.n_angles * done.acquisition.n_phases
    return {
        "sr": f"network {done.model}",
        "widefield": f"mean of {n_frames} raw frames",
        "wiener": "conventional reconstruction of the same frames",
        "error": "blurred result against the mean of the raw frames",
        "residual": "raw frames against those that the result predicts",
    }[role]
