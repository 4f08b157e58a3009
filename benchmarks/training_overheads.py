"""What a training run spends beside its steps, and how good its memory estimate is.

python benchmarks/training_overheads.py [--threads 1] [--steps 5] [--keep DIR]

Times are processor time of this process, so that other jobs on the machine do not count. Shares are of the
steps between two validations at the default settings (200). Peaks of memory are those of a fresh process
each, from /proc, less what it held before it made the network.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import torch

from dlsim_ij.datasets import PreparedPairs, PrepareSettings, make_source, prepare_dataset
from dlsim_ij.images import bicubic_enlarge
from dlsim_ij.networks import create_network
from dlsim_ij.training import TrainingConfig
from dlsim_ij.training.loop import _Run
from dlsim_ij.training.memory import estimate_memory
from dlsim_ij.training.pictures import SamplePictures
from dlsim_ij.training.run_folder import RunFolder
from dlsim_ij.training.table import final_table

CPU = torch.device("cpu")
BF16 = {"precision": "bfloat16", "channels_last": True}
MEMORY: list[dict[str, Any]] = [
    {"network": {"name": "native"}, "batch_size": 8, "patch_px": 56},
    {"network": {"name": "native"}, "batch_size": 8, "patch_px": 56, **BF16},
    {"network": {"name": "native", "options": {"width": 16}}, "batch_size": 8, "patch_px": 128},
    {"network": {"name": "native", "options": {"width": 48}}, "batch_size": 4, "patch_px": 128, **BF16},
    {"network": {"name": "unet-sim3", "options": {"width": 16}}, "batch_size": 4, "patch_px": 128},
    {"network": {"name": "scunet", "options": {"width": 16}}, "batch_size": 1, "patch_px": 256},
    {"network": {"name": "unet-sim15"}, "batch_size": 1, "patch_px": 128},
]


class Noise:
    """Random batches that fit a network."""

    def __init__(self, network: torch.nn.Module, patch_px: int) -> None:
        side = patch_px * network.scale
        self.shapes = (network.in_channels, patch_px, patch_px), (network.out_channels, side, side)

    def __len__(self) -> int:
        return 100

    def batch(self, indices: np.ndarray, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Return noise, new every time."""
        first, second = (torch.rand(len(indices), *shape) for shape in self.shapes)
        return first, second


def cpu_s(call: Callable[[], Any], repeats: int = 5) -> float:
    start = time.process_time()
    for _ in range(repeats):
        call()
    return (time.process_time() - start) / repeats


def status_bytes(key: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(key))


def own_memory(settings: dict[str, Any]) -> dict[str, float]:
    """Train two steps in this process; its peak, and what was estimated."""
    config = TrainingConfig(steps=2, **settings)
    before = status_bytes("VmRSS")
    network = create_network(config.network.name, **config.network.options)
    start = time.process_time()
    estimate = estimate_memory(config, network, CPU)
    seconds = time.process_time() - start
    source = Noise(network, config.patch_px)
    run = _Run(config, RunFolder(Path("nowhere")), network, source, CPU, None)  # type: ignore[arg-type]
    for _ in range(2):
        run.advance()
    return {
        "estimate_mib": (estimate.weights_bytes + estimate.step_bytes) / 2**20,
        "measured_mib": (status_bytes("VmHWM") - before) / 2**20,
        "seconds": seconds,
    }


def memory_table(threads: int) -> None:
    print("\n| network, batch, patch, precision | estimate | measured peak | ratio | estimate takes |")
    print("|---|---|---|---|---|")
    for settings in MEMORY:
        command = [sys.executable, __file__, "--threads", str(threads), "--own-memory", json.dumps(settings)]
        found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        network = settings["network"]
        name = network["name"] + "".join(f" {k} {v}" for k, v in network.get("options", {}).items())
        ratio = found["estimate_mib"] / found["measured_mib"]
        print(
            f"| {name}, {settings['batch_size']}, {settings['patch_px']}, "
            f"{settings.get('precision', 'float32')} | {found['estimate_mib']:.0f} MiB "
            f"| {found['measured_mib']:.0f} MiB | {ratio:.2f} | {found['seconds']:.2f} s |",
            flush=True,
        )


