"""Options of a SIM acquisition, the same in every verb that takes raw frames."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dlsim_ij.config import read_parameters
from dlsim_ij.fiji import Options
from dlsim_ij.optics.otf import PAPER_EMISSION_NM, PAPER_NA

ACQUISITION = ("pixel_size", "na", "emission_nm", "layout", "force", "parameters")


def acquisition(options: Options) -> dict[str, Any]:
    """Return the keywords of `reconstruct`; the pixel size is the image's own by default."""
    return {
        "pixel_size_um": options.number("pixel_size"),
        "na": options.number("na", PAPER_NA),
        "emission_nm": options.number("emission_nm", PAPER_EMISSION_NM),
        "layout": options.get("layout", "3x5"),
        "force": options.switch("force"),
    }


def calibration(options: Options) -> dict[str, Any] | None:
    """Read the illumination of another stack, a file of ``dlsim recon``."""
    path = options.get("parameters")
    return read_parameters(None if path is None else Path(path))
