"""The dose curve as a drawing, and the images behind it as a sheet of pictures."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dlsim_ij.errors import ImageError
from dlsim_ij.files import atomic_path
from dlsim_ij.quality import fit_intensity
from dlsim_ij.report.comparison import crop, surroundings, telling_region
from dlsim_ij.report.document import FloatImage
from dlsim_ij.report.figures import scale_bar

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from dlsim_ij.quality.dose_levels import DoseSummary, MethodLight

# Okabe and Ito's, which colour-blind readers can tell apart; line styles and markers differ too
_COLOURS = ("#0072B2", "#56B4E9", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#000000")
_STYLES, _MARKERS = ("-", "--", "-", "-.", ":"), "osD^v<>"
_DARK, _GREY = "#1a1a1a", "#8a8a8a"
_SHOWN_PX = 200  # side of a picture
_PLAIN: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "dlsim",  # the same data give the same file
    "font.family": "sans-serif",
    "font.size": 10,
    "text.parse_math": False,  # a name may hold a dollar sign
    "axes.spines.right": False,
}


def fraction_name(fraction: float) -> str:
    """Write a share of the light as people say it.

    Examples
    --------
    >>> fraction_name(1 / 15), fraction_name(0.4), fraction_name(1.0)
    ('1/15', '0.4', '1')
    """
    inverse = round(1 / fraction)
    if inverse > 1 and abs(inverse * fraction - 1) < 1e-6:
        return f"1/{inverse}"
    return f"{fraction:.3g}"


def need_text(found: MethodLight, photons: float, *, target: bool) -> str:
    """Say how little light a method needs, in a few words.

    Parameters
    ----------
    found : MethodLight
    photons : float
        Per pixel and frame at full light.
    target : bool
        For the score asked of all; else for what the method has at full light.
    """
    needed = found.reaches if target else found.keeps
    if needed is None:
        return "is the reference"
    if needed.fraction is None:
        return "at no level"
    light = f"{_two_digits(needed.fraction * photons)} photons (1/{_two_digits(1 / needed.fraction)})"
    return light + (" or less" if needed.status == "everywhere" else "")


def _two_digits(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"


def draw_curve(
    summary: DoseSummary, *, photons: float, frames: Mapping[str, int], widefield_db: float, reference: str,
    title: str, paths: Sequence[Path], overwrite: bool = False,
) -> None:  # fmt: skip
    """Draw quality against photons, one line per method, with the scatter of the draws.

    Parameters
    ----------
    summary : DoseSummary
    photons : float
        Per pixel and frame at full light.
    frames : mapping of method to int
        Frames that each method uses.
    widefield_db : float
        Score of the widefield image at full light.
    reference : str
        What the scores compare with.
    title : str
    paths : sequence of Path
        Files to write; .png, .svg or .pdf.
    overwrite : bool
        Replace existing files.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(_PLAIN):
        figure = Figure(figsize=(7.6, 5.2), layout="constrained", facecolor="white")
        axes = figure.add_subplot()
        for number, needed in enumerate(summary.needed):
            _draw_method(axes, summary, needed, number, photons, frames[needed.method])
        axes.axhline(widefield_db, color=_GREY, linewidth=1.1, linestyle=(0, (1, 2)))
        axes.axhline(summary.target_db, color=_DARK, linewidth=0.9, linestyle=(0, (6, 4)))
        axes.set_xscale("log")
        axes.margins(x=0.04, y=0.07)
        right = axes.get_xlim()[1]
        for value, text, colour, above in (
            (widefield_db, "widefield, full light", _GREY, 2),
            (summary.target_db, f"{summary.target_db:.1f} dB", _DARK, -11),
        ):
            axes.annotate(
                text, (right, value), (-3, above), textcoords="offset points", ha="right", fontsize=8.5,
                color=colour,
            )  # fmt: skip
        _finish(axes, summary, photons, reference)
        figure.suptitle(title, x=0.01, ha="left", fontsize=11)
        _save(figure, paths, overwrite)


def _draw_method(
    axes: Axes, summary: DoseSummary, needed: MethodLight, number: int, photons: float, frames: int
) -> None:
    curve = summary.curve(needed.method)
    light = np.array([fraction * photons for fraction, _, _ in curve])
    mean, sd = (np.array([level[place] for level in curve]) for place in (1, 2))
    colour = _COLOURS[number % len(_COLOURS)]
    enough = need_text(needed, photons, target=True)
    word = "" if needed.reaches.fraction is None else "from "
    label = f"{needed.method} ({frames} frames): {summary.target_db:.1f} dB {word}{enough}"
    axes.fill_between(light, mean - sd, mean + sd, color=colour, alpha=0.18, linewidth=0)
    axes.plot(
        light, mean, linestyle=_STYLES[number % len(_STYLES)], marker=_MARKERS[number % len(_MARKERS)],
        color=colour, markersize=5, linewidth=1.8, label=label,
    )  # fmt: skip
    if needed.reaches.status == "crossed" and needed.reaches.fraction is not None:
        axes.plot(
            [needed.reaches.fraction * photons], [summary.target_db], "o", markersize=9,
            markerfacecolor="none", markeredgecolor=colour, markeredgewidth=1.4,
        )  # fmt: skip


