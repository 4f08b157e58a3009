"""Error maps as ImageJ TIFFs with a lookup table, a display range and the pixel size of the image."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from dlsim_ij.files import announce_temporary
from dlsim_ij.images.lookup_tables import error_colours, signed_error_colours
from dlsim_ij.images.read import image_name
from dlsim_ij.images.write import write_planes
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
        self._path = folder / f".{image_name(job.image)}.maps.part"
        announce_temporary(self._path)
        self._file = open(self._path, "wb")  # noqa: SIM115  (closed by `written` or `discard`)
        self._shape: tuple[int, int] | None = None
        self._pixel_size_um: float | None = None
        self._labels: list[str] = []
        self._missing: set[int] = set()
        self._largest = 0.0

    def put(self, job: PlaneJob, answer: Answer) -> None:
        """Take the next plane."""
        record, signed = answer.record, answer.signed_map
        if signed is None:
            self._labels.append(str(record["error"]))
            self._missing.add(job.plane)
            return
        self._labels.append(f"{image_name(job.image)} RSP {record['rsp']:.5f} RSE {record['rse']:.5g}")
        self._pixel_size_um = answer.pixel_size_um
        self._shape = signed.shape[0], signed.shape[1]
        self._largest = max(self._largest, float(np.nanmax(np.abs(signed))))
        self._file.write(np.ascontiguousarray(signed).data)

    def written(self, folder: Path, overwrite: bool) -> tuple[Path, Path] | None:
        """Write both maps; None where no plane could be compared."""
        self._file.close()
        if self._shape is None:
            return None
        top = self._largest or 1.0
        looks = ((0.0, top), error_colours()), ((-top, top), signed_error_colours())
        paths = map_paths(folder, self._image)
        sources = map(np.abs, self._planes(self._shape)), self._planes(self._shape)
        for path, planes, (shown, lut) in zip(paths, sources, looks, strict=True):
            write_planes(
                path,
                planes,
                shape=(self._n_planes, *self._shape),
                pixel_size_um=self._pixel_size_um,
                labels=self._labels,
                display_range=shown,
                lut=lut,
                overwrite=overwrite,
            )
        return paths

    def _planes(self, shape: tuple[int, int]) -> Iterator[FloatImage]:
        with open(self._path, "rb") as file:
            for number in range(self._n_planes):
                if number in self._missing:
                    yield np.full(shape, np.nan, np.float32)
                else:
                    yield np.fromfile(file, np.float32, shape[0] * shape[1]).reshape(shape)

    def discard(self) -> None:
        """Remove what waited."""
        self._file.close()
        self._path.unlink(missing_ok=True)
