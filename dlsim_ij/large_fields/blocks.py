"""How a field is cut into blocks, and where it is looked at to find what the blocks have in common."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dlsim_ij.inference.tiles import Span

BLOCK_PX = 512
# The filters of the Fourier channels fade within so many pixels to 0.1 % of the image's scale; what is left
# beyond are slow waves, which no margin takes away (measured: docs/large-fields.md).
FOURIER_MARGIN_PX = 24


@dataclass(frozen=True, slots=True)
class Block:
    """One block: what is read of the field, and which part of it is kept."""

    rows: Span
    columns: Span

    @property
    def read(self) -> tuple[slice, slice]:
        """What to cut out of the field."""
        return self.rows.read, self.columns.read


def plan_blocks(height: int, width: int, core_px: int, margin_px: int, multiple: int) -> list[Block]:
    """Cover a field with blocks, row by row.

    Parameters
    ----------
    height, width : int
        Of the field.
    core_px : int
        Side of the part that is kept of each.
    margin_px : int
        What is read around it, where there is something.
    multiple : int
        Blocks begin on multiples of this, because the network's poolings must agree.
    """
    rows, columns = (_spans(side, core_px, margin_px, multiple) for side in (height, width))
    return [Block(y, x) for y in rows for x in columns]


def _spans(length: int, core_px: int, margin_px: int, multiple: int) -> list[Span]:
    """Cut an axis.

    Examples
    --------
    >>> [(s.start, s.stop, s.core_start, s.core_stop) for s in _spans(100, 64, 10, 8)]
    [(0, 80, 0, 64), (48, 100, 64, 100)]
    """
    core = max(multiple, core_px // multiple * multiple)
    margin = -(-margin_px // multiple) * multiple
    return [
        Span(max(0, start - margin), min(length, start + core + margin), start, min(length, start + core))
        for start in range(0, length, core)
    ]


def plan_windows(
    detail: NDArray[np.float64], cell_px: int, height: int, width: int, window_px: int, most_across: int = 7
) -> list[tuple[int, int]]:
    """Choose windows with much detail, spread over a field.

    Parameters
    ----------
    detail : (cells down, cells across) ndarray
        How much there is to see in each cell of the field.
    cell_px : int
        Side of a cell.
    height, width : int
        Of the field.
    window_px : int
        Side of a window; smaller where the field is.
    most_across : int
        Regions of which each gives its best window, along each side.

    Returns
    -------
    list of (int, int)
        Row and column of their corners, the one with most detail first. Windows with less than a tenth of
        its detail are left out.
    """
    cells = max(1, window_px // cell_px)
    summed = _window_sums(detail, min(cells, detail.shape[0]), min(cells, detail.shape[1]))
    found: dict[tuple[int, int], float] = {}
    n_down, n_across = (max(1, min(most_across, side // window_px)) for side in (height, width))
    for rows in np.array_split(np.arange(summed.shape[0]), n_down):
        for columns in np.array_split(np.arange(summed.shape[1]), n_across):
            if rows.size and columns.size:
                part = summed[np.ix_(rows, columns)]
                y, x = np.unravel_index(int(part.argmax()), part.shape)
                corner = (
                    max(0, min(int(rows[y]) * cell_px, height - window_px)),
                    max(0, min(int(columns[x]) * cell_px, width - window_px)),
                )
                found[corner] = float(part[y, x])
    best = max(found.values())
    chosen = [corner for corner, value in found.items() if value >= 0.1 * best]
    return sorted(chosen, key=lambda corner: (-found[corner], corner))


def _window_sums(detail: NDArray[np.float64], down: int, across: int) -> NDArray[np.float64]:
    """Return the sum over each window of so many cells, by its first cell."""
    summed = np.pad(detail, [(1, 0), (1, 0)]).cumsum(axis=0).cumsum(axis=1)
    sums: NDArray[np.float64] = (
        summed[down:, across:] - summed[:-down, across:] - summed[down:, :-across] + summed[:-down, :-across]
    )
    return sums
