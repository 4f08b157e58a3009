"""The options of one ``Ext.dlsim`` call, and what the verb answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import xarray as xr

from dlsim_ij.config import did_you_mean
from dlsim_ij.errors import FijiError
from dlsim_ij.fiji.key_values import parse_key_values

Rectangle = tuple[int, int, int, int]  # x, y, width, height in px

_ON, _OFF = ("true", "1", "yes"), ("false", "0", "no")


class Scene(Protocol):
    """What a verb may ask of ImageJ, besides the current image."""

    def image(self, name: str) -> xr.DataArray:
        """Return the open image of a title or id."""

    def shown_plane(self, name: str | None = None) -> int:
        """Return which plane of an image is shown, counted from 0; of the current one by default."""

    def selection(self) -> tuple[str, Rectangle] | None:
        """Return the kind of the selection ("rectangle" or another) and its bounds."""

    def progress(self, done: int, total: int) -> None:
        """Move ImageJ's progress bar."""


class Options(dict[str, str]):
    """Options of a verb: a plain dictionary of strings, with readers that refuse in the user's words.

    Keys are as the macro wrote them, hyphens turned into underscores.

    Parameters
    ----------
    verb : str
        Who asks, for messages.
    text : str
        "key=value ...", see `parse_key_values`.
    scene : Scene
        ImageJ's side.
    """

    def __init__(self, verb: str, text: str, scene: Scene) -> None:
        super().__init__()
        for key, value in parse_key_values(text).items():
            plain = key.replace("-", "_")
            if plain in self:
                raise FijiError(f"the option '{plain}' is given twice in '{text}'", "give it once")
            self[plain] = value
        self.verb, self.scene = verb, scene

    def check(self, known: Iterable[str]) -> None:
        """Refuse an option that the verb does not have."""
        names = tuple(known)
        for key in self:
            if key not in names:
                raise FijiError(f"'{self.verb}' has no option '{key}'", did_you_mean(key, names))

    def number(self, key: str, default: float | None = None) -> float | None:
        """Read a number."""
        if key not in self:
            return default
        try:
            return float(self[key])
        except ValueError:
            example = 2 if default is None else default
            raise FijiError(f"{key}={self[key]} is not a number", f"for example {key}={example:g}") from None

    def count(self, key: str, default: int | None = None) -> int | None:
        """Read a whole number, at least 1."""
        if key not in self:
            return default
        if not self[key].isdecimal() or int(self[key]) < 1:
            example = 2 if default is None else default
            raise FijiError(f"{key}={self[key]} is no whole number from 1 on", f"for example {key}={example}")
        return int(self[key])

    def switch(self, key: str, default: bool = False) -> bool:
        """Read a switch: the bare key, or true/false, yes/no, 1/0."""
        word = self.get(key, _ON[0] if default else _OFF[0]).lower()
        if word not in (*_ON, *_OFF):
            raise FijiError(f"{key}={self[key]} is neither on nor off", f"write {key}, or {key}=false")
        return word in _ON

    def choice(self, key: str, choices: Sequence[str], default: str | None = None) -> str | None:
        """Read one of some words, capitals or not."""
        if key not in self:
            return default
        for word in choices:
            if word.lower() == self[key].lower():
                return word
        raise FijiError(f"{key}={self[key]} is no choice of '{self.verb}'", did_you_mean(self[key], choices))

    def image(self, key: str) -> xr.DataArray:
        """Return the open image that an option names by its title or id."""
        if not self.get(key):
            raise FijiError(
                f"'{self.verb}' needs {key}=[title or id of an open image]", f"for example {key}=[cell_wf]"
            )
        return self.scene.image(self[key])


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a verb gives back.

    Attributes
    ----------
    images : sequence of DataArray
        Opened in the macro's list in this order, so the last one becomes the current one.
    values : mapping
        Numbers and words by name: the macro gets them as lines "key=value", or one of them with
        ``get=key``.
    rows : sequence of (str, mapping)
        Rows for the results table with the option ``table``: label and columns. By default `values`, labelled
        with the title of the image.
    notes : sequence of str
        Warnings; they go to ImageJ's log.
    """

    images: Sequence[xr.DataArray] = ()
    values: Mapping[str, Any] = field(default_factory=dict)
    rows: Sequence[tuple[str, Mapping[str, Any]]] = ()
    notes: Sequence[str] = ()


VALUE_OPTIONS = ("get", "table")  # of every verb that answers with values


def values_text(values: Mapping[str, Any], options: Options) -> str:
    """Write values as lines that a macro reads with ``List.setList``, or the one asked for."""
    wanted = options.get("get")
    if wanted is None:
        return "".join(f"{key}={cell(value)}\n" for key, value in values.items()).replace("\\", "\\\\")
    if wanted not in values:
        raise FijiError(f"'{options.verb}' gives no value '{wanted}'", did_you_mean(wanted, values))
    return cell(values[wanted])


def cell(value: Any) -> str:
    """Write a value as ImageJ's macros do: 1 and 0 for yes and no, NaN for what is not there."""
    if value is None:
        return "NaN"
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, (list, tuple)):
        return ",".join(map(cell, value))
    return f"{value:.9g}" if isinstance(value, float) else str(value)
