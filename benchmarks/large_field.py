"""`dlsim predict` on what does not fit: peak memory and seconds of large fields and long series.

    python benchmarks/large_field.py --sides 4096,16384 --series 50,1000 --write docs/large-fields.md
    python benchmarks/large_field.py --against 1024,2048
    python benchmarks/large_field.py --coverage 768 --write docs/large-fields.md
    python benchmarks/large_field.py --whole 512,1024

A field is 15 frames of uint16 with one pattern from edge to edge, made of simulated tiles: their bands are
turned to where a tile lies, so that frequencies fit no tile; every pixel has its own noise. Peak memory is
VmHWM of the process, which counts everything in it, libraries too. `--against` compares blocks with the
whole field; `--coverage` counts the pixels within 1.645 standard deviations of the truth, on fields of the
test sets; `--whole` measures what a field needs that is computed whole.
"""

from __future__ import annotations

import argparse
import datetime
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import tifffile
from doc_tables import put, table
from fixed_fields import INNER, STRUCTURES, one_field

from dlsim_ij.images import read_image, write_image
from dlsim_ij.optics import separate_bands
from dlsim_ij.simulation import Conditions, draw_structure, paper_conditions, simulate_sim

# tiles end where no block does
TILE_PX, MARGIN_PX = 480, 32
OFFSET, GAIN, PHOTONS = 100.0, 2.0, 300.0
COVERAGE_PHOTONS = (300.0, 30.0)
NINETY = 1.645  # standard deviations that hold 90 % of a normal distribution


def make_field(path: Path, side: int, seed: int = 0) -> None:
    """Write a field of side x side pixels as BigTIFF."""
    rng = np.random.default_rng(seed)
    conditions = paper_conditions(rng, photons=(PHOTONS, PHOTONS))
    objects = [_bands(conditions, name, rng) for name in ("microtubules", "mitochondria", "actin")]
    pixel = conditions.optics.pixel_size_um
    frames = tifffile.memmap(
        path, shape=(15, side, side), dtype="uint16", bigtiff=True, ome=True, photometric="minisblack",
        metadata={"axes": "TYX", "PhysicalSizeX": pixel, "PhysicalSizeY": pixel, "PhysicalSizeXUnit": "µm",
                  "PhysicalSizeYUnit": "µm"},
    )  # fmt: skip
    for top in range(0, side, TILE_PX):
        for left in range(0, side, TILE_PX):
            high, wide = min(TILE_PX, side - top), min(TILE_PX, side - left)
            even, bands = objects[int(rng.integers(len(objects)))]
            number = 0
            for pattern, own, still in zip(conditions.patterns, bands, even, strict=True):
                away = 2 * np.pi * (pattern.frequency_px[0] * top + pattern.frequency_px[1] * left)
                for step in pattern.steps_rad:
                    light = still[:high, :wide].copy()
                    for order, band in enumerate(own, start=1):
                        light += (
                            2 * (band[:high, :wide] * np.complex64(np.exp(1j * order * (step + away)))).real
                        )
                    noise = rng.standard_normal(light.shape, dtype=np.float32)
                    np.maximum(light, 0, out=light)
                    light += np.sqrt(light + 1) * noise
                    counts = np.clip(GAIN * light + OFFSET, 0, 65535)
                    frames[number, top : top + high, left : left + wide] = counts.astype(np.uint16)
                    number += 1
        frames.flush()


def _bands(conditions: Conditions, name: str, rng: np.random.Generator) -> tuple[list, list]:
    """Return band 0 and the bands above it of each angle, of one tile without noise."""
    points = 2 * (TILE_PX + 2 * MARGIN_PX)
    density = draw_structure(name, (points, points), conditions.optics.pixel_size_um / 2, rng)
    frames = simulate_sim(density, conditions, rng).electrons[:, :TILE_PX, :TILE_PX]
    even, bands = [], []
    for number, pattern in enumerate(conditions.patterns):
        still, *moving = separate_bands(
            frames[5 * number : 5 * number + 5], pattern.steps_rad, pattern.orders
        )
        even.append(still)
        bands.append(moving)
    return even, bands


