"""Image decorrelation analysis: wall time and memory by image size, release and threads.

python benchmarks/decorrelation.py [--json] [--repeats N]

Each line runs in a process of its own, so that its peak memory is its own; the time is the median of the
runs after a first one. `fft_s` is what the 21 Fourier transforms of a run cost alone on one thread.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

CASES = [
    (side, version, workers)
    for side in (256, 512, 1024, 2048)
    for version in ("1.1.8-nocap", "1.1.7-2019")
    for workers in (1, 2)
]


def median_s(call: Callable[[], Any], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def measure(side: int, version: Any, workers: int, repeats: int) -> dict[str, Any]:
    import scipy.fft
    from scipy.ndimage import gaussian_filter

    from dlsim_ij.quality import decorrelation_resolution

    rng = np.random.default_rng(0)
    points = (rng.random((side, side), np.float32) > 0.99).astype(np.float32)
    image = rng.poisson(3000 * gaussian_filter(points, 2) + 10).astype(np.float32)
    decorrelation_resolution(image[:128, :128], version=version, workers=workers)
    before = peak_mb()
    result = decorrelation_resolution(image, version=version, workers=workers)
    memory = peak_mb() - before
    seconds = median_s(lambda: decorrelation_resolution(image, version=version, workers=workers), repeats)
    fft = median_s(lambda: scipy.fft.rfft2(image), repeats)
    return {
        "side_px": side,
        "version": version,
        "workers": workers,
        "seconds": round(seconds, 4),
        "fft_s": round(21 * fft, 4),
        "memory_in_images": round(memory * 1e6 / image.nbytes, 1),
        "resolution_px": round(result.resolution_px or 0, 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON line per measurement")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    fresh = multiprocessing.get_context("spawn")
    for case in CASES:
        with fresh.Pool(1) as pool:
            row = pool.apply(measure, (*case, options.repeats))
        print(json.dumps(row) if options.json else "  ".join(f"{k} {v}" for k, v in row.items()), flush=True)


if __name__ == "__main__":
    main()
