"""Error maps as ImageJ TIFFs with a lookup table, a display range and the pixel size of the image."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from dlsim_ij.images.read import image_name
from dlsim_ij.images.write import write_image
from dlsim_ij.squirrel_job.measure import Answer, PlaneJob

FloatImage = NDArray[np.float32]


def map_paths(folder: Path, image: Path) -> tuple[Path, Path]:
    """Return where the absolute and the signed map of an image go."""
    name = image_name(image)
    return folder / f"{name}_error.tif", folder / f"{name}_error_signed.tif"


class MapWriter:
    """Writes the maps of each image when its last plane has come.

    Planes wait in a file beside the result, not in memory. Planes that could not be compared are NaN.

    Parameters
    ----------
    folder : Path
    overwrite : bool
    """

    def __init__(self, folder: Path, *, overwrite: bool) -> None:
        self._folder, self._overwrite = folder, overwrite
        self._waiting: _Stack | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self._waiting is not None:
            self._waiting.discard()

    def add(self, job: PlaneJob, answer: Answer) -> tuple[Path, Path] | None:
        """Take one plane; return the files if they were written now."""
        if self._waiting is None:
            self._waiting = _Stack(self._folder, job)
        stack = self._waiting
        stack.put(job, answer)
        if job.plane + 1 < job.n_planes:
            return None
        self._waiting = None
        try:
            return stack.written(self._folder, self._overwrite)
        finally:
            stack.discard()


class _Stack:
    """The maps of one image on their way."""

    def __init__(self, folder: Path, job: PlaneJob) -> None:
        self._image, self._n_planes = job.image, job.n_planes
        self._file = folder / f".{image_name(job.image)}.maps.part"
        self._planes: NDArray[np.float32] | None = None
        self._pixel_size_um: float | None = None
        self._labels = [""] * job.n_planes
        self._largest = 0.0

    def put(self, job: PlaneJob, answer: Answer) -> None:
        record = answer.record
        if answer.signed_map is None:
            self._labels[job.plane] = str(record["error"])
            if self._planes is not None:
                self._planes[:, job.plane] = np.nan
            return
        self._labels[job.plane] = f"{image_name(job.image)} RSP {record['rsp']:.5f} RSE {record['rse']:.5g}"
        self._pixel_size_um = answer.pixel_size_um
        finite = np.abs(answer.signed_map[np.isfinite(answer.signed_map)])
        self._largest = max(self._largest, float(finite.max(initial=0.0)))
        if self._planes is None:
            shape = (2, self._n_planes, *answer.signed_map.shape)
            if self._n_planes == 1:
                self._planes = np.empty(shape, np.float32)
            else:
                self._planes = np.memmap(self._file, np.float32, "w+", shape=shape)
                self._planes[:, : job.plane] = np.nan
        np.abs(answer.signed_map, out=self._planes[0, job.plane])
        self._planes[1, job.plane] = answer.signed_map

    def written(self, folder: Path, overwrite: bool) -> tuple[Path, Path] | None:
        if self._planes is None:
            return None
        top = self._largest or 1.0
        looks = ((0.0, top), _absolute_colours()), ((-top, top), _signed_colours())
        paths = map_paths(folder, self._image)
        for path, planes, (shown, lut) in zip(paths, self._planes, looks, strict=True):
            # one plane is a picture, not a stack
            pixels, dims = (planes, ("I", "Y", "X")) if self._n_planes > 1 else (planes[0], ("Y", "X"))
            write_image(
                path,
                xr.DataArray(pixels, dims=dims),
                pixel_size_um=self._pixel_size_um,
                labels=self._labels,
                display_range=shown,
                lut=lut,
                overwrite=overwrite,
            )
        return paths

    def discard(self) -> None:
        self._planes = None
        self._file.unlink(missing_ok=True)


def _absolute_colours() -> NDArray[np.uint8]:
    """Return black over violet and orange to pale yellow."""
    return _colours("inferno")


def _signed_colours() -> NDArray[np.uint8]:
    """Return blue (too much in the image) over white to red (missing in the image)."""
    return _colours("RdBu_r")


def _colours(name: str) -> NDArray[np.uint8]:
    import matplotlib

    return matplotlib.colormaps[name](np.arange(256), bytes=True)[:, :3].T.copy()
