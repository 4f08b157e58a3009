from __future__ import annotations

import os

import numpy as np
import pytest
import torch


class TinySource:
    """Noisy channels in, their smooth mean out; learnable, and different at every draw."""

    in_channels, scale = 3, 1

    def __init__(self, samples=7, validation=True, poison_from=None, stop=None):
        rng = np.random.default_rng(5)
        self.targets = rng.normal(size=(samples, 1, 32, 32)).astype(np.float32)
        self.held_out = validation
        self.poison_from, self.drawn = poison_from, 0
        self.stop = stop  # (step, signal): sent to this process while the step runs

    def __len__(self):
        return len(self.targets)

    def batch(self, indices, rng):
        targets = self.targets[indices]
        noise = rng.normal(scale=0.1, size=(len(indices), 3, 32, 32)).astype(np.float32)
        if self.poison_from is not None and self.drawn >= self.poison_from:
            noise[:] = np.nan
        self.drawn += 1
        if self.stop is not None and self.drawn == self.stop[0]:
            os.kill(os.getpid(), self.stop[1])
        return torch.from_numpy(targets + noise), torch.from_numpy(targets)

    def validation(self):
        if self.held_out:
            rng = np.random.default_rng(6)
            for group in ("bright", "dim"):
                target = torch.from_numpy(rng.normal(size=(1, 1, 32, 32)).astype(np.float32))
                yield target.repeat(1, 3, 1, 1), target, group

    def describe(self):
        frames = {"total": 15, "selection": [0, 5, 10]}
        return {"recipe": "tiny", "card": {"normalisation": {"kind": "none"}, "frames": frames}}


@pytest.fixture
def source():
    return TinySource()


@pytest.fixture
def tiny_source():
    return TinySource


@pytest.fixture
def make_config(tmp_path):
    from dlsim_ij.training import TrainingConfig

    def make(**changes):
        settings = {
            "network": {"name": "unet-sim3", "options": {"width": 2}},
            "steps": 12, "batch_size": 3, "log_every": 2, "validate_every": 4, "checkpoint_every": 3,
            "threads": 1, "device": "cpu", "optimiser": {"lr": 0.01}, "ema_decay": 0.9,
            "output": str(tmp_path / "run"),
        }  # fmt: skip
        return TrainingConfig(**{**settings, **changes})

    return make
