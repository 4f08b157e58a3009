"""Time RSE / RSP, and measure the memory it takes beyond its input.

python benchmarks/squirrel.py [--json] [--repeats N]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import tracemalloc
from typing import Any

import numpy as np
import scipy.ndimage

from dlsim_ij.quality import rse_rsp

CASES = ((512, 1), (512, 5), (2048, 1))  # side of the reference, magnification


def noisy_pair(side: int, factor: int) -> tuple[np.ndarray, np.ndarray]:
    """Return points that were blurred, shrunk and counted, and the points."""
    random = np.random.default_rng(side + factor)
    points = np.zeros((side * factor, side * factor), np.float32)
    count = side * side // 25
    y, x = random.integers(0, len(points), (2, count))
    points[y, x] = random.gamma(2, 300 * factor**2, count)
    image = scipy.ndimage.gaussian_filter(points, 0.4 * factor)
    blurred = scipy.ndimage.gaussian_filter(image, 1.4 * factor)
    means = blurred.reshape(side, factor, side, factor).mean(axis=(1, 3))
    return random.poisson(1.7 * means + 110).astype(np.float32), image


def rows(repeats: int) -> list[dict[str, Any]]:
    found = []
    for side, factor in CASES:
        reference, image = noisy_pair(side, factor)
        for register in (True, False):
            times = []
            for _ in range(repeats):
                begin = time.perf_counter()
                result = rse_rsp(reference, image, register=register)
                times.append(time.perf_counter() - begin)
            tracemalloc.start()
            rse_rsp(reference, image, register=register)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            found.append(
                {
                    "image": f"{len(image)}^2 at x{factor}",
                    "register": register,
                    "best_s": min(times),
                    "median_s": float(np.median(times)),
                    "memory_in_images": peak / image.nbytes,
                    "rsp": result.rsp,
                    "sigma_px": result.sigma_px,
                }
            )
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true", help="JSON Lines on stdout")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    found = rows(options.repeats)
    if options.json:
        sys.stdout.writelines(json.dumps(row) + "\n" for row in found)
        return 0
    sys.stdout.write("image          register   best s  median s   memory / float32 image\n")
    for row in found:
        sys.stdout.write(
            f"{row['image']:14} {row['register']!s:8} {row['best_s']:8.3f} {row['median_s']:9.3f}"
            f" {row['memory_in_images']:8.1f}\n"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
