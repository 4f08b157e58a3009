"""From a run's record to the page: one function per section, in the order of reading."""

from __future__ import annotations

from typing import Any

import numpy as np

import dlsim_ij
from dlsim_ij.report import figures
from dlsim_ij.report.comparison import MAP_ROLES, Comparison, compare, crop, profile, radial_power
from dlsim_ij.report.document import (
    LEVEL_WORDS,
    Beside,
    Block,
    Box,
    Charts,
    Document,
    Link,
    Picture,
    Pictures,
    RunRecord,
    Section,
    Slider,
    Table,
    Text,
)
from dlsim_ij.report.explain import flatten, in_order, meaning, show

ROLES = {
    "sr": "Result",
    "widefield": "Widefield",
    "wiener": "Wiener SIM",
    "uncertainty": "Uncertainty",
    "residual": "Residual",
    "error": "Error",
}
_MAPS = {
    "uncertainty": "How far the network itself expects to be off, in the result's intensity units.",
    "residual": "Raw frames minus the frames that the result would have given: structure is unexplained.",
    "error": "Where the result disagrees with the reference image.",
}
_PAPER = (
    "Jin L, Liu B, Zhao F, Hahn S, Dong B, Song R, Elston TC, Xu Y, Hahn KM. Deep learning enables "
    "structured illumination microscopy with low light levels and enhanced speed. "
    "Nature Communications 11, 1934 (2020)."
)


def build_document(record: RunRecord) -> Document:
    """Make the page of one input.

    Parameters
    ----------
    record : RunRecord
        With pixels, as :func:`~dlsim_ij.report.load_record` returns it.

    Returns
    -------
    Document

    Raises
    ------
    ImageError
        The result has no pixels.
    """
    seen = compare(record)
    sections = (
        _images(record, seen),
        _zoom(record, seen),
        _maps(record, seen),
        _curves(seen),
        _numbers(record),
        _acquisition(record),
        _provenance(record),
        citation(),
    )
    return Document(
        title=record.name,
        subtitle="Super-resolution report",
        verdict=record.verdict,
        level=record.verdict_level,
        level_word=LEVEL_WORDS[record.verdict_level],
        facts=_facts(record),
        warnings=record.warnings,
        sections=tuple(section for section in sections if section is not None),
        version=dlsim_ij.__version__,
    )


def role_name(role: str) -> str:
    """Return what an image is called on the page."""
    return ROLES.get(role) or role.replace("_", " ").capitalize()


def citation() -> Section:
    """Return how to cite."""
    return Section(
        key="cite",
        title="How to cite",
        lead="If these images go into a publication, please cite the method and the software.",
        blocks=(
            Text(
                text=_PAPER,
                link=Link(
                    text="doi:10.1038/s41467-020-15784-x", href="https://doi.org/10.1038/s41467-020-15784-x"
                ),
            ),
            Text(text=f"The dlsim_ij developers. dlsim_ij {dlsim_ij.__version__}, computer software."),
        ),
    )


def _facts(record: RunRecord) -> tuple[tuple[str, str], ...]:
    image = record.images["sr"]
    assert image.pixels is not None  # compare() has refused otherwise
    height, width = image.pixels.shape
    facts = [("Model", record.model), ("Result", f"{width} × {height} px")]
    if image.pixel_size_um:
        facts.append(("Pixel", f"{1000 * image.pixel_size_um:.4g} nm"))
        facts.append(("Field", f"{width * image.pixel_size_um:.3g} × {height * image.pixel_size_um:.3g} µm"))
    else:
        facts.append(("Pixel", "size unknown"))
    if record.engine.get("name"):
        facts.append(("Engine", f"{record.engine['name']} {record.engine.get('version') or ''}".strip()))
    if record.created:
        facts.append(("Made", record.created.replace("T", " ")[:16]))
    return tuple(facts)


