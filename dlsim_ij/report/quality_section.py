"""The section of a page that says how fine a result is, and how far to believe it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dlsim_ij.report.curves import DecorrelationPlot
from dlsim_ij.report.document import Block, Chart, Charts, Link, RunRecord, Section, Table, Text
from dlsim_ij.report.explain import IMAGES, RESULT, role_name
from dlsim_ij.report.measure_charts import decorrelation_chart, frc_chart
from dlsim_ij.report.verdict import length

_READING = (
    "Decorrelation analysis finds the finest detail that stands out from noise; it takes noise that was "
    "smoothed for detail. FRC finds the finest detail that comes back when the photons are dealt out to two "
    "halves and both are reconstructed; it takes what a network adds to any input for detail. Where the two "
    "agree, the number can be believed. RSP and RSE say how well a result, blurred again, explains the "
    "widefield image; compare them with those of the Wiener image, since haze and noise lower both alike. "
    "The round trip predicts every raw frame from an image, pattern and blur included, and looks for "
    "structure in what is left: above its limit something was invented, or is missing."
)
_STATUS = {
    "no-peak": "no peak",
    "no-crossing": "no crossing",
    "no-signal": "nothing repeats",
    "identical": "identical",
}
_PAPERS = {
    "decorrelation": (
        "Descloux A, Grußmayer KS, Radenovic A. Parameter-free image resolution estimation based on "
        "decorrelation analysis. Nature Methods 16, 918–924 (2019).",
        "10.1038/s41592-019-0515-7",
    ),
    "squirrel": (
        "Culley S, Albrecht D, Jacobs C, Pereira PM, Leterrier C, Mercer J, Henriques R. Quantitative "
        "mapping and minimization of super-resolution optical imaging artifacts. Nature Methods 15, 263–266 "
        "(2018).",
        "10.1038/nmeth.4605",
    ),
    "frc": (
        "Nieuwenhuizen RPJ, Lidke KA, Bates M, Leyton Puig D, Grünwald D, Stallinga S, Rieger B. Measuring "
        "image resolution in optical nanoscopy. Nature Methods 10, 557–562 (2013).",
        "10.1038/nmeth.2448",
    ),
    "ssim": (
        "Wang Z, Bovik AC, Sheikh HR, Simoncelli EP. Image quality assessment: from error visibility to "
        "structural similarity. IEEE Transactions on Image Processing 13, 600–612 (2004).",
        "10.1109/TIP.2003.819861",
    ),
}


def quality_section(record: RunRecord) -> Section | None:
    """Return the table of resolution and agreement with its curves, or None without any of these numbers."""
    by_role = numbers_by_role(record.metrics)
    if not by_role and not record.plots.decorrelation:
        return None
    blocks: list[Block] = []
    if by_role:
        blocks.append(_table(by_role))
        if "residual" in record.metrics:
            blocks.append(Text(text=round_trip_sentence(record.metrics)))
        blocks.append(Text(text=_READING))
    charts = [
        _decorrelation(role_name(role), record.plots.decorrelation[role])
        for role in IMAGES
        if role in record.plots.decorrelation
    ]
    if record.plots.frc:
        charts.append(_frc(record))
    if charts:
        blocks.append(Charts(charts=tuple(charts)))
    if by_role and not record.plots.frc:
        blocks.append(
            Text(
                text="FRC was not measured: dlsim run --frc reconstructs twice from half of the light, and "
                "shows which detail comes back."
            )
        )
    return Section(
        key="quality",
        title="Resolution and agreement",
        lead="How fine each image is, and whether the result still shows what the microscope saw.",
        blocks=tuple(blocks),
    )


def quality_facts(metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the few numbers that belong to the top of a page."""
    facts = []
    if found := length(metrics, "resolution"):
        facts.append(("Resolution", found))
    if even := length(metrics.get("widefield") or {}, "resolution"):
        facts.append(("Widefield", even))
    if found := length(metrics, "frc_resolution"):
        facts.append(("By FRC", found))
    if (rsp := metrics.get("rsp")) is not None:
        facts.append(("RSP", f"{rsp:.3f}"))
    if "residual" in metrics:
        facts.append(("Round trip", _round_trip(metrics)))
    return facts


