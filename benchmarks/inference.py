"""Prediction of whole fields with a shipped model: where the time and the memory go.

python benchmarks/inference.py [--side 512] [--model sim15] [--threads 2] [--tiles 256 384] [--json]

Each number is the best of several runs. Peak memory is that of a fresh process which loads the model and
predicts one field, Python and torch included.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dlsim_ij.acquisition import fit_patterns
from dlsim_ij.acquisition.brightness import equalise_frames, estimate_offset
from dlsim_ij.datasets.inputs import network_inputs
from dlsim_ij.inference import load_model, predict
from dlsim_ij.inference.predictor import run_network
from dlsim_ij.optics import Optics
from dlsim_ij.simulation import draw_structure, simulate_sim
from dlsim_ij.simulation.sim_frames import Conditions, paper_patterns


def best_s(call: Callable[[], Any], repeats: int = 3) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def make_frames(side: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    density = draw_structure("microtubules", (2 * side, 2 * side), 0.03, rng)
    conditions = Conditions(patterns=paper_patterns(phases_rad=(0.3, 1.0, 2.0)), intensity=(1.0,) * 15)
    return simulate_sim(density, conditions, rng).raw


def peak_mb(model: str, side: int, threads: int, tile_px: int | None) -> float:
    """Return the peak memory of a process that predicts one field with known patterns."""
    command = [sys.executable, __file__, "--model", model, "--threads", str(threads), "--peak", str(side)]
    tiles = ["--tiles", str(tile_px)] if tile_px else []
    return float(subprocess.run([*command, *tiles], capture_output=True, text=True, check=True).stdout)


def own_peak_mb(model: str, side: int, tile_px: int | None) -> float:
    frames = np.random.default_rng(0).poisson(100, (15, side, side)).astype(np.uint16)
    patterns = paper_patterns(phases_rad=(0.3, 1.0, 2.0))
    predict(load_model(model), frames, patterns=patterns, tile_px=tile_px)
    # ru_maxrss would count the parent's memory too, which the child holds until its exec
    (peak,) = [line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line]
    return int(peak.split()[1]) / 1024


def measure(name: str, side: int, threads: int, tiles: list[int]) -> dict[str, Any]:
    frames = make_frames(side)
    optics = Optics()
    model = load_model(name)
    signal = equalise_frames(frames, estimate_offset(frames))
    patterns = fit_patterns(signal, 3, 5, optics)
    channels, _ = network_inputs(frames, patterns, optics)
    whole = run_network(model, channels, tile_px=2 * side)

    def tiled(tile: int) -> dict[str, float]:
        image = run_network(model, channels, tile_px=tile)
        return {
            "s": best_s(lambda: run_network(model, channels, tile_px=tile), 2),
            "largest_difference": float(np.abs(image - whole).max() / np.ptp(whole)),
            "peak_mb": peak_mb(name, side, threads, tile),
        }

    return {
        "model": name, "side_px": side, "threads": threads, "torch": torch.__version__,
        "load_s": best_s(lambda: load_model(name)),
        "pattern_fit_s": best_s(lambda: fit_patterns(signal, 3, 5, optics), 2),
        "front_end_s": best_s(lambda: network_inputs(frames, patterns, optics)),
        "network_s": best_s(lambda: run_network(model, channels, tile_px=2 * side)),
        "total_known_patterns_s": best_s(lambda: predict(model, frames, patterns=patterns)),
        "total_s": best_s(lambda: predict(model, frames), 2),
        "peak_mb": peak_mb(name, side, threads, None),
        "tiles": {str(tile): tiled(tile) for tile in tiles},
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=512, help="side of the raw frames, in pixels")
    parser.add_argument("--model", default="sim15")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--tiles", type=int, nargs="*", default=[256, 384])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--peak", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.peak:
        tile_px = options.tiles[0] if "--tiles" in sys.argv else None
        print(own_peak_mb(options.model, options.peak, tile_px))
        return
    found = measure(options.model, options.side, options.threads, options.tiles)
    if options.json:
        print(json.dumps(found))
        return
    side = options.side
    print(f"{options.model}, 15 frames of {side} x {side} px, {options.threads} threads")
    for key, label in (
        ("load_s", "load the model"),
        ("pattern_fit_s", "fit the patterns"),
        ("front_end_s", "input channels"),
        ("network_s", "network, whole field"),
        ("total_known_patterns_s", "predict, patterns known"),
        ("total_s", "predict"),
    ):
        print(f"  {label:26}{found[key]:8.2f} s")
    print(f"  {'peak memory':26}{found['peak_mb']:8.0f} MB")
    for tile, row in found["tiles"].items():
        print(
            f"  network, tiles of {tile:>4} px  {row['s']:8.2f} s   peak {row['peak_mb']:.0f} MB, "
            f"differs by {row['largest_difference']:.1e} of the range"
        )


if __name__ == "__main__":
    main()
