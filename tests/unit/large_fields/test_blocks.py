"""Blocks cover a field; windows lie where there is something to see, all over it."""

from __future__ import annotations

import numpy as np
import pytest

from dlsim_ij.errors import ConfigError
from dlsim_ij.large_fields.blocks import plan_blocks, plan_windows
from dlsim_ij.large_fields.plan import in_blocks


@pytest.mark.parametrize(("height", "width", "core"), [(256, 384, 128), (300, 130, 64), (50, 700, 512)])
def test_cores_cover_the_field_once(height, width, core):
    counted = np.zeros((height, width), int)
    for block in plan_blocks(height, width, core, margin_px=20, multiple=8):
        rows, columns = block.read
        assert rows.start % 8 == columns.start % 8 == 0
        counted[block.rows.output(1), block.columns.output(1)] += 1
        inside = np.zeros((rows.stop - rows.start, columns.stop - columns.start))
        assert (
            inside[block.rows.core(1), block.columns.core(1)].shape
            == counted[block.rows.output(1), block.columns.output(1)].shape
        )
        for part, side in ((block.rows, height), (block.columns, width)):
            assert part.core_start - part.start >= min(20, part.core_start)
            assert part.stop - part.core_stop >= min(20, side - part.core_stop)
    assert (counted == 1).all()


def test_windows_are_spread_and_leave_the_dark_out():
    detail = np.ones((16, 16))
    detail[:, 8:] = 0.01  # nothing to see in the right half
    detail[5, 2] = 50
    corners = plan_windows(detail, 256, 4096, 4096, 512)
    assert corners[0] in [(1024, 512), (1280, 512), (1024, 256), (1280, 256)]  # what holds the brightest cell
    assert max(x for _, x in corners) < 2048
    corners = plan_windows(np.ones((16, 16)), 256, 4096, 4096, 512)
    assert len(corners) == 49
    assert all(0 <= y <= 4096 - 512 and 0 <= x <= 4096 - 512 for y, x in corners)


def test_a_small_field_is_one_window():
    assert plan_windows(np.ones((1, 2)), 256, 200, 300, 200) == [(0, 0)]


def test_what_is_cut_into_blocks():
    assert not in_blocks(2048, 2048, None)
    assert in_blocks(2048, 2056, None)
    assert not in_blocks(16384, 16384, 0)
    assert in_blocks(256, 300, 256)
    assert not in_blocks(256, 256, 256)
    with pytest.raises(ConfigError, match="blocks of 40 px"):
        in_blocks(256, 256, 40)
