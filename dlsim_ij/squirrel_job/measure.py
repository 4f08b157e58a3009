"""One plane against its reference: what a process of a job does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlsim_ij.errors import ImageError
from dlsim_ij.images.plane_source import PlaneSource
from dlsim_ij.quality.squirrel import MAX_MAGNIFICATION, common_alignment, rse_rsp
from dlsim_ij.quality.squirrel_alignment import CompatAlignment

Plane = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Options of :func:`dlsim_ij.quality.rse_rsp`, for all planes of a job."""

    mode: str = "exact"
    register: bool = True
    crop_zero_border: bool = True
    sigma_px: float | None = None
    sigma_um: float | None = None
    rsf: Plane | None = field(default=None, repr=False)
    mask: Plane | None = field(default=None, repr=False)
    pixel_size_um: float | None = None  # of the images, instead of the files' own
    emission_nm: float | None = None
    na: float | None = None
    max_magnification: int = MAX_MAGNIFICATION
    max_shift_px: int = 0
    maps: bool = False  # hand back the signed maps, too


@dataclass(frozen=True, kw_only=True)
class PlaneJob:
    """One comparison; planes are counted from 0."""

    reference: Path
    image: Path
    plane: int
    reference_plane: int
    n_planes: int
    pixel_size_um: float | None
    tags: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What was found on one plane."""

    record: dict[str, Any]  # plain values for JSON and tables; `error` and `hint` where it was refused
    signed_map: NDArray[np.float32] | None = field(default=None, repr=False)
    pixel_size_um: float | None = None


class PlaneMeasurer:
    """Compares one plane after the other, and keeps the files open between them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._sources: dict[Path, PlaneSource] = {}
        self._alignments: tuple[tuple[Path, Path] | None, list[CompatAlignment]] = (None, [])

    def __call__(self, job: PlaneJob) -> Answer:
        """Compare one plane with its reference."""
        settings = self._settings
        record: dict[str, Any] = {
            **dict(job.tags),
            "reference": str(job.reference),
            "image": str(job.image),
            "plane": job.plane + 1,
            "mode": settings.mode,
        }
        pixel_size_um = settings.pixel_size_um or job.pixel_size_um
        try:
            self._keep_open(job)
            reference = _grey(self._sources[job.reference], job.reference_plane)
            image = _grey(self._sources[job.image], job.plane)
            found = rse_rsp(
                reference,
                image,
                mode=settings.mode,
                register=settings.register,
                sigma_px=settings.sigma_px,
                sigma_um=settings.sigma_um if pixel_size_um is not None else None,
                rsf=settings.rsf,
                mask=settings.mask,
                crop_zero_border=settings.crop_zero_border,
                pixel_size_um=pixel_size_um,
                emission_nm=settings.emission_nm,
                na=settings.na,
                max_magnification=settings.max_magnification,
                max_shift_px=settings.max_shift_px,
                alignment=self._alignment(job, reference),
            )
        except ImageError as error:
            return Answer(record={**record, "error": error.message, "hint": error.hint})
        numbers = found.to_dict()
        del numbers["mode"]
        return Answer(
            record={**record, **numbers},
            signed_map=found.signed_map if settings.maps else None,
            pixel_size_um=pixel_size_um,
        )

    def _keep_open(self, job: PlaneJob) -> None:
        needed = {job.reference, job.image}
        for path in set(self._sources) - needed:
            self._sources.pop(path).close()
        for path in needed - set(self._sources):
            self._sources[path] = PlaneSource(path)

    def _alignment(self, job: PlaneJob, reference: Plane) -> CompatAlignment | None:
        """Crop and register the planes of a stack together, as the plugin does where the reference is one."""
        source = self._sources[job.image]
        if self._settings.mode != "compat" or len(source) == 1 or len(self._sources[job.reference]) > 1:
            return None
        if self._alignments[0] != (job.reference, job.image):
            found = common_alignment(
                reference,
                _Planes(source),
                register=self._settings.register,
                crop_zero_border=self._settings.crop_zero_border,
                max_shift_px=self._settings.max_shift_px,
            )
            self._alignments = (job.reference, job.image), found
        return self._alignments[1][job.plane]


class _Planes:
    """The planes of a file, as often as they are asked for; one of colours counts as empty."""

    def __init__(self, source: PlaneSource) -> None:
        self._source = source

    def __iter__(self) -> Iterator[Plane]:
        for plane in self._source:
            yield plane if plane.ndim == 2 else np.zeros(plane.shape[:2])


def _grey(source: PlaneSource, number: int) -> Plane:
    plane = source.read(number)
    if plane.ndim != 2:
        raise ImageError(
            f"{source.path} is a colour picture", "give the channel that is meant, as a grey image"
        )
    return plane
