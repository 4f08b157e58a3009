import numpy as np
import pytest
import torch

from dlsim_ij.bundles import load_bundle, save_bundle
from dlsim_ij.errors import ConfigError, ModelError
from dlsim_ij.networks import create_network
from dlsim_ij.training import train
from dlsim_ij.training.initial import keep_images, start_from
from dlsim_ij.training.settings import NetworkSettings

OPTIONS = {"in_channels": 3, "width": 4, "scale": 1, "residual_channels": 1}


@pytest.fixture
def images_only(tmp_path):
    torch.manual_seed(0)
    network = create_network("native", **OPTIONS)
    torch.nn.init.normal_(network.head.weight, std=0.1)
    card = {
        "name": "images", "architecture": {"name": "native", "options": OPTIONS}, "in_channels": 3, "scale": 1
    }  # fmt: skip
    save_bundle(tmp_path / "images", network, card)
    return tmp_path / "images"


def test_a_network_starts_with_the_models_images(images_only):
    network = create_network("native", **OPTIONS, interval=True)
    start_from(network, str(images_only))
    x = torch.randn(1, 3, 16, 16)
    torch.testing.assert_close(network(x)[:, :1], load_bundle(images_only).create()(x))


def test_images_alone_can_be_taken_from_a_model_with_intervals(tmp_path, images_only):
    with_intervals = create_network("native", **OPTIONS, interval=True)
    start_from(with_intervals, str(images_only))
    card = load_bundle(images_only).card.model_dump(exclude={"weights_sha256"}) | {"name": "both"}
    card["architecture"] = {"name": "native", "options": {**OPTIONS, "interval": True}}
    save_bundle(tmp_path / "both", with_intervals, card)
    network = create_network("native", **OPTIONS)
    start_from(network, str(tmp_path / "both"))
    x = torch.randn(1, 3, 16, 16)
    torch.testing.assert_close(network(x), load_bundle(images_only).create()(x))


def test_another_architecture_is_refused(images_only):
    with pytest.raises(ModelError, match="do not fit this network"):
        start_from(create_network("native", **{**OPTIONS, "width": 8}), str(images_only))


def test_a_network_without_intervals_has_nothing_to_train():
    with pytest.raises(ConfigError, match="tells no intervals"):
        keep_images(create_network("native", **OPTIONS))


def test_training_the_intervals_leaves_the_images_as_they_are(images_only, make_config, source):
    config = make_config(
        network=NetworkSettings(
            name="native", options={**OPTIONS, "interval": True}, initial=str(images_only)
        ),
        train="interval", steps=150, export="last", ema_decay=None, optimiser={"lr": 0.02},
    )  # fmt: skip
    result = train(config, data=source)
    trained, before = load_bundle(result.model_dir).create(), load_bundle(images_only).create()
    x = torch.randn(1, 3, 32, 32)
    torch.testing.assert_close(trained(x)[:, :1], before(x), rtol=0, atol=0)
    inputs, targets = source.batch(np.arange(7), np.random.default_rng(3))
    with torch.inference_mode():
        out = trained(inputs)
    within = ((out[:, :1] - targets).abs() <= out[:, 1:]).float().mean()
    assert 0.8 < within < 0.97
    assert 0 <= result.metrics["within"] <= 1
    told = load_bundle(result.model_dir).card.training["initial"]
    assert told == {
        "name": "images", "weights_sha256": load_bundle(images_only).card.weights_sha256, "training": {},
    }  # fmt: skip