def _images(record: RunRecord, seen: Comparison) -> Section:
    height, width = seen.images["sr"].shape
    region = seen.region
    outline = Box(
        left=region.left / width,
        top=region.top / height,
        width=region.width / width,
        height=region.height / height,
    )
    pictures = [
        figures.grey_picture(
            pixels,
            seen.window,
            title=role_name(role),
            alt=f"{role_name(role)}, whole field, with the region of the zoom outlined",
            caption=_image_caption(record, seen, role),
            scale_bar=figures.scale_bar(width, seen.pixel_size_um),
            outline=outline,
        )
        for role, pixels in seen.images.items()
    ]
    lead = "One contrast for all"
    if len(pictures) > 1:
        lead += ": each image has the mean and the standard deviation of the result"
    lead += ". The outline marks the region shown below."
    if seen.left_out:
        names = " and ".join(role_name(role) for role in seen.left_out)
        lead += f" {names} cannot be shown here: the pixel grid does not fit the result's."
    return Section(key="images", title="Images", lead=lead, blocks=(Pictures(pictures=tuple(pictures)),))


def _image_caption(record: RunRecord, seen: Comparison, role: str) -> str:
    parts = [record.images[role].file, record.images[role].note]
    if role in seen.enlarged:
        parts.append(f"enlarged {seen.enlarged[role]}× for the comparison")
    return " · ".join(part for part in parts if part)


def _zoom(record: RunRecord, seen: Comparison) -> Section:
    region = seen.region
    if region.along == "row":
        line = Box(left=0, top=(region.at + 0.5) / region.height, width=1, height=0)
    else:
        line = Box(left=(region.at + 0.5) / region.width, top=0, width=0, height=1)

    def picture(role: str, with_line: bool) -> Picture:
        return figures.grey_picture(
            crop(seen.images[role], region),
            seen.window,
            title=role_name(role),
            alt=f"{role_name(role)}, enlarged region"
            + (" with the line of the profile" if with_line else ""),
            scale_bar=figures.scale_bar(region.width, seen.pixel_size_um),
            line=line if with_line else None,
            pixelated=True,
        )

    unit, scale = ("µm", seen.pixel_size_um) if seen.pixel_size_um else ("px", 1.0)
    # the result first: it is drawn on top and takes the first colour
    values = {role_name(role): profile(seen.images[role], region) for role in reversed(seen.images)}
    chart = figures.line_chart(
        {name: (scale * np.arange(y.size, dtype=np.float64), y) for name, y in values.items()},
        x_label=f"position along the line ({unit})",
        y_label="intensity",
        title="Line profile",
        alt="Intensity along the dotted line, one curve per image",
        caption="Along the dotted line, mean of 3 pixels across it. Two peaks where the widefield image has "
        "one are resolved, or invented: compare with a Wiener image or a second acquisition.",
    )
    beside: tuple[Block, ...] = (Charts(charts=(chart,)),)
    if seen.reference is not None:
        slider = Slider(
            before=picture(seen.reference, with_line=False),
            after=picture("sr", with_line=False),
            caption=f"{role_name(seen.reference)} left of the handle, result right of it.",
        )
        beside = (slider, *beside)
        lead = f"Where the result differs most from the {role_name(seen.reference).lower()} image"
    else:
        lead = "Where the result varies most"
    where = f"x {region.left}–{region.left + region.width}, y {region.top}–{region.top + region.height} px"
    return Section(
        key="zoom",
        title="A closer look",
        lead=f"{lead}: {where} of the result.",
        blocks=(
            Pictures(pictures=tuple(picture(role, with_line=True) for role in seen.images)),
            Beside(blocks=beside),
        ),
    )


def _maps(record: RunRecord, seen: Comparison) -> Section | None:
    pictures = []
    difference = seen.difference
    if difference is not None and seen.reference is not None:
        name = role_name(seen.reference).lower()
        pictures.append(
            figures.map_picture(
                difference,
                signed=True,
                title=f"Result minus {name}",
                alt=f"Difference map: red where the result is brighter than the {name} image, blue below",
                caption=f"Red: the result is brighter than the {name} image after the best gain and offset; "
                "blue: darker. Fine structure is what the result adds; broad patches mean moved brightness.",
                scale_bar=figures.scale_bar(difference.shape[1], seen.pixel_size_um),
            )
        )
    for role in MAP_ROLES:
        image = record.images.get(role)
        if image is None or image.pixels is None:
            continue
        pictures.append(
            figures.map_picture(
                image.pixels,
                signed=role == "residual",
                title=role_name(role),
                alt=f"{role_name(role)} map",
                caption=_MAPS[role],
                scale_bar=figures.scale_bar(image.pixels.shape[1], image.pixel_size_um),
            )
        )
    if not pictures:
        return None
    return Section(
        key="maps",
        title="Difference" if len(pictures) == 1 else "Maps",
        lead="The colours span 99.5 % of the pixels.",
        blocks=(Pictures(pictures=tuple(pictures)),),
    )


