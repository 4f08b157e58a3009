"""Fiji: ImageJ, or a whole Fiji, inside this Python process.

In: arrays, macros, commands. Out: arrays, tables, strings, and errors that name the macro's line.
Knows no acquisition, no network, no command line; jpype, scyjava and imagej are imported here and nowhere
else, and only when Java is really wanted. Start at `engine.py` (the `Fiji` object), then `launch.py`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dlsim_ij.fiji.doctor import Check, examine
    from dlsim_ij.fiji.engine import Fiji
    from dlsim_ij.fiji.extension import Verb
    from dlsim_ij.fiji.key_values import format_key_values, parse_key_values
    from dlsim_ij.fiji.macros import MacroResult
    from dlsim_ij.fiji.measure import Measurement
    from dlsim_ij.fiji.options import Answer, Options

_HOMES = {
    "Fiji": "engine",
    "MacroResult": "macros",
    "Measurement": "measure",
    "Verb": "extension",
    "Answer": "options",
    "Options": "options",
    "parse_key_values": "key_values",
    "format_key_values": "key_values",
    "examine": "doctor",
    "Check": "doctor",
}

__all__ = [
    "Fiji",
    "MacroResult",
    "Measurement",
    "Verb",
    "Answer",
    "Options",
    "parse_key_values",
    "format_key_values",
    "examine",
    "Check",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'dlsim_ij.fiji' has no attribute '{name}'")
    return getattr(importlib.import_module(f"dlsim_ij.fiji.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
