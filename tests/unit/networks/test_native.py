import pytest
import torch

from dlsim_ij.errors import ModelError
from dlsim_ij.networks import create_network


def test_several_images_start_from_the_same_reconstruction():
    network = create_network("native", in_channels=6, width=4, images=2, interval=True)
    x = torch.randn(1, 6, 16, 24)
    out = network(x)
    assert network.out_channels == 4
    assert tuple(out.shape) == (1, 4, 32, 48)
    start = torch.nn.functional.pixel_shuffle(x[:, :4], 2)[0, 0]
    for image in out[0, :2]:
        torch.testing.assert_close(image, start)
    torch.testing.assert_close(out[0, 2:], torch.full((2, 32, 48), 0.05))  # before anything is learned


def test_half_widths_are_positive_whatever_was_learned():
    torch.manual_seed(0)
    network = create_network("native", in_channels=4, width=4, interval=True)
    torch.nn.init.normal_(network.half_width[-1].weight, std=5.0)
    assert (network(10 * torch.randn(1, 4, 16, 16))[:, 1] >= 0).all()


def test_no_image_is_no_network():
    with pytest.raises(ModelError, match="images"):
        create_network("native", images=0)


def test_a_gate_lets_the_given_image_through_where_the_network_says_so():
    torch.manual_seed(0)
    network = create_network("native", in_channels=6, width=4, images=2, gated=True)
    x = torch.randn(1, 6, 16, 16)
    start = torch.nn.functional.pixel_shuffle(x[:, :4], 2)[0, 0]
    untrained = network(x)
    torch.testing.assert_close(untrained[0, 1], torch.tensor(-1.0).sigmoid() * start)
    torch.nn.init.normal_(network.gate.weight, std=5.0)
    share = (network(x)[0] / start).detach()  # the rest of the head is still zero
    assert ((share >= 0) & (share <= 1)).all()
    assert share.std() > 0.1


def test_a_gate_without_an_image_is_refused():
    with pytest.raises(ModelError, match="nothing to let through"):
        create_network("native", in_channels=6, residual_channels=0, gated=True)
