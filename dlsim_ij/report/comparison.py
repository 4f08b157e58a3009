"""Bring the images of a run to one grid and one intensity scale, and find where to look."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dlsim_ij.errors import ImageError
from dlsim_ij.quality import fit_intensity
from dlsim_ij.report.document import FloatImage, RunRecord

MAP_ROLES = ("uncertainty", "residual", "error")  # maps of something else than the sample's intensity


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """A rectangle of pixels, and the straight line through it that the profile follows."""

    top: int
    left: int
    height: int
    width: int
    along: str  # "row" or "column"
    at: int  # of the line, from the region's top or left


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The images of a run on the result's grid, and with its mean and standard deviation.

    Equal spread, not a least-squares fit, makes them comparable to the eye: a fit pulls a blurred image
    towards grey. The difference is taken after the fit, which leaves only what a gain cannot explain.
    """

    images: dict[str, FloatImage] = field(repr=False)  # by role, the reference first and "sr" last
    difference: FloatImage | None = field(repr=False)  # result minus the fitted reference
    enlarged: dict[str, int]  # by role: how many times, for the comparison only
    left_out: tuple[str, ...]  # roles whose grid does not fit the result's
    pixel_size_um: float | None
    window: tuple[float, float]  # grey values shown as black and white, the same in all pictures
    region: Region

    @property
    def reference(self) -> str | None:
        """The role that the result is compared with: widefield, or else the first other image."""
        others = [role for role in self.images if role != "sr"]
        return others[0] if others else None


def compare(record: RunRecord) -> Comparison:
    """Prepare the images of a record for the figures.

    Raises
    ------
    ImageError
        The record has no result, or pixels were not loaded.
    """
    result = _pixels(record, "sr")
    roles = [role for role in record.images if role != "sr" and role not in MAP_ROLES]
    roles.sort(key=lambda role: role != "widefield")
    images: dict[str, FloatImage] = {}
    enlarged, left_out, difference = {}, [], None
    for role in roles:
        pixels = _pixels(record, role)
        factor = _factor(pixels.shape, result.shape)
        if factor is None:
            left_out.append(role)
            continue
        if factor > 1:
            from dlsim_ij.images import bicubic_enlarge

            pixels = np.asarray(bicubic_enlarge(pixels, factor), dtype=np.float64)
            enlarged[role] = factor
        if difference is None:
            difference = result - _fitted_to(result, pixels)
        images[role] = _spread_like(result, pixels)
    images["sr"] = result
    low, high = (float(v) for v in np.quantile(result, (0.001, 0.999)))
    if low == high:
        low, high = float(result.min()), float(result.max())
    return Comparison(
        images=images,
        difference=difference,
        enlarged=enlarged,
        left_out=tuple(left_out),
        pixel_size_um=record.images["sr"].pixel_size_um,
        window=(low, high if high > low else low + 1),
        region=telling_region(result, difference),
    )


