"""From a run's record to the page: the order of its sections, and those that hold words and tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dlsim_ij
from dlsim_ij.report.comparison import compare
from dlsim_ij.report.document import LEVEL_WORDS, Document, Link, RunRecord, Section, Table, Text
from dlsim_ij.report.explain import IMAGES, RESULT, flatten, in_order, meaning, of_image, role_name, show
from dlsim_ij.report.image_sections import curves_section, images_section, maps_section, zoom_section
from dlsim_ij.report.quality_section import papers, quality_facts, quality_section

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
        images_section(record, seen),
        zoom_section(record, seen),
        quality_section(record),
        maps_section(record, seen),
        curves_section(seen),
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
    heads = ["Value"] if images == [RESULT] else [role_name(image) for image in images]
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
