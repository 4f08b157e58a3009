"""The published decorrelation plugin on the planes of a job, for its numbers beside ours."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from dlsim_ij.errors import ConfigError
from dlsim_ij.fiji import Fiji
from dlsim_ij.fiji.original_plugins import plugin_resolution
from dlsim_ij.images.plane_source import PlaneSource
from dlsim_ij.resolution_job.measure import Settings, crop, grey


def check_plugin_settings(settings: Settings) -> None:
    """Refuse settings that the plugin, which is run at its defaults, would not heed."""
    usual = Settings()
    for name, option in (("rmin", "rmin"), ("rmax", "rmax"), ("n_radii", "nr"), ("n_gaussians", "ng")):
        if getattr(settings, name) != getattr(usual, name):
            raise ConfigError(
                f"the plugin is run at its defaults, and --{option} is not at its own",
                "leave out one of them",
            )


def measure_with_plugin(fiji: Fiji, record: Mapping[str, Any], settings: Settings) -> dict[str, Any] | None:
    """Return what the plugin says of the plane of a record; None of a plane that was refused.

    Raises
    ------
    FijiError
        The plugin does not work here.
    """
    if record["status"] == "refused":
        return None
    with PlaneSource(Path(record["file"])) as source:
        plane, _ = grey(crop(source.read(record["plane"] - 1), settings.roi))
    image = xr.DataArray(
        plane.astype(np.float32), dims=("Y", "X"),
        attrs={"name": Path(record["file"]).name, "pixel_size_um": record["pixel_size_um"]},
    )  # fmt: skip
    return plugin_resolution(fiji, image).to_dict()
