"""All planes of all files: what there is to do, and doing it on all processors."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlsim_ij.errors import DlsimError, ImageError
from dlsim_ij.images.plane_source import PlaneSource
from dlsim_ij.images.read import image_name
from dlsim_ij.processes import available_processors, map_in_processes
from dlsim_ij.resolution_job.measure import PlaneJob, PlaneMeasurer, Settings

# Below, a second process costs more (half a second of imports) than it saves.
PROCESSES_FROM_PIXELS = 4 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePlan:
    """What is known of a file before its pixels are read."""

    path: Path
    n_planes: int
    height: int
    width: int
    pixel_size_um: float | None
    size_bytes: int
    changed_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The planes to measure, and the files that cannot be read."""

    settings: Settings
    files: Sequence[FilePlan]
    pair: FilePlan | None
    jobs: Sequence[PlaneJob]
    unreadable: Sequence[tuple[Path, DlsimError]]

    def drawings(self) -> list[Path]:
        """Return the files that are written beside the tables."""
        return [path for job in self.jobs for path in (job.figure, job.map) if path is not None]

    def identity(self) -> dict[str, Any]:
        """Return all that decides the numbers, for a run that goes on later."""
        import dlsim_ij

        files = [*self.files, *([self.pair] if self.pair else [])]
        return {
            "dlsim version": dlsim_ij.__version__,
            **self.settings.to_dict(),
            "files": {str(file.path): [file.size_bytes, file.changed_ns] for file in files},
            "outputs": [str(path) for path in self.drawings()],
        }


def plan_job(
    paths: Sequence[Path],
    settings: Settings,
    *,
    pair: Path | None = None,
    figure: Path | None = None,
    map_path: Path | None = None,
) -> Plan:
    """Look at the headers of all files and list their planes.

    Parameters
    ----------
    paths : sequence of Path
        Image files.
    settings : Settings
        For all of them.
    pair : Path, optional
        A second exposure of the one file in `paths`, for FRC.
    figure : Path, optional
        Where the curves are drawn; several planes have their names put behind the stem.
    map_path : Path, optional
        Where the local resolution is written, likewise.

    Raises
    ------
    DlsimError
        The only file cannot be read, the rectangle lies outside an image, or the pair does not fit.
    """
    files, unreadable = [], []
    for path in paths:
        try:
            files.append(_look_at(path, settings))
        except DlsimError as error:
            if len(paths) == 1:
                raise
            unreadable.append((path, error))
    second = None
    if pair is not None:
        if len(paths) > 1:
            raise DlsimError(f"--pair goes with one image, {len(paths)} are given", "call it once for each")
        second = _look_at(pair, settings)
        _check_pair(files[0], second)
    places = [(file.path, number) for file in files for number in range(file.n_planes)]
    jobs = [
        PlaneJob(path=path, number=number, pair=pair, figure=drawing, map=local)
        for (path, number), drawing, local in zip(
            places, _output_names(figure, files), _output_names(map_path, files), strict=True
        )
    ]
    return Plan(settings=settings, files=files, pair=second, jobs=jobs, unreadable=unreadable)


def run_job(
    plan: Plan, *, skip: int = 0, threads: int | None = None, overwrite: bool = False
) -> Generator[dict[str, Any], None, None]:
    """Measure the planes of a plan.

    Parameters
    ----------
    plan : Plan
        From :func:`plan_job`.
    skip : int
        How many of its first planes are done already.
    threads : int, optional
        Processors to use; all by default. Many planes go to as many processes, each on one thread; few go
        one by one on all threads. The numbers do not depend on it.
    overwrite : bool
        Replace figures that exist.

    Yields
    ------
    dict
        The record of each plane, in order.
    """
    jobs = plan.jobs[skip:]
    threads = threads or available_processors()
    measurer = PlaneMeasurer(settings=plan.settings, overwrite=overwrite)
    if threads > 1 and len(jobs) > 1 and _pixels(plan, jobs) >= PROCESSES_FROM_PIXELS:
        with closing(map_in_processes(measurer, jobs, threads)) as records:
            yield from records
        return
    measurer.workers = threads
    with closing(measurer):
        for job in jobs:
            yield measurer(job)


def _look_at(path: Path, settings: Settings) -> FilePlan:
    with PlaneSource(path) as source:
        told = path.stat()
        plan = FilePlan(
            path=path, n_planes=len(source), height=source.height, width=source.width,
            pixel_size_um=source.pixel_size_um, size_bytes=told.st_size, changed_ns=told.st_mtime_ns,
        )  # fmt: skip
    if settings.roi is not None:
        x, y, width, height = settings.roi
        if x + width > plan.width or y + height > plan.height:
            raise ImageError(
                f"{path} has {plan.width} x {plan.height} pixels, the rectangle {x},{y},{width},{height} "
                "reaches beyond them",
                "give X,Y,WIDTH,HEIGHT in pixels from the upper left corner",
            )
    return plan


def _check_pair(first: FilePlan, second: FilePlan) -> None:
    for what, one, other in (
        ("pixels", f"{first.width} x {first.height}", f"{second.width} x {second.height}"),
        ("planes", first.n_planes, second.n_planes),
    ):
        if one != other:
            raise ImageError(
                f"{first.path} has {one} {what}, its pair {second.path} has {other}",
                "a pair is two exposures of one field",
            )


def _output_names(asked: Path | None, files: Sequence[FilePlan]) -> Sequence[Path | None]:
    """Name what is written of each plane; for a single one it is the name that was asked for."""
    if asked is None:
        return [None] * sum(file.n_planes for file in files)
    if len(files) == 1 and files[0].n_planes == 1:
        return [asked]
    names = []
    for file in files:
        stem = asked.stem if len(files) == 1 else f"{asked.stem}_{image_name(file.path)}"
        digits = max(3, len(str(file.n_planes)))
        ends = [f"_p{n + 1:0{digits}d}" for n in range(file.n_planes)] if file.n_planes > 1 else [""]
        names += [asked.with_name(f"{stem}{end}{asked.suffix}") for end in ends]
    if len(set(names)) < len(names):
        raise ImageError(
            f"two of the images have the same name, so would what is written to {asked}",
            "measure them one after the other",
        )
    return names


def _pixels(plan: Plan, jobs: Sequence[PlaneJob]) -> int:
    """Count the pixels of the squares that will be analysed, those of the half images for a spread too."""
    side = {file.path: max(file.height, file.width) for file in plan.files}
    if plan.settings.roi is not None:
        side = dict.fromkeys(side, max(plan.settings.roi[2:]))
    return (1 + plan.settings.n_thinnings) * sum(side[job.path] ** 2 for job in jobs)
