"""The simulator and Wiener SIM: stacks per second, and the seconds of a pattern fit and of a reconstruction.

python benchmarks/simulation.py [--repeats 5] [--batch 200] [--processes 2] [--json]

Every number is the median of the repeats; the fit and the filter run on one 3 x 5 stack of 512 x 512. The
batch is `--batch` stacks of 15 x 128 x 128 over the five structures in turn, everything drawn anew for each
(object, haze, conditions, noise), in processes whose start counts. `_cpu_` numbers are processor time, which
others on the machine do not lengthen much.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from dlsim_ij.acquisition import detect_acquisition, fit_patterns
from dlsim_ij.acquisition.brightness import equalise_frames, estimate_offset
from dlsim_ij.optics import Optics
from dlsim_ij.reconstruction import SOFT, VENDOR, wiener_images, wiener_sim
from dlsim_ij.simulation import (
    STRUCTURES,
    SimJob,
    SimulatedStack,
    draw_structure,
    fit_stack,
    random_conditions,
    simulate_batch,
    simulate_sim,
)
from dlsim_ij.simulation.sim_frames import paper_conditions

GRID_UM = Optics().pixel_size_um / 2


def seconds(work: Callable[[], Any], repeats: int) -> float:
    work()  # first call: plans of the transforms, caches
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def make(density: np.ndarray, seed: int) -> SimulatedStack:
    rng = np.random.default_rng(seed)
    return simulate_sim(density, paper_conditions(rng, photons=(300, 300)), rng)


def batch(count: int, n_processes: int) -> dict[str, float]:
    """Return stacks per second of the whole batch, and processor seconds per stack."""
    names = list(STRUCTURES)
    jobs = [
        SimJob(
            structure=names[number % len(names)], size_px=(128, 128), seed=(1, number),
            make_conditions=partial(random_conditions, photons=(1.0, 1000.0)),
        )
        for number in range(count)
    ]  # fmt: skip
    before = sum(os.times()[:4])
    start = time.perf_counter()
    for _ in simulate_batch(jobs, n_processes=n_processes):
        pass
    wall = time.perf_counter() - start
    own = sum(os.times()[:4]) - before
    return {
        f"batch_of_{count}_stacks_per_s": count / wall,
        "batch_cpu_s_per_stack": own / count,
        f"batch_stacks_per_s_if_{n_processes}_cores_were_free": n_processes * count / own,
    }


def measure(repeats: int) -> dict[str, float]:
    rows = {}
    for side in (128, 256, 512):
        rng = np.random.default_rng(0)
        density = draw_structure("actin", (2 * side, 2 * side), GRID_UM, rng)
        draw = seconds(
            lambda side=side, rng=rng: draw_structure("actin", (2 * side, 2 * side), GRID_UM, rng), repeats
        )
        expose = seconds(lambda density=density: make(density, 1), repeats)
        rows[f"draw_{side}_s"] = draw
        rows[f"expose_{side}_s"] = expose
        rows[f"exposed_stacks_{side}_per_s"] = 1 / expose
        rows[f"whole_stacks_{side}_per_s"] = 1 / (draw + expose)
    raw = make(density, 1).raw
    rows["fit_stack_512_s"] = seconds(lambda: fit_stack(raw, Optics()), repeats)
    signal = equalise_frames(raw, estimate_offset(raw))
    optics = Optics()
    patterns = fit_patterns(signal, 3, 5, optics)
    rows["fit_512_s"] = seconds(lambda: fit_patterns(signal, 3, 5, optics), repeats)
    rows["fit_known_512_s"] = seconds(lambda: fit_patterns(signal, 3, 5, optics, known=patterns), repeats)
    rows["detect_512_s"] = seconds(lambda: detect_acquisition(raw, optics.pixel_size_um), repeats)
    rows["wiener_512_s"] = seconds(lambda: wiener_sim(signal, patterns, optics), repeats)
    rows["wiener_two_filters_512_s"] = seconds(
        lambda: wiener_images(signal, patterns, optics, [VENDOR, SOFT]), repeats
    )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--batch", type=int, default=200)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    rows = {**batch(chosen.batch, chosen.processes), **measure(chosen.repeats)}
    if chosen.json:
        print(json.dumps(rows))
        return
    for name, value in rows.items():
        print(f"{name:46s} {value:10.3f}")


if __name__ == "__main__":
    main()