def make_series(path: Path, folder: Path, count: int, side: int) -> None:
    """Write a time series of `count` stacks, ten of which differ."""
    simulate = [
        "simulate",
        "-o",
        str(folder / "ten"),
        "--size",
        str(side),
        "--count",
        "10",
        "-q",
        "--overwrite",
    ]
    subprocess.run([sys.executable, "-m", "dlsim_ij", *simulate], check=True)
    stacks = [read_image(file).values for file in sorted((folder / "ten").glob("*_raw.tif"))]
    frames = tifffile.memmap(
        path, shape=(count * 15, side, side), dtype="uint16", bigtiff=True, photometric="minisblack"
    )
    for number in range(count):
        frames[15 * number : 15 * number + 15] = stacks[number % len(stacks)]
    frames.flush()


def predict(path: Path, output: Path, *options: str) -> tuple[float, float, float]:
    """Run `dlsim predict` in a process of its own: peak memory in MiB, seconds, seconds of processor."""
    command = [sys.executable, "-m", "dlsim_ij", "predict", str(path), "-o", str(output), "-q", *options]
    return measured(command)


def measured(command: list[str]) -> tuple[float, float, float]:
    start = time.perf_counter()
    before = os.times()
    environment = {**os.environ, "DLSIM_WORKER": "off"}
    peak = 0.0
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            peak = max(peak, peak_mib(process.pid))
            time.sleep(0.2)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    after = os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return peak, time.perf_counter() - start, spent


