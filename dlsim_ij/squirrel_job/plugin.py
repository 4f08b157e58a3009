"""NanoJ-SQUIRREL on the planes of a job, for its numbers beside ours."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from dlsim_ij.errors import ConfigError
from dlsim_ij.fiji import Fiji
from dlsim_ij.fiji.original_plugins import plugin_squirrel
from dlsim_ij.images.plane_source import PlaneSource
from dlsim_ij.squirrel_job.measure import PlaneJob, Settings


def check_plugin_settings(settings: Settings) -> None:
    """Refuse settings that the plugin would not heed."""
    for name in ("sigma_px", "sigma_um", "rsf", "mask"):
        if getattr(settings, name) is not None:
            option = name.replace("_px", "").replace("_", "-")
            raise ConfigError(
                f"the plugin is run at its defaults, and --{option} is given", "leave out one of them"
            )


def compare_with_plugin(fiji: Fiji, job: PlaneJob, settings: Settings) -> dict[str, Any]:
    """Return what the plugin says of one comparison.

    Raises
    ------
    FijiError
        The plugin does not work here.
    """
    planes = []
    for path, number in ((job.reference, job.reference_plane), (job.image, job.plane)):
        with PlaneSource(path) as source:
            planes.append(xr.DataArray(source.read(number).astype(np.float32), dims=("Y", "X")))
    found = plugin_squirrel(fiji, *planes, max_magnification=settings.max_magnification)
    return found.to_dict()
