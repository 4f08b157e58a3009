"""Arrays to PNG pictures and SVG charts; nothing here knows HTML."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dlsim_ij.report.document import Chart, ColourBar, FloatImage, Picture, ScaleBar

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_SIDE_PX = 448  # of an embedded picture: seven of pure noise and a zoom make a page of less than 3 MB

# Placeholders that `svg_of` turns into variables of the page: one drawing serves light, dark and print.
# The series' colours are Okabe and Ito's, which colour-blind readers can tell apart; line styles differ too.
INK, LINE, CARD = "#010203", "#040506", "#070809"
SERIES = ("#0a0b01", "#0a0b02", "#0a0b03", "#0a0b04")
_VARIABLES = {INK: "--ink-soft", LINE: "--line", CARD: "--card"} | {
    c: f"--series-{i + 1}" for i, c in enumerate(SERIES)
}
STYLES = ("-", "--", "-.", ":")


def grey_picture(image: FloatImage, window: tuple[float, float], **about: Any) -> Picture:
    """Draw an image in grey between the two values of `window`.

    Parameters
    ----------
    image : (Y, X) ndarray
    window : (low, high)
        Values shown as black and white.
    **about
        Other fields of :class:`Picture`.
    """
    return _picture(_to_bytes(shrink(image), *window), None, **about)


def map_picture(
    image: FloatImage,
    *,
    signed: bool,
    unit: str = "",
    span: float | None = None,
    part: tuple[int, int, int, int] | None = None,
    **about: Any,
) -> Picture:
    """Draw a map in colour, with its colour bar.

    Parameters
    ----------
    image : (Y, X) ndarray
    signed : bool
        Blue below zero, red above it, symmetric; else dark to bright from zero or the smallest value.
        The limits hold 99.5 % of the pixels, so that one hot pixel does not hide the rest.
    unit : str
        Of the values, for the colour bar.
    span : float, optional
        Upper limit of a signed map, if it means something.
    part : (top, left, height, width), optional
        What to draw of it, in the colours of the whole, pixel by pixel.
    **about
        Other fields of :class:`Picture`.
    """
    import matplotlib as mpl

    if signed:
        high = span or float(np.quantile(np.abs(image), 0.995)) or float(np.abs(image).max()) or 1.0
        low, name = -high, "RdBu_r"
    else:
        low, high = min(0.0, float(image.min())), float(np.quantile(image, 0.995))
        high, name = high if high > low else low + 1, "cividis"
    palette = (255 * mpl.colormaps[name](np.arange(256))[:, :3]).round().astype(np.uint8)
    bar = ColourBar(
        colours=tuple(f"#{r:02x}{g:02x}{b:02x}" for r, g, b in palette[:: 255 // 15]),
        low=number(low),
        middle=number((low + high) / 2),
        high=f"{number(high)} {unit}".strip(),
    )
    if part is not None:
        top, left, height, width = part
        shown = image[top : top + height, left : left + width]
    else:
        shown = shrink(image)
    return _picture(_to_bytes(shown, low, high), palette, colour_bar=bar, **about)


def scale_bar(width_px: int, pixel_size_um: float | None) -> ScaleBar:
    """Choose a bar of a round length near a fifth of the width; in pixels when their size is unknown.

    Examples
    --------
    >>> scale_bar(256, 0.03)
    ScaleBar(fraction=0.2604166666666667, label='2 µm')
    >>> scale_bar(64, None)
    ScaleBar(fraction=0.15625, label='10 px')
    """
    target = width_px * (pixel_size_um or 1.0) * 0.22
    decade = 10.0 ** math.floor(math.log10(target))
    length = min((m * decade for m in (1, 2, 5, 10)), key=lambda v: abs(math.log(v / target)))
    if pixel_size_um is None:
        length = max(round(length), 1)
        return ScaleBar(fraction=length / width_px, label=f"{length} px")
    fraction = length / (width_px * pixel_size_um)
    # compared with a little slack: 0.3 um may come out as 0.30000000000000004
    label = f"{length:g} µm" if length > 0.999 else f"{1000 * length:g} nm"
    return ScaleBar(fraction=fraction, label=label)


def line_chart(
    series: Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64]]],
    *,
    x_label: str,
    y_label: str,
    title: str,
    alt: str,
    caption: str = "",
    log_y: bool = False,
    steps: bool = False,
    top_ticks: Sequence[tuple[float, str]] = (),
    top_label: str = "",
) -> Chart:
    """Draw curves.

    Parameters
    ----------
    series : mapping of name to (x, y)
        At most four; the first is drawn on top.
    x_label, y_label : str
        With units.
    title, alt, caption : str
        For the page.
    log_y : bool
        Logarithmic y axis.
    steps : bool
        Draw as steps, for histograms.
    top_ticks : sequence of (x, text)
        Ticks of a second scale along the top.
    top_label : str
        What the second scale shows.
    """
    with drawing() as (figure, axes):
        for index, (name, (x, y)) in reversed(list(enumerate(series.items()))):
            axes.plot(
                x,
                y,
                STYLES[index],
                label=name,
                color=SERIES[index],
                linewidth=1.8 if index == 0 else 1.4,
                drawstyle="steps-mid" if steps else "default",
            )
        if log_y:
            from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator(numticks=6))
            axes.yaxis.set_minor_locator(NullLocator())
            axes.yaxis.set_major_formatter(FuncFormatter(_power_of_ten))
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
        axes.margins(x=0)
        if top_ticks:
            top_scale(axes, top_ticks, top_label)
        handles, names = axes.get_legend_handles_labels()
        axes.legend(handles[::-1], names[::-1], frameon=False, handlelength=2.4)
        return Chart(svg=svg_of(figure), title=title, alt=alt, caption=caption)


def top_scale(axes: Axes, ticks: Sequence[tuple[float, str]], label: str) -> None:
    """Put a second scale along the top."""
    top = axes.secondary_xaxis("top")
    top.set_xticks([x for x, _ in ticks], [text for _, text in ticks])
    top.set_xlabel(label)
    top.spines["top"].set_visible(False)


def period_ticks(pixel_size_um: float) -> list[tuple[float, str]]:
    """Choose round periods for a second scale over spatial frequency, no two too close to be read.

    Examples
    --------
    >>> [text for _, text in period_ticks(0.03)]
    ['500', '200', '100', '70']
    """
    nyquist = 0.5 / pixel_size_um
    ticks: list[tuple[float, str]] = []
    for nm in (10_000, 5000, 2000, 1000, 500, 300, 200, 150, 100, 70, 50, 30, 20, 10):
        frequency, last = 1000 / nm, ticks[-1][0] if ticks else 0.0
        if frequency <= nyquist and frequency - last > 0.11 * nyquist:
            ticks.append((frequency, str(nm)))
    return ticks


def number(value: float) -> str:
    """Write a number with four significant digits, as a reader would.

    Examples
    --------
    >>> number(12721.4), number(0.0312345), number(-3.0), number(1234567.0)
    ('12721', '0.03123', '-3', '1.235e+06')
    """
    if 1000 <= abs(value) < 100_000:
        return f"{value:.0f}"
    return f"{value:.4g}"


def _power_of_ten(value: float, _: int | None = None) -> str:
    if value <= 0:
        return ""
    exponent = str(round(math.log10(value))).replace("-", "−")
    return "10" + exponent.translate(str.maketrans("0123456789−", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻"))


def shrink(image: FloatImage, max_side_px: int = MAX_SIDE_PX) -> FloatImage:
    """Average blocks of pixels until no side is longer than `max_side_px`."""
    step = math.ceil(max(image.shape) / max_side_px)
    if step == 1:
        return image
    for axis in (0, 1):
        starts = np.arange(0, image.shape[axis], step)
        counts = np.diff(np.append(starts, image.shape[axis]))
        image = np.add.reduceat(image, starts, axis=axis) / np.expand_dims(counts, 1 - axis)
    return image


def _to_bytes(image: FloatImage, low: float, high: float) -> NDArray[np.uint8]:
    return np.asarray(np.clip((image - low) * (255 / (high - low)), 0, 255).round().astype(np.uint8))


def _picture(pixels: NDArray[np.uint8], palette: NDArray[np.uint8] | None, **about: Any) -> Picture:
    from PIL import Image

    picture = Image.fromarray(pixels)
    if palette is not None:
        picture.putpalette(palette.tobytes())  # one byte a pixel, and the values stay readable
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    return Picture(png=buffer.getvalue(), width_px=pixels.shape[1], height_px=pixels.shape[0], **about)


@contextmanager
def drawing(width: float = 5.4, height: float = 3.1) -> Iterator[tuple[Figure, Axes]]:
    """Give an empty figure of this size in inches and its axes, in the page's style."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    settings: dict[Any, Any] = {
        "svg.fonttype": "none",  # text stays text: small, searchable, in the page's own font
        "svg.hashsalt": "dlsim",  # the same data give the same file
        "text.parse_math": False,  # a name may hold a dollar sign
        "font.size": 9.5,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.edgecolor": LINE,
        "axes.labelcolor": INK,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": LINE,
        "grid.linewidth": 0.6,
        "xtick.color": INK,
        "ytick.color": INK,
        "xtick.major.size": 0,
        "ytick.major.size": 0,
        "ytick.minor.size": 0,
        "text.color": INK,
    }
    with mpl.rc_context(settings):
        figure = Figure(figsize=(width, height), layout="constrained", facecolor="none")
        axes = figure.add_subplot()
        axes.set_facecolor("none")
        yield figure, axes


def svg_of(figure: Figure) -> str:
    """Return the drawing as SVG to be put into a page, its colours replaced by the page's variables."""
    buffer = io.StringIO()
    figure.savefig(
        buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None}
    )
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, f"var({variable})")
    # two drawings of one page must not share the names of their parts
    salt = f"{abs(hash_text(svg)):08x}"
    svg = re.sub(r'(id="|url\(#|href="#)', rf"\g<1>c{salt}-", svg)
    return re.sub(
        r'<svg [^>]*?viewBox="([^"]*)"[^>]*>', r'<svg viewBox="\1" aria-hidden="true">', svg, count=1
    )


def hash_text(text: str) -> int:
    """Return a checksum that is the same in every process."""
    import zlib

    return zlib.crc32(text.encode())
