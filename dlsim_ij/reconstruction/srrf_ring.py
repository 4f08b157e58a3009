"""SRRF: how radially symmetric the gradients on a small ring around every sub-pixel are, frame by frame.

A ring point at angle t votes with its gradient G alone. Let phi be the angle between G and the direction
from the centre to the point. The line along G passes the centre at |sin phi| radii, so the vote is
-sign(cos phi) (1 - |sin phi|)^2: +1 if G points straight at the centre, -1 straight away from it. With G
turned into a radial part a and a tangential part b, |sin phi| = |b| / sqrt(a^2 + b^2).

Turning and Catmull-Rom interpolation are linear and the ring is the same for every sub-pixel of every raw
pixel, so both are two small matrices per ring point, one for the rows and one for the columns of a tile.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from dlsim_ij.errors import ConfigError
from dlsim_ij.reconstruction.srrf_drift import drift_table
from dlsim_ij.reconstruction.srrf_interpolation import (
    interpolation_matrix,
    output_centres_px,
    taps_reach_px,
)
from dlsim_ij.reconstruction.srrf_pattern import minimise_phase_pattern
from dlsim_ij.reconstruction.srrf_settings import check_choice, check_count, check_number
from dlsim_ij.reconstruction.srrf_stream import (
    OFF_GRID_PX,
    Progress,
    StreamSettings,
    Tensor,
    Weights,
    choose_threads,
    fluctuation_image,
)
from dlsim_ij.reconstruction.srrf_temporal import SRRF_MODES, shortest_block, srrf_projection
from dlsim_ij.torch_device import choose_device

# Far below what a float32 gradient of pixels between -1 and 1 can tell from zero, when squared.
_NO_GRADIENT = 1e-30
_TILE_OUTPUT_PX = 80  # side of a tile in output pixels


def srrf(
    frames: Iterable[ArrayLike],
    magnification: int = 5,
    ring_radius_px: float = 0.5,
    n_axes: int = 6,
    mode: str = "TRA",
    integrate: bool = False,
    *,
    intensity_weighting: bool = True,
    gradient_weighting: bool = False,
    psf_fwhm_px: float = 3.17,
    minimise_patterning: bool = False,
    block: int = 100,
    drift: ArrayLike | Literal["auto"] | None = None,
    extend_edges: bool = False,
    device: str = "auto",
    threads: int | None = None,
    progress: Progress | None = None,
) -> NDArray[np.float32]:
    """Make a super-resolution radial fluctuations (SRRF) image of a series of frames.

    Gustafsson et al. 2016 (:doi:`10.1038/ncomms12471`); the numbers are those of the NanoJ-SRRF kernel.

    Parameters
    ----------
    frames : (n, Y, X) ndarray or iterable of (Y, X) array_like
        A time series of one plane and colour, in any unit. Frames are read once, in order, so a generator
        that reads them from a file will do.
    magnification : int
        Output pixels per raw pixel, 1 to 10.
    ring_radius_px : float
        Of the ring of gradients, in raw pixels, 0.1 to 3.
    n_axes : int
        The ring has twice as many points, 2 to 16.
    mode : str
        ``TRM`` maximum, ``TRA`` mean over time, ``TRPPM`` mean product of all pairs of frames, ``TRAC2`` to
        ``TRAC4`` correlation of two to four successive fluctuations. The first three need few frames; the
        correlations need blinking, and reward it with less background.
    integrate : bool
        TRAC only: add the correlations of ever longer bins of frames, for slow blinking.
    intensity_weighting : bool
        Multiply by the interpolated frame, so that the image resembles the object.
    gradient_weighting : bool
        Multiply radiality by the mean gradient, relative to the intensity, on a ring of one standard
        deviation of the point spread function: favours sharp structures over haze.
    psf_fwhm_px : float
        Width of the point spread function in raw pixels, for `gradient_weighting` alone.
    minimise_patterning : bool
        Give the sub-pixels of a raw pixel equal means and spreads over the image, which removes the grid of
        raw pixels from it.
    block : int
        Most frames that are analysed together; the result is the mean of the blocks. A rest too short for
        the mode joins the last block.
    drift : (n, 2) array_like, "auto" or None
        Where (y, x) the content of each frame lies, relative to the first, in raw pixels. "auto" finds it
        with `estimate_drift`, which passes through the frames once before.
    extend_edges : bool
        Fill the image up to its edges, as if the outermost pixels of the frames went on beyond. Without it,
        what needs pixels beyond the edge is 0: `ring_radius_px` + 1.5 raw pixels, and the drift.
    device : str
        "cpu", "cuda", or "auto": a GPU if there is one.
    threads : int, optional
        Of the processor; as many as torch uses when not given.
    progress : callable, optional
        Called with (frames done, frames known of).

    Returns
    -------
    (m Y, m X) float32 ndarray
        In the unit of the frames with `intensity_weighting`, else between 0 and 1 (TRM, TRA, TRPPM).

    Raises
    ------
    ConfigError
        An option is out of range or contradicts another.
    ImageError
        The frames are too few, too small, differ in size or hold NaN.

    Notes
    -----
    Radiality R is the mean vote of the ring points, at least 0 (see the module); I is the interpolated
    intensity, at least 0; r is R less its mean over the block of T frames. TRM = max(R I), TRA = mean(R I),
    TRPPM = mean over t0 <= t1 of R(t0) R(t1), times mean(I), TRACn = abs(C_n) / T times mean(R I), where
    C_2 and C_3 are sums of r(t) r(t + 1) ... over t < T - n and C_4 is such a sum less the three products
    of sums of pairs. The plug-in's defaults are TRAC2 with `integrate` and `minimise_patterning`.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> spot = np.exp(-((np.mgrid[:16, :16] - 7.5) ** 2).sum(axis=0) / 4)
    >>> image = srrf(rng.poisson(100 * spot + 5, (20, 16, 16)), magnification=4)
    >>> image.shape
    (64, 64)
    """
    check_choice(mode, SRRF_MODES, "SRRF mode")
    check_count("magnification", magnification, 1, 10, usual=5)
    check_number("ring radius", ring_radius_px, 0.1, 3, usual=0.5, unit="px")
    check_count("number of axes", n_axes, 2, 16, usual=6)
    check_number("width of the point spread function", psf_fwhm_px, 0.5, 20, usual=3.17, unit="px")
    check_count("block", block, shortest_block(mode), 100_000, usual=100)
    if integrate and not mode.startswith("TRAC"):
        raise ConfigError(f"integrate belongs to TRAC2, TRAC3 and TRAC4, not to {mode}", "leave it out")
    chosen = choose_device(device)
    kernel = RingKernel(
        magnification, ring_radius_px, n_axes, psf_fwhm_px / 2.35 if gradient_weighting else None, chosen
    )
    image = fluctuation_image(
        frames,
        kernel,
        srrf_projection(mode, integrate),
        StreamSettings(
            block=block,
            shortest_block=shortest_block(mode),
            intensity_weighting=intensity_weighting,
            extend_edges=extend_edges,
            drift_px=drift_table(drift, frames),
            device=chosen,
            threads=choose_threads(threads),
            progress=progress,
        ),
    )
    return minimise_phase_pattern(image, magnification) if minimise_patterning else image


class RingKernel:
    """Radiality of one frame; a `Kernel` of `srrf_stream`."""

    def __init__(
        self,
        magnification: int,
        ring_radius_px: float,
        n_axes: int,
        gradient_radius_px: float | None,
        device: torch.device,
    ) -> None:
        self.magnification = magnification
        self.tile_px = int(np.clip(round(_TILE_OUTPUT_PX / magnification), 8, 32))
        farthest = max(ring_radius_px, gradient_radius_px or 0)
        self.edge_px = 1.5 + farthest
        self._taps_px = taps_reach_px(farthest + OFF_GRID_PX)
        self.reach_px = self._taps_px + 1  # a gradient takes the neighbours
        self.values_per_frame = 2 * n_axes * (self.tile_px * magnification) ** 2
        self._radius_px, self._gradient_radius_px = ring_radius_px, gradient_radius_px
        self._angles_rad = np.arange(2 * n_axes) * np.pi / n_axes
        self._device = device

    def weights(self, offsets_px: NDArray[np.float64]) -> Weights:
        """Return matrices for the ring, the centre and, if asked for, the ring of the gradient weight."""
        weights = [*self._ring(offsets_px, self._radius_px), *self._centre(offsets_px)]
        if self._gradient_radius_px is not None:
            weights += self._ring(offsets_px, self._gradient_radius_px)
        return tuple(weight.to(self._device) for weight in weights)

    def _ring(self, offsets_px: NDArray[np.float64], radius_px: float) -> tuple[Tensor, Tensor]:
        """Return (frame, points * 2 m y, 2 y) and (frame, point, x, m x): gradients to (a; b) on a ring.

        The first takes a window's x gradients above its y gradients, for all points one below the other.
        """
        cos, sin = np.cos(self._angles_rad), np.sin(self._angles_rad)
        rows = self._matrix(offsets_px[:, :1] + radius_px * sin)
        columns = self._matrix(offsets_px[:, 1:] + radius_px * cos)
        c, s = (part.astype(np.float32)[:, None, None] for part in (cos, sin))
        radial = np.concatenate([c * rows, s * rows], axis=-1)
        tangential = np.concatenate([-s * rows, c * rows], axis=-1)
        turned = np.concatenate([radial, tangential], axis=-2).reshape(len(rows), -1, radial.shape[-1])
        return torch.from_numpy(turned), torch.from_numpy(columns.swapaxes(-1, -2).copy())

    def _centre(self, offsets_px: NDArray[np.float64]) -> tuple[Tensor, Tensor]:
        rows, columns = (self._matrix(offsets_px[:, axis]) for axis in (0, 1))
        return torch.from_numpy(rows), torch.from_numpy(columns.swapaxes(-1, -2).copy())

    def _matrix(self, from_centre_px: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return the (..., m side, side + margins) matrices for points (...) off the output centres."""
        positions = output_centres_px(self.tile_px, self.magnification) + from_centre_px[..., None]
        return interpolation_matrix(positions, -self._taps_px, self.tile_px + 2 * self._taps_px)

    def evaluate(self, windows: Tensor, weights: Weights) -> tuple[Tensor, Tensor]:
        """Return radiality and intensity of windows with pixels between -1 and 1."""
        x_gradient = windows[:, 1:-1, 2:] - windows[:, 1:-1, :-2]
        y_gradient = windows[:, 2:, 1:-1] - windows[:, :-2, 1:-1]
        gradients = torch.cat([x_gradient, y_gradient], dim=1)
        radial, tangential = _on_ring(gradients, weights[0], weights[1])
        radiality = _mean_vote(radial, tangential)
        intensity = (weights[2] @ windows[:, 1:-1, 1:-1] @ weights[3]).clamp_(min=0)
        if self._gradient_radius_px is not None:
            radial, tangential = _on_ring(gradients, weights[4], weights[5])
            steepness = torch.hypot(radial, tangential).mean(dim=1)
            radiality *= torch.where(intensity > 0, steepness / intensity, 0)
        return radiality, intensity


def _on_ring(gradients: Tensor, rows: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
    """Return the radial and the tangential gradient, (frame, point, m y, m x)."""
    by_row = rows @ gradients if len(rows) > 1 else rows[0] @ gradients
    points, taps = columns.shape[1:3]
    both = by_row.view(len(gradients), points, -1, taps) @ columns
    half = both.shape[2] // 2
    return both[:, :, :half], both[:, :, half:]


def _mean_vote(radial: Tensor, tangential: Tensor) -> Tensor:
    """Return the radiality; the two tensors are overwritten.

    Without a gradient |sin phi| is made 1, so that the point has no vote.
    """
    nothing = torch.tensor(_NO_GRADIENT, device=radial.device)
    squared = torch.addcmul(nothing, tangential, tangential, out=tangential)
    vote = torch.addcmul(squared, radial, radial)  # |G|^2, for now
    sine = squared.div_(vote).sqrt_()
    distance = torch.sub(1, sine, out=sine)
    torch.copysign(distance, radial, out=vote)
    return vote.mul_(distance).sum(dim=1).div_(-radial.shape[1]).clamp_(min=0)
