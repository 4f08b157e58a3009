"""``Ext.dlsim("resolution", ...)``, ``("squirrel", ...)``, ``("score", ...)``: numbers of images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

import numpy as np
import xarray as xr

from dlsim_ij.fiji import Answer, Options
from dlsim_ij.fiji.options import VALUE_OPTIONS
from dlsim_ij.quality import frc_resolution, image_resolution, rse_rsp, scores
from dlsim_ij.report.explain import flatten
from dlsim_ij.results import plain
from dlsim_ij.verbs.images import (
    chosen_planes,
    grey_plane,
    partners,
    selected,
    title_stem,
    titled,
    without_selection,
)

Values = dict[str, Any]

_VERSIONS = ("1.1.8-nocap", "1.1.8", "1.1.7-2019")
_THRESHOLDS = ("1/7", "half-bit", "3-sigma")


def resolution_verb(image: xr.DataArray, options: Options) -> Answer:
    """Measure the resolution of the shown plane: decorrelation analysis, and FRC with a second image."""
    options.check(
        ("version", "rmin", "rmax", "nr", "ng", "guard", "pair", "threshold", "pixel_size", "all",
         *VALUE_OPTIONS)
    )  # fmt: skip
    pixel_um = options.number("pixel_size") or image.attrs.get("pixel_size_um")
    version: Any = options.choice("version", _VERSIONS, _VERSIONS[0])
    threshold: Any = options.choice("threshold", _THRESHOLDS, _THRESHOLDS[0])
    seconds = list(partners(options.image("pair"), "pair", image, options)) if "pair" in options else None
    rows: list[Values] = []
    notes: list[str] = []
    numbers: list[int] = []
    for at, (number, plane) in enumerate(chosen_planes(image, options)):
        pixels, told = selected(grey_plane(plane, "the image"), options)
        found = image_resolution(
            pixels, pixel_um, version=version, rmin=options.number("rmin", 0.0) or 0.0,
            rmax=options.number("rmax", 1.0) or 0.0, n_radii=options.count("nr", 50) or 50,
            n_gaussians=options.count("ng", 10) or 10, guard=options.switch("guard", True),
        )  # fmt: skip
        nm = found.resolution_nm
        row: Values = {
            "status": found.status, "resolution_um": None if nm is None else nm / 1000,
            "resolution_px": found.resolution_px, "kc": found.kc, "kc_gm": found.native.kc_gm, "a0": found.a0,
            "enlarged": found.enlarged, "factor": found.factor,
        }  # fmt: skip
        told += [message for message, _ in found.warnings]
        if seconds is not None:
            second, _ = selected(grey_plane(seconds[at], f"'{options['pair']}'"), options)
            ring = frc_resolution(pixels, second, pixel_size_um=pixel_um, threshold=threshold)
            row |= {
                "frc_status": ring.status, "frc_resolution_um": ring.resolution_um,
                "frc_resolution_px": ring.resolution_px,
            }  # fmt: skip
            told += [f"FRC: {message}" for message in ring.warnings]
        rows.append(row)
        numbers.append(number)
        notes += [message for message in told if message not in notes]
        options.scene.progress(at + 1, len(chosen_planes(image, options)))
    return _answer(image, options, numbers, rows, notes)


def squirrel_verb(image: xr.DataArray, options: Options) -> Answer:
    """Compare the shown plane with a diffraction-limited image: RSP, RSE, error map."""
    options.check(
        ("reference", "mode", "sigma", "sigma_um", "register", "crop", "pixel_size", "map",
         "max_magnification", "max_shift", "all", *VALUE_OPTIONS)
    )  # fmt: skip
    reference = options.image("reference")
    pixel_um = options.number("pixel_size") or image.attrs.get("pixel_size_um")
    given: dict[str, Any] = {
        "mode": options.choice("mode", ("exact", "compat"), "exact"),
        "sigma_px": options.number("sigma"),
        "sigma_um": options.number("sigma_um"),
        "register": options.switch("register", True),
        "crop_zero_border": options.switch("crop", True),
        "pixel_size_um": pixel_um,
    }
    if "max_magnification" in options:
        given["max_magnification"] = options.count("max_magnification")
    if "max_shift" in options:
        given["max_shift_px"] = options.count("max_shift")
    rows, notes, maps, numbers = [], without_selection(options), [], []
    pairs = zip(chosen_planes(image, options), partners(reference, "reference", image, options), strict=True)
    for (number, plane), target in pairs:
        found = rse_rsp(grey_plane(target, "the reference"), grey_plane(plane, "the image"), **given)
        kept = ("rsp", "rse", "alpha", "beta", "sigma_px", "sigma_um", "shift_px", "magnification")
        rows.append(flatten({key: plain(getattr(found, key)) for key in kept}))
        notes += [message for message in found.warnings if message not in notes]
        numbers.append(number)
        maps.append(found.error_map)
    answer = _answer(image, options, numbers, rows, notes)
    if not options.switch("map"):
        return answer
    stack = xr.DataArray(np.stack(maps), dims=("I", "Y", "X"), attrs={"pixel_size_um": pixel_um})
    shown = titled(stack if len(maps) > 1 else stack[0], image, "_error")
    return Answer(images=(shown,), values=answer.values, rows=answer.rows, notes=answer.notes)


def score_verb(image: xr.DataArray, options: Options) -> Answer:
    """Compare the shown plane with the truth: PSNR, NRMSE and SSIM in every convention."""
    options.check(("truth", "all", *VALUE_OPTIONS))
    truth = options.image("truth")
    rows, numbers = [], []
    pairs = zip(chosen_planes(image, options), partners(truth, "truth", image, options), strict=True)
    for (number, plane), target in pairs:
        found = scores(grey_plane(target, "the truth"), grey_plane(plane, "the image"))
        rows.append(flatten(found.to_dict()))
        numbers.append(number)
    return _answer(image, options, numbers, rows, without_selection(options))


def _answer(
    image: xr.DataArray, options: Options, numbers: Sequence[int], rows: list[Values], notes: list[str]
) -> Answer:
    """Give the values of one plane; of several their means, and a row for each."""
    if not options.switch("all"):
        return Answer(values=rows[0], notes=notes)
    stem = title_stem(image)
    labelled: list[tuple[str, Mapping[str, Any]]] = [
        (f"{stem}:{number + 1}", row) for number, row in zip(numbers, rows, strict=True)
    ]
    means: Values = {"planes": len(rows)}
    for key in rows[0]:
        found = [row[key] for row in rows if isinstance(row[key], (int, float))]
        if found:
            means[key] = fmean(found)
    return Answer(values=means, rows=labelled, notes=notes)