def _curves(seen: Comparison) -> Section:
    size = seen.pixel_size_um
    unit, scale = ("cycles/µm", 1 / size) if size else ("cycles/pixel", 1.0)
    spectra, counts = {}, {}
    low = min(float(pixels.min()) for pixels in seen.images.values())
    high = max(float(pixels.max()) for pixels in seen.images.values())
    for role in reversed(seen.images):
        pixels = seen.images[role]
        frequency, power = radial_power(pixels)
        if role in seen.enlarged:  # beyond its own Nyquist an enlarged image holds only interpolation
            native = frequency <= 0.5 / seen.enlarged[role]
            frequency, power = frequency[native], power[native]
        spectra[role_name(role)] = (scale * frequency, np.maximum(power, max(1e-12 * power.max(), 1e-30)))
        count, edges = np.histogram(pixels, bins=80, range=(low, high if high > low else low + 1))
        counts[role_name(role)] = ((edges[:-1] + edges[1:]) / 2, np.where(count, count, np.nan))
    ticks = period_ticks(size) if size else []
    spectrum = figures.line_chart(
        spectra,
        x_label=f"spatial frequency ({unit})",
        y_label="power",
        title="Power spectrum",
        alt="Power against spatial frequency, averaged over directions, one curve per image",
        caption="Mean over all directions. Signal falls and then meets a flat floor of noise; a result that "
        "carries detail stays above its floor further to the right than the widefield image.",
        log_y=True,
        top_ticks=ticks,
        top_label="period (nm)" if ticks else "",
    )
    histograms = figures.line_chart(
        counts,
        x_label="intensity",
        y_label="pixels",
        title="Histogram",
        alt="Number of pixels against intensity, one curve per image",
        caption="A spike at an end would mean clipping. A longer tail to the right is sharper structure.",
        log_y=True,
        steps=True,
    )
    return Section(
        key="curves",
        title="Spectra and intensities",
        lead="The same two views of every image.",
        blocks=(Charts(charts=(spectrum, histograms)),),
    )


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


def _numbers(record: RunRecord) -> Section | None:
    rows = []
    for key, value in in_order(record.metrics).items():
        about = meaning(key)
        rows.append((about.label, show(value, about.digits), about.unit, about.text))
    if not rows:
        return None
    return Section(
        key="numbers",
        title="Numbers",
        lead="The same numbers stand in metrics.csv and metrics.json.",
        blocks=(
            Table(
                caption="Quality",
                header=("Measure", "Value", "Unit", "What it says"),
                rows=tuple(rows),
                numeric=(1,),
                prose=(3,),
            ),
        ),
    )


def _acquisition(record: RunRecord) -> Section:
    return Section(
        key="acquisition",
        title="Acquisition",
        lead="What the raw frames say about themselves.",
        blocks=(
            Table(
                caption="Input and acquisition",
                header=("Property", "Value"),
                rows=(("Input", record.input), *record.acquisition),
            ),
        ),
    )


def _provenance(record: RunRecord) -> Section:
    rows = [("Model", record.model)]
    rows += [(_path_label(key), _exact(value)) for key, value in flatten(record.parameters).items()]
    rows += [
        (f"Engine {_path_label(key).lower()}", show(value)) for key, value in flatten(record.engine).items()
    ]
    rows.append(("dlsim_ij", record.dlsim_version or "unknown version"))
    if record.command:
        rows.append(("Command", record.command))
    if record.created:
        rows.append(("Made", record.created))
    return Section(
        key="provenance",
        title="Parameters and versions",
        lead="What is needed to make this result again; also in params.json.",
        blocks=(Table(caption="Parameters", header=("Name", "Value"), rows=tuple(rows)),),
    )


def _exact(value: Any) -> str:
    return f"{value:.10g}" if isinstance(value, float) else show(value)


def _path_label(key: str) -> str:
    about = meaning(key)
    return f"{about.label} ({about.unit})" if about.unit else about.label
