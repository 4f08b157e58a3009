"""Time Fourier ring correlation and the scores, and measure the memory they take beyond their input.

python benchmarks/frc.py [--json] [--repeats N]
"""

from __future__ import annotations

import argparse
import json
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.fft
import scipy.ndimage

from dlsim_ij.quality import (
    best_shift,
    fair_scores,
    frc_map,
    frc_resolution,
    ms_ssim,
    nanoj_frc_map,
    scores,
)

SIDES = (512, 2048)


def exposures(side: int) -> tuple[np.ndarray, np.ndarray]:
    """Return two counts of the same blurred points."""
    random = np.random.default_rng(side)
    points = np.zeros((side, side))
    count = side * side // 50
    points[random.integers(0, side, count), random.integers(0, side, count)] = 1
    photons = scipy.ndimage.gaussian_filter(points, 1.5) * 1000 + 3
    first, second = random.poisson(photons, (2, side, side)).astype(np.float32)
    return first, second


def cases(first: np.ndarray, second: np.ndarray) -> dict[str, Callable[[], Any]]:
    return {
        "two real FFTs alone": lambda: [scipy.fft.rfft2(image.astype(float)) for image in (first, second)],
        "frc_resolution, two images": lambda: frc_resolution(first, second),
        "frc_resolution, one image": lambda: frc_resolution(first, gain=1.0, offset=0.0),
        "frc_map, blocks of 64 px": lambda: frc_map(first, second),
        "nanoj_frc_map, 10 blocks": lambda: nanoj_frc_map(first, second),
        "scores, all of them": lambda: scores(first, second),
        "fair_scores": lambda: fair_scores(first, second),
        "ms_ssim": lambda: ms_ssim(first, second),
        "best_shift": lambda: best_shift(first, second),
    }


def rows(repeats: int) -> list[dict[str, Any]]:
    found = []
    for side in SIDES:
        first, second = exposures(side)
        for name, call in cases(first, second).items():
            call()  # the rings and windows of this size are remembered from here on
            times = []
            for _ in range(repeats):
                begin = time.perf_counter()
                call()
                times.append(time.perf_counter() - begin)
            tracemalloc.start()
            call()
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            found.append(
                {
                    "image": f"{side}^2",
                    "what": name,
                    "best_s": min(times),
                    "median_s": float(np.median(times)),
                    "memory_in_images": peak / first.nbytes,
                }
            )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    found = rows(given.repeats)
    if given.json:
        print("\n".join(json.dumps(row) for row in found))
        return
    print("| image | what | best s | median s | memory, float32 images |\n|---|---|---|---|---|")
    for row in found:
        print(
            f"| {row['image']} | {row['what']} | {row['best_s']:.3f} | {row['median_s']:.3f}"
            f" | {row['memory_in_images']:.1f} |"
        )


if __name__ == "__main__":
    main()
