"""All planes of all pairs: what there is to do, and doing it on all processors."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dlsim_ij.errors import DlsimError, ImageError
from dlsim_ij.images.plane_source import PlaneSource
from dlsim_ij.processes import available_processors, map_in_processes
from dlsim_ij.squirrel_job.measure import Answer, PlaneJob, PlaneMeasurer, Settings

# Below, a second process costs more (half a second of imports) than it saves.
PROCESSES_FROM_PIXELS = 8 << 20


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A file and its reference."""

    reference: Path
    image: Path
    tags: tuple[tuple[str, str], ...] = ()  # go into the record as they are


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The planes to compare, and the files that cannot be."""

    settings: Settings
    jobs: Sequence[PlaneJob]
    n_pixels: int
    refused: Sequence[tuple[Comparison, DlsimError]]


def plan_comparisons(comparisons: Sequence[Comparison], settings: Settings) -> Plan:
    """Look at the headers of all files and list their planes.

    Parameters
    ----------
    comparisons : sequence of Comparison
        A reference of one plane serves all planes of an image; otherwise both have equally many.
    settings : Settings
        For all of them.
    """
    jobs: list[PlaneJob] = []
    refused: list[tuple[Comparison, DlsimError]] = []
    n_pixels = 0
    for comparison in comparisons:
        try:
            found, pixels = _plane_jobs(comparison, settings)
        except DlsimError as error:
            refused.append((comparison, error))
        else:
            jobs += found
            n_pixels += pixels
    return Plan(settings=settings, jobs=jobs, n_pixels=n_pixels, refused=refused)


def _plane_jobs(comparison: Comparison, settings: Settings) -> tuple[list[PlaneJob], int]:
    with PlaneSource(comparison.reference) as reference, PlaneSource(comparison.image) as image:
        n_planes, n_references = len(image), len(reference)
        if n_references not in (1, n_planes):
            raise ImageError(
                f"the reference has {n_references} planes, the image {n_planes}",
                "give a reference of one plane, or one for each plane of the image",
            )
        pixel_size_um = image.pixel_size_um
        if pixel_size_um is None and reference.pixel_size_um is not None:
            pixel_size_um = reference.pixel_size_um * reference.width / image.width
        if settings.sigma_um is not None and pixel_size_um is None and settings.pixel_size_um is None:
            raise ImageError(
                f"{comparison.image}: no pixel size in the file, so a sigma in micrometres says nothing",
                "give --pixel-size, or the sigma in pixels",
            )
        jobs = [
            PlaneJob(
                reference=comparison.reference,
                image=comparison.image,
                plane=number,
                reference_plane=number if n_references > 1 else 0,
                n_planes=n_planes,
                pixel_size_um=pixel_size_um,
                tags=comparison.tags,
            )
            for number in range(n_planes)
        ]
        return jobs, n_planes * image.height * image.width


def run_comparisons(plan: Plan, *, threads: int | None = None) -> Generator[tuple[PlaneJob, Answer]]:
    """Compare all planes and yield what was found, in order.

    Parameters
    ----------
    plan : Plan
    threads : int, optional
        Processes at a time; all processors are the default where the work is worth them.

    Yields
    ------
    (PlaneJob, Answer)
        At most one plane per process is in memory.
    """
    measure = PlaneMeasurer(plan.settings)
    n_processes = threads or available_processors()
    if len(plan.jobs) < 2 or n_processes == 1 or (threads is None and plan.n_pixels < PROCESSES_FROM_PIXELS):
        answers: Iterator[Answer] = map(measure, plan.jobs)
    else:
        answers = map_in_processes(measure, plan.jobs, n_processes)
    yield from zip(plan.jobs, answers, strict=True)
