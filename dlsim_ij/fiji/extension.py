"""``Ext.dlsim(verb, "key=value ...")``: an ImageJ macro calls Python in its own process.

A verb is a function of the current image and the options. It answers with a string, which the macro gets
back, or with an image, which becomes the current one. Rooms above hand their verbs over in a plain dict::

    def mean(image, options):
        return str(float(image.mean()))

    fiji.run_macro('print(Ext.dlsim("mean", ""));', image=cell, verbs={"mean": mean})
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import xarray as xr

from dlsim_ij.config import did_you_mean
from dlsim_ij.errors import FijiError
from dlsim_ij.fiji.arrays import from_imageplus, to_imageplus
from dlsim_ij.fiji.key_values import parse_key_values

Verb = Callable[[xr.DataArray, dict[str, str]], xr.DataArray | str]

FUNCTION = "dlsim"


def resize_verb(resize: Callable[[xr.DataArray, float], xr.DataArray]) -> Verb:
    """Make the verb ``Ext.dlsim("resize", "scale=2")`` from an engine's resize."""

    def verb(image: xr.DataArray, options: dict[str, str]) -> xr.DataArray:
        """Enlarge the current image."""
        check_options("resize", options, ("scale",))
        return resize(image, number(options, "scale", 2.0))

    return verb


def number(options: Mapping[str, str], key: str, default: float) -> float:
    """Read a number from the options of a verb."""
    try:
        return float(options.get(key, default))
    except ValueError:
        raise FijiError(f"{key}={options[key]} is not a number", f"for example {key}={default:g}") from None


def check_options(verb: str, options: Mapping[str, str], known: tuple[str, ...]) -> None:
    """Refuse an option that the verb does not have."""
    for key in options:
        if key not in known:
            raise FijiError(f"'{verb}' has no option '{key}'", did_you_mean(key, known))


class PythonCalls:
    """The Java side of ``Ext``: hands calls to verbs and keeps the first error.

    Parameters
    ----------
    verbs : mapping
        Functions by name.
    """

    def __init__(self, verbs: Mapping[str, Verb]) -> None:
        self._verbs = verbs
        self.error: BaseException | None = None

    def add_to(self, program: Any) -> None:
        """Make ``Ext.dlsim`` known to a tokenised macro.

        A plugin does this with ``Functions.registerExtensions``, which wants a running macro; the registry
        of the program takes the same entry before.
        """
        import jpype
        from jpype import JClass

        extension = JClass("ij.macro.MacroExtension")
        proxy = jpype.JProxy(
            extension, dict={"handleExtension": self._call, "getExtensionFunctions": lambda: None}
        )
        descriptor = JClass("ij.macro.ExtensionDescriptor")
        kinds = jpype.JInt[:]([extension.ARG_STRING, extension.ARG_STRING | extension.ARG_OPTIONAL])
        field = program.getClass().getDeclaredField("extensionRegistry")
        field.setAccessible(True)
        registry = field.get(program)
        if registry is None:
            registry = JClass("java.util.Hashtable")()
            field.set(program, registry)
        registry.put(FUNCTION, descriptor(FUNCTION, kinds, proxy))

    def _call(self, _: Any, arguments: Any) -> str:
        from jpype import JClass

        given = [None if argument is None else str(argument) for argument in arguments]
        try:
            return self._answer(given[0] or "", (given[1] if len(given) > 1 else "") or "")
        except BaseException as error:
            self.error = error
        raise JClass("java.lang.RuntimeException")("Macro canceled")  # ImageJ's word for a silent stop

    def _answer(self, name: str, text: str) -> str:
        from jpype import JClass

        if name not in self._verbs:
            raise FijiError(f"Ext.dlsim has no verb '{name}'", did_you_mean(name, self._verbs))
        options = parse_key_values(text)
        current = JClass("ij.WindowManager").getCurrentImage()
        if current is None:
            raise FijiError(f"Ext.dlsim('{name}'): no image is open", "open one before")
        answer = self._verbs[name](from_imageplus(current), options)
        if isinstance(answer, str):
            return answer
        if not isinstance(answer, xr.DataArray):
            raise TypeError(f"the verb '{name}' returned {type(answer).__name__}, not a DataArray or str")
        to_imageplus(answer).show()
        return ""  # anything else would be printed where the macro does not ask for it
