from __future__ import annotations

import pytest
import torch

from dlsim_ij.errors import ConfigError
from dlsim_ij.training.losses import get_loss


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


def test_unknown_loss_names_the_one_meant():
    with pytest.raises(ConfigError, match="relative-l1"):
        get_loss("relative-l2")
