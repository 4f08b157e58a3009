from __future__ import annotations

import numpy as np
import pytest
import torch

from dlsim_ij.errors import ConfigError
from dlsim_ij.training.losses import get_loss, interval_loss, split_output


def test_seed_loss_by_hand():
    prediction = torch.tensor([[[[1.0, 2.0], [0.0, 4.0]]]])
    target = torch.tensor([[[[0.0, 2.0], [0.0, 2.0]]]])
    # |error| 1 0 0 2, squares 1 0 0 4
    assert float(get_loss("seed")(prediction, target)) == pytest.approx(3 / 4 + 5 * 5 / 4)


def test_relative_l1_by_hand():
    target = torch.tensor([[[[0.0, 2.0]]], [[[5.0, 5.0]]]])  # standard deviations 1 and 0
    prediction = target + torch.tensor([[[[0.5, -0.5]]], [[[0.1, 0.3]]]])
    assert float(get_loss("relative-l1")(prediction, target)) == pytest.approx((0.5 / 1.02 + 0.2 / 0.02) / 2)


def test_relative_l1_weighs_dim_and_bright_fields_alike():
    torch.manual_seed(0)
    target = torch.randn(1, 1, 32, 32)
    error = 0.1 * torch.randn_like(target)
    loss = get_loss("relative-l1")
    bright, dim = loss(100 * (target + error), 100 * target), loss(target + error, target)
    assert float(bright / dim) == pytest.approx(1, abs=0.03)


def test_relative_l2_by_hand():
    target = torch.tensor([[[[0.0, 2.0], [0.0, 2.0]]]])  # standard deviation 1
    prediction = target + torch.tensor([[[[0.0, 0.0], [0.0, 1.0]]]])
    assert float(get_loss("relative-l2")(prediction, target)) == pytest.approx(0.5 / 1.02)
    exact = target.clone().requires_grad_()
    get_loss("relative-l2")(exact, target).backward()
    assert torch.isfinite(exact.grad).all()  # at an error of zero too


def test_unknown_loss_names_the_one_meant():
    with pytest.raises(ConfigError, match="relative-l1"):
        get_loss("relativ-l1")


def test_interval_loss_is_least_at_the_90_percent_level():
    rng = np.random.default_rng(0)
    target = torch.zeros(1, 1, 200, 200)
    prediction = torch.from_numpy(rng.normal(size=target.shape).astype(np.float32))
    widths = np.linspace(0.5, 3, 51)
    losses = [float(interval_loss(torch.full_like(target, w), prediction, target)) for w in widths]
    assert widths[int(np.argmin(losses))] == pytest.approx(1.645, abs=0.06)


def test_interval_loss_leaves_the_image_alone():
    prediction = torch.zeros(1, 1, 4, 4, requires_grad=True)
    half_width = torch.full((1, 1, 4, 4), 0.5, requires_grad=True)
    interval_loss(half_width, prediction, torch.ones(1, 1, 4, 4)).backward()
    assert prediction.grad is None
    assert (half_width.grad < 0).all()  # the error is larger: the width is to grow


def test_output_is_split_into_images_and_half_widths():
    output = torch.arange(4.0).reshape(1, 4, 1, 1)
    images, half_widths = split_output(output, 2)
    assert images.flatten().tolist() == [0, 1]
    assert half_widths.flatten().tolist() == [2, 3]
    assert split_output(output, 4)[1] is None
