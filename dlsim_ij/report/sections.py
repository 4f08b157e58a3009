"""From a run's record to the page: one function per section, in the order of reading."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

import dlsim_ij
from dlsim_ij.report import figures
from dlsim_ij.report.comparison import (
    MAP_ROLES,
    Comparison,
    compare,
    crop,
    profile,
    radial_power,
    surroundings,
)
from dlsim_ij.report.document import (
    LEVEL_WORDS,
    Box,
    Chart,
    Charts,
    Document,
    Link,
    Pictures,
    RunRecord,
    Section,
    Table,
    Text,
    Viewer,
)
from dlsim_ij.report.explain import IMAGES, RESULT, flatten, in_order, meaning, of_image, show
from dlsim_ij.report.quality_section import papers, quality_facts, quality_section

VIEW_PX = 384  # side of the part that the linked pictures hold, pixel by pixel
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
    "residual": "Round trip: the raw frames against those that the result would have given, in units of the "
    "noise to be expected. Red: light that the result misses; blue: light that it shows and the frames do "
    "not have. Within about ±5 it is chance; the border is not compared.",
    "error": "Where the result, blurred and scaled to fit, disagrees with the widefield image (SQUIRREL): "
    "its root mean square is the RSE. A faithful result leaves noise; structure that shows here is missing "
    "from the result, or was added to it.",
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
        quality_section(record),
        _maps(record, seen),
        _curves(seen),
        _numbers(record),
        _acquisition(record),
        _provenance(record),
        citation(record.metrics),
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


def citation(metrics: Mapping[str, Any]) -> Section:
    """Return how to cite the method, the measures that were used, and the software."""
    return Section(
        key="cite",
        title="How to cite",
        lead="If these images go into a publication, please cite the method, the measures you quote, and the "
        "software.",
        blocks=(
            Text(
                text=_PAPER,
                link=Link(
                    text="doi:10.1038/s41467-020-15784-x", href="https://doi.org/10.1038/s41467-020-15784-x"
                ),
            ),
            *papers(metrics),
            Text(text=f"The dlsim_ij developers. dlsim_ij {dlsim_ij.__version__}, computer software."),
        ),
    )


def _facts(record: RunRecord) -> tuple[tuple[str, str], ...]:
    image = record.images["sr"]
    assert image.pixels is not None  # compare() has refused otherwise
    height, width = image.pixels.shape
    facts = [
        *quality_facts(record.metrics), ("Model", record.model), ("Result", f"{width} × {height} px"),
    ]  # fmt: skip
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
    around = surroundings(region, seen.images["sr"].shape, VIEW_PX)
    view = Box(
        left=(region.left - around.left) / around.width,
        top=(region.top - around.top) / around.height,
        width=region.width / around.width,
        height=region.height / around.height,
    )
    if region.along == "row":
        line = Box(left=view.left, top=(around.at + 0.5) / around.height, width=view.width, height=0)
    else:
        line = Box(left=(around.at + 0.5) / around.width, top=view.top, width=0, height=view.height)
    pictures = [
        figures.grey_picture(
            crop(pixels, around),
            seen.window,
            title=role_name(role),
            alt=f"{role_name(role)}, enlarged, with the line of the profile",
            scale_bar=figures.scale_bar(region.width, seen.pixel_size_um),
            line=line,
        )
        for role, pixels in seen.images.items()
    ]
    before = None if seen.reference is None else len(pictures) - 1
    error = record.images.get("error")
    if error is not None and error.pixels is not None and error.pixels.shape == seen.images["sr"].shape:
        pictures.append(
            figures.map_picture(
                error.pixels,
                part=(around.top, around.left, around.height, around.width),
                signed=False,
                title=role_name("error"),
                alt="Error map, enlarged",
                scale_bar=figures.scale_bar(region.width, seen.pixel_size_um),
            )
        )
    if seen.reference is not None:
        lead = f"Where the result differs most from the {role_name(seen.reference).lower()} image"
    else:
        lead = "Where the result varies most"
    where = f"x {region.left}–{region.left + region.width}, y {region.top}–{region.top + region.height} px"
    return Section(
        key="zoom",
        title="A closer look",
        lead=f"{lead}: {where} of the result.",
        blocks=(
            Viewer(
                pictures=tuple(pictures),
                view=view,
                left_px=around.left,
                top_px=around.top,
                width_px=around.width,
                height_px=around.height,
                pixel_size_um=seen.pixel_size_um,
                slider=None if before is None else (0, before),
                chart=_profile(seen),
            ),
        ),
    )


def _profile(seen: Comparison) -> Chart:
    unit, scale = ("µm", seen.pixel_size_um) if seen.pixel_size_um else ("px", 1.0)
    # the result first: it is drawn on top and takes the first colour
    values = {role_name(role): profile(seen.images[role], seen.region) for role in reversed(seen.images)}
    return figures.line_chart(
        {name: (scale * np.arange(y.size, dtype=np.float64), y) for name, y in values.items()},
        x_label=f"position along the line ({unit})",
        y_label="intensity",
        title="Line profile",
        alt="Intensity along the dotted line, one curve per image",
        caption="Along the dotted line, mean of 3 pixels across it. Two peaks where the widefield image has "
        "one are resolved, or invented: compare with a Wiener image or a second acquisition.",
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
    limit = record.metrics.get("residual_limit")
    for role in MAP_ROLES:
        image = record.images.get(role)
        if image is None or image.pixels is None:
            continue
        pictures.append(
            figures.map_picture(
                image.pixels,
                signed=role == "residual",
                unit="× noise" if role == "residual" else "",
                span=2 * limit if role == "residual" and limit else None,
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
        lead="The colours span 99.5 % of the pixels"
        + (", in the residual twice what chance explains." if limit else "."),
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
    ticks = figures.period_ticks(size) if size else []
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


def _numbers(record: RunRecord) -> Section | None:
    # one row for each number, one column for each image that has it
    groups: dict[str, dict[str, dict[str, str]]] = {}
    for key, value in in_order(record.metrics).items():
        base, image = of_image(key)
        about = meaning(base)
        groups.setdefault(about.group, {}).setdefault(base, {})[image] = show(value, about.digits)
    if not groups:
        return None
    return Section(
        key="numbers",
        title="Numbers",
        lead="The same numbers stand in metrics.csv and metrics.json.",
        blocks=tuple(_number_table(group, rows) for group, rows in groups.items()),
    )


def _number_table(group: str, rows: Mapping[str, Mapping[str, str]]) -> Table:
    images = sorted({image for row in rows.values() for image in row}, key=IMAGES.index)
    heads = ["Value"] if images == [RESULT] else [ROLES[image] for image in images]
    cells = []
    for key, row in rows.items():
        about = meaning(key)
        cells.append((about.label, *(row.get(image, "") for image in images), about.unit, about.text))
    return Table(
        caption=f"Numbers: {group}",
        title=group,
        header=("Measure", *heads, "Unit", "What it says"),
        rows=tuple(cells),
        numeric=tuple(range(1, len(images) + 1)),
        prose=(len(images) + 2,),
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