def peak_mib(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
    except (OSError, StopIteration):
        return 0.0


def fields(sides: list[int], folder: Path) -> list[list[str]]:
    rows = []
    for side in sides:
        path, output = folder / f"field_{side}.ome.tif", folder / f"out_{side}"
        make_field(path, side)
        stored = path.stat().st_size
        peak, seconds, spent = predict(path, output)
        written = (output / f"field_{side}_sr.ome.tif").stat().st_size
        rows.append(_row(f"field of {side} x {side}", stored, written, peak, seconds, spent))
        path.unlink()
        shutil.rmtree(output)
    return rows


def series(counts: list[int], folder: Path, side: int) -> list[list[str]]:
    rows = []
    for count in counts:
        path, output = folder / f"series_{count}.tif", folder / f"out_series_{count}"
        make_series(path, folder, count, side)
        stored = path.stat().st_size
        peak, seconds, spent = predict(path, output, "--pixel-size", "0.06")
        written = next(output.iterdir()).stat().st_size
        rows.append(_row(f"{count} stacks of {side} x {side}", stored, written, peak, seconds, spent))
        path.unlink()
        shutil.rmtree(output)
    return rows


def _row(what: str, stored: int, written: int, peak: float, seconds: float, spent: float) -> list[str]:
    row = [
        what,
        f"{stored / 1e9:.2f}",
        f"{written / 1e9:.2f}",
        f"{peak:.0f}",
        f"{seconds:.0f}",
        f"{spent:.0f}",
    ]
    print(" | ".join(row), flush=True)
    return row


def against(sides: list[int], folder: Path) -> list[list[str]]:
    """Compare a field in blocks with the same field whole."""
    rows = []
    for side in sides:
        path = folder / f"field_{side}.ome.tif"
        make_field(path, side)
        images = {}
        for name, options in (("blocks", ["--block-px", "512"]), ("whole", ["--block-px", "0"])):
            predict(path, folder / name, "--uncertainty", "--overwrite", *options)
            for role in ("sr", "sd"):
                (file,) = (folder / name).glob(f"field_{side}_{role}*")
                images[name, role] = read_image(file).values
        row = [f"{side} x {side}"]
        for role in ("sr", "sd"):
            blocks, whole = images["blocks", role], images["whole", role]
            row += [f"{psnr(blocks, whole):.1f}"]
        row += [f"{seam(images['blocks', 'sr'], 1024):.3f}", f"{seam(images['whole', 'sr'], 1024):.3f}"]
        print(" | ".join(row), flush=True)
        rows.append(row)
        path.unlink()
    return rows


def coverage(side: int, folder: Path) -> list[list[str]]:
    """Count the pixels within the 90 % interval, of fields of one structure, whole and in blocks."""
    rows = []
    for structure in STRUCTURES:
        for field in one_field(structure, 0, COVERAGE_PHOTONS, side_px=side):
            path = folder / f"{structure}_{field.photons:g}.tif"
            write_image(path, field.stack.raw, pixel_size_um=field.stack.conditions.optics.pixel_size_um)
            row = [structure, f"{field.photons:g}"]
            for name, block_px in (("whole", 0), ("blocks", 256)):
                out = folder / name
                predict(path, out, "--uncertainty", "--overwrite", "--block-px", str(block_px))
                files = (next(out.glob(f"{path.stem}_{role}*")) for role in ("sr", "sd"))
                image, sd = (read_image(file).values for file in files)
                within = np.abs(image - field.wiener) <= NINETY * sd
                row.append(f"{100 * float(within[INNER].mean()):.1f}")
            print(" | ".join(row), flush=True)
            rows.append(row)
            path.unlink()
    return rows


def psnr(image: np.ndarray, truth: np.ndarray) -> float:
    low, high = np.percentile(truth, [0.1, 99.9])
    return float(20 * np.log10((high - low) / np.sqrt(np.mean((image - truth) ** 2, dtype=np.float64))))


def seam(image: np.ndarray, every: int) -> float:
    """Return the mean step across the borders of blocks over that across any two rows or columns."""
    ratios = []
    for turned in (image, image.T):
        steps = np.abs(np.diff(turned, axis=0)).mean(axis=1)
        ratios.append(steps[every - 1 :: every].mean() / steps.mean())
    return float(np.mean(ratios))


def whole(sides: list[int], folder: Path) -> None:
    """Print the peak of fields that are computed whole, for the limits in `large_fields/plan.py`."""
    for verb in ("predict", "run"):
        found = []
        for side in sides:
            path = folder / f"field_{side}.ome.tif"
            make_field(path, side)
            options = ["--block-px", "0"] if verb == "predict" else []
            command = [sys.executable, "-m", "dlsim_ij", verb, str(path), "-o", str(folder / "out"), "-q"]
            peak, _, _ = measured([*command, "--overwrite", *options])
            found.append(peak)
            print(f"{verb}, {side} x {side} whole: {peak:.0f} MiB", flush=True)
        pixels = sides[-1] ** 2 - sides[0] ** 2
        print(f"{verb}: {(found[-1] - found[0]) * 2**20 / pixels:.0f} bytes a pixel")


def numbers(text: str) -> list[int]:
    return [int(word) for word in text.split(",")]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sides", type=numbers, default=[])
    parser.add_argument("--series", type=numbers, default=[])
    parser.add_argument("--series-px", type=int, default=128)
    parser.add_argument("--against", type=numbers, default=[])
    parser.add_argument("--coverage", type=int, metavar="PX", help="side of its fields")
    parser.add_argument("--whole", type=numbers, default=[])
    parser.add_argument("--folder", type=Path, help="where the files go meanwhile (default: a temporary one)")
    parser.add_argument("--write", type=Path)
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="dlsim-large-", dir=asked.folder))
    try:
        rows = [*fields(asked.sides, folder), *series(asked.series, folder, asked.series_px)]
        compared = against(asked.against, folder)
        held = coverage(asked.coverage, folder) if asked.coverage else []
        if asked.whole:
            whole(asked.whole, folder)
    finally:
        shutil.rmtree(folder)
    if asked.write is None:
        return
    where = f"{os.cpu_count()} cores shared with other work, {datetime.date.today().isoformat()}."
    if rows:
        head = ["input", "GB read", "GB written", "peak memory, MiB", "seconds", "processor seconds"]
        put(asked.write, "memory", f"{table(head, rows)}\n\n{where}")
    if compared:
        head = [
            "field",
            "PSNR, dB",
            "PSNR of the uncertainty, dB",
            "steps at block borders",
            "the same, whole",
        ]
        put(asked.write, "blocks", f"{table(head, compared)}\n\n{where}")
    if held:
        put(asked.write, "coverage", table(["structure", "photons", "whole, %", "blocks, %"], held))


if __name__ == "__main__":
    main()
