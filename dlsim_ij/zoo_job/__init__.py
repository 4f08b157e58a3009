"""`dlsim export-bmz`: a model folder in, a BioImage Model Zoo package out, tested by bioimageio.core.

In: a shipped model or a folder of your own. Out: one zip that deepImageJ, JDLL and bioimageio.core can run:
weights, test arrays, cover, README made from the card. Below it: inference, simulation, bundles.
Start at `package.py`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dlsim_ij.zoo_job.check import ZooTest, check_package
    from dlsim_ij.zoo_job.package import ZooPackage, export_package

_HOMES = {  # torch loads when a package is made, not before
    "ZooPackage": "package",
    "ZooTest": "check",
    "check_package": "check",
    "export_package": "package",
}

__all__ = ["ZooPackage", "ZooTest", "check_package", "export_package"]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)
