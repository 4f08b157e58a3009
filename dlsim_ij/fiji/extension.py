"""``Ext.dlsim(verb, "key=value ...")``: an ImageJ macro calls Python in its own process.

A verb is a function of the current image and the options. It answers with a string, which the macro gets
back, with an image, which becomes the current one, or with an `Answer`. Those of `dlsim_ij.macro_verbs()` are
always there; more are handed over in a plain dict::

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
from dlsim_ij.fiji.options import Answer, Options, Rectangle, values_text
from dlsim_ij.fiji.tables import add_row

Verb = Callable[[xr.DataArray, Options], xr.DataArray | str | Answer]

FUNCTION = "dlsim"


def resize_verb(resize: Callable[[xr.DataArray, float], xr.DataArray]) -> Verb:
    """Make the verb ``Ext.dlsim("resize", "scale=2")`` from an engine's resize."""

    def verb(image: xr.DataArray, options: Options) -> xr.DataArray:
        """Enlarge the current image."""
        options.check(("scale",))
        return resize(image, options.number("scale", 2.0) or 0.0)

    return verb


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
        current = JClass("ij.WindowManager").getCurrentImage()
        if current is None:
            raise FijiError(f"Ext.dlsim('{name}'): no image is open", "open one before")
        options = Options(name, text, OpenImages(current))
        answer: Any = self._verbs[name](from_imageplus(current), options)
        if isinstance(answer, str):
            return answer
        if isinstance(answer, xr.DataArray):
            answer = Answer(images=(answer,))
        if not isinstance(answer, Answer):
            kind = type(answer).__name__
            raise TypeError(f"the verb '{name}' returned {kind}, not a DataArray, str or Answer")
        said = values_text(answer.values, options) if answer.values else ""
        if "table" in options:
            rows = answer.rows or [(str(current.getTitle()), answer.values)]
            add_rows(options["table"], rows)
        for note in answer.notes:
            JClass("ij.IJ").log(f"dlsim {name}: {note}")
        for image in answer.images:
            to_imageplus(image).show()
        return said  # "" for images: anything else would be printed where the macro does not ask for it


def add_rows(table: str, rows: Any) -> None:
    """Append to a table; the bare option ``table`` means ImageJ's own."""
    for label, values in rows:
        add_row("Results" if table == "true" else table, label, values)


class OpenImages:
    """The macro's own list of images, as verbs see it (`dlsim_ij.fiji.options.Scene`)."""

    def __init__(self, current: Any) -> None:
        self._current = current

    def image(self, name: str) -> xr.DataArray:
        """Return the open image of a title or id.

        Raises
        ------
        FijiError
            There is none, or there are two of that title.
        """
        return from_imageplus(self._find(name))

    def shown_plane(self, name: str | None = None) -> int:
        """Return which plane of an image is shown, counted from 0."""
        image = self._current if name is None else self._find(name)
        return int(image.getCurrentSlice()) - 1

    def selection(self) -> tuple[str, Rectangle] | None:
        """Return the kind of the selection and its bounds."""
        from jpype import JClass

        roi = self._current.getRoi()
        if roi is None:
            return None
        bounds = roi.getBounds()
        kind = "rectangle" if int(roi.getType()) == int(JClass("ij.gui.Roi").RECTANGLE) else "other"
        return kind, (int(bounds.x), int(bounds.y), int(bounds.width), int(bounds.height))

    def progress(self, done: int, total: int) -> None:
        """Move ImageJ's progress bar."""
        from jpype import JClass, JInt

        JClass("ij.IJ").showProgress(JInt(done), JInt(total))

    @staticmethod
    def _find(name: str) -> Any:
        from jpype import JClass

        windows = JClass("ij.WindowManager")
        images = [windows.getImage(int(i)) for i in windows.getIDList() or ()]
        titles = [str(image.getTitle()) for image in images]
        found = [image for image, title in zip(images, titles, strict=True) if title == name]
        if not found and name.lstrip("-").isdecimal():
            found = [image for image in images if int(image.getID()) == int(name)]
        if not found:
            raise FijiError(f"no open image is called '{name}'", did_you_mean(name, titles))
        if len(found) > 1:
            raise FijiError(
                f"{len(found)} open images are called '{name}'", "give the id of the one meant: getImageID()"
            )
        return found[0]
