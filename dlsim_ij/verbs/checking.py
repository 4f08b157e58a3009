"""``Ext.dlsim("check", "")``: what the current raw stack is, and whether it can be reconstructed."""

from __future__ import annotations

from typing import Any

import xarray as xr

from dlsim_ij.acquisition.examine import examine
from dlsim_ij.fiji import Answer, Options
from dlsim_ij.fiji.options import VALUE_OPTIONS
from dlsim_ij.optics.otf import PAPER_EMISSION_NM, PAPER_NA


def check_verb(image: xr.DataArray, options: Options) -> Answer:
    """Say order, pattern, light and verdict of the first stack of the current image."""
    options.check(("pixel_size", "na", "emission_nm", "layout", "storage", *VALUE_OPTIONS))
    examined = examine(
        image, pixel_size_um=options.number("pixel_size"), na=options.number("na", PAPER_NA) or PAPER_NA,
        emission_nm=options.number("emission_nm", PAPER_EMISSION_NM) or PAPER_EMISSION_NM,
        layout=options.get("layout"), storage=options.get("storage"),
    )  # fmt: skip
    found, pixel_um = examined.acquisition, examined.acquisition.optics.pixel_size_um
    told = [*found.warnings, *examined.source.notices()]
    light, checks = found.light, found.checks
    values: dict[str, Any] = {
        "verdict": "not fit" if not found.fit else "fit with warnings" if told else "fit",
        "fit": found.fit,
        "layout": found.layout,
        "order": found.order,
        "storage": examined.source.stacks.storage,
        "confidence": float(found.confidence),
        "beams": found.beams,
        "angles_deg": [float(pattern.angle_deg) for pattern in found.patterns],
        "periods_um": [float(pattern.period_px) * pixel_um for pattern in found.patterns],
        "modulation": min((float(m) for p in found.patterns for m in p.modulation), default=None),
        "snr": min((float(s) for p in found.patterns for s in p.snr), default=None),
        "photons": None if light is None or light.photons is None else float(light.photons),
        "offset_adu": None if light is None or light.offset_adu is None else float(light.offset_adu),
        "bleaching": None if checks is None else float(checks.bleaching),
        "saturated": None if checks is None else float(checks.saturated),
        "warnings": len(told),
    }
    return Answer(values=values, notes=[f"{message} {advice}" for message, advice in told])