def _finish(axes: Axes, summary: DoseSummary, photons: float, reference: str) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(color="#e4e4e4", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.set_xlabel("photo-electrons per pixel and frame, bright parts")
    how = " after the best shift" if summary.score == "registered_psnr_db" else ""
    axes.set_ylabel(f"PSNR{how} against {reference} (dB)")
    fractions = sorted({level["fraction"] for level in summary.levels})
    top = axes.secondary_xaxis("top")
    top.xaxis.set_major_locator(NullLocator())
    top.xaxis.set_minor_locator(NullLocator())
    chosen = _spread_out(fractions, 0.045 * np.log10(axes.get_xlim()[1] / axes.get_xlim()[0]))
    top.set_xticks([f * photons for f in chosen], [fraction_name(f) for f in chosen])
    top.set_xlabel("share of the light")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), frameon=False, fontsize=9, handlelength=3)


def _spread_out(fractions: Sequence[float], least_decades: float) -> list[float]:
    """Leave out ticks that would run into each other."""
    chosen: list[float] = []
    for fraction in sorted(fractions, reverse=True):
        if not chosen or np.log10(chosen[-1] / fraction) >= least_decades:
            chosen.append(fraction)
    return chosen


def draw_images(
    images: Mapping[tuple[float, str], NDArray[np.floating]], reference: NDArray[np.floating], *,
    with_truth: bool, photons: float, pixel_size_um: float | None, path: Path, overwrite: bool = False,
) -> None:  # fmt: skip
    """Draw a part of each image: methods down, light across, brightest first.

    Parameters
    ----------
    images : mapping of (fraction, method) to (Y, X) ndarray
        All of one size.
    reference : (Y, X) ndarray
        Its grey values are the pictures': each image is brought to them by gain and offset.
    with_truth : bool
        `reference` is a truth, to be shown too.
    photons : float
        Per pixel and frame at full light.
    pixel_size_um : float or None
        Of the images, for the scale bar.
    path : Path
        PNG to write.
    overwrite : bool
        Replace an existing file.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    fractions = sorted({fraction for fraction, _ in images}, reverse=True)
    methods = list(dict.fromkeys(method for _, method in images))
    target = np.asarray(reference, np.float64)
    region = surroundings(telling_region(target, None), target.shape, _SHOWN_PX)
    low, high = np.quantile(crop(target, region), (0.002, 0.998))
    columns = len(fractions) + with_truth
    with mpl.rc_context(_PLAIN):
        figure = Figure(
            figsize=(1.75 * columns + 0.3, 1.8 * len(methods) + 0.35), layout="constrained", facecolor="white"
        )
        figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0.01, hspace=0.01)  # type: ignore[union-attr,call-arg]
        grid = figure.subplots(len(methods), columns, squeeze=False)
        for number, (row, method) in enumerate(zip(grid, methods, strict=True)):
            for axes, fraction in zip(row, fractions, strict=False):
                shown = crop(_in_grey_values_of(target, images[fraction, method]), region)
                axes.imshow(shown, cmap="gray", vmin=low, vmax=high, interpolation="nearest")
                if number == 0:
                    name = "full light" if fraction == 1 else fraction_name(fraction)
                    axes.set_title(f"{name}: {_two_digits(fraction * photons)} photons", fontsize=8.5)
            row[0].set_ylabel(method, fontsize=9.5)
        if with_truth:
            grid[0, -1].imshow(
                crop(target, region), cmap="gray", vmin=low, vmax=high, interpolation="nearest"
            )
            grid[0, -1].set_title("truth", fontsize=8.5)
        for axes in grid.ravel():
            axes.set_xticks([])
            axes.set_yticks([])
            for side in axes.spines.values():
                side.set_visible(False)
        _draw_bar(grid[0, 0], region.width, region.height, pixel_size_um)
        _save(figure, [path], overwrite)


def _draw_bar(axes: Axes, width_px: int, height_px: int, pixel_size_um: float | None) -> None:
    bar = scale_bar(width_px, pixel_size_um)
    left, bottom = 0.05 * width_px, 0.94 * height_px
    axes.plot([left, left + bar.fraction * width_px], [bottom, bottom], color="white", linewidth=2.5)
    axes.text(left, bottom - 0.03 * height_px, bar.label, color="white", fontsize=8, va="bottom")


def _in_grey_values_of(reference: FloatImage, image: NDArray[np.floating]) -> FloatImage:
    pixels = np.asarray(image, np.float64)
    try:
        gain, offset = fit_intensity(pixels, reference)
    except ImageError:  # a constant image has no gain: shown as the mean
        return np.full_like(pixels, reference.mean())
    return gain * pixels + offset


def _save(figure: Figure, paths: Sequence[Path], overwrite: bool) -> None:
    for path in paths:
        kind = path.suffix.lower()[1:]
        buffer = io.BytesIO()
        without_date: dict[str, Any] = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}[kind]
        figure.savefig(buffer, format=kind, dpi=150, metadata=without_date)
        with atomic_path(path, overwrite=overwrite) as temporary:
            temporary.write_bytes(buffer.getvalue())
