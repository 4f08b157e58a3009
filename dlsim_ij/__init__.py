"""Deep-learning structured illumination microscopy, with ImageJ in the same process.

Rooms, from the doors down (a room uses only the rooms below it; see docs/rooms.md):

cli             one command per verb; verbs: the same for macros, on images in memory
pipeline        the main job: raw stack in, super-resolved image and report out; dose: quality against light
report          results to HTML, CSV and JSON
training        configs to networks; inference: networks to images
datasets        raw folders or simulation to training pairs
simulation      raw frames with known truth
reconstruction  widefield, pattern parameters, Wiener SIM
quality         scores; bundles: weights with their card
acquisition     what a raw stack is; fiji: ImageJ in this process
optics, images, networks
config, files, results, errors

Importing the package starts no Java and loads no torch; the names below resolve when used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from dlsim_ij.dose import dose_curve
    from dlsim_ij.errors import DlsimError
    from dlsim_ij.fiji import Fiji
    from dlsim_ij.images import read_image, write_image
    from dlsim_ij.pipeline import reconstruct
    from dlsim_ij.verbs import macro_verbs

_HOMES = {
    "DlsimError": "dlsim_ij.errors",
    "dose_curve": "dlsim_ij.dose",
    "Fiji": "dlsim_ij.fiji",
    "macro_verbs": "dlsim_ij.verbs",
    "read_image": "dlsim_ij.images",
    "write_image": "dlsim_ij.images",
    "reconstruct": "dlsim_ij.pipeline",
}

__all__ = [
    "read_image",
    "write_image",
    "reconstruct",
    "dose_curve",
    "Fiji",
    "macro_verbs",
    "DlsimError",
    "__version__",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'dlsim_ij' has no attribute '{name}'")
    return getattr(importlib.import_module(home), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
