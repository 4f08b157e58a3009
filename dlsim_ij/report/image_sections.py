"""The sections that show images: the field, a closer look, maps, and spectra with histograms."""

from __future__ import annotations

import numpy as np

from dlsim_ij.report import figures
from dlsim_ij.report.comparison import MAP_ROLES, Comparison, crop, profile, radial_power, surroundings
from dlsim_ij.report.document import Box, Chart, Charts, Pictures, RunRecord, Section, Viewer
from dlsim_ij.report.explain import role_name

_VIEW_PX = 384  # side of the part that the linked pictures hold, pixel by pixel
_MAPS = {
    "uncertainty": "One standard deviation of the error that the network itself expects, in the result's "
    "intensity units: the result ± 1.645 times it holds the truth in 90 % of the pixels. Where it comes near "
    "the result itself, what is shown there may not be there.",
    "residual": "Round trip: the raw frames against those that the result would have given, in units of the "
    "noise to be expected. Red: light that the result misses; blue: light that it shows and the frames do "
    "not have. Within about ±5 it is chance; the border is not compared.",
    "error": "Where the result, blurred and scaled to fit, disagrees with the widefield image (SQUIRREL): "
    "its root mean square is the RSE. A faithful result leaves noise; structure that shows here is missing "
    "from the result, or was added to it.",
}


def images_section(record: RunRecord, seen: Comparison) -> Section:
    """Return all images of one contrast, with the region of the closer look outlined."""
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


def zoom_section(record: RunRecord, seen: Comparison) -> Section:
    """Return the closer look: pictures that move together, a slider, and a line profile."""
    region = seen.region
    around = surroundings(region, seen.images["sr"].shape, _VIEW_PX)
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


def maps_section(record: RunRecord, seen: Comparison) -> Section | None:
    """Return the difference to the reference and the maps of the run, or None without any."""
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


def curves_section(seen: Comparison) -> Section:
    """Return power spectra and histograms of all images."""
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
