"""Reconstruction: raw frames in, one conventional super-resolved image out.

In: SIM frames (n_frames, Y, X) with one `Pattern` per angle, or a time series for the SRRF family. Out:
(2Y, 2X) images and the filter used, or (m Y, m X) fluctuation images. Knows no files, no JVM, no command
line; below it: acquisition, optics, quality. Start at `wiener.py`, or at `srrf_ring.py` and `srrf_stream.py`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from dlsim_ij.acquisition.brightness import equalise_frames, estimate_offset
from dlsim_ij.reconstruction.channels import three_frame_channels, wiener_channels
from dlsim_ij.reconstruction.widefield import widefield
from dlsim_ij.reconstruction.wiener import WienerPlan, wiener_images, wiener_sim
from dlsim_ij.reconstruction.wiener_filter import (
    FILTERS,
    SOFT,
    STANDARD,
    VENDOR,
    WienerFilter,
)
from dlsim_ij.reconstruction.wiener_parameters import SimParameters, estimate_parameters

if TYPE_CHECKING:
    from dlsim_ij.reconstruction.srrf_convergence import esrrf
    from dlsim_ij.reconstruction.srrf_drift import estimate_drift
    from dlsim_ij.reconstruction.srrf_ring import srrf

# resolved when used: the SRRF family needs torch, Wiener SIM does not
_HOMES = {"srrf": "srrf_ring", "esrrf": "srrf_convergence", "estimate_drift": "srrf_drift"}

__all__ = [
    "FILTERS",
    "SOFT",
    "STANDARD",
    "VENDOR",
    "SimParameters",
    "WienerFilter",
    "WienerPlan",
    "equalise_frames",
    "esrrf",
    "estimate_drift",
    "estimate_offset",
    "estimate_parameters",
    "srrf",
    "three_frame_channels",
    "widefield",
    "wiener_channels",
    "wiener_images",
    "wiener_sim",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'dlsim_ij.reconstruction' has no attribute '{name}'")
    return getattr(importlib.import_module(f"dlsim_ij.reconstruction.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
