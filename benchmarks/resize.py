"""ImageJ's bicubic in numpy beside ImageJ itself, and taking an enlargement back.

python benchmarks/resize.py [--json] [--no-java]

Prints the best of several runs, on as many processor threads as the libraries take by themselves; set
OMP_NUM_THREADS=1 to compare with ImageJ, which resizes on one.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from dlsim_ij.images import bicubic_enlarge, undo_enlargement

SIZES = [((512, 512), 2.0), ((2048, 2048), 2.0), ((15, 512, 512), 2.0), ((64, 64), 5.0), ((512, 512), 2.37)]
FIELDS = [(15, 128, 128), (15, 512, 512), (15, 1024, 1024)]


def best_ms(call: Callable[[], Any], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return 1e3 * min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON line per measurement")
    parser.add_argument("--no-java", action="store_true", help="leave ImageJ out")
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    rng = np.random.default_rng(0)

    fiji = None
    if not options.no_java:
        from dlsim_ij.fiji import Fiji

        fiji = Fiji(engine="imagej").start()
    for shape, scale in SIZES:
        for dtype in (np.float32, np.uint16):
            image = rng.integers(0, 60000, shape).astype(dtype)
            row = {
                "task": "enlarge",
                "shape": "x".join(map(str, shape)),
                "dtype": np.dtype(dtype).name,
                "scale": scale,
                "numpy_ms": round(best_ms(lambda: bicubic_enlarge(image, scale), 7), 2),  # noqa: B023
            }
            if fiji is not None:
                row["imagej_ms"] = round(best_ms(lambda: fiji.resize(image, scale), 7), 2)  # noqa: B023
                difference = np.abs(bicubic_enlarge(image, scale).astype(float) - fiji.resize(image, scale))
                row["largest_difference"] = float(difference.max())
            rows.append(row)
    for shape in FIELDS:
        native = rng.poisson(300, shape).astype(np.float32)
        for kind in ("whole", "cut"):
            large = np.rint(bicubic_enlarge(native, 2)).astype(np.uint16)
            frames = large if kind == "whole" else large[:, 3:-4, 4:-3]
            found = undo_enlargement(frames)
            rows.append({
                "task": f"undo, {kind}",
                "shape": "x".join(map(str, frames.shape)),
                "dtype": "uint16",
                "scale": 2.0,
                "numpy_ms": round(best_ms(lambda: undo_enlargement(frames), 2), 1),  # noqa: B023
                "misfit_rms": round(found.misfit_rms, 4),
            })  # fmt: skip
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    for row in rows:
        if options.json:
            print(json.dumps(row))
        else:
            print("  ".join(f"{key} {value}" for key, value in row.items()))
    if not options.json:
        print(f"peak memory {peak_mb:.0f} MB")


if __name__ == "__main__":
    main()
