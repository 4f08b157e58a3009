"""What the physics round trip costs, beside the Wiener reconstruction of the same frames.

python benchmarks/round_trip.py [--json] [--sides 128 512 1024] [--repeats 5]

Processor time of one call, best of the repeats, and the memory that it takes beyond its input. 15 frames.
"""

from __future__ import annotations

import argparse
import json
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np

from dlsim_ij.acquisition import detect_acquisition
from dlsim_ij.quality import physics_residual
from dlsim_ij.reconstruction import equalise_frames, estimate_offset, wiener_sim
from dlsim_ij.simulation import draw_structure, random_conditions, simulate_sim


def seconds(work: Callable[[], Any], repeats: int) -> float:
    taken = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return min(taken)


def measured(side_px: int, repeats: int) -> dict[str, float]:
    rng = np.random.default_rng(1)
    density = draw_structure("microtubules", (2 * side_px, 2 * side_px), 0.03, rng)
    stack = simulate_sim(density, random_conditions(rng, photons=(100, 101)), rng)
    raw, image = stack.raw, stack.object
    acquisition = detect_acquisition(raw, 0.06)
    signal = equalise_frames(raw, estimate_offset(raw))
    wiener = seconds(lambda: wiener_sim(signal, acquisition.patterns, acquisition.optics), repeats)
    trip = seconds(lambda: physics_residual(image, raw, acquisition), repeats)
    few = seconds(lambda: physics_residual(image, raw, acquisition, frames_used=(0, 5, 10)), repeats)
    tracemalloc.start()
    physics_residual(image, raw, acquisition)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return {
        "side_px": side_px,
        "wiener_s": round(wiener, 3),
        "round_trip_s": round(trip, 3),
        "ratio": round(trip / wiener, 2),
        "three_frames_s": round(few, 3),
        "memory_mb": round(peak / 1e6),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--sides", type=int, nargs="+", default=[128, 512, 1024])
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    rows = [measured(side, options.repeats) for side in options.sides]
    if options.json:
        print("\n".join(json.dumps(row) for row in rows))
        return
    print(" | ".join(rows[0]))
    for row in rows:
        print(" | ".join(str(value) for value in row.values()))


if __name__ == "__main__":
    main()
