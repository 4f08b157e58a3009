"""The work that needs ImageJ, written once over its API, and the same without Java.

Every way in (Fiji with or without PyImageJ, an ``ij.jar``, a Java that already ran) offers ``ij.IJ``,
``ij.ImagePlus`` and ``ij.process``; only the launcher knows the difference. `Engine` is the surface that
`Fiji` stands on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import floor
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import xarray as xr

from dlsim_ij.errors import FijiError, ImageError, MacroError
from dlsim_ij.fiji.arrays import (
    Array,
    from_imageplus,
    from_processor,
    to_imageplus,
    to_processor,
)
from dlsim_ij.fiji.bio_formats import has_bio_formats, is_for_bio_formats, open_with_bio_formats
from dlsim_ij.fiji.extension import Verb, resize_verb
from dlsim_ij.fiji.launch import INSTALL_JAVA
from dlsim_ij.fiji.locate import INSTALL_IMAGEJ
from dlsim_ij.fiji.macro_errors import NEEDS_DISPLAY, command_names
from dlsim_ij.fiji.macros import MacroResult, MacroRunner
from dlsim_ij.fiji.measure import Measurement, measure_with_imagej, measure_with_numpy
from dlsim_ij.fiji.session import Session
from dlsim_ij.files import atomic_path, refuse_existing
from dlsim_ij.images.axes import planes

_FORMATS = {".tif": "tiff", ".tiff": "tiff", ".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".gif": "gif",
            ".bmp": "bmp", ".pgm": "pgm", ".fits": "fits", ".avi": "avi"}  # fmt: skip

_NO_SERIES = "{}: a series is chosen by Bio-Formats, which is not here"
_MORE_FORMATS = "a Fiji with Bio-Formats reads microscopes' files: --fiji or DLSIM_FIJI"


class Engine(Protocol):
    """Who does ImageJ's part."""

    name: str
    version: str
    capabilities: frozenset[str]

    def resize(self, image: xr.DataArray, scale: float) -> xr.DataArray:
        """Enlarge or shrink Y and X with ImageJ's bicubic."""

    def measure(self, image: xr.DataArray) -> list[Measurement]:
        """Return the statistics of each plane."""

    def open(self, path: Path, series: int | None) -> xr.DataArray:
        """Read an image file."""

    def save(self, image: xr.DataArray, path: Path, overwrite: bool) -> Path:
        """Write an image file."""

    def to_imageplus(self, array: Array, title: str | None) -> Any:
        """Copy an array into an ``ij.ImagePlus``."""

    def from_imageplus(self, image: Any) -> xr.DataArray:
        """Copy an ``ij.ImagePlus`` into an array."""

    def run_macro(
        self,
        code: str,
        argument: str,
        images: Sequence[Array],
        verbs: Mapping[str, Verb],
        strict: bool,
        questions: bool = False,
    ) -> MacroResult:
        """Run a macro."""

    def commands(self) -> list[str]:
        """Return the names of the menu commands."""


class ImageJEngine:
    """Fiji or ImageJ in this process."""

    def __init__(self, session: Session) -> None:
        from jpype import JClass

        self.session = session
        self.name = session.kind
        self.version = str(JClass("ij.IJ").getFullVersion())
        self._runner = MacroRunner(session)
        capabilities = {"resize", "measure", "open", "save", "macros"}
        if session.kind == "fiji" or not session.headless:
            capabilities.add("commands")
        if not session.headless:
            capabilities.add("windows")
        if session.kind == "fiji":
            capabilities.add("plugins")
        if session.gateway is not None:
            capabilities.add("gateway")
        self.capabilities = frozenset(capabilities)

    def resize(self, image: xr.DataArray, scale: float) -> xr.DataArray:
        """Enlarge or shrink with ``ImageProcessor.resize``, method bicubic; planes one by one."""
        self.session.require_usable()
        method = _bicubic()

        def one(plane: np.ndarray[Any, Any], out: np.ndarray[Any, Any]) -> None:
            processor = to_processor(plane)
            processor.setInterpolationMethod(method)
            from_processor(processor.resize(out.shape[1], out.shape[0]), out)

        return _resize(image, scale, one)

    def measure(self, image: xr.DataArray) -> list[Measurement]:
        """Measure each plane with ``ImageProcessor.getStatistics``."""
        self.session.require_usable()
        stack = to_imageplus(image).getStack()
        size = image.attrs.get("pixel_size_um")
        return [measure_with_imagej(stack.getProcessor(i + 1), size) for i in range(int(stack.getSize()))]

    def open(self, path: Path, series: int | None) -> xr.DataArray:
        """Read a file with ``IJ.openImage``, or with Bio-Formats what ImageJ itself does not read."""
        self.session.require_usable()
        if not path.is_file():
            raise ImageError(f"{path} does not exist" if not path.exists() else f"{path} is not a file")
        if series is not None or is_for_bio_formats(path):
            if has_bio_formats():
                return open_with_bio_formats(path, series)
            if series is not None:
                raise ImageError(_NO_SERIES.format(path), _MORE_FORMATS)
        try:
            result = self._runner.run("open(getArgument());", str(path.resolve()))
        except MacroError as error:
            raise ImageError(f"{self.name} cannot open {path}: {error.message}", _MORE_FORMATS) from error
        if result.image is None:
            raise ImageError(f"{self.name} cannot open {path}", f"is it an image? {_MORE_FORMATS}")
        return result.image.assign_attrs(source=str(path))

    def save(self, image: xr.DataArray, path: Path, overwrite: bool) -> Path:
        """Write a file with ImageJ's own writers, beside and then renamed."""
        self.session.require_usable()
        kind = _FORMATS.get(path.suffix.lower())
        if kind is None:
            raise ImageError(f"{path}: ImageJ writes no '{path.suffix}'", f"use one of {', '.join(_FORMATS)}")
        refuse_existing(path, overwrite)
        from jpype import JClass

        with atomic_path(path, overwrite=overwrite) as temporary:
            JClass("ij.IJ").saveAs(to_imageplus(image), kind, str(temporary.resolve()))
            if not temporary.is_file():
                raise FijiError(
                    f"ImageJ did not write {path}", "this image may not fit that format; use .tif"
                )
        return path

    def to_imageplus(self, array: Array, title: str | None) -> Any:
        """Copy an array into an ``ij.ImagePlus``."""
        self.session.require_usable()
        return to_imageplus(array, title)

    def from_imageplus(self, image: Any) -> xr.DataArray:
        """Copy an ``ij.ImagePlus`` into an array."""
        self.session.require_usable()
        return from_imageplus(image)

    def run_macro(
        self,
        code: str,
        argument: str,
        images: Sequence[Array],
        verbs: Mapping[str, Verb],
        strict: bool,
        questions: bool = False,
    ) -> MacroResult:
        """Run a macro, with our verbs behind ``Ext.dlsim``; with `questions`, dialogs are cancelled only."""
        import dlsim_ij  # the package's front door: the verbs live in rooms above this one

        verbs = {**dlsim_ij.macro_verbs(), "resize": resize_verb(self.resize), **verbs}
        return self._runner.run(code, argument, images, verbs, strict, questions)

    def commands(self) -> list[str]:
        """Return the names of the menu commands."""
        self.session.require_usable()
        if "commands" not in self.capabilities:
            raise FijiError("ImageJ commands need a display or Fiji", NEEDS_DISPLAY)
        if not command_names():
            self._runner.run('run("Options...", "iterations=1 count=1");')  # builds the menus
        return command_names()


