"""kill -9 in the middle, in a process of its own: resumed weights are those of an undisturbed run."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

SCRIPT = """
import sys, time
from tests.unit.training.conftest import TinySource
from dlsim_ij.training import TrainingConfig, train

out, resume, slow = sys.argv[1], sys.argv[2] == "resume", sys.argv[3] == "slow"
config = TrainingConfig(
    network={"name": "unet-sim3", "options": {"width": 2}}, steps=40, batch_size=3, log_every=2,
    validate_every=4, checkpoint_every=3, threads=1, device="cpu", optimiser={"lr": 0.01}, output=out,
)
train(config, data=TinySource(), resume=resume, progress=lambda p: time.sleep(0.2 if slow else 0))
"""


def start(*words):
    root = Path(__file__).parents[3]
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, "-c", SCRIPT, *map(str, words)], env=environment, cwd=root)


def test_a_killed_run_resumes_to_the_same_weights(tmp_path):
    whole = start(tmp_path / "whole", "new", "fast")
    killed = start(tmp_path / "killed", "new", "slow")
    last = tmp_path / "killed" / "checkpoints" / "last.safetensors"
    until = time.monotonic() + 60
    while not last.exists() and time.monotonic() < until:
        time.sleep(0.05)
    time.sleep(0.5)  # some steps further, between checkpoints
    killed.kill()
    assert killed.wait() == -9
    assert not (tmp_path / "killed" / "model").exists()
    assert whole.wait(60) == 0
    assert start(tmp_path / "killed", "resume", "fast").wait(60) == 0
    weights = [(tmp_path / run / "model" / "weights.safetensors").read_bytes() for run in ("whole", "killed")]
    assert weights[0] == weights[1]
    rows = [
        [line.rsplit(",", 2)[0] for line in (tmp_path / run / "history.csv").read_text().splitlines()]
        for run in ("whole", "killed")
    ]
    assert rows[0] == rows[1]  # all but seconds and samples per second
