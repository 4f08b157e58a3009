"""Bio-Formats, where a Fiji has it: files that neither ImageJ nor tifffile reads, without its dialogs."""

from __future__ import annotations

from pathlib import Path

import xarray as xr

from dlsim_ij.errors import ImageError
from dlsim_ij.fiji.arrays import from_imageplus

# what ImageJ reads itself, rightly and sooner; of an OME-TIFF it takes T for Z
_OWN = {
    ".tif", ".tiff", ".gif", ".jpg", ".jpeg", ".png", ".bmp", ".pgm", ".fits", ".avi", ".dcm", ".zip", ".raw",
}  # fmt: skip


def has_bio_formats() -> bool:
    """Whether its importer is on the class path of the running Java."""
    from jpype import JClass, JException

    try:
        JClass("loci.plugins.BF")
    except (TypeError, JException):
        return False
    return True


def is_for_bio_formats(path: Path) -> bool:
    """Whether a file is none that ImageJ reads itself.

    Examples
    --------
    >>> [is_for_bio_formats(Path(name)) for name in ("a.czi", "a.tif", "a.ome.tif")]
    [True, False, True]
    """
    name = path.name.lower()
    return path.suffix.lower() not in _OWN or name.endswith((".ome.tif", ".ome.tiff"))


def open_with_bio_formats(path: Path, series: int | None) -> xr.DataArray:
    """Read one series of a file.

    Parameters
    ----------
    path : Path
        Of a file that exists.
    series : int, optional
        From 1; needed where a file holds several.

    Raises
    ------
    ImageError
        The file is not known to Bio-Formats, holds no such series, or several and none was chosen.
    """
    from jpype import JClass, JException

    reader = JClass("loci.formats.ImageReader")()
    try:
        reader.setId(str(path.resolve()))
        n_series = int(reader.getSeriesCount())
    except JException as error:
        raise ImageError(f"Bio-Formats cannot read {path}: {_words(error)}", "is it an image?") from error
    finally:
        reader.close()
    if series is None and n_series > 1:
        raise ImageError(
            f"{path} holds {n_series} series", f"choose one: Fiji().open(path, series=1) to series={n_series}"
        )
    if not 1 <= (series or 1) <= n_series:
        raise ImageError(f"{path} has {n_series} series, there is no number {series}", "they count from 1")
    options = JClass("loci.plugins.in.ImporterOptions")()
    options.setId(str(path.resolve()))
    options.setWindowless(True)
    options.setQuiet(True)
    options.clearSeries()
    options.setSeriesOn((series or 1) - 1, True)
    try:
        image = JClass("loci.plugins.BF").openImagePlus(options)[0]
    except JException as error:
        raise ImageError(f"Bio-Formats cannot read {path}: {_words(error)}", "is it complete?") from error
    try:
        return from_imageplus(image).assign_attrs(source=str(path), name=path.stem)
    finally:
        image.close()


def _words(error: object) -> str:
    return " ".join(str(error).split())[:200]
