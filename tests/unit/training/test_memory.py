from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from dlsim_ij.datasets.footprint import data_bytes
from dlsim_ij.errors import ConfigError, DlsimError
from dlsim_ij.memory import _left_in, free_main_bytes
from dlsim_ij.networks import create_network
from dlsim_ij.training import memory, train
from dlsim_ij.training.memory import estimate_memory

CPU = torch.device("cpu")
STATED_FACTOR = 1.5  # of docs/training.md

MEASURE = """
import json, sys
from pathlib import Path
import torch
from dlsim_ij.networks import create_network
from dlsim_ij.training import TrainingConfig
from dlsim_ij.training.loop import _Run
from dlsim_ij.training.memory import estimate_memory
from dlsim_ij.training.run_folder import RunFolder

class Source:
    def __len__(self): return 8
    def batch(self, indices, rng):
        return torch.rand(len(indices), 11, 96, 96), torch.rand(len(indices), 1, 192, 192)

def now(key):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(key))

config = TrainingConfig(steps=2, batch_size=4, patch_px=96, threads=1, network={"options": {"width": 16}})
torch.set_num_threads(1)
before = now("VmRSS")
network = create_network("native", width=16)
estimate = estimate_memory(config, network, torch.device("cpu"))
run = _Run(config, RunFolder(Path("nowhere")), network, Source(), torch.device("cpu"), None)
run.advance()
run.advance()
print(json.dumps([estimate.weights_bytes + estimate.step_bytes, now("VmHWM") - before]))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the peak is read from /proc")
def test_the_estimate_is_within_its_factor_of_the_measured_peak(tmp_path):
    root = Path(__file__).parents[3]
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", MEASURE],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    estimated, measured = json.loads(done.stdout)
    assert measured > 150e6
    assert 1 / STATED_FACTOR < estimated / measured < STATED_FACTOR


def test_weights_are_counted_with_gradients_moments_and_average(make_config):
    network = create_network("unet-sim3", width=2)
    weights = 4 * sum(p.numel() for p in network.parameters())
    for decay, copies in ((0.9, 5), (None, 4)):
        assert estimate_memory(make_config(ema_decay=decay), network, CPU).weights_bytes == copies * weights


def test_the_step_grows_with_samples_and_pixels(make_config):
    network = create_network("unet-sim3", width=8)

    def step(**changes):
        return estimate_memory(make_config(**changes), network, CPU).step_bytes - memory._KERNELS_BYTES

    one = step(batch_size=2, patch_px=64)
    assert step(batch_size=8, patch_px=64) == pytest.approx(4 * one, rel=0.02)
    assert step(batch_size=2, patch_px=256) == pytest.approx(16 * one, rel=0.02)
    assert step(batch_size=2, patch_px=64, precision="bfloat16") < 0.8 * one


def test_the_network_and_the_random_numbers_stay_as_they_are(make_config):
    network = create_network("unet-sim3", width=2).eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    torch.manual_seed(4)
    expected = torch.rand(2)
    torch.manual_seed(4)
    estimate_memory(make_config(), network, CPU)
    assert torch.equal(torch.rand(2), expected)
    assert not network.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_a_simulated_pool_is_as_large_as_was_said():
    from dlsim_ij.datasets import make_source

    options = {
        "targets": ["object", "wiener"],
        "fields": 2,
        "field_px": 64,
        "photons": [[10, 20], [30, 40], [50, 60]],
    }
    source = make_source("simulated", options, patch_px=32, seed=0)
    assert data_bytes("simulated", options) == source._pool.inputs.nbytes + source._pool.targets.nbytes
    mixed = {"sources": [{"kind": "simulated", "options": options}, {"kind": "prepared"}] * 2}
    assert data_bytes("mixed", mixed) == 2 * data_bytes("simulated", options)
    assert data_bytes("prepared", {"dataset": "anywhere"}) == 0
    with pytest.raises(ConfigError, match="field"):
        data_bytes("simulated", {"field": 3})


def test_a_run_that_will_not_fit_is_refused_before_anything_is_made(
    make_config, source, monkeypatch, tmp_path
):
    monkeypatch.setattr(memory, "free_main_bytes", lambda: 50 * 2**20)
    with pytest.raises(DlsimError, match="50 MiB are free") as caught:
        train(make_config(batch_size=6), data=source)
    assert "batch_size=3" in caught.value.hint
    assert not (tmp_path / "run").exists()
    huge = {"kind": "simulated", "options": {"fields": 10**6}}
    network = {"name": "native", "options": {"width": 2}}
    with pytest.raises(DlsimError, match="the run needs about") as caught:
        train(make_config(network=network, data=huge))
    assert "fields" in caught.value.hint


def test_without_the_check_a_warning_is_all(make_config, source, monkeypatch, caplog):
    monkeypatch.setattr(memory, "free_main_bytes", lambda: 1)
    seen = []
    result = train(make_config(check_memory=False, steps=1), data=source, on_estimate=seen.append)
    assert result.step == 1
    assert "the run needs about" in caplog.text
    assert "of 0 MiB free" in str(seen[0])


def test_a_system_that_does_not_tell_lets_the_run_start(make_config, source, monkeypatch):
    monkeypatch.setattr(memory, "free_main_bytes", lambda: None)
    assert train(make_config(steps=1), data=source).step == 1


def test_a_gpu_and_main_memory_are_told_apart(make_config, monkeypatch):
    monkeypatch.setattr(memory, "free_main_bytes", lambda: 2**30)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (3 * 2**30, 4 * 2**30))
    data = {"kind": "simulated", "options": {"fields": 10, "field_px": 64}}
    estimate = estimate_memory(
        make_config(data=data), create_network("unet-sim3", width=2), torch.device("cuda")
    )
    (step, free, where), (pool, main, other) = estimate.needed
    assert (free, where, main, other) == (3 * 2**30, "GPU memory", 2**30, "main memory")
    assert step == estimate.weights_bytes + estimate.step_bytes
    assert pool == estimate.data_bytes > 0


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="read from /proc")
def test_free_memory_is_some_of_what_the_machine_has():
    everything = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert 0 < free_main_bytes() < everything


@pytest.mark.parametrize(("limit", "left"), [("1000", 1000 - 700 + 200), ("max", None)])
def test_a_control_group_leaves_its_limit_less_what_cannot_be_given_up(tmp_path, limit, left):
    (tmp_path / "memory.max").write_text(limit + "\n")
    (tmp_path / "memory.current").write_text("700\n")
    (tmp_path / "memory.stat").write_text("anon 500\ninactive_file 200\nactive_file 5\n")
    assert _left_in(tmp_path, "memory.max", "memory.current", "inactive_file") == left
    assert _left_in(tmp_path / "none", "memory.max", "memory.current", "inactive_file") is None
