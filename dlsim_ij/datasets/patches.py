"""Where the tiles of a field lie: the seed's grid, which covers the field and never leaves it."""

from __future__ import annotations

from math import ceil

from dlsim_ij.errors import DataError


def tile_starts(length_px: int, tile_px: int) -> list[int]:
    """Return where tiles start along one side.

    As few tiles as cover the side, n = ceil(length / tile), at multiples of ceil(length / n); the last one
    is flush with the end. Neighbours overlap when the tile does not divide the side.

    Parameters
    ----------
    length_px, tile_px : int
        Side of the field and of a tile.

    Raises
    ------
    DataError
        The field is smaller than one tile.

    Examples
    --------
    >>> tile_starts(512, 128)
    [0, 128, 256, 384]
    >>> tile_starts(300, 128)
    [0, 100, 172]
    """
    if tile_px < 1:
        raise DataError(f"a tile of {tile_px} pixels is none", "give a positive tile size")
    if length_px < tile_px:
        raise DataError(
            f"a side of {length_px} pixels is smaller than a tile of {tile_px}", "give a smaller tile size"
        )
    count = ceil(length_px / tile_px)
    step = ceil(length_px / count)
    return [step * i for i in range(count - 1)] + [length_px - tile_px]


def tile_grid(
    shape: tuple[int, int], tile_px: int, *, border_px: int = 0, multiple: int = 1
) -> list[tuple[int, int]]:
    """Return the (y, x) corners of the tiles of one field, row by row.

    Parameters
    ----------
    shape : (int, int)
        Height and width of the field.
    tile_px : int
        Side of a tile.
    border_px : int
        Margin left out on all four sides before the grid is laid (the seed's SIM script: 50).
    multiple : int
        All of the above are multiples of it, and so are the corners: a corner at (y, x) of a truth that is
        `multiple` times larger than the frames is at (y, x) / `multiple` there.

    Raises
    ------
    DataError
        The field without its border is smaller than one tile, or a size is no multiple of `multiple`.

    Examples
    --------
    >>> tile_grid((612, 356), 256, border_px=50)
    [(50, 50), (306, 50)]
    """
    sizes = (*shape, tile_px, border_px)
    if any(size % multiple for size in sizes):
        raise DataError(
            f"field {shape[0]} x {shape[1]}, tile {tile_px} and border {border_px} pixels must be "
            f"multiples of {multiple}, since the frames are {multiple} times smaller than the truth",
            f"give sizes that {multiple} divides",
        )
    height, width = (side - 2 * border_px for side in shape)
    if min(height, width) < tile_px:
        without = f" without its border of {border_px}" if border_px else ""
        raise DataError(
            f"a field of {shape[0]} x {shape[1]} pixels{without} holds no tile of {tile_px}",
            "give a smaller --tile-px" + (" or --border-px" if border_px else ""),
        )
    rows, columns = (tile_starts(side // multiple, tile_px // multiple) for side in (height, width))
    return [(border_px + multiple * y, border_px + multiple * x) for y in rows for x in columns]
