import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dlsim_ij.errors import ConfigError
from dlsim_ij.inference.tiles import plan_axis
from dlsim_ij.networks import create_network


@given(
    blocks=st.integers(1, 60),
    tile=st.integers(20, 200),
    margin=st.integers(0, 40),
    multiple=st.sampled_from([1, 8, 16]),
)
def test_cores_cover_the_axis_once_and_margins_are_kept(blocks, tile, margin, multiple):
    length = blocks * multiple
    try:
        spans = plan_axis(length, tile, margin, multiple)
    except ConfigError:
        assert tile // multiple * multiple - 2 * -(-margin // multiple) * multiple < multiple
        return
    covered = np.zeros(length, dtype=int)
    for span in spans:
        covered[span.core_start : span.core_stop] += 1
        assert span.stop - span.start <= max(tile, length if len(spans) == 1 else 0)
        assert span.start % multiple == 0
        assert span.start == 0 or span.core_start - span.start >= margin
        assert span.stop == length or span.stop - span.core_stop >= margin
    assert (covered == 1).all()


def test_a_tile_without_a_core_is_refused():
    with pytest.raises(ConfigError, match="too small"):
        plan_axis(512, 100, 56, 8)


@pytest.mark.parametrize(("name", "options"), [("native", {"width": 4}), ("unet-sim15", {"width": 4})])
def test_no_pixel_acts_farther_than_the_stated_radius(name, options):
    torch.manual_seed(0)
    network = create_network(name, **options).double().eval()
    for parameter in network.parameters():  # all paths open: nothing cancels, no unit is dead
        torch.nn.init.constant_(parameter, 0.1)
    scale, reach = network.scale, []
    for offset in range(network.side_multiple):
        centre = 256 + offset
        field = torch.zeros(1, network.in_channels, 16, 512, dtype=torch.float64, requires_grad=True)
        out = network(field)[0, 0, :, scale * centre : scale * (centre + 1)]
        out.sum().backward()
        touched = torch.nonzero(field.grad.abs().sum(dim=(0, 1, 2))).ravel()
        reach += [centre - int(touched[0]), int(touched[-1]) - centre]
    assert max(reach) <= network.receptive_radius_px < max(reach) + 8
