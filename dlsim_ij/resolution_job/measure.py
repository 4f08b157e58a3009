"""One plane of a file to one record; runs in the command's own process or in others beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlsim_ij.errors import ImageError
from dlsim_ij.images.plane_source import PlaneSource
from dlsim_ij.quality.decorrelation import Version
from dlsim_ij.quality.frc import frc_resolution
from dlsim_ij.quality.frc_thresholds import Threshold
from dlsim_ij.quality.resolution import ImageResolution, image_resolution
from dlsim_ij.quality.resolution_map import resolution_map
from dlsim_ij.quality.sectors import directional_resolution
from dlsim_ij.resolution_job.tables import sector_column
from dlsim_ij.results import Result, plain

Roi = tuple[int, int, int, int]  # x, y, width, height in px

_COLUMNS = (
    "file", "plane", "slice", "frame", "channel", "label", "status", "resolution_nm", "resolution_um",
    "resolution_px", "kc", "kc_gm", "a0", "enlarged", "factor", "naive_resolution_nm", "naive_resolution_px",
)  # fmt: skip
_SETTING_COLUMNS = ("pixel_size_um", "version", "rmin", "rmax", "n_radii", "n_gaussians", "warnings")
_SPREAD_COLUMNS = ("spread_mean", "spread_sd", "spread_median", "spread_mad", "spread_unit", "spread_n")
_DIRECTION_COLUMNS = ("best_angle_deg", "worst_angle_deg", "anisotropy")
_FRC_COLUMNS = (
    "frc_status", "frc_resolution_um", "frc_resolution_px", "frc_resolution_sd_px", "frc_threshold",
)  # fmt: skip
_PLUGIN_COLUMNS = (
    "plugin_status", "plugin_resolution_um", "plugin_resolution_px", "plugin_kc", "plugin_kc_gm", "plugin_a0",
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
    gain: float | None = None  # of the camera, for the spread and for the FRC of one image
    offset: float | None = None
    seed: int = 0
    n_sectors: int = 0
    tile_px: int = 128  # of the map, where one is asked for
    frc: bool = False  # of each plane with its pair, or split in two
    frc_threshold: Threshold = "1/7"
    align: bool = False
    plugin: bool = False  # the published plugin's numbers beside ours

    def columns(self) -> Sequence[str]:
        """Return the columns of our own table."""
        more: list[str] = []
        if self.n_thinnings:
            more += _SPREAD_COLUMNS
        if self.n_sectors:
            more += _DIRECTION_COLUMNS
            for unit in ("nm", "px"):
                more += [sector_column(180 * i / self.n_sectors, unit) for i in range(self.n_sectors)]
        if self.frc:
            more += _FRC_COLUMNS
        if self.plugin:
            more += _PLUGIN_COLUMNS
        return (*_COLUMNS, *more, *_SETTING_COLUMNS)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaneJob:
    """One plane to measure, and what to draw of it."""

    path: Path
    number: int  # from 0
    pair: Path | None = None
    figure: Path | None = None
    map: Path | None = None


@dataclass(frozen=True, slots=True)
class _Native:
    """The pixels that count: the image itself, or those it had before it was enlarged."""

    pixels: NDArray[Any]
    pixel_size_um: float | None
    factor: float

    @classmethod
    def of(cls, image: NDArray[Any], found: ImageResolution) -> _Native:
        enlarged = found.resampling is not None and found.resampling.enlarged
        pixels = found.resampling.native if enlarged and found.resampling is not None else image
        return cls(pixels, found.native_pixel_size_um, found.factor)


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
        except ImageError as error:  # a wrong setting or a full disk is no matter of one plane
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
            n_thinnings=settings.n_thinnings, gain=settings.gain, offset=settings.offset, seed=settings.seed,
            workers=self.workers,
        )  # fmt: skip
        record = _numbers(found)
        warnings += [f"{what}; {advice}" if advice else what for what, advice in found.warnings]
        native = _Native.of(image, found)
        if settings.n_sectors:
            record["directions"] = self._directions(native)
        if settings.n_thinnings:
            record["spread"] = plain(found.spread)
        if settings.frc:
            record["frc"], notes = self._frc(image, native, job)
            warnings += notes
        if job.figure is not None:
            from dlsim_ij.report.decorrelation_figure import write_decorrelation_figure

            title = _title(source, job.number)
            if found.enlarged:
                title += f", at its native pixels (it was enlarged x{found.factor:g})"
            write_decorrelation_figure(job.figure, found.native, title, overwrite=self.overwrite)
        if job.map is not None:
            record["map"], notes = self._map(native, job.map)
            warnings += notes
        record["warnings"] = warnings
        return record

    def _directions(self, native: _Native) -> dict[str, Any]:
        """Return the resolution by direction; px are those of the image as given."""
        settings = self.settings
        found = directional_resolution(
            native.pixels, native.pixel_size_um, n_sectors=settings.n_sectors, n_radii=settings.n_radii,
            n_gaussians=settings.n_gaussians, workers=self.workers,
        )  # fmt: skip
        return plain(
            {
                "angles_deg": found.angles_deg,
                "kc": found.kc,
                "resolution_px": [None if px is None else native.factor * px for px in found.resolution_px],
                "resolution_nm": found.resolution_nm,
                "best_angle_deg": found.best_angle_deg,
                "worst_angle_deg": found.worst_angle_deg,
                "anisotropy": found.anisotropy,
            }
        )

    def _map(self, native: _Native, path: Path) -> tuple[dict[str, Any] | None, list[str]]:
        """Write the local resolution in nm (px if their size is unknown), one pixel a tile."""
        from dlsim_ij.images import write_image

        settings = self.settings
        try:
            found = resolution_map(
                native.pixels, native.pixel_size_um, tile_px=settings.tile_px, version=settings.version,
                n_radii=settings.n_radii, n_gaussians=settings.n_gaussians, workers=self.workers,
            )  # fmt: skip
        except ImageError as error:
            return None, [_absent("map", error)]
        size = native.pixel_size_um
        unit, scale = ("px", native.factor) if size is None else ("nm", 1000 * size)
        write_image(
            path, (scale * found.resolution_px).astype(np.float32),
            pixel_size_um=None if size is None else size * found.step_px, overwrite=self.overwrite,
        )  # fmt: skip
        quantiles = {"median": found.median_px, "best": found.best_px, "worst": found.worst_px}
        return {
            "file": str(path),
            "unit": unit,
            "tile_px": found.tile_px,
            "step_px": found.step_px,
            "n_tiles": found.n_tiles,
            "n_failed": found.n_failed,
            **{name: None if px is None else scale * px for name, px in quantiles.items()},
        }, []

    def _frc(
        self, image: NDArray[Any], native: _Native, job: PlaneJob
    ) -> tuple[dict[str, Any] | None, list[str]]:
        """Compare the plane with its pair, or split its native pixels; px are those of the image as given."""
        settings = self.settings
        try:
            if job.pair is not None:
                second, _ = grey(crop(self._source("pair", job.pair).read(job.number), settings.roi))
                factor = 1.0
                result = frc_resolution(
                    image, second, pixel_size_um=self._pixel_size(self._open["image"]),
                    threshold=settings.frc_threshold, align=settings.align,
                )  # fmt: skip
            else:
                factor = native.factor
                result = frc_resolution(
                    native.pixels, pixel_size_um=native.pixel_size_um, threshold=settings.frc_threshold,
                    gain=settings.gain, offset=settings.offset, seed=settings.seed,
                )  # fmt: skip
        except ImageError as error:
            return None, [_absent("FRC", error)]
        found = result.to_dict()
        for name in ("resolution_px", "resolution_sd_px"):
            found[name] = None if found[name] is None else factor * found[name]
        found["cutoff"] = None if found["cutoff"] is None else found["cutoff"] / factor
        return found, [f"FRC: {warning}" for warning in result.warnings]


def _absent(what: str, error: ImageError) -> str:
    return f"no {what}: {error.message}" + (f"; {error.hint}" if error.hint else "")


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


def _refusal(error: ImageError, settings: Settings, pixel_size_um: float | None) -> dict[str, Any]:
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
