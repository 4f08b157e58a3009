"""``dlsim resolution`` on a stack from the file: wall time by processes, and memory by length.

python benchmarks/resolution_stack.py [--json] [--planes 50 500] [--side 512]

Each line is a run of the command as a user calls it, start-up included. `memory_mb` is the largest sum of the
resident memory of all its processes, looked at after each plane.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from scipy.ndimage import gaussian_filter


def write_stack(path: Path, n_planes: int, side: int) -> None:
    rng = np.random.default_rng(0)
    points = (rng.random((side, side), np.float32) > 0.99).astype(np.float32)
    light = 3000 * gaussian_filter(points, 2) + 10

    def planes() -> Any:
        for number in range(n_planes):
            yield rng.poisson(np.roll(light, 7 * number, 0)).astype(np.float32)

    tifffile.imwrite(path, planes(), shape=(n_planes, side, side), dtype=np.float32, bigtiff=True)


def memory_mb(pid: int) -> float:
    """Return the resident memory of a process and all below it."""
    total = 0.0
    try:
        total += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 / 1e6
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return total
    return total + sum(memory_mb(int(child)) for child in children)


def measure(path: Path, n_planes: int, threads: int) -> dict[str, Any]:
    words = ["resolution", str(path), "--pixel-size", "0.03", "--threads", str(threads), "-q", "--json"]
    start, peak = time.perf_counter(), 0.0
    with subprocess.Popen(
        [sys.executable, "-m", "dlsim_ij", *words], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        rows = 0
        for _ in process.stdout:
            rows += 1
            peak = max(peak, memory_mb(process.pid))
    seconds = time.perf_counter() - start
    assert process.returncode == 0
    assert rows == n_planes
    return {
        "planes": n_planes,
        "threads": threads,
        "seconds": round(seconds, 2),
        "ms_per_plane": round(1000 * seconds / n_planes, 1),
        "memory_mb": round(peak),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON line per measurement")
    parser.add_argument("--planes", type=int, nargs="+", default=[50, 500])
    parser.add_argument("--side", type=int, default=512)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for n_planes in options.planes:
            path = Path(folder) / "stack.tif"
            write_stack(path, n_planes, options.side)
            alone = None
            for threads in (1, 2):
                row = measure(path, n_planes, threads)
                alone = alone or row["seconds"]
                row["speedup"] = round(alone / row["seconds"], 2)
                text = json.dumps(row) if options.json else "  ".join(f"{k} {v}" for k, v in row.items())
                print(text, flush=True)


if __name__ == "__main__":
    main()
