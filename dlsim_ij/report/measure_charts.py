"""Charts of the quality measures: decorrelation curves, Fourier ring correlation, and numbers of a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from dlsim_ij.report.curves import DecorrelationCurve, DecorrelationPlot, FrcPlot
from dlsim_ij.report.document import Chart
from dlsim_ij.report.figures import CARD, INK, SERIES, STYLES, drawing, period_ticks, svg_of, top_scale

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PASSES = (("coarse", "first pass", SERIES[1]), ("refined", "second pass", SERIES[0]))
_STRIP_INCHES = 0.5
_MOST_DOTS = 300
_FEW_DOTS = 50


def decorrelation_chart(plot: DecorrelationPlot, *, title: str, alt: str, caption: str = "") -> Chart:
    """Draw all curves of an analysis as the authors' plugin does: both passes, peaks, and the cut-off."""
    scale, unit = _frequency_scale(plot)
    with drawing() as (figure, axes):
        for kind, name, colour in _PASSES:
            curves = [curve for curve in plot.curves if curve.kind == kind]
            for index, curve in enumerate(curves):
                # the stronger the high-pass filter, the stronger the line
                alpha = 0.3 + 0.6 * (index + 1) / len(curves)
                label = f"{name}: {len(curves)} high-pass filters" if index == len(curves) - 1 else None
                _draw(axes, curve, scale, colour, alpha, 1.0, label)
        for curve in plot.curves:
            if curve.kind == "unfiltered":
                _draw(axes, curve, scale, INK, 1.0, 2.0, "unfiltered")
        if plot.cutoff is not None:
            period = 1 / (scale * plot.cutoff)
            text = f"{1000 * period:.0f} nm" if plot.pixel_size_um else f"{period:.1f} px"
            axes.axvline(
                scale * plot.cutoff, color=INK, linestyle="--", linewidth=1.2, label=f"resolution {text}"
            )
            for curve in plot.curves:
                if curve.peak_height > 0 and np.isclose(curve.peak_frequency, plot.cutoff, rtol=1e-4):
                    axes.plot(
                        [scale * curve.peak_frequency], [curve.peak_height], "o", markersize=9,
                        markerfacecolor="none", markeredgecolor=INK,
                    )  # fmt: skip
        axes.set_ylim(bottom=0)
        _frequency_axis(axes, plot.pixel_size_um, unit)
        axes.set_ylabel("decorrelation")
        _legend(axes)
        return Chart(svg=svg_of(figure), title=title, alt=alt, caption=caption)


def frc_chart(plots: Mapping[str, FrcPlot], *, title: str, alt: str, caption: str = "") -> Chart:
    """Draw the smoothed curves of up to four images, and of the first the raw one and the threshold.

    Parameters
    ----------
    plots : mapping of name to FrcPlot
        The first is drawn on top.
    title, alt, caption : str
        For the page.
    """
    first = next(iter(plots.values()))
    with drawing() as (figure, axes):
        scale, unit = _frequency_scale(first)
        axes.plot(scale * first.frequency, first.raw, color=SERIES[0], alpha=0.35, linewidth=0.8)
        for index, (name, plot) in reversed(list(enumerate(plots.items()))):
            scale = _frequency_scale(plot)[0]
            axes.plot(
                scale * plot.frequency, plot.smoothed, STYLES[index], label=name, color=SERIES[index],
                linewidth=1.8 if index == 0 else 1.4,
            )  # fmt: skip
            if plot.cutoff is not None:
                height = float(np.interp(plot.cutoff, plot.frequency, plot.threshold_curve))
                axes.plot([scale * plot.cutoff], [height], "o", color=SERIES[index], markersize=5)
        scale = _frequency_scale(first)[0]
        axes.plot(
            scale * first.frequency, first.threshold_curve, ":", color=INK, linewidth=1.3,
            label=f"threshold {first.threshold}",
        )  # fmt: skip
        axes.set_ylim(min(-0.1, float(np.nanmin(first.smoothed)) - 0.05), 1.05)
        _frequency_axis(axes, first.pixel_size_um, unit)
        axes.set_ylabel("correlation of the halves")
        _legend(axes)
        return Chart(svg=svg_of(figure), title=title, alt=alt, caption=caption)


def strip_chart(
    rows: Mapping[str, Sequence[float]], *, x_label: str, title: str, alt: str, caption: str = ""
) -> Chart:
    """Draw every number as a dot, one row for each name, with a bar at the median.

    Parameters
    ----------
    rows : mapping of name to numbers
        At most four, the first on top and in the first colour.
    x_label : str
        With unit.
    title, alt, caption : str
        For the page.
    """
    names = list(rows)
    with drawing(5.4, 0.9 + _STRIP_INCHES * len(names)) as (figure, axes):
        for index, name in enumerate(names):
            values = np.sort(np.asarray(rows[name], dtype=np.float64))
            if len(values) > _MOST_DOTS:  # as many quantiles look the same
                values = np.quantile(values, np.linspace(0, 1, _MOST_DOTS))
            axes.scatter(
                values, index + _beeswarm(len(values)), s=20, color=SERIES[index], linewidths=0,
                alpha=0.85 if len(values) <= _FEW_DOTS else 0.5,
            )  # fmt: skip
            axes.plot([np.median(values)] * 2, [index - 0.38, index + 0.38], color=INK, linewidth=1.8)
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(len(names) - 0.45, -0.55)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel(x_label)
        axes.margins(x=0.04)
        return Chart(svg=svg_of(figure), title=title, alt=alt, caption=caption)


def _beeswarm(count: int) -> np.ndarray:
    """Spread dots of one row in height by a sequence without chance, so that a page can be built again."""
    if count == 1:
        return np.zeros(1)
    return 0.5 * ((np.arange(count) * 0.6180339887 + 0.5) % 1 - 0.5)


def _draw(
    axes: Axes, curve: DecorrelationCurve, scale: float, colour: str, alpha: float, width: float,
    label: str | None,
) -> None:  # fmt: skip
    axes.plot(
        scale * curve.frequency, curve.values, color=colour, alpha=alpha, linewidth=width,
        label=label or "_nolegend_",
    )  # fmt: skip
    if curve.peak_height > 0:
        axes.plot(
            [scale * curve.peak_frequency], [curve.peak_height], "v", color=colour, alpha=alpha, markersize=4
        )


def _frequency_scale(plot: DecorrelationPlot | FrcPlot) -> tuple[float, str]:
    """Return what brings cycles per measured pixel to cycles per micrometre, or per pixel of the result."""
    if plot.pixel_size_um is not None:
        return 1 / plot.pixel_size_um, "cycles/µm"
    return 1 / plot.pixel_px, "cycles/pixel"


def _frequency_axis(axes: Axes, pixel_size_um: float | None, unit: str) -> None:
    axes.margins(x=0)
    axes.set_xlim(left=0)
    axes.set_xlabel(f"spatial frequency ({unit})")
    if pixel_size_um is not None:
        top_scale(axes, period_ticks(pixel_size_um), "period (nm)")


def _legend(axes: Axes) -> None:
    handles, names = axes.get_legend_handles_labels()
    axes.legend(
        handles[::-1], names[::-1], handlelength=2.2, fontsize=8.5, facecolor=CARD, edgecolor="none",
        framealpha=0.6,
    )  # fmt: skip
