"""Verbs of ``Ext.dlsim``: what ``dlsim`` does with files, done with the images of a macro.

In: the current image as an array, options "key=value ...". Out: images, values or words (`Answer`). Knows no
Java (`fiji` hands arrays over), no command line. Below it: the jobs, pipeline, quality, fiji's options. Start
at `predicting.py`; each verb is one function, imported when a macro first calls it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import xarray as xr

    from dlsim_ij.fiji import Answer, Options, Verb

_HOMES = {
    "predict": "predicting",
    "wiener": "reconstructing",
    "srrf": "reconstructing",
    "esrrf": "reconstructing",
    "resolution": "measuring",
    "squirrel": "measuring",
    "score": "measuring",
    "check": "checking",
}

__all__ = ["macro_verbs"]


def macro_verbs() -> dict[str, Verb]:
    """Return the verbs that every macro knows as ``Ext.dlsim(verb, "key=value ...")``, by name.

    `Fiji.run_macro` adds them by itself, and "resize", which is the engine's own. Nothing is loaded before a
    macro calls it.

    Examples
    --------
    >>> sorted(macro_verbs())
    ['check', 'esrrf', 'predict', 'resolution', 'score', 'squirrel', 'srrf', 'wiener']
    """
    return {name: _lazily(name, home) for name, home in _HOMES.items()}


def _lazily(name: str, home: str) -> Verb:
    def verb(image: xr.DataArray, options: Options) -> Answer:
        module = importlib.import_module(f"{__name__}.{home}")
        answer: Answer = getattr(module, f"{name}_verb")(image, options)
        return answer

    return verb