def round_trip_sentence(metrics: Mapping[str, Any]) -> str:
    """Say what the round trip found, for someone who looks at cells."""
    value, limit = f"{metrics['residual']:.1f}", f"{metrics['residual_limit']:.1f}"
    if metrics.get("residual_consistent"):
        text = (
            "The raw frames are what this result would have given under the microscope: nowhere do they "
            f"depart from it by more than {value} times the expected noise (chance: up to {limit})."
        )
        if metrics.get("residual_misses_detail"):
            text += " But they hold finer detail than the result shows."
        return text
    what = "it shows light that they do not have"
    if (metrics.get("residual_missing") or 0) > (metrics.get("residual_invented") or 0):
        what = "they hold light that it does not show"
    return (
        f"The raw frames contradict this result in places: {what}, by {value} times the expected noise, "
        f"and chance explains up to {limit}. Look at the residual map before believing fine structure there."
    )


def papers(metrics: Mapping[str, Any]) -> list[Text]:
    """Return the papers of the measures that were used."""
    used = {
        "decorrelation": "resolution_status",
        "squirrel": "rsp",
        "frc": "frc_status",
        "ssim": "ssim",
    }
    return [
        Text(text=text, link=Link(text=f"doi:{doi}", href=f"https://doi.org/{doi}"))
        for key, (text, doi) in _PAPERS.items()
        if used[key] in metrics
    ]


def numbers_by_role(metrics: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the numbers of each image that was measured; those of the result stand at the top."""
    found = {role: metrics if role == RESULT else metrics.get(role) for role in IMAGES}
    return {
        role: numbers
        for role, numbers in found.items()
        if isinstance(numbers, Mapping) and {"resolution_status", "rsp", "residual"} & set(numbers)
    }


def _table(by_role: Mapping[str, Mapping[str, Any]]) -> Table:
    with_trip = any("residual" in numbers for numbers in by_role.values())
    with_frc = any("frc_status" in numbers for numbers in by_role.values())
    rows = []
    for role in IMAGES:
        if role not in by_role:
            continue
        numbers = by_role[role]
        cells = [role_name(role), _resolution(numbers, "resolution"), _plain(numbers, "decorrelation_a0", 2)]
        if with_frc:
            cells.append(_resolution(numbers, "frc_resolution", "frc_status", _error(numbers)))
        cells += [_plain(numbers, "rsp", 3), _significant(numbers.get("rse"))]
        rows.append((*cells, *((_round_trip(numbers),) if with_trip else ())))
    frc = ("FRC 1/7",) if with_frc else ()
    trip = ("Round trip, × noise",) if with_trip else ()
    header = ("Image", "Decorrelation", "A₀", *frc, "RSP", "RSE, counts", *trip)
    return Table(
        caption="Resolution and agreement of the images",
        header=header,
        rows=tuple(rows),
        numeric=tuple(range(1, len(header))),
    )


def _resolution(
    numbers: Mapping[str, Any], stem: str, status: str = "resolution_status", error: str = ""
) -> str:
    found = length(numbers, stem)
    if found is not None:
        return f"{found.removesuffix(' nm')} {error} nm" if error and found.endswith(" nm") else found
    return _STATUS.get(str(numbers.get(status)), "–")


def _round_trip(numbers: Mapping[str, Any]) -> str:
    value, limit = numbers.get("residual"), numbers.get("residual_limit")
    return "–" if value is None or limit is None else f"{value:.1f} (chance up to {limit:.1f})"


def _error(numbers: Mapping[str, Any]) -> str:
    sd = numbers.get("frc_resolution_sd_nm")
    return "" if sd is None else f"± {sd:.0f}"


def _plain(numbers: Mapping[str, Any], key: str, digits: int) -> str:
    value = numbers.get(key)
    return "–" if value is None else f"{value:.{digits}f}"


def _significant(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def _decorrelation(name: str, plot: DecorrelationPlot) -> Chart:
    about = "" if name != "Result" else (
        "Correlation of the spectrum with its own phase up to a frequency. The rightmost peak of all curves, "
        "circled, is the resolution."
    )  # fmt: skip
    return decorrelation_chart(
        plot,
        title=f"Decorrelation: {name}",
        alt=f"Decorrelation curves of the {name} with their peaks; the rightmost peak gives the resolution",
        caption=about,
    )


def _frc(record: RunRecord) -> Chart:
    plots = {role_name(role): record.plots.frc[role] for role in IMAGES if role in record.plots.frc}
    halves = record.metrics.get("resolution_half_light_nm")
    each = ""
    if isinstance(halves, list) and len(halves) == 2 and None not in halves:
        each = f" Decorrelation analysis of the two results: {halves[0]:.0f} and {halves[1]:.0f} nm."
    return frc_chart(
        plots,
        title="Fourier ring correlation",
        alt="Correlation of two half-light reconstructions against spatial frequency, with its threshold",
        caption="Two reconstructions, each from half of the photons. Where the curve meets the threshold, "
        "detail stops coming back. Right of it a curve should fall to zero; what stays is made by the method."
        + each,
    )
