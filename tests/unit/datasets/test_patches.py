import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlsim_ij.datasets import tile_grid
from dlsim_ij.datasets.patches import tile_starts
from dlsim_ij.errors import DataError


@pytest.mark.parametrize(
    ("length", "tile", "starts"),
    [
        (512, 128, [0, 128, 256, 384]),  # the seed's own case
        (1024 - 100, 256, [0, 231, 462, 668]),  # SIM_prepare on 1024 with its border of 50
        (129, 128, [0, 1]),
        (256, 256, [0]),
        (1500, 320, [0, 300, 600, 900, 1180]),
    ],
)
def test_the_seeds_grid(length, tile, starts):
    assert tile_starts(length, tile) == starts


@given(tile=st.integers(1, 400), extra=st.integers(0, 3000))
def test_tiles_cover_the_side_and_never_leave_it(tile, extra):
    length = tile + extra
    starts = tile_starts(length, tile)
    covered = set()
    for start in starts:
        assert 0 <= start <= length - tile
        covered.update(range(start, start + tile))
    assert len(covered) == length
    assert len(starts) == math.ceil(length / tile)
    assert starts[-1] == length - tile


@given(
    height=st.integers(4, 60), width=st.integers(4, 60), tile=st.integers(1, 10),
    border=st.integers(0, 5), multiple=st.integers(1, 5),
)  # fmt: skip
def test_corners_sit_on_native_pixels_inside_the_border(height, width, tile, border, multiple):
    sizes = [size * multiple for size in (height, width, tile, border)]
    if min(height, width) - 2 * border < tile:
        with pytest.raises(DataError, match="holds no tile"):
            tile_grid((sizes[0], sizes[1]), sizes[2], border_px=sizes[3], multiple=multiple)
        return
    corners = tile_grid((sizes[0], sizes[1]), sizes[2], border_px=sizes[3], multiple=multiple)
    assert len(set(corners)) == len(corners)
    for y, x in corners:
        assert y % multiple == x % multiple == 0
        assert sizes[3] <= y <= sizes[0] - sizes[3] - sizes[2]
        assert sizes[3] <= x <= sizes[1] - sizes[3] - sizes[2]


def test_a_tile_that_does_not_fit_the_native_grid_is_refused():
    with pytest.raises(DataError, match=r"tile 255 .* multiples of 2"):
        tile_grid((512, 512), 255, multiple=2)
