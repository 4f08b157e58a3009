"""SRRF and eSRRF: seconds and memory, and how they grow with frames, pixels, magnification and threads.

python benchmarks/srrf.py [--quick] [--json]

The first row is the one that counts: 200 frames of 512 x 512 at magnification 5. Every row is one run in a
process of its own, so that its peak memory is its own. `--quick` takes a sixteenth of the pixels.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

DEFAULT: dict[str, Any] = {
    "method": "srrf", "frames": 200, "side": 512, "magnification": 5, "mode": "TRA",
    "threads": os.cpu_count() or 1,
}  # fmt: skip
ROWS: list[dict[str, Any]] = [
    {},
    {"threads": 1},
    {"frames": 100},
    {"side": 256},
    {"magnification": 10, "side": 256},
    {"magnification": 2},
    {"mode": "TRAC4"},
    {"mode": "TRAC2", "drift": True},
    {"method": "esrrf", "mode": "AVG"},
    {"method": "esrrf", "mode": "AVG", "threads": 1},
]


def frames(count: int, side: int) -> Iterator[np.ndarray]:
    """Make frames one at a time, as a file would give them."""
    kept = np.random.default_rng(0).poisson(30, (7, side, side)).astype(np.uint16)
    return (kept[number % 7] for number in range(count))


def one(row: dict[str, Any]) -> dict[str, float]:
    """Measure one row in this process."""
    from dlsim_ij.reconstruction import esrrf, srrf

    work = {"srrf": srrf, "esrrf": esrrf}[row["method"]]
    options: dict[str, Any] = {
        "threads": row["threads"],
        "magnification": row["magnification"],
        "device": "cpu",
    }
    work(frames(10, 64), **{**options, "mode": row["mode"]})  # first calls: libraries load
    if row.get("drift"):
        options["drift"] = np.linspace((0, 0), (3, -2), row["frames"])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    load = os.getloadavg()[0]
    start, start_cpu = time.perf_counter(), time.process_time()
    work(frames(row["frames"], row["side"]), mode=row["mode"], **options)
    return {
        "seconds": time.perf_counter() - start,
        "cpu_seconds": time.process_time() - start_cpu,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "libraries_mb": before / 1024,
        "load_before": load,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--row", help=argparse.SUPPRESS)
    words = parser.parse_args()
    if words.row:
        print(json.dumps(one(json.loads(words.row))))
        return
    if not words.json:
        print(f"{'':<44}{'s':>8}{'cpu s':>8}{'Mpx/s':>8}{'peak MB':>9}{'load':>6}")
    for change in ROWS:
        row = {**DEFAULT, **change}
        if words.quick:
            row["side"] //= 4
        done = subprocess.run(
            [sys.executable, __file__, "--row", json.dumps(row)], capture_output=True, text=True, check=True
        )
        result = json.loads(done.stdout)
        output_mpx = row["frames"] * (row["side"] * row["magnification"]) ** 2 / 1e6
        result["output_mpx_per_s"] = output_mpx / result["seconds"]
        if words.json:
            print(json.dumps({**row, **result}))
            continue
        name = (
            f"{row['method']} {row['mode']} {row['frames']} x {row['side']}^2 x{row['magnification']}, "
            f"{row['threads']} thread(s){', drift' if row.get('drift') else ''}"
        )
        print(
            f"{name:<44}{result['seconds']:>8.1f}{result['cpu_seconds']:>8.1f}{result['output_mpx_per_s']:>8.1f}"
            f"{result['peak_mb']:>9.0f}{result['load_before']:>6.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
