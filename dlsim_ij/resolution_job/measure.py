"""One plane of a file to one record; runs in the command's own process or in others beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlsim_ij.errors import ConfigError, DlsimError
from dlsim_ij.images.plane_source import PlaneSource
from dlsim_ij.quality.decorrelation import Version
from dlsim_ij.quality.frc import Frc, frc_resolution
from dlsim_ij.quality.frc_thresholds import Threshold
from dlsim_ij.quality.resolution import ImageResolution, image_resolution
from dlsim_ij.results import Result, plain

Roi = tuple[int, int, int, int]  # x, y, width, height in px

_COLUMNS = (
    "file", "plane", "slice", "frame", "channel", "label", "status", "resolution_nm", "resolution_um",
    "resolution_px", "kc", "kc_gm", "a0", "enlarged", "factor", "naive_resolution_nm", "naive_resolution_px",
)  # fmt: skip
_SETTING_COLUMNS = ("pixel_size_um", "version", "rmin", "rmax", "n_radii", "n_gaussians", "warnings")
_SPREAD_COLUMNS = ("spread_mean", "spread_sd", "spread_median", "spread_mad", "spread_unit", "spread_n")
_FRC_COLUMNS = (
    "frc_status", "frc_resolution_um", "frc_resolution_px", "frc_resolution_sd_px", "frc_threshold",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(Result):
    """What decides the numbers of a run, besides the files."""

    version: Version = "1.1.8-nocap"
    rmin: float = 0.0
    rmax: float = 1.0
    n_radii: int = 50
    n_gaussians: int = 10
    pixel_size_um: float | None = None  # None: the file's own
    roi: Roi | None = None
    guard: bool = True
    n_thinnings: int = 0
    seed: int = 0
    frc: bool = False  # of each plane with its pair, or split in two
    frc_threshold: Threshold = "1/7"
    align: bool = False

    def columns(self) -> Sequence[str]:
        """Return the columns of our own table."""
        spread = _SPREAD_COLUMNS if self.n_thinnings else ()
        return (*_COLUMNS, *spread, *(_FRC_COLUMNS if self.frc else ()), *_SETTING_COLUMNS)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaneJob:
    """One plane to measure, and what to draw of it."""

    path: Path
    number: int  # from 0
    pair: Path | None = None
    figure: Path | None = None


@dataclass(slots=True, kw_only=True)
class PlaneMeasurer:
    """Measures planes one after the other; keeps the last file open."""

    settings: Settings
    overwrite: bool = False
    workers: int = 1  # threads for one plane
    _open: dict[str, PlaneSource] = field(default_factory=dict, init=False, repr=False)

    def __call__(self, job: PlaneJob) -> dict[str, Any]:
        """Return the record of a plane; one that cannot be measured has the status "refused"."""
        source = self._source("image", job.path)
        record = {"file": str(job.path), **_position(source, job.number)}
        try:
            return record | self._measure(source, job)
        except ConfigError:
            raise  # true of every plane
        except DlsimError as error:
            return record | _refusal(error, self.settings, self._pixel_size(source))

    def close(self) -> None:
        """Close the files."""
        for source in self._open.values():
            source.close()
        self._open.clear()

    def _source(self, role: str, path: Path) -> PlaneSource:
        source = self._open.get(role)
        if source is None or source.path != path:
            if source is not None:
                source.close()
            source = self._open[role] = PlaneSource(path)
        return source

    def _pixel_size(self, source: PlaneSource) -> float | None:
        return self.settings.pixel_size_um or source.pixel_size_um

    def _measure(self, source: PlaneSource, job: PlaneJob) -> dict[str, Any]:
        settings = self.settings
        pixel_size_um = self._pixel_size(source)
        image, warnings = grey(crop(source.read(job.number), settings.roi))
        found = image_resolution(
            image, pixel_size_um, version=settings.version, rmin=settings.rmin, rmax=settings.rmax,
            n_radii=settings.n_radii, n_gaussians=settings.n_gaussians, guard=settings.guard,
            n_thinnings=settings.n_thinnings, seed=settings.seed, workers=self.workers,
        )  # fmt: skip
        record = _numbers(found)
        warnings += [f"{what}; {advice}" for what, advice in found.warnings]
        if settings.n_thinnings:
            record["spread"] = plain(found.spread)
        if settings.frc:
            record["frc"], notes = self._frc(image, job, pixel_size_um)
            warnings += notes
        if job.figure is not None:
            from dlsim_ij.report.decorrelation_figure import write_decorrelation_figure

            title = _title(source, job.number)
            if found.enlarged:
                title += f", at its native pixels (it was enlarged x{found.factor:g})"
            write_decorrelation_figure(job.figure, found.native, title, overwrite=self.overwrite)
        record["warnings"] = warnings
        return record

    def _frc(
        self, image: NDArray[Any], job: PlaneJob, pixel_size_um: float | None
    ) -> tuple[dict[str, Any] | None, list[str]]:
        settings = self.settings
        try:
            second = None
            if job.pair is not None:
                second, _ = grey(crop(self._source("pair", job.pair).read(job.number), settings.roi))
            result: Frc = frc_resolution(
                image, second, pixel_size_um=pixel_size_um, threshold=settings.frc_threshold,
                align=settings.align, seed=settings.seed,
            )  # fmt: skip
        except DlsimError as error:
            return None, [f"no FRC: {error.message}" + (f"; {error.hint}" if error.hint else "")]
        return result.to_dict(), [f"FRC: {warning}" for warning in result.warnings]


def crop(plane: NDArray[Any], roi: Roi | None) -> NDArray[Any]:
    """Cut out a rectangle that must lie inside."""
    if roi is None:
        return plane
    x, y, width, height = roi
    return plane[y : y + height, x : x + width]


def grey(plane: NDArray[Any]) -> tuple[NDArray[Any], list[str]]:
    """Return one sample a pixel: of a colour picture the first, as the plugin takes it, with a warning."""
    if plane.ndim == 2:
        return plane, []
    if plane.shape[-1] == 1:
        return plane[..., 0], []
    return np.ascontiguousarray(plane[..., 0]), [
        "a colour picture: only its red channel is measured, as by the plugin; save the channel that counts "
        "as a grey image"
    ]


def _position(source: PlaneSource, number: int) -> dict[str, Any]:
    where = source.position(number)
    return {
        "plane": where.plane,
        "slice": where.slice,
        "frame": where.frame,
        "channel": where.channel,
        "label": where.label,
    }


def _title(source: PlaneSource, number: int) -> str:
    if len(source) == 1:
        return source.path.name
    return f"{source.path.name}, plane {number + 1} of {len(source)}"


def _numbers(found: ImageResolution) -> dict[str, Any]:
    native = found.native
    nm = found.resolution_nm
    return plain(
        {
            "version": native.version,
            "status": found.status,
            "kc": found.kc,
            "kc_gm": native.kc_gm,
            "a0": found.a0,
            "resolution_px": found.resolution_px,
            "resolution_um": None if nm is None else nm / 1000,
            "resolution_nm": nm,
            "enlarged": found.enlarged,
            "factor": found.factor,
            "naive_resolution_px": found.naive_resolution_px,
            "naive_resolution_nm": found.naive_resolution_nm,
            "naive_valid": found.naive_valid,
            "pixel_size_um": found.pixel_size_um,
            "rmin": native.rmin,
            "rmax": native.rmax,
            "n_radii": native.n_radii,
            "n_gaussians": native.n_gaussians,
        }
    )


def _refusal(error: DlsimError, settings: Settings, pixel_size_um: float | None) -> dict[str, Any]:
    nothing = dict.fromkeys(
        ("kc", "kc_gm", "a0", "resolution_px", "resolution_um", "resolution_nm", "enlarged", "factor",
         "naive_resolution_px", "naive_resolution_nm", "naive_valid")
    )  # fmt: skip
    return {
        "version": settings.version,
        "status": "refused",
        **nothing,
        "pixel_size_um": pixel_size_um,
        "rmin": settings.rmin,
        "rmax": settings.rmax,
        "n_radii": settings.n_radii,
        "n_gaussians": settings.n_gaussians,
        "error": error.message,
        "hint": error.hint,
        "warnings": [],
    }
