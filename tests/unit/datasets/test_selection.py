import numpy as np
import pytest

from dlsim_ij.datasets import select_frames
from dlsim_ij.datasets.selection import SELECTIONS
from dlsim_ij.errors import DataError, LayoutError

STACK = np.random.default_rng(0).integers(0, 60000, (15, 4, 5), dtype=np.uint16)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sim15", list(STACK)),
        ("sim3", [STACK[0], STACK[5], STACK[10]]),
        ("sim4-mean", [STACK[0], STACK[5], STACK[10], STACK.mean(axis=0)]),
        ("sim4-max", [STACK[0], STACK[5], STACK[10], STACK.max(axis=0)]),
        ("srrf5", list(STACK[:5])),
    ],
)
def test_each_name_gives_the_seeds_channels(name, expected):
    channels = select_frames(STACK, name)
    assert channels.dtype == np.float32
    assert len(channels) == SELECTIONS[name].channels
    np.testing.assert_allclose(channels, np.stack(expected), rtol=1e-6)


@pytest.mark.parametrize(("name", "frames"), [("sim15", 14), ("sim3", 16), ("srrf5", 4)])
def test_a_stack_of_another_length_is_refused(name, frames):
    with pytest.raises(LayoutError, match=f"{frames} frames, but the selection '{name}'"):
        select_frames(np.zeros((frames, 2, 2)), name)


def test_srrf_takes_the_first_five_of_any_stack():
    assert select_frames(np.zeros((200, 2, 2)), "srrf5").shape == (5, 2, 2)


def test_a_misspelt_name_is_answered_with_the_right_one():
    with pytest.raises(DataError, match="did you mean 'sim4-mean'"):
        select_frames(STACK, "sim4mean")
