from __future__ import annotations

import pytest
import torch

from dlsim_ij.errors import ModelError
from dlsim_ij.networks import create_network, network_names, set_batchnorm_mode


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("unet-sim15", {}, 31_050_433),
        ("unet-sim3", {}, 31_043_521),
        ("unet-sim4", {}, 31_044_097),
        ("unet-snr", {}, 31_051_343),
        ("unet-srrf5", {}, 31_044_673),
        ("scunet", {}, 62_110_416),
    ],
)
def test_parameter_counts_are_the_seeds(name, options, expected):
    with torch.device("meta"):  # shapes without memory
        network = create_network(name, **options)
    assert sum(p.numel() for p in network.parameters()) == expected


def test_the_seeds_unet_has_its_batchnorm_buffers():
    with torch.device("meta"):
        network = create_network("unet-sim15")
    assert sum(b.numel() for b in network.buffers()) == 11_794


@pytest.mark.parametrize(
    ("name", "channels", "out"), [("unet-sim3", 3, 1), ("unet-snr", 15, 15), ("scunet", 15, 1)]
)
def test_output_has_the_size_of_the_input(name, channels, out):
    network = create_network(name, width=2).eval()
    assert network(torch.zeros(2, channels, 32, 48)).shape == (2, out, 32, 48)
    assert (network.in_channels, network.scale, network.side_multiple) == (channels, 1, 16)


def test_output_is_linear_not_clipped():
    network = create_network("unet-sim3", width=2).eval()
    torch.nn.init.zeros_(network.outc5.weight)
    torch.nn.init.constant_(network.outc5.bias, -3.0)
    assert torch.all(network(torch.rand(1, 3, 16, 16)) == -3.0)


def test_the_encoders_channels_stand_in_front_of_the_enlarged_ones():
    network = create_network("unet-sim3", width=2).eval()
    seen = {}
    network.inc.register_forward_hook(lambda module, args, out: seen.update(skip=out))
    network.up4.conv.register_forward_pre_hook(lambda module, args: seen.update(both=args[0]))
    network(torch.rand(1, 3, 16, 16))
    assert torch.equal(seen["both"][:, :2], seen["skip"])


def test_scunet_feeds_raw_frames_and_the_first_output_to_the_second_net():
    network = create_network("scunet", width=2).eval()
    seen = []
    network.inc0.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    frames = torch.rand(1, 15, 16, 16)
    network(frames)
    assert seen[0].shape == (1, 30, 16, 16)
    assert torch.equal(seen[0][:, :15], frames)


@pytest.mark.parametrize("shape", [(1, 3, 30, 32), (1, 3, 32, 33), (1, 4, 32, 32), (3, 32, 32)])
def test_input_that_does_not_fit_is_refused_in_words(shape):
    with pytest.raises(ModelError, match=r"multiples of 16|takes"):
        create_network("unet-sim3", width=2)(torch.zeros(shape))


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("unet-sim51", {}, "unet-sim15"),
        ("unet-sim3", {"widht": 2}, "width"),
        ("unet-sim3", {"width": 0}, "width=0"),
        ("unet-sim3", {"width": -2}, "width=-2"),
        ("unet-sim3", {"width": "wide"}, "width='wide'"),
    ],
)
def test_unknown_names_and_options_are_refused_with_the_one_meant(name, options, words):
    with pytest.raises(ModelError) as caught:
        create_network(name, **options)
    assert words in str(caught.value)


def test_every_name_of_the_seed_is_there():
    assert {"unet-sim15", "unet-sim3", "unet-sim4", "unet-snr", "scunet", "unet-srrf5"} <= set(
        network_names()
    )


def test_per_image_batchnorm_equals_the_seeds_training_mode_with_batch_1():
    torch.manual_seed(0)
    network = create_network("unet-sim3", width=4)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight)
            torch.nn.init.uniform_(module.bias)
    frames = torch.rand(3, 3, 32, 32)
    state = {k: v.clone() for k, v in network.state_dict().items()}
    with torch.no_grad():
        expected = torch.cat([network.train()(one[None]) for one in frames])
        network.load_state_dict(state)
        set_batchnorm_mode(network.eval(), "per-image")
        found = network(frames)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert all(torch.equal(v, state[k]) for k, v in network.state_dict().items())  # statistics untouched
    set_batchnorm_mode(network, "running")
    with torch.no_grad():
        assert not torch.allclose(network(frames), expected, atol=1e-2)


def test_per_image_batchnorm_leaves_statistics_alone_in_training_mode_too():
    network = create_network("unet-sim3", width=2).train()
    set_batchnorm_mode(network, "per-image")
    before = network.inc[1].running_mean.clone()
    network(torch.rand(2, 3, 32, 32))
    assert torch.equal(network.inc[1].running_mean, before)


def test_batchnorm_mode_refuses_another_word_and_too_small_images():
    network = create_network("unet-sim3", width=2).eval()
    with pytest.raises(ModelError, match="mode"):
        set_batchnorm_mode(network, "train")
    set_batchnorm_mode(network, "per-image")
    with pytest.raises(ModelError, match="deepest"):
        network(torch.rand(1, 3, 16, 16))


def test_training_on_one_16_px_patch_is_refused_in_words():
    with pytest.raises(ModelError, match="deepest"):
        create_network("unet-sim3", width=2).train()(torch.rand(1, 3, 16, 16))
