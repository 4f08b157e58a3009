"""`Fiji`: the one object that users hold."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, overload

import xarray as xr
from numpy.typing import NDArray

from dlsim_ij.config import did_you_mean
from dlsim_ij.errors import FijiError
from dlsim_ij.fiji.arrays import Array, as_data_array
from dlsim_ij.fiji.key_values import format_key_values

if TYPE_CHECKING:
    from dlsim_ij.fiji.engines import Engine
    from dlsim_ij.fiji.extension import Verb
    from dlsim_ij.fiji.macros import MacroResult
    from dlsim_ij.fiji.measure import Measurement

ENGINES = ("auto", "fiji", "imagej", "none")
MODES = ("headless", "offscreen", "interactive")


class Fiji:
    """ImageJ in this process: a Fiji, a plain ImageJ, or ImageJ's numbers without Java.

    Nothing starts before the first use. A process has one Java, so all `Fiji` objects share it; it ends
    with the process, not with the ``with`` block.

    Parameters
    ----------
    engine : {"auto", "fiji", "imagej", "none"}
        "auto": a Java that already runs, else a Fiji folder, else an ``ij.jar``, else none.
    path : path-like, optional
        Fiji folder, ``ij.jar``, or Maven endpoint (``sc.fiji:fiji:2.17.0``; needs PyImageJ and network).
        Default: DLSIM_FIJI, the usual places, DLSIM_IJ_JAR, Debian's package (see docs/fiji.md).
    mode : {"headless", "offscreen", "interactive"}
        Headless: no person looks; a Fiji makes no windows, an ``ij.jar`` has them on a virtual screen,
        dialogs are cancelled and reported. Offscreen: a Fiji, too, has windows on a virtual screen, for
        plugins that need them (RoiManager, NanoJ). Interactive: images and windows are shown on your display.
    gateway : PyImageJ gateway, optional
        The object of ``imagej.init()`` if you have one already.

    Examples
    --------
    >>> import numpy as np
    >>> with Fiji(engine="none") as fiji:
    ...     fiji.resize(np.array([[0.0, 4.0], [0.0, 4.0]]), 2)[0].tolist()
    [0.0, 1.0, 3.0, 3.996000051498413]
    """

    def __init__(
        self,
        engine: str = "auto",
        path: str | os.PathLike[str] | None = None,
        *,
        mode: str = "headless",
        gateway: Any = None,
    ) -> None:
        for value, known, what in ((engine, ENGINES, "engine"), (mode, MODES, "mode")):
            if value not in known:
                raise FijiError(f"no {what} is called '{value}'", did_you_mean(value, known))
        self._wish = engine, path, mode, gateway
        self._engine: Engine | None = None

    def __enter__(self) -> Fiji:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._engine = None

    def __repr__(self) -> str:
        if self._engine is None:
            return f"<Fiji, not started, engine={self._wish[0]!r}>"
        return f"<Fiji {self.name} {self.version}>"

    def start(self) -> Fiji:
        """Start now instead of on first use; in the main thread.

        Raises
        ------
        FijiError
            What was asked for is not there, does not start, or contradicts what already runs.
        """
        _ = self._started
        return self

    @property
    def _started(self) -> Engine:
        if self._engine is None:
            self._engine = _engine(*self._wish)
        return self._engine

    @property
    def name(self) -> str:
        """Who does ImageJ's part: "fiji", "imagej" or "none"."""
        return self._started.name

    @property
    def version(self) -> str:
        """Version of ImageJ; of dlsim_ij where there is none."""
        return self._started.version

    @property
    def capabilities(self) -> frozenset[str]:
        """What works: resize, measure, open, save, macros, commands, windows, plugins, gateway."""
        return self._started.capabilities

    @property
    def gateway(self) -> Any:
        """PyImageJ's gateway, or SciJava's, for what this class does not offer.

        Raises
        ------
        FijiError
            The engine is no Fiji.
        """
        session = getattr(self._started, "session", None)
        if session is None or session.gateway is None:
            raise FijiError(
                f"the engine '{self.name}' has no gateway", "give a Fiji with --fiji or DLSIM_FIJI"
            )
        return session.gateway

    def describe(self) -> dict[str, Any]:
        """Return engine and versions, as every result records them.

        Returns
        -------
        dict
            ``engine``, ``version``, ``way`` (pyimagej, scijava, jar; None without Java), ``java``,
            ``source``.
        """
        session = getattr(self._started, "session", None)
        return {
            "engine": self.name,
            "version": self.version,
            "way": session.way if session else None,
            "java": session.java if session else None,
            "source": session.source if session else None,
        }

    @overload
    def resize(self, array: xr.DataArray, scale: float) -> xr.DataArray: ...
    @overload
    def resize(self, array: NDArray[Any], scale: float) -> NDArray[Any]: ...
    def resize(self, array: Array, scale: float) -> Array:
        """Resize Y and X with ImageJ's own bicubic interpolation.

        Parameters
        ----------
        array : (..., Y, X) ndarray or DataArray
            uint8 and uint16 stay; every other real type becomes ImageJ's 32-bit float.
        scale : float
            Output size over input size; sizes are rounded to the nearest integer, half up.

        Returns
        -------
        ndarray or DataArray
            As given. A DataArray keeps its attributes; its pixel size is adapted.
        """
        if isinstance(array, xr.DataArray):
            as_data_array(array)  # refuses what is no image
            return self._started.resize(array, scale)
        image = xr.DataArray(array)
        if image.ndim < 2 or image.size == 0:
            as_data_array(array)
        named = image.rename(dict(zip(image.dims[-2:], "YX", strict=True)))
        values: NDArray[Any] = self._started.resize(named, scale).values
        return values

    def run_macro(
        self,
        code: str,
        args: str = "",
        *,
        image: Array | None = None,
        images: Sequence[Array] = (),
        verbs: Mapping[str, Verb] | None = None,
        strict: bool = True,
    ) -> MacroResult:
        """Run an ImageJ macro.

        Parameters
        ----------
        code : str
            The macro. `args` is what its ``getArgument()`` returns.
        args : str
            Usually "key=value ...".
        image : array, optional
            Becomes the current image.
        images : sequence of arrays
            Opened before `image`; several inputs.
        verbs : mapping, optional
            More functions for ``Ext.dlsim``, besides those of `dlsim_ij.macro_verbs`: name to
            ``function(image, options) -> DataArray, str or Answer``.
        strict : bool
            A Java error inside a command, which ImageJ only writes down, is an error. False: it stays in
            the log, and the macro's result is returned.

        Returns
        -------
        MacroResult
            ``value``, ``log``, ``tables``, ``images`` (left open, the current one last) and ``image``.

        Raises
        ------
        MacroError
            The macro stopped: its line and ImageJ's words.
        FijiError
            There is no ImageJ.
        """
        given = [*images, *([image] if image is not None else [])]
        return self._started.run_macro(code, args, given, verbs or {}, strict)

    def run_command(
        self, command: str, options: str | Mapping[str, object] = "", image: Array | None = None
    ) -> MacroResult:
        """Run one menu command, such as ``run_command("Gaussian Blur...", "sigma=2", image)``.

        Parameters
        ----------
        command : str
            As in the menu, with its dots.
        options : str or mapping
            As the recorder writes them; of a mapping, True becomes a bare key and False none.
        image : array, optional
            Becomes the current image.

        Returns
        -------
        MacroResult
            ``image`` is the result; ``tables`` what was measured.
        """
        text = options if isinstance(options, str) else format_key_values(options)
        return self.run_macro(f"run({_quoted(command)}, {_quoted(text)});", image=image)

    def run_plugin_macro(
        self, code: str, images: Sequence[Array], verbs: Mapping[str, Verb] | None = None
    ) -> MacroResult:
        """Run a macro whose command may announce or ask something: that is cancelled and goes to the log.

        As `run_macro` with ``strict=False``, for plugins that greet with a window.
        """
        return self._started.run_macro(code, "", list(images), verbs or {}, False, questions=True)

    def open(self, path: str | os.PathLike[str], *, series: int | None = None) -> xr.DataArray:
        """Read an image file with ImageJ's readers (with ours if the engine is none).

        Parameters
        ----------
        path : path-like
            In a Fiji with Bio-Formats also files of microscopes: .czi, .nd2, .lif, .mrc, .dv, .ims ...
        series : int, optional
            Of a file that holds several, from 1; with Bio-Formats.

        Raises
        ------
        ImageError
            There is no such file or series, or nobody here reads it.
        """
        return self._started.open(Path(path), series)

    def save(self, array: Array, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write an image file with ImageJ's writers (with ours if the engine is none)."""
        return self._started.save(as_data_array(array), Path(path), overwrite)

    def measure(self, array: Array) -> list[Measurement]:
        """Return ImageJ's statistics of each plane, a list of `Measurement`."""
        return self._started.measure(as_data_array(array))

    def to_imageplus(self, array: Array, title: str | None = None) -> Any:
        """Copy an array into a new ``ij.ImagePlus``; see `dlsim_ij.fiji.arrays`."""
        return self._started.to_imageplus(array, title)

    def from_imageplus(self, image: Any) -> xr.DataArray:
        """Copy an ``ij.ImagePlus`` into a new array; see `dlsim_ij.fiji.arrays`."""
        return self._started.from_imageplus(image)

    def plugins(self) -> list[str]:
        """Return the names of all menu commands, those of plugins among them, sorted."""
        return sorted(self._started.commands())

    def has_command(self, name: str) -> bool:
        """Whether a menu command of this name exists."""
        return name in self._started.commands()


def _quoted(text: str) -> str:
    """Write a string constant of the macro language."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


_engine_of_session: Engine | None = None


def _engine(engine: str, path: str | os.PathLike[str] | None, mode: str, gateway: Any) -> Engine:
    """Return the engine; those with Java share one object, since Java holds their state."""
    global _engine_of_session
    from dlsim_ij.fiji.engines import ImageJEngine, NoEngine

    if engine == "none":
        return NoEngine()
    from dlsim_ij.fiji import launch

    session = launch.get(engine, path, mode, gateway)
    if session is None:
        return NoEngine()
    if _engine_of_session is None:
        _engine_of_session = ImageJEngine(session)
    return _engine_of_session
