"""Cutting a field into tiles whose results fit together exactly.

Each tile is computed with a margin at least as wide as the network's receptive field, and only its core
is kept. So there are no seams to blend, and the result does not depend on the tile size. Tiles start on
multiples of the network's coarsest pixel, because pooling grids must agree.
"""

from __future__ import annotations

from dataclasses import dataclass

from dlsim_ij.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Span:
    """One tile along one axis, in input pixels: what is read, and which part of it is kept."""

    start: int
    stop: int
    core_start: int
    core_stop: int

    @property
    def read(self) -> slice:
        """What to cut out of the input."""
        return slice(self.start, self.stop)

    def core(self, scale: int) -> slice:
        """Which part of the tile's own output is kept."""
        return slice(scale * (self.core_start - self.start), scale * (self.core_stop - self.start))

    def output(self, scale: int) -> slice:
        """Where that part lies in the whole output."""
        return slice(scale * self.core_start, scale * self.core_stop)


def plan_axis(length: int, tile_px: int, margin_px: int, multiple: int) -> list[Span]:
    """Cover an axis with tiles.

    Parameters
    ----------
    length : int
        Length of the padded axis, a multiple of `multiple`.
    tile_px : int
        Longest span to read at once, margins included.
    margin_px : int
        Receptive radius of the network.
    multiple : int
        Side multiple of the network.

    Returns
    -------
    list of Span
        Cores are adjacent and cover the axis.

    Raises
    ------
    ConfigError
        A tile of that size has no core left.

    Examples
    --------
    >>> [(s.start, s.stop, s.core_start, s.core_stop) for s in plan_axis(64, 48, 8, 8)]
    [(0, 48, 0, 40), (32, 64, 40, 64)]
    """
    if length <= tile_px:
        return [Span(0, length, 0, length)]
    margin = -(-margin_px // multiple) * multiple
    tile = tile_px // multiple * multiple
    if tile - 2 * margin < multiple:
        raise ConfigError(
            f"tiles of {tile_px} px are too small: this network needs {margin} px around each",
            f"give at least --tile-px {2 * margin + max(multiple, margin)}, or none to run the field whole",
        )
    spans = []
    core_start = 0
    while core_start < length:
        start = max(0, core_start - margin)
        stop = min(length, start + tile)
        core_stop = length if stop == length else stop - margin
        spans.append(Span(start, stop, core_start, core_stop))
        core_start = core_stop
    return spans
