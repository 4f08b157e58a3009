"""The published plugins, run as they are in the ImageJ of this process, for their numbers beside ours.

NanoJ-SQUIRREL has a macro call; the decorrelation analysis has a window only (release 1.1.8), in which
Compute is pressed, or a macro call (the maintained fork). Both want a screen: `Fiji` in the mode "offscreen".
Names of commands, options, tables and buttons are those that a user sees; none of the plugins' code is known
here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import xarray as xr

from dlsim_ij.errors import FijiError
from dlsim_ij.fiji.engine import Fiji
from dlsim_ij.fiji.key_values import format_key_values
from dlsim_ij.fiji.known_plugins import KNOWN_PLUGINS
from dlsim_ij.fiji.macros import MacroResult
from dlsim_ij.fiji.options import Options
from dlsim_ij.fiji.tables import Table
from dlsim_ij.images.calibration import to_um
from dlsim_ij.results import Result

SQUIRREL_COMMAND = "Calculate Error-Map, RSE and RSP"
_SQUIRREL_TABLE = "RSP and RSE values"
_NO_RSF = "-- RSF unknown, estimate via optimisation --"

IMDECORR_COMMAND = "ImageDecorrelationAnalysis "  # with a space at its end
IMDECORR_FORK_COMMAND = "Decorrelation Analysis"
_LAST_COLUMN = "Kc GM"
_COMPUTE, _PLOT = "Compute", "Do plot"
_LONGEST_SECONDS = 300.0  # of one analysis; 10 s for 2048 x 2048
_SILENT_SECONDS = 1.0  # after an error is on the console: that there is no row is the plugin's answer


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginSquirrel(Result):
    """What NanoJ-SQUIRREL prints of one pair."""

    rsp: float
    rse: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginResolution(Result):
    """What the decorrelation plugin prints of one plane."""

    status: str  # "ok", "no-peak" (it prints Infinity), "crash" (it stops without a row)
    resolution_px: float | None
    resolution_um: float | None
    kc: float | None
    kc_gm: float | None
    a0: float | None


def missing_plugin(fiji: Fiji, name: str) -> str | None:
    """Return one line on where to get a plugin that this ImageJ does not have; None if it has it.

    Parameters
    ----------
    fiji : Fiji
    name : {"NanoJ-SQUIRREL", "ImDecorr"}
    """
    commands = {
        "NanoJ-SQUIRREL": (SQUIRREL_COMMAND,),
        "ImDecorr": (IMDECORR_COMMAND, IMDECORR_COMMAND.strip(), IMDECORR_FORK_COMMAND),
    }[name]
    if any(fiji.has_command(command) for command in commands):
        return None
    where = fiji.describe()["source"]
    return f"{where} has no {name}, so there are our numbers only; {KNOWN_PLUGINS[name].source}"


def plugin_squirrel(
    fiji: Fiji, reference: xr.DataArray, image: xr.DataArray, *, max_magnification: int = 5
) -> PluginSquirrel:
    """Run NanoJ-SQUIRREL on one pair of planes.

    Parameters
    ----------
    fiji : Fiji
        With windows (mode "offscreen" or "interactive").
    reference, image : (Y, X) DataArray
        As for `rse_rsp`.
    max_magnification : int
        Its "Max. Mag. in Optimization".

    Raises
    ------
    FijiError
        There are no windows, or the plugin made no table.
    """
    words = format_key_values(
        {"reference": "dlsim_reference", "super-resolution": "dlsim_image", "rsf": _NO_RSF,
         "max.": max_magnification}
    )  # fmt: skip
    code = f'setBatchMode("exit and display");\nrun("{SQUIRREL_COMMAND}", "{words}");'
    given = [reference.assign_attrs(name="dlsim_reference"), image.assign_attrs(name="dlsim_image")]
    result = _run(fiji, code, given)
    table = result.tables.get(_SQUIRREL_TABLE)
    if not table:
        raise _no_table("NanoJ-SQUIRREL", _SQUIRREL_TABLE, result)
    return PluginSquirrel(rsp=_column(table, "RSP"), rse=_column(table, "RSE"))


def plugin_resolution(fiji: Fiji, image: xr.DataArray) -> PluginResolution:
    """Run the decorrelation plugin, at its defaults, on one plane.

    Parameters
    ----------
    fiji : Fiji
        With windows (mode "offscreen" or "interactive").
    image : (Y, X) DataArray
        Its pixel size goes along.

    Raises
    ------
    FijiError
        There are no windows, the plugin's window is not as it was known, or it does not come to an end.
    """
    if fiji.has_command(IMDECORR_FORK_COMMAND):
        words = "radius_min=0 radius_max=1 nr=50 ng=10"
        code = f'setBatchMode("exit and display");\nrun("{IMDECORR_FORK_COMMAND}", "{words}");'
    else:
        command = next(
            name for name in (IMDECORR_COMMAND, IMDECORR_COMMAND.strip()) if fiji.has_command(name)
        )
        code = (
            f'setBatchMode("exit and display");\nrun("{command}");\nExt.dlsim("press", "button={_COMPUTE}");'
        )
    result = _run(fiji, code, [image], {"press": _press})
    table = result.tables.get("Results")
    if not table:
        return PluginResolution(
            status="crash", resolution_px=None, resolution_um=None, kc=None, kc_gm=None, a0=None
        )
    kc = _column(table, "Kc", exact=True)
    size_um = image.attrs.get("pixel_size_um")
    length = _column(table, "Res.", exact=True)
    unit = str(table.get("units", ["[pixels]"])[-1]).strip("[] ")
    if not kc > 0 or length == float("inf"):
        status, px = "no-peak", None
    else:
        factor = to_um(1.0, unit)
        status, px = "ok", length if factor is None or size_um is None else length * factor / size_um
    return PluginResolution(
        status=status, resolution_px=px,
        resolution_um=None if px is None or size_um is None else px * size_um,
        kc=kc, kc_gm=_column(table, _LAST_COLUMN, exact=True), a0=_column(table, "A0", exact=True),
    )  # fmt: skip


def _run(
    fiji: Fiji, code: str, images: list[xr.DataArray], verbs: dict[str, Callable[..., Any]] | None = None
) -> MacroResult:
    if "windows" not in fiji.capabilities:
        raise FijiError(
            "the published plugins need a screen, and this ImageJ has none",
            "Fiji(mode='offscreen'): apt install xvfb",
        )
    return fiji.run_plugin_macro(code, images, verbs or {})


def _no_table(plugin: str, title: str, result: MacroResult) -> FijiError:
    said = " ".join(result.log.split())
    return FijiError(
        f"{plugin} made no table '{title}'", f"it said: {said[-300:]}" if said else "run it by hand once"
    )


def _column(table: Table, start: str, *, exact: bool = False) -> float:
    """Return the last number of the column that is called, or begins, so."""
    for heading, values in table.items():
        if (heading == start if exact else heading.startswith(start)) and values:
            return float(values[-1])
    raise FijiError(
        f"the plugin's table has no column '{start}'", f"it has {', '.join(table)}: another release?"
    )


def _press(_: xr.DataArray, options: Options) -> str:
    """Press a button in the plugin's window and wait until its row is there, or its error."""
    import jpype
    from jpype import JClass

    button = _find_button(options["button"])
    results = JClass("ij.measure.ResultsTable")  # empty, as at the start of every macro of ours
    begin = time.monotonic()
    click = jpype.JProxy("java.lang.Runnable", dict={"run": lambda: button.doClick()})
    JClass("javax.swing.SwingUtilities").invokeLater(click)
    failed: float | None = None
    # a row is there before its cells are: the last of those that are read tells that it is whole
    while _LAST_COLUMN not in map(str, results.getResultsTable().getHeadings()):
        if failed is None and _has_failed():
            failed = time.monotonic()
        if failed is not None and time.monotonic() - failed > _SILENT_SECONDS:
            break
        if time.monotonic() - begin > _LONGEST_SECONDS:
            raise FijiError(f"the plugin gave no row within {_LONGEST_SECONDS:g} s", "run it by hand once")
        time.sleep(0.02)
    else:
        time.sleep(0.05)
    window = JClass("javax.swing.SwingUtilities").getWindowAncestor(button)
    if window is not None:
        window.dispose()
    return ""


def _find_button(text: str) -> Any:
    """Return the button of an open window, once it is there; "Do plot" beside it is switched off."""
    from jpype import JClass

    end = time.monotonic() + 10
    while True:
        for window in JClass("java.awt.Window").getWindows():
            parts = list(_parts(window)) if window.isShowing() else []
            found = [part for part in parts if _label(part) == text]
            if found:
                for box in parts:
                    if _label(box) == _PLOT and box.isSelected():
                        box.setSelected(False)
                return found[0]
        if time.monotonic() > end:
            raise FijiError(f"the plugin opened no window with a button '{text}'", "another release of it?")
        time.sleep(0.05)


def _parts(component: Any) -> Iterator[Any]:
    yield component
    if hasattr(component, "getComponents"):
        for child in component.getComponents():
            yield from _parts(child)


def _label(part: Any) -> str | None:
    from jpype import JClass

    button = JClass("javax.swing.AbstractButton")
    return str(part.getText() or "").strip() if isinstance(part, button) else None


def _has_failed() -> bool:
    """Whether a stack trace was printed: the plugin's way of stopping."""
    from dlsim_ij.fiji import launch

    session = launch.session()
    return session is not None and "Exception" in session.log.peek()
