"""The curves of a decorrelation analysis as a picture of its own: SVG, PNG or PDF."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlsim_ij.errors import OutputError
from dlsim_ij.files import atomic_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from dlsim_ij.quality.decorrelation import Curve, Decorrelation

FORMATS = (".svg", ".png", ".pdf")
_LONGEST_NAME = 80
_DARK = "#1a1a1a"
# Of each pass the palest is the weakest high-pass filter. Orange and blue differ for every kind of colour
# vision, and the ramps differ in lightness as well.
_PASSES = {
    "coarse": ("first pass", "Oranges", (0.35, 0.85)),
    "refined": ("second pass", "Blues", (0.45, 0.95)),
}


def write_decorrelation_figure(
    path: Path, result: Decorrelation, name: str, *, overwrite: bool = False
) -> None:
    """Draw all curves of an analysis, their peaks, and the frequency that decides.

    Parameters
    ----------
    path : Path
        Ends in .svg, .png or .pdf.
    result : Decorrelation
        With its curves.
    name : str
        Of the image, for the title.
    overwrite : bool
        Replace an existing file.

    Raises
    ------
    OutputError
        Another ending, or the file cannot be written.
    """
    check_format(path)
    drawing = _draw(result, name, path.suffix.lower()[1:])
    with atomic_path(path, overwrite=overwrite) as temporary:
        temporary.write_bytes(drawing)


def check_format(path: Path) -> None:
    """Raise `OutputError` unless a drawing can be written under this name."""
    if path.suffix.lower() not in FORMATS:
        raise OutputError(
            f"{path}: a drawing cannot be written as '{path.suffix}'", f"use one of {', '.join(FORMATS)}"
        )


def _draw(result: Decorrelation, name: str, kind: str) -> bytes:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    settings: dict[Any, Any] = {
        "svg.fonttype": "none",
        "svg.hashsalt": "dlsim",  # the same data give the same file
        "font.family": "sans-serif",
        "font.size": 10,
        "text.parse_math": False,  # a name may hold a dollar sign
        "axes.spines.right": False,
        "axes.spines.top": False,
    }
    with mpl.rc_context(settings), warnings.catch_warnings():
        # a letter of the name that the font lacks becomes a box; in SVG the reader's font has it
        warnings.filterwarnings("ignore", "Glyph .* missing")
        figure = Figure(figsize=(7.2, 4.6), layout="constrained", facecolor="white")
        axes = figure.add_subplot()
        for pass_name in _PASSES:
            _draw_pass(axes, [curve for curve in result.curves if curve.kind == pass_name], pass_name)
        _draw_curve(axes, result.curves[0], _DARK, 2.2, "unfiltered")
        _finish(axes, result)
        shown = name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…"
        axes.set_title(f"{shown}\n{headline(result)}", loc="left", fontsize=10.5)
        buffer = io.BytesIO()
        without_date = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}[kind]
        figure.savefig(buffer, format=kind, dpi=150, metadata=without_date)
    return buffer.getvalue()


def headline(result: Decorrelation) -> str:
    """Say the outcome of an analysis in one line.

    The plugin writes the same three numbers under its plot.
    """
    if result.status != "ok" or result.resolution_px is None:
        found = "no peak" if result.status == "no-peak" else "no result, the plugin stops here"
    else:
        found = f"resolution {_length(result.resolution_px, result.pixel_size_um)}"
    kc = "" if result.kc is None else f", kc {result.kc:.4f}"
    return f"{found}{kc}, A0 {result.a0:.4f} (plugin {result.version})"


def _length(length_px: float, pixel_size_um: float | None) -> str:
    if pixel_size_um is None:
        return f"{length_px:.3f} px"
    return f"{1000 * length_px * pixel_size_um:.1f} nm ({length_px:.3f} px)"


def _draw_pass(axes: Axes, curves: Sequence[Curve], pass_name: str) -> None:
    import matplotlib as mpl

    title, colours, (palest, darkest) = _PASSES[pass_name]
    drawn = [curve for curve in curves if curve.sigma_px is not None]
    for number, curve in enumerate(reversed(drawn)):
        colour = mpl.colormaps[colours](palest + (darkest - palest) * number / max(len(drawn) - 1, 1))
        label = f"{title}: {len(drawn)} high-pass filters" if number == len(drawn) - 1 else ""
        _draw_curve(axes, curve, colour, 1.1, label)


def _draw_curve(axes: Axes, curve: Curve, colour: Any, width: float, label: str) -> None:
    axes.plot(curve.radii, curve.values, color=colour, linewidth=width, label=label or "_nolegend_")
    if curve.peak_height > 0:
        axes.plot(
            [curve.peak_radius], [curve.peak_height], "v", color=colour,
            markersize=7, markeredgecolor="white", markeredgewidth=0.6,
        )  # fmt: skip


def _finish(axes: Axes, result: Decorrelation) -> None:
    axes.set_xlim(result.rmin, result.rmax)
    axes.set_ylim(bottom=0)
    axes.margins(y=0.06)
    axes.grid(color="#e4e4e4", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.set_xlabel("spatial frequency / Nyquist frequency")
    axes.set_ylabel("decorrelation d")
    if result.status == "ok" and result.kc:
        axes.axvline(result.kc, color=_DARK, linestyle="--", linewidth=1.2, label=f"kc {result.kc:.4f}")
    low, high = axes.get_xlim()
    pixel_nm = None if result.pixel_size_um is None else 1000 * result.pixel_size_um
    unit = "px" if pixel_nm is None else "nm"
    ticks = period_ticks(low, high, pixel_nm or 1.0)
    top = axes.secondary_xaxis("top")
    top.set_xticks([radius for radius, _ in ticks], [text for _, text in ticks])
    top.set_xlabel(f"period in {unit}")
    handles, names = axes.get_legend_handles_labels()
    order = sorted(range(len(names)), key=lambda i: names[i] != "unfiltered")
    axes.legend(
        [handles[i] for i in order], [names[i] for i in order], loc="best",
        frameon=True, framealpha=0.85, edgecolor="none", fontsize=9,
    )  # fmt: skip


def period_ticks(low: float, high: float, pixel: float) -> list[tuple[float, str]]:
    """Choose round periods for a scale along frequencies from `low` to `high` (1 is Nyquist).

    Examples
    --------
    >>> [text for _, text in period_ticks(0, 1, 30.0)]
    ['1500', '500', '300', '200', '150', '120', '100', '80', '70', '60']
    """
    rounds = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8)
    least = 0.07 * (high - low)  # between two labels
    chosen: list[tuple[float, str]] = []
    candidates = sorted(2 * pixel / (digit * 10.0**power) for digit in rounds for power in range(-3, 7))
    shortest = 2 * pixel / high
    inside = [radius for radius in candidates if low + least / 2 <= radius <= high * (1 + 1e-9)]
    if shortest not in (2 * pixel / radius for radius in inside):
        inside = [radius for radius in inside if radius < high - least / 2]
    for radius in inside:
        if not chosen or radius - chosen[-1][0] >= least:
            chosen.append((radius, f"{2 * pixel / radius:.4g}"))
    return chosen