def telling_region(result: FloatImage, difference: FloatImage | None) -> Region:
    """Find the square where the result differs most from the reference, or else varies most.

    A fifth of the field wide, 48 to 160 px where the image allows; the outermost 4 % of the image is left
    out, since border artefacts differ most of all.
    """
    height, width = result.shape
    side = max(48, min(160, min(height, width) // 5))
    size = (min(side, height), min(side, width))
    change = difference if difference is not None and difference.any() else result - result.mean()
    mean = ndimage.uniform_filter(np.square(change), size=size, mode="reflect")
    edge = [min(int(0.04 * n), (n - s) // 2) for n, s in zip(result.shape, size, strict=True)]
    low = [e + s // 2 for e, s in zip(edge, size, strict=True)]
    high = [n - e - (s - s // 2) for n, e, s in zip(result.shape, edge, size, strict=True)]
    inner = mean[low[0] : high[0] + 1, low[1] : high[1] + 1]
    y, x = np.unravel_index(int(np.argmax(inner)), inner.shape)
    top, left = int(y) + low[0] - size[0] // 2, int(x) + low[1] - size[1] // 2
    patch = result[top : top + size[0], left : left + size[1]]
    row, column = int(np.argmax(patch.var(axis=1))), int(np.argmax(patch.var(axis=0)))
    along, at = ("row", row) if patch[row].var() >= patch[:, column].var() else ("column", column)
    return Region(top=top, left=left, height=size[0], width=size[1], along=along, at=at)


def surroundings(region: Region, shape: tuple[int, ...], side_px: int) -> Region:
    """Return a square of `side_px` about the region, or what the image allows, with the region's line."""
    starts, sizes = [], []
    for start, size, full in zip(
        (region.top, region.left), (region.height, region.width), shape, strict=True
    ):
        wide = min(max(side_px, size), full)
        starts.append(min(max(start + size // 2 - wide // 2, 0), full - wide))
        sizes.append(wide)
    moved = region.top - starts[0] if region.along == "row" else region.left - starts[1]
    return Region(
        top=starts[0], left=starts[1], height=sizes[0], width=sizes[1], along=region.along,
        at=region.at + moved,
    )  # fmt: skip


def crop(image: FloatImage, region: Region) -> FloatImage:
    """Cut the region out."""
    return image[region.top : region.top + region.height, region.left : region.left + region.width]


def profile(image: FloatImage, region: Region) -> NDArray[np.float64]:
    """Return the intensities along the region's line, the mean over three pixels across it."""
    patch = crop(image, region)
    if region.along == "column":
        patch = patch.T
    return np.asarray(patch[max(region.at - 1, 0) : region.at + 2].mean(axis=0))


def radial_power(image: FloatImage) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Average the power spectrum over rings.

    A Hann window keeps the border out of it.

    Parameters
    ----------
    image : (Y, X) ndarray

    Returns
    -------
    frequency : (N,) ndarray
        In cycles per pixel, up to 0.5.
    power : (N,) ndarray
        In squared intensities.
    """
    window = np.hanning(image.shape[0])[:, None] * np.hanning(image.shape[1])
    spectrum = np.abs(np.fft.rfft2((image - image.mean()) * window)) ** 2 / image.size
    radius = np.hypot(np.fft.fftfreq(image.shape[0])[:, None], np.fft.rfftfreq(image.shape[1]))
    count = max(min(image.shape) // 2, 1)
    ring = np.minimum(
        (radius * 2 * count).astype(int), count
    )  # the corners beyond Nyquist go to the last one
    total = np.bincount(ring.ravel(), spectrum.ravel(), count + 1)[:count]
    members = np.bincount(ring.ravel(), minlength=count + 1)[:count]
    frequency = (np.arange(count) + 0.5) / (2 * count)
    filled = members > 0
    return frequency[filled], total[filled] / members[filled]


def _pixels(record: RunRecord, role: str) -> FloatImage:
    image = record.images.get(role)
    if image is None or image.pixels is None:
        raise ImageError(
            f"{record.name}: the image '{role}' has no pixels", "load the record with load_record"
        )
    if image.pixels.ndim != 2 or image.pixels.size == 0:
        raise ImageError(
            f"{record.name}: the image '{role}' has the shape {image.pixels.shape}", "pass one plane"
        )
    return np.asarray(image.pixels, dtype=np.float64)


def _factor(small: tuple[int, ...], large: tuple[int, ...]) -> int | None:
    """Return how many times `small` fits into `large` along both axes, or None."""
    factor = large[0] // small[0]
    return factor if factor >= 1 and tuple(factor * n for n in small) == large else None


def _spread_like(result: FloatImage, image: FloatImage) -> FloatImage:
    spread = float(image.std())
    if spread == 0:  # an empty field has no scale
        return image
    return np.asarray((image - image.mean()) * (float(result.std()) / spread) + result.mean())


def _fitted_to(result: FloatImage, image: FloatImage) -> FloatImage:
    if np.ptp(image) == 0 or np.ptp(result) == 0:
        return image
    gain, offset = fit_intensity(image, result)
    return np.asarray(gain * image + offset)
