"""Images: files in, arrays with named axes and a pixel size out, and back again; and ImageJ's resizing.

In: TIFF of any kind, .npy, folders of frames. Out: `xarray.DataArray` with dims such as ("I", "Y", "X")
and attributes such as ``pixel_size_um``. Knows no JVM, no acquisition layout, no command line. Start at
`read.py`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dlsim_ij.images.axes import planes
    from dlsim_ij.images.checks import require_finite, require_frames, require_grey
    from dlsim_ij.images.enlargement import Enlargement, undo_enlargement
    from dlsim_ij.images.grid import resample_to_grid
    from dlsim_ij.images.inputs import ImageInput, expand_inputs
    from dlsim_ij.images.read import read_image
    from dlsim_ij.images.resize import bicubic_enlarge
    from dlsim_ij.images.write import write_image

# resolved when used: numeric rooms resize without loading a TIFF library
_HOMES = {
    "read_image": "read",
    "write_image": "write",
    "expand_inputs": "inputs",
    "ImageInput": "inputs",
    "planes": "axes",
    "require_grey": "checks",
    "require_frames": "checks",
    "require_finite": "checks",
    "bicubic_enlarge": "resize",
    "undo_enlargement": "enlargement",
    "Enlargement": "enlargement",
    "resample_to_grid": "grid",
}

__all__ = [
    "read_image",
    "write_image",
    "expand_inputs",
    "ImageInput",
    "planes",
    "require_grey",
    "require_frames",
    "require_finite",
    "bicubic_enlarge",
    "undo_enlargement",
    "Enlargement",
    "resample_to_grid",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'dlsim_ij.images' has no attribute '{name}'")
    return getattr(importlib.import_module(f"dlsim_ij.images.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
