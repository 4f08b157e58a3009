"""eSRRF: how well the gradients around every sub-pixel converge on it, frame by frame.

Gradients are known on a grid of half raw pixels. One at distance d that points inwards, at an angle phi to
the line to the centre, votes 1 - |sin phi| with the weight (d exp(-d^2 / (2 sigma^2)))^4; one that points
outwards votes 0. The radial gradient convergence is the weighted mean vote, to the power `sensitivity`.

Around a sub-pixel the grid looks the same in every raw pixel. So all raw pixels of a tile are treated at
once: for each point of the grid near a raw pixel, the votes for those of its sub-pixels that it can reach.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from dlsim_ij.reconstruction.srrf_drift import drift_table
from dlsim_ij.reconstruction.srrf_interpolation import (
    interpolation_matrix,
    output_centres_px,
    taps_reach_px,
)
from dlsim_ij.reconstruction.srrf_pattern import divide_phase_means
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
from dlsim_ij.reconstruction.srrf_temporal import ESRRF_MODES, esrrf_projection, shortest_block
from dlsim_ij.torch_device import choose_device

_NEGLIGIBLE_WEIGHT = 1e-8  # of the sum: below what a float32 sum can hold
_TILE_PX = 16
# Added to the radial part of every gradient, so that no gradient at all counts as one pointing outwards.
_OUTWARDS = 1e-30
_GRID_PER_PX = 2  # gradients per raw pixel, along each axis


def esrrf(
    frames: Iterable[ArrayLike],
    magnification: int = 5,
    radius_px: float = 1.5,
    sensitivity: float = 1.0,
    mode: str = "AVG",
    *,
    intensity_weighting: bool = True,
    minimise_patterning: bool = True,
    block: int = 100,
    drift: ArrayLike | Literal["auto"] | None = None,
    extend_edges: bool = False,
    device: str = "auto",
    threads: int | None = None,
    progress: Progress | None = None,
) -> NDArray[np.float32]:
    """Make an enhanced super-resolution radial fluctuations (eSRRF) image of a series of frames.

    Laine et al. 2023 (:doi:`10.1038/s41592-023-02057-w`).

    Parameters
    ----------
    frames : (n, Y, X) ndarray or iterable of (Y, X) array_like
        A time series of one plane and colour, in any unit; read once, in order.
    magnification : int
        Output pixels per raw pixel, 1 to 10.
    radius_px : float
        Full width at half maximum of the neighbourhood that votes, in raw pixels, 0.5 to 5.
    sensitivity : float
        Power of the convergence, 0.5 to 10: higher is sharper, and less faithful in brightness.
    mode : str
        ``AVG`` mean, ``VAR`` variance, ``TAC2`` covariance of successive frames, over time.
    intensity_weighting : bool
        Multiply by the interpolated frame, so that the image resembles the object.
    minimise_patterning : bool
        Divide the sub-pixels of a raw pixel by their relative means over the image, which removes the grid
        of raw pixels ("macro-pixel" correction).
    block, drift, extend_edges, device, threads, progress
        As in `srrf`.

    Returns
    -------
    (m Y, m X) float32 ndarray
        In the unit of the frames (AVG) or its square (VAR, TAC2) with `intensity_weighting`. TAC2 can be
        negative.

    Raises
    ------
    ConfigError
        An option is out of range.
    ImageError
        The frames are too few, too small, differ in size or hold NaN.

    Notes
    -----
    Gradients are differences of neighbouring pixels, where they belong: between the two. Intensity is taken
    at the centre of the output pixel; the published OpenCL code takes it half an output pixel further to
    the top left, and scales the image by 1 / its phase means, where here its mean stays. Drift moves the grid
    of gradients with the object.
    """
    check_choice(mode, ESRRF_MODES, "eSRRF mode")
    check_count("magnification", magnification, 1, 10, usual=5)
    check_number("radius", radius_px, 0.5, 5, usual=1.5, unit="px")
    check_number("sensitivity", sensitivity, 0.5, 10, usual=1)
    check_count("block", block, shortest_block(mode), 100_000, usual=100)
    chosen = choose_device(device)
    image = fluctuation_image(
        frames,
        ConvergenceKernel(magnification, radius_px, sensitivity, chosen),
        esrrf_projection(mode),
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
    return divide_phase_means(image, magnification) if minimise_patterning else image


class ConvergenceKernel:
    """Radial gradient convergence of one frame; a `Kernel` of `srrf_stream`."""

    def __init__(
        self, magnification: int, radius_px: float, sensitivity: float, device: torch.device
    ) -> None:
        self.magnification = magnification
        self.tile_px = _TILE_PX
        self._sensitivity = sensitivity
        self._votes = list(_votes(magnification, radius_px / 2.354, device))
        offsets = np.array([vote.offset for vote in self._votes])
        # an offset of -1 grid step needs one raw pixel before the tile, so does -2
        self._margin_px = int(np.ceil(np.abs(offsets).max() / _GRID_PER_PX))
        farthest = self._margin_px + 0.5 + OFF_GRID_PX
        self._taps_px = taps_reach_px(farthest)
        self.reach_px = self._taps_px + 1  # a gradient takes the neighbour before
        self.edge_px = float(np.abs(offsets).max() / _GRID_PER_PX) + 2  # and two taps
        self.values_per_frame = 2 * self.tile_px**2 * max(len(vote.phases) for vote in self._votes)
        self._device = device

    def weights(self, offsets_px: NDArray[np.float64]) -> Weights:
        """Return matrices for the gradients along x and y on the grid, and for the centre."""
        side, margin = self.tile_px + 2 * self._margin_px, self._margin_px
        grid = np.arange(_GRID_PER_PX * side) / _GRID_PER_PX - margin
        centres = output_centres_px(self.tile_px, self.magnification)
        y, x = (offsets_px[:, axis, None] for axis in (0, 1))
        # the difference of pixel k and the one before lies at k, where the matrix expects k + 0.5
        lines = [grid + y, grid + 0.5 + x, grid + 0.5 + y, grid + x, centres + y, centres + x]
        matrices = [
            interpolation_matrix(line, -self._taps_px, self.tile_px + 2 * self._taps_px) for line in lines
        ]
        matrices[1::2] = [matrix.swapaxes(-1, -2).copy() for matrix in matrices[1::2]]
        return tuple(torch.from_numpy(matrix).to(self._device) for matrix in matrices)

    def evaluate(self, windows: Tensor, weights: Weights) -> tuple[Tensor, Tensor]:
        """Return convergence and intensity of windows."""
        inner = windows[:, 1:-1, 1:-1]
        x_gradient = weights[0] @ (inner - windows[:, 1:-1, :-2]) @ weights[1]
        y_gradient = weights[2] @ (inner - windows[:, :-2, 1:-1]) @ weights[3]
        length = torch.hypot(x_gradient, y_gradient)
        directions = torch.stack([x_gradient, y_gradient, torch.full_like(length, _OUTWARDS)])
        directions[:2] = torch.where(length > 0, directions[:2] / length, 0)
        convergence = self._mean_vote(directions)
        if self._sensitivity != 1:
            convergence.pow_(self._sensitivity)
        return convergence, (weights[4] @ inner @ weights[5]).clamp_(min=0)

    def _mean_vote(self, directions: Tensor) -> Tensor:
        """Return (frame, m y, m x) of unit gradients (3, frame, grid y, grid x): x, y and `_OUTWARDS`."""
        n, side, m = directions.shape[1], self.tile_px, self.magnification
        # of each place of the grid within a raw pixel, a picture with one value per raw pixel
        places = {
            (i, j): directions[..., i::_GRID_PER_PX, j::_GRID_PER_PX].contiguous()
            for i in range(_GRID_PER_PX)
            for j in range(_GRID_PER_PX)
        }
        total = directions.new_zeros(m * m, n * side * side)
        buffer = directions.new_empty(2 * m * m, n * side * side)
        for vote in self._votes:
            (down, i), (right, j) = (divmod(o, _GRID_PER_PX) for o in vote.offset)
            top, left = self._margin_px + down, self._margin_px + right
            place = places[i, j][..., top : top + side, left : left + side].reshape(3, -1)
            count = len(vote.phases)
            both = torch.mm(vote.turn, place, out=buffer[: 2 * count])
            radial, tangential = both[:count], both[count:]
            strength = torch.sub(vote.weight, tangential.abs_(), out=tangential)
            # negative where the gradient points inwards; the others have no say
            torch.copysign(strength, radial, out=strength).clamp_(max=0)
            total.index_add_(0, vote.phases, strength)
        planes = total.neg_().view(m, m, n, side, side).permute(2, 3, 0, 4, 1)
        return planes.reshape(n, side * m, side * m)


class _Vote:
    """A grid point near a raw pixel, and the sub-pixels of that pixel which it votes for.

    Attributes
    ----------
    offset : (int, int)
        Of the point from the pixel's top left corner, (y, x) in grid steps.
    phases : (n,) tensor of int
        Sub-pixels, row by row.
    weight : (n, 1) tensor
        Relative weight of the vote for each.
    turn : (2 n, 3) tensor
        From a unit gradient (x, y, `_OUTWARDS`) to its radial (n) and tangential (n) parts, times the weight.
    """

    def __init__(
        self,
        offset: tuple[int, int],
        phases: NDArray[np.intp],
        weight: NDArray[np.float64],
        towards: NDArray[np.float64],
        device: torch.device,
    ) -> None:
        self.offset = offset
        self.phases = torch.from_numpy(phases).to(device)
        self.weight = torch.tensor(weight[:, None], dtype=torch.float32, device=device)
        y, x = towards.T * weight
        none, one = np.zeros_like(x), np.ones_like(x)
        turn = np.concatenate([np.stack([x, y, one], axis=1), np.stack([-y, x, none], axis=1)])
        self.turn = torch.tensor(turn, dtype=torch.float32, device=device)


def _votes(magnification: int, sigma_px: float, device: torch.device) -> Iterator[_Vote]:
    farthest_px = 2 * sigma_px + 1
    reach = int(np.ceil(_GRID_PER_PX * (farthest_px + 1)))
    steps = np.arange(-reach, reach + 1)
    grid = np.stack(np.meshgrid(steps, steps, indexing="ij"), axis=-1).reshape(-1, 2)
    centre = output_centres_px(1, magnification)
    centres = np.stack(np.meshgrid(centre, centre, indexing="ij"), axis=-1).reshape(-1, 2)
    apart = grid[:, None] / _GRID_PER_PX - centres  # (point, phase, 2): from centre to point
    distance = np.hypot(apart[..., 0], apart[..., 1])
    weight = (distance * np.exp(-(distance**2) / (2 * sigma_px**2))) ** 4
    weight[distance > farthest_px] = 0
    weight /= weight.sum(axis=0)
    for number, offset in enumerate(grid):
        phases = np.flatnonzero(weight[number] > _NEGLIGIBLE_WEIGHT)
        if len(phases):
            towards = apart[number, phases] / distance[number, phases, None]
            yield _Vote((int(offset[0]), int(offset[1])), phases, weight[number, phases], towards, device)
