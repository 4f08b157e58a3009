"""Image decorrelation analysis: wall time, memory and where the time goes, by image size and threads.

python benchmarks/decorrelation.py [--json] [--repeats N] [--sides 512 2048]

Each line runs in a process of its own. `seconds` is the median of the runs after a first one. `fft_s` is what
the 21 Fourier transforms of a run cost alone (20 in single and one in double precision, one thread);
`times_fft` is the processor time of the run over that. `blur`, `fft`, `rings`, `rest` share out the
processor time of a run. `memory_in_images` is the growth of the resident memory over what the process held
with the image in hand, and `arrays_in_images` what NumPy asked for at its peak; both in images of float32.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

VERSIONS = ("1.1.8-nocap", "1.1.7-2019")


def median_s(call: Callable[[], Any], repeats: int, clock: Callable[[], float] = time.perf_counter) -> float:
    times = []
    for _ in range(repeats):
        start = clock()
        call()
        times.append(clock() - start)
    return statistics.median(times)


def peak_bytes(call: Callable[[], Any]) -> int | None:
    """Return how far a call raises the resident memory; None where the kernel does not tell."""
    try:
        Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts again
    except OSError:
        return None
    before = status_bytes("VmRSS")
    call()
    return status_bytes("VmHWM") - before


def status_bytes(name: str) -> int:
    line = next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith(name))
    return 1024 * int(line.split()[1])


def array_bytes(call: Callable[[], Any]) -> int:
    tracemalloc.start()
    call()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def shares(call: Callable[[], Any]) -> dict[str, float]:
    """Return the fraction of one thread's time by kind of work."""
    from dlsim_ij.quality import decorrelation_plane as plane

    spent = dict.fromkeys(("blur", "fft", "rings"), 0.0)

    def timed(kind: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*args: Any, **options: Any) -> Any:
            start = time.perf_counter()
            result = function(*args, **options)
            spent[kind] += time.perf_counter() - start
            return result

        return wrapper

    originals = plane.gaussian_blur, plane.scipy.fft.rfft2, plane.Sampling.curve
    plane.gaussian_blur = timed("blur", originals[0])
    plane.scipy.fft.rfft2 = timed("fft", originals[1])
    plane.Sampling.curve = timed("rings", originals[2])
    try:
        start = time.perf_counter()
        call()
        total = time.perf_counter() - start
    finally:
        plane.gaussian_blur, plane.scipy.fft.rfft2, plane.Sampling.curve = originals
    parts = {kind: round(seconds / total, 2) for kind, seconds in spent.items()}
    return {**parts, "rest": round(1 - sum(spent.values()) / total, 2)}


def measure(side: int, version: Any, workers: int, repeats: int) -> dict[str, Any]:
    import scipy.fft
    from scipy.ndimage import gaussian_filter

    from dlsim_ij.quality import decorrelation_resolution

    rng = np.random.default_rng(0)
    points = (rng.random((side, side), np.float32) > 0.99).astype(np.float32)
    image = rng.poisson(3000 * gaussian_filter(points, 2) + 10).astype(np.float32)
    del points

    def run() -> Any:
        return decorrelation_resolution(image, version=version, workers=workers)

    decorrelation_resolution(image[:128, :128], version=version, workers=workers)
    resident = peak_bytes(run)
    seconds = median_s(run, repeats)
    processor = median_s(run, repeats, time.process_time)
    double = image.astype(np.float64)
    fft = 20 * median_s(lambda: scipy.fft.rfft2(image), repeats)
    fft += median_s(lambda: scipy.fft.rfft2(double), repeats)
    row = {
        "side_px": side,
        "version": version,
        "workers": workers,
        "seconds": round(seconds, 4),
        "fft_s": round(fft, 4),
        "times_fft": round(processor / fft, 1),
        "memory_in_images": None if resident is None else round(resident / image.nbytes, 1),
        "arrays_in_images": round(array_bytes(run) / image.nbytes, 1),
        "resolution_px": round(run().resolution_px or 0, 3),
    }
    return row | (shares(run) if workers == 1 else {})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON line per measurement")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--sides", type=int, nargs="+", default=[256, 512, 1024, 2048])
    options = parser.parse_args()
    fresh = multiprocessing.get_context("spawn")
    cases = [(side, version, workers) for side in options.sides for version in VERSIONS for workers in (1, 2)]
    for case in cases:
        with fresh.Pool(1) as pool:
            row = pool.apply(measure, (*case, options.repeats))
        print(json.dumps(row) if options.json else "  ".join(f"{k} {v}" for k, v in row.items()), flush=True)


if __name__ == "__main__":
    main()