def prepared(folder: Path, scale: int | None) -> Path:
    """Return a dataset of noise, on native pixels or enlarged."""
    raw = folder / "fields"
    if not raw.exists():
        rng = np.random.default_rng(0)
        for name, shape in (("raw", (15, 256, 256)), ("truth", (512, 512))):
            (raw / name).mkdir(parents=True)
            for number in range(6):
                image = rng.poisson(300, shape).astype(np.uint16)
                tifffile.imwrite(raw / name / f"cell{number}.tif", image)
    settings = PrepareSettings(tile_px=256, background="none", fractions=(0.5, 0.25, 0.25))
    settings = settings.model_copy(update={"scale": scale} if scale else {})
    out = folder / f"set{scale}"
    prepare_dataset(raw, out, settings, resize=bicubic_enlarge)
    return out


def overhead_row(label: str, source: Any, settings: dict[str, Any], steps: int, keep: Path) -> None:
    config = TrainingConfig(steps=1000, **settings)
    network = create_network(config.network.name, **config.network.options)
    run = _Run(config, RunFolder(keep), network, source, CPU, None)
    run.advance()
    step = cpu_s(run.advance, steps)
    batch = cpu_s(lambda: source.batch(run.sampler.indices(3), run.sampler.generator(3)), 20)
    pictures = SamplePictures(keep / label.split(",")[0], source, config.sample_pictures)
    pictures.draw(run.step, run.network, device=CPU, batchnorm="running")  # chooses the samples
    drawing = cpu_s(lambda: pictures.draw(run.step, run.network, device=CPU, batchnorm="running"), 3)
    rows: list[Any] = []
    whole = cpu_s(lambda: rows.extend(final_table(run.network, source, device=CPU, batchnorm="running")), 1)
    samples = sum(row.n + row.n_failed for row in rows if row.group == "all")
    share = drawing / (config.validate_every * step)
    print(
        f"| {label} | {1e3 * step:.0f} ms | {1e3 * batch:.1f} ms, {batch / step:.1%} "
        f"| {1e3 * drawing:.0f} ms, {share:.2%} | {whole:.1f} s, {samples} samples |",
        flush=True,
    )


def overhead_table(steps: int, keep: Path) -> None:
    print("| training | step | batch, share of the step | pictures, share of 200 steps | final table |")
    print("|---|---|---|---|---|")
    network = {"name": "native", "options": {"in_channels": 15, "residual_channels": 0}}
    settings: dict[str, Any] = {"network": network, "batch_size": 8, "patch_px": 64}
    with tempfile.TemporaryDirectory() as folder:
        native = PreparedPairs(prepared(Path(folder), 1), patch_px=64)
        overhead_row("prepared, native pixels, float32", native, settings, steps, keep)
        overhead_row("prepared, native pixels, bfloat16", native, {**settings, **BF16}, steps, keep)
        enlarged = PreparedPairs(prepared(Path(folder), None), patch_px=256, normalisation="seed")
        seed = {"network": {"name": "unet-sim15", "options": {"width": 32}}, "batch_size": 1, "patch_px": 256}
        overhead_row("prepared enlarged, U-Net of half width", enlarged, seed, steps, keep)
    simulated = make_source("simulated", {"fields": 16}, patch_px=56, seed=1)
    sim15 = {"network": {"name": "native", "options": {"width": 24}}, "patch_px": 56, **BF16}
    overhead_row("simulated, as sim15.yaml", simulated, sim15, steps, keep)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--keep", type=Path, help="folder for the pictures")
    parser.add_argument("--own-memory", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    if chosen.own_memory:
        print(json.dumps(own_memory(json.loads(chosen.own_memory))))
        return
    with tempfile.TemporaryDirectory() as folder:
        overhead_table(chosen.steps, chosen.keep or Path(folder))
    memory_table(chosen.threads)


if __name__ == "__main__":
    main()
