"""Preparing a dataset: the original's way (every frame read and enlarged again for every tile) against ours.

python benchmarks/prepare.py [--side 512] [--json]

Also the peak memory for few and for many fields, each in a process of its own, and the speed at which
random patches come back from the dataset.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from scipy import ndimage

from dlsim_ij.datasets import PrepareSettings, prepare_dataset, tile_grid
from dlsim_ij.images import bicubic_enlarge

FRAMES, TILE_PX, BORDER_PX = 15, 256, 50
KINDS = (("HE", 4000), ("LE", 60))


def write_field(raw: Path, sample: str, side: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = (rng.random((2 * side, 2 * side)) < 2e-3).astype(np.float32)
    truth = ndimage.gaussian_filter(points, 2.0)
    truth *= 9000 / truth.max()
    wide = ndimage.gaussian_filter(truth, 3).reshape(side, 2, side, 2).mean(axis=(1, 3)) / 9000
    for name, counts in KINDS:
        (raw / name / sample).mkdir(parents=True)
        (raw / f"{name}R").mkdir(exist_ok=True)
        for i in range(1, FRAMES + 1):
            frame = rng.poisson(100 + counts * wide).astype(np.uint16)
            tifffile.imwrite(raw / name / sample / f"{name}_{i}.tif", frame)
        tifffile.imwrite(raw / f"{name}R" / f"{sample}.tif", truth.astype(np.uint16))


def seeds_way(raw: Path, sample: str, output: Path, enlarge: Callable[[Any], Any]) -> int:
    """Do what SIM_prepare_dataset.py does for one field; return the number of tiles kept."""
    output.mkdir()
    truths = [tifffile.imread(raw / f"{name}R" / f"{sample}.tif") for name, _ in KINDS]
    corners = tile_grid(truths[0].shape, TILE_PX, border_px=BORDER_PX)
    kept = 0
    for y, x in corners:
        here = np.s_[y : y + TILE_PX, x : x + TILE_PX]
        if truths[0][here].max() <= 500:
            continue
        kept += 1
        channels = [truth[here] for truth in truths]
        for name, _ in KINDS:
            frames = [
                enlarge(tifffile.imread(raw / name / sample / f"{name}_{i}.tif"))[here]
                for i in range(1, FRAMES + 1)
            ]
            channels += [*frames, np.mean(frames[:-1], axis=0), np.max(frames[:-1], axis=0)]
        np.save(output / f"Sample_{kept}.npy", np.stack(channels, axis=-1).astype(np.float64))
    return kept


def skimage_enlarge(frame: Any) -> Any:
    from skimage.transform import resize

    return resize(frame, [2 * side for side in frame.shape], order=3, preserve_range=True)


def settings() -> PrepareSettings:
    return PrepareSettings(tile_px=TILE_PX, border_px=BORDER_PX, background="max")


def timed(function: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = function()
    return time.perf_counter() - start, result


def peak_mb(raw: Path, output: Path) -> float:
    """Return the peak memory of a process that prepares `raw`."""
    command = [sys.executable, __file__, "--prepare", str(raw), str(output)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def measure(side: int, many: int, work: Path) -> dict[str, Any]:
    raw = work / "raw"
    write_field(raw, "Sample_1", side, seed=0)
    ours_s, prepared = timed(lambda: prepare_dataset(raw, work / "set", settings(), resize=bicubic_enlarge))
    kernel_s, tiles = timed(
        lambda: seeds_way(raw, "Sample_1", work / "kernel", lambda f: bicubic_enlarge(f, 2))
    )
    skimage_s, _ = timed(lambda: seeds_way(raw, "Sample_1", work / "skimage", skimage_enlarge))
    assert prepared.patches == tiles
    from dlsim_ij.datasets import PreparedPairs  # brings torch, which is not to count as memory of prepare

    per_patch = {}
    for patch_px in (64, 128):
        pairs = PreparedPairs(work / "set", patch_px=patch_px)
        rng = np.random.default_rng(0)
        batches = [rng.integers(0, len(pairs), 8) for _ in range(20)]
        pairs.batch(batches[0], rng)
        per_patch[patch_px] = timed(lambda b=batches, p=pairs, r=rng: [p.batch(i, r) for i in b])[0] / 160
    sizes = {
        name: sum(path.stat().st_size for path in (work / name).rglob("*") if path.is_file()) / 1e6
        for name in ("set", "skimage")
    }
    memory = {1: peak_mb(raw, work / "one")}
    for number in range(2, many + 1):
        shutil.copytree(raw / "HE/Sample_1", raw / f"HE/Sample_{number}")
        shutil.copytree(raw / "LE/Sample_1", raw / f"LE/Sample_{number}")
        for name in ("HER", "LER"):
            shutil.copy(raw / name / "Sample_1.tif", raw / name / f"Sample_{number}.tif")
    memory[many] = peak_mb(raw, work / "many")
    return {
        "raw_px": side, "tiles": tiles,
        "seed_skimage_s": skimage_s, "seed_our_kernel_s": kernel_s, "ours_s": ours_s,
        "times_faster": skimage_s / ours_s, "times_faster_same_kernel": kernel_s / ours_s,
        "seed_disk_mb": sizes["skimage"], "our_disk_mb": sizes["set"],
        "peak_memory_mb": memory, "ms_per_patch": {px: 1e3 * s for px, s in per_patch.items()},
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=512, help="side of the raw frames, in pixels")
    parser.add_argument("--many", type=int, default=16, help="fields of the second memory measurement")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--prepare", nargs=2, metavar=("RAW", "OUT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.prepare:
        raw, output = map(Path, arguments.prepare)
        prepare_dataset(raw, output, settings(), resize=bicubic_enlarge)
        # ru_maxrss would count the parent's memory too, which the child holds until its exec
        (peak,) = [line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line]
        print(int(peak.split()[1]) / 1024)
        return
    with tempfile.TemporaryDirectory() as work:
        found = measure(arguments.side, arguments.many, Path(work))
    if arguments.json:
        print(json.dumps(found))
        return
    print(
        f"one field of {found['raw_px']} x {found['raw_px']} px, 2 x {FRAMES} frames, {found['tiles']} tiles"
    )
    print(
        f"  seed's way, skimage order 3   {found['seed_skimage_s']:8.2f} s  {found['seed_disk_mb']:8.1f} MB"
    )
    print(f"  seed's way, ImageJ's kernel   {found['seed_our_kernel_s']:8.2f} s")
    print(f"  dlsim prepare                 {found['ours_s']:8.2f} s  {found['our_disk_mb']:8.1f} MB")
    print(f"  faster                        {found['times_faster']:8.1f} x")
    print(f"  faster, same kernel           {found['times_faster_same_kernel']:8.1f} x")
    for fields, megabytes in found["peak_memory_mb"].items():
        print(f"  peak memory, {fields:3d} fields      {megabytes:8.1f} MB")
    for patch_px, milliseconds in found["ms_per_patch"].items():
        print(f"  random patch of {patch_px} px, 15 frames and truth: {milliseconds:.2f} ms")


if __name__ == "__main__":
    main()
