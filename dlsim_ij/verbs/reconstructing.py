"""``Ext.dlsim("wiener", ...)``, ``("srrf", ...)`` and ``("esrrf", ...)``: images without a network."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import numpy as np
import scipy.fft
import xarray as xr

from dlsim_ij.errors import ImageError
from dlsim_ij.fiji import Answer, Options
from dlsim_ij.images import require_finite, require_frames
from dlsim_ij.recon_job import ReconRequest, wiener_images
from dlsim_ij.reconstruction import FILTERS, esrrf, estimate_drift, srrf
from dlsim_ij.verbs.images import titled
from dlsim_ij.verbs.sim_options import ACQUISITION, acquisition, calibration

_PHASES = ("known", "estimated", "fixed")
_ESTIMATE = ("each", "first", "mean")
_FLUCTUATIONS = (
    "mode", "magnification", "radius", "intensity_weighting", "minimise_patterning", "block", "drift",
    "extend_edges", "frames_per_time_point", "pixel_size",
)  # fmt: skip
_SRRF = ("axes", "integrate", "gradient_weighting", "psf_fwhm")
_ESRRF = ("sensitivity",)


def wiener_verb(image: xr.DataArray, options: Options) -> Answer:
    """Make the conventional SIM image of a raw stack, or of a series of them."""
    options.check(("filter", "wiener", "phases", "estimate", "widefield", *ACQUISITION))
    preset = options.choice("filter", tuple(FILTERS), "standard") or "standard"
    strength, path = options.number("wiener"), options.get("parameters")
    given = acquisition(options)
    chosen = FILTERS[preset]
    if strength is not None:
        chosen = dataclasses.replace(chosen, wiener=strength)
    request = ReconRequest(
        preset=preset, filter=chosen, known=calibration(options),
        known_path=None if path is None else Path(path), save_parameters=None,
        phases=options.choice("phases", _PHASES, "known"),
        estimate=options.choice("estimate", _ESTIMATE, "each"),
        channel_emission_nm=None, with_widefield=options.switch("widefield"),
        optics_given="na" in options or "emission_nm" in options, ome=False, threads=None, overwrite=False,
        **given,
    )  # fmt: skip
    with scipy.fft.set_workers(os.cpu_count() or 1):
        made = wiener_images(image, request, options.scene.progress)
    images = [titled(made.image, image, "_wiener")]
    if made.widefield is not None:
        images.insert(0, titled(made.widefield, image, "_wf"))
    return Answer(images=images, notes=made.warnings)


def srrf_verb(image: xr.DataArray, options: Options) -> Answer:
    """Make a SRRF image of a time series, or one of every few frames."""
    options.check((*_FLUCTUATIONS, *_SRRF))
    settings = _settings(options, radius="ring_radius_px")
    settings |= _given(n_axes=options.count("axes"), psf_fwhm_px=options.number("psf_fwhm"))
    settings |= {key: options.switch(key) for key in ("integrate", "gradient_weighting") if key in options}
    return _fluctuations(image, options, srrf, settings, "_srrf")


def esrrf_verb(image: xr.DataArray, options: Options) -> Answer:
    """Make an eSRRF image of a time series, or one of every few frames."""
    options.check((*_FLUCTUATIONS, *_ESRRF))
    settings = _settings(options, radius="radius_px")
    settings |= _given(sensitivity=options.number("sensitivity"))
    return _fluctuations(image, options, esrrf, settings, "_esrrf")


def _settings(options: Options, *, radius: str) -> dict[str, Any]:
    settings = _given(
        magnification=options.count("magnification"), block=options.count("block"),
        mode=options["mode"].upper() if "mode" in options else None, **{radius: options.number("radius")},
    )  # fmt: skip
    switches = ("intensity_weighting", "minimise_patterning", "extend_edges")
    return settings | {key: options.switch(key) for key in switches if key in options}


def _given(**settings: Any) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if value is not None}


def _fluctuations(
    image: xr.DataArray, options: Options, method: Any, settings: dict[str, Any], ending: str
) -> Answer:
    frames = np.asarray(require_finite(require_frames(image)))
    per_image = options.count("frames_per_time_point") or len(frames)
    n_images, left = divmod(len(frames), per_image)
    if n_images == 0:
        raise ImageError(
            f"{len(frames)} frames do not make one time point of {per_image}", "lower frames_per_time_point"
        )
    notes = [f"the last {left} of {len(frames)} frames, no whole time point, were left out"] if left else []
    used = frames[: n_images * per_image]
    wants_drift = options.choice("drift", ("auto", "none"), "none") == "auto"
    drift = estimate_drift(used) if wants_drift else None
    made = []
    for first in range(0, len(used), per_image):
        part = slice(first, first + per_image)
        made.append(method(used[part], drift=None if drift is None else drift[part], **settings))
        options.scene.progress(len(made), n_images)
    pixel = options.number("pixel_size") or image.attrs.get("pixel_size_um")
    scale = made[0].shape[-1] / used.shape[-1]
    stack = xr.DataArray(
        np.stack(made), dims=("T", "Y", "X"),
        attrs={"pixel_size_um": None if pixel is None else pixel / scale},
    )  # fmt: skip
    return Answer(images=(titled(stack if n_images > 1 else stack[0], image, ending),), notes=notes)
