"""Time RSE / RSP, and measure the memory of a fresh process that does nothing else.

python benchmarks/squirrel.py [--json] [--repeats N] [--profile]
"""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import scipy.ndimage

from dlsim_ij.quality import rse_rsp

CASES = (  # side of the reference, magnification, mode, repeats at most
    (512, 1, "exact", 5),
    (512, 5, "exact", 3),
    (2048, 1, "exact", 3),
    (512, 1, "compat", 3),
    (102, 5, "compat", 3),
    (512, 5, "compat", 1),
)
PARTS = {
    "sums of the blur": ("apply_weights", "gaussian_weights", "cut_off_weights"),
    "Fourier and cosine transforms": ("r2cn", "c2rn", "r2c", "c2r", "c2c", "dct", "r2r"),
    "moments and fits": ("evaluated", "_measured", "solve", "_dot", "settled"),
    "swarm": ("_move", "_single", "swarm_minimum", "__call__", "moments", "at", "_chebyshev"),
}


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


def peak_bytes(folder: Path, mode: str) -> int:
    """Return by how much one comparison, its two images included, makes a fresh process grow."""
    done = subprocess.run(
        [sys.executable, __file__, "--peak", str(folder), mode], check=True, capture_output=True, text=True
    )
    return int(done.stdout)


def print_peak(folder: Path, mode: str) -> None:
    import matplotlib  # noqa: F401  (what the command imports is no part of it)

    rse_rsp(*noisy_pair(32, 2), mode=mode)  # imports, thread pools
    # not getrusage: what that tells was inherited from the process that started this one
    Path("/proc/self/clear_refs").write_text("5")
    before = status_bytes("VmRSS")
    rse_rsp(np.load(folder / "reference.npy"), np.load(folder / "image.npy"), mode=mode)
    sys.stdout.write(str(status_bytes("VmHWM") - before))


def status_bytes(name: str) -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return 1024 * int(line.split()[1])


def rows(repeats: int) -> list[dict[str, Any]]:
    found = []
    for side, factor, mode, most in CASES:
        reference, image = noisy_pair(side, factor)
        times = []
        for _ in range(min(repeats, most)):
            begin = time.perf_counter()
            result = rse_rsp(reference, image, mode=mode)
            times.append(time.perf_counter() - begin)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            np.save(folder / "reference.npy", reference)
            np.save(folder / "image.npy", image)
            peak = peak_bytes(folder, mode)
        found.append(
            {
                "mode": mode,
                "image": f"{len(image)}^2 at x{factor}",
                "best_s": min(times),
                "median_s": float(np.median(times)),
                "peak_mb": peak / 1e6,
                "memory_in_images": peak / image.nbytes,
                "rsp": result.rsp,
                "sigma_px": result.sigma_px,
            }
        )
    return found


def profile() -> list[dict[str, Any]]:
    found = []
    for side, factor, mode, _ in CASES[:5]:
        reference, image = noisy_pair(side, factor)
        profiler = cProfile.Profile()
        profiler.runcall(rse_rsp, reference, image, mode=mode)
        table = pstats.Stats(profiler).stats  # type: ignore[attr-defined]
        spent = dict.fromkeys(PARTS, 0.0)
        total = sum(own for _, _, own, _, _ in table.values())
        for (_, _, function), (_, _, own, _, _) in table.items():
            for name, functions in PARTS.items():
                if function in functions or any(f".{part}" in function for part in functions):
                    spent[name] += own
        shares = {name: own / total for name, own in spent.items()}
        shares["rest"] = 1 - sum(shares.values())
        found.append({"mode": mode, "image": f"{len(image)}^2 at x{factor}", "seconds": total, **shares})
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true", help="JSON Lines on stdout")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--profile", action="store_true", help="where the time goes, instead")
    parser.add_argument("--peak", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak:
        print_peak(Path(options.peak[0]), options.peak[1])
        return 0
    found = profile() if options.profile else rows(options.repeats)
    if options.json:
        sys.stdout.writelines(json.dumps(row) + "\n" for row in found)
    elif options.profile:
        for row in found:
            shares = ", ".join(f"{name} {100 * row[name]:.0f} %" for name in [*PARTS, "rest"])
            sys.stdout.write(f"{row['mode']:7} {row['image']:14} {row['seconds']:7.3f} s: {shares}\n")
    else:
        sys.stdout.write("mode    image           best s  median s   peak MB  in float32 images\n")
        for row in found:
            sys.stdout.write(
                f"{row['mode']:7} {row['image']:14} {row['best_s']:7.3f} {row['median_s']:9.3f}"
                f" {row['peak_mb']:9.0f} {row['memory_in_images']:9.1f}\n"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