class NoEngine:
    """ImageJ's numbers without Java; what needs Java says so."""

    name = "none"
    capabilities = frozenset({"resize", "measure", "open", "save"})

    def __init__(self) -> None:
        from dlsim_ij import __version__

        self.version = __version__

    def resize(self, image: xr.DataArray, scale: float) -> xr.DataArray:
        """Enlarge or shrink with ImageJ's bicubic in numpy."""
        from dlsim_ij.images import bicubic_enlarge

        def one(plane: np.ndarray[Any, Any], out: np.ndarray[Any, Any]) -> None:
            out[...] = bicubic_enlarge(plane, height=out.shape[0], width=out.shape[1])

        return _resize(image, scale, one)

    def measure(self, image: xr.DataArray) -> list[Measurement]:
        """Measure each plane with numpy."""
        return [measure_with_numpy(plane, image.attrs.get("pixel_size_um")) for _, plane in planes(image)]

    def open(self, path: Path, series: int | None) -> xr.DataArray:
        """Read a file with our own readers."""
        from dlsim_ij.images import read_image

        if series is not None:
            raise ImageError(_NO_SERIES.format(path), _MORE_FORMATS)
        return read_image(path)

    def save(self, image: xr.DataArray, path: Path, overwrite: bool) -> Path:
        """Write a TIFF with our own writer."""
        from dlsim_ij.images import write_image

        return write_image(path, image, overwrite=overwrite)

    def to_imageplus(self, array: Array, title: str | None) -> Any:
        """Refuse."""
        raise self._needs_java("an ImagePlus")

    def from_imageplus(self, image: Any) -> xr.DataArray:
        """Refuse."""
        raise self._needs_java("an ImagePlus")

    def run_macro(
        self,
        code: str,
        argument: str,
        images: Sequence[Array],
        verbs: Mapping[str, Verb],
        strict: bool,
        questions: bool = False,
    ) -> MacroResult:
        """Refuse."""
        raise self._needs_java("a macro")

    def commands(self) -> list[str]:
        """Return nothing: there are no menus."""
        return []

    @staticmethod
    def _needs_java(what: str) -> FijiError:
        return FijiError(
            f"{what} needs ImageJ, and the engine is 'none'", f"{INSTALL_IMAGEJ}; Java: {INSTALL_JAVA}"
        )


def _bicubic() -> int:
    from jpype import JClass

    return int(JClass("ij.process.ImageProcessor").BICUBIC)


def _resize(image: xr.DataArray, scale: float, one: Any) -> xr.DataArray:
    """Resize Y and X of every plane by `one`; colour samples count as planes."""
    if not 0 < scale < 1e6:
        raise ImageError(f"the scale {scale} is not a positive number", "2 doubles the size")
    if image.dtype.kind not in "buif":
        raise ImageError(f"{image.dtype} pixels cannot be resized", "give real numbers")
    height, width = (floor(image.sizes[axis] * scale + 0.5) for axis in "YX")
    if height < 1 or width < 1:
        raise ImageError(f"an output of {height} x {width} pixels is empty", "give a larger scale")
    kind = image.dtype if image.dtype.type in (np.uint8, np.uint16) else np.dtype(np.float32)
    above = [dim for dim in image.dims if dim not in ("Y", "X")]
    values = image.transpose(*above, "Y", "X").values
    out = np.empty((*values.shape[:-2], height, width), kind)
    for index in np.ndindex(values.shape[:-2]):
        one(np.ascontiguousarray(values[index], dtype=kind.newbyteorder("=")), out[index])
    result = xr.DataArray(out, dims=(*above, "Y", "X"), attrs=dict(image.attrs)).transpose(*image.dims)
    size = image.attrs.get("pixel_size_um")
    if size is not None:
        result.attrs["pixel_size_um"] = size * image.sizes["X"] / width
    return result
