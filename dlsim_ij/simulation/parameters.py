"""Conditions from the JSON that a simulated stack carries, checked key by key."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any

from dlsim_ij.config import did_you_mean
from dlsim_ij.errors import ConfigError
from dlsim_ij.simulation.camera import PixelMaps
from dlsim_ij.simulation.conditions import Conditions
from dlsim_ij.simulation.transfer import MeasuredPsf


def conditions_from_dict(
    data: Mapping[str, Any], *, psf: MeasuredPsf | None = None, maps: PixelMaps | None = None
) -> Conditions:
    """Return the conditions that `Conditions.to_dict` wrote; keys left out have their defaults.

    Parameters
    ----------
    data : mapping
        From JSON.
    psf : MeasuredPsf, optional
        Its picture is not in the JSON, so it is given anew.
    maps : PixelMaps, optional
        Likewise.

    Raises
    ------
    ConfigError
        An unknown key, a missing one, or a value of another kind, with its place.
    """
    data = dict(data)
    camera = data.get("camera")
    if isinstance(camera, Mapping):
        data["camera"] = {key: value for key, value in camera.items() if key != "maps"}
    data.pop("psf", None)
    made: Conditions = _build(Conditions, data, "conditions")
    if maps is not None:
        made = dataclasses.replace(made, camera=dataclasses.replace(made.camera, maps=maps))
    return dataclasses.replace(made, psf=psf) if psf is not None else made


def _build(kind: Any, value: Any, where: str) -> Any:
    """Return `value` from JSON as the kind a field is declared with."""
    wrong = ConfigError(
        f"{where}: {value!r:.60} is not what belongs there", "compare with a file dlsim wrote"
    )
    if dataclasses.is_dataclass(kind):
        if not isinstance(value, Mapping):
            raise wrong
        hints = typing.get_type_hints(kind)
        known = {f.name: f for f in dataclasses.fields(kind)}
        for key in value:
            if key not in known:
                raise ConfigError(f"{where}: unknown key '{key}'", did_you_mean(str(key), known))
        for name, one in known.items():
            required = one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING
            if required and name not in value:
                raise ConfigError(f"{where}: '{name}' is missing", "compare with a file dlsim wrote")
        parts = {key: _build(hints[key], part, f"{where}.{key}") for key, part in value.items()}
        return typing.cast("Any", kind)(**parts)
    arguments = typing.get_args(kind)
    if typing.get_origin(kind) is tuple:
        if not isinstance(value, (list, tuple)):
            raise wrong
        kinds = [arguments[0]] * len(value) if arguments[-1] is Ellipsis else arguments
        if len(kinds) != len(value):
            raise wrong
        return tuple(_build(k, v, f"{where}[{i}]") for i, (k, v) in enumerate(zip(kinds, value, strict=True)))
    if isinstance(kind, types.UnionType):
        if value is None:
            return None
        return _build(next(k for k in arguments if k is not type(None)), value, where)
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind is float and number:
        return float(value)
    if kind is int and number and value == int(value):
        return int(value)
    if kind in (str, bool) and isinstance(value, kind):
        return value
    raise wrong
