"""The seed's training loop against ours: the same network, data, loss, optimiser and learning rates.

    python benchmarks/seed_dataset.py seed_fields --fields 24 --seed-layout
    python benchmarks/seed_loop.py seed_fields/dataset-wiener                       # samples/s and memory
    python benchmarks/seed_loop.py seed_fields/dataset-wiener --cpu-minutes 4 --page docs/seed-comparison.md

Each loop runs in a process of its own, in turns, on one thread. Speed is counted in processor time, so that
other work on the machine does not decide. The seed's loop is written after the description of its code:
one TIFF file per frame read at every step, batch 1, float32, tensors in the usual layout, Adam, mean absolute
plus five times mean squared error. Its pass over the training and the validation set at the start of every
epoch is left out, which is in its favour. With --cpu-minutes every loop gets that much processor time, and
its last weights are measured on the validation fields, each image by its own BatchNorm statistics.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import torch
from torch.utils.data import DataLoader, Dataset

from dlsim_ij.datasets.index import read_index
from dlsim_ij.datasets.pairs import PreparedPairs
from dlsim_ij.networks import create_network
from dlsim_ij.training import Progress, train
from dlsim_ij.training.losses import seed_loss
from dlsim_ij.training.recipes import make_recipe
from dlsim_ij.training.schedules import seed_actual
from dlsim_ij.training.validation import validate

RECIPE = "seed-sim15"
FAST = {"channels_last": True, "precision": "bfloat16"}
# what the table calls it, and settings over the recipe's
LOOPS: dict[str, tuple[str, dict[str, Any] | None]] = {
    "seed": ("the seed's", None),
    "same": ("ours, float32 as the seed's", {}),
    "fast": ("ours, channels_last and bfloat16", FAST),
    "batch": ("ours, the same with batch 4", {**FAST, "batch_size": 4}),
}
WARM_UP = 2  # steps: kernels are chosen and memory is taken then
BEGIN, END = "<!-- made by benchmarks/seed_loop.py -->", "<!-- end -->"


class SeedFolder(Dataset):  # type: ignore[type-arg]
    """Folders of frames as the seed's scripts read them: HE_X2/<s>/HE_00.tif .. HE_14.tif and HER/<s>.tif."""

    def __init__(self, dataset: Path) -> None:
        index = read_index(dataset)
        self.folder, self.maxima = dataset / "seed", index.constants
        parts = [entry.part for entry in index.fields for _ in entry.tiles]  # tiles are numbered through
        self.samples = [f"Sample_{k}" for k, part in enumerate(parts, start=1) if part == "train"]
        if not self.folder.is_dir():
            sys.exit(f"{self.folder} is missing: make the dataset with --seed-layout")

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, number: int) -> tuple[torch.Tensor, torch.Tensor]:
        sample = self.samples[number]
        truth = tifffile.imread(self.folder / "HER" / f"{sample}.tif")
        frames = np.zeros((15, *truth.shape), dtype=np.float32)
        for i in range(15):
            frames[i] = tifffile.imread(self.folder / "HE_X2" / sample / f"HE_{i:02d}.tif")
        target = truth[None].astype(np.float32) / self.maxima["HER"]
        return torch.from_numpy(frames / np.float32(self.maxima["HE"])), torch.from_numpy(target)


def batches(loader: DataLoader[Any]) -> Iterator[tuple[int, Any]]:
    epoch = 0
    while True:
        for batch in loader:
            yield epoch, batch
        epoch += 1


def seeds_loop(dataset: Path, over: Callable[[int], bool], times: list[tuple[int, float, float]]) -> Any:
    """Train until `over`; note samples, processor and wall time after every step."""
    torch.manual_seed(0)
    network = create_network("unet-sim15")
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    loader = DataLoader(SeedFolder(dataset), batch_size=1, shuffle=True)
    network.train()
    for step, (epoch, (frames, truth)) in enumerate(batches(loader), start=1):
        for group in optimiser.param_groups:
            group["lr"] = 1e-3 * seed_actual(epoch)
        optimiser.zero_grad()
        loss = seed_loss(network(frames), truth)
        loss.backward()
        optimiser.step()
        loss.item()
        times.append((step, time.process_time(), time.perf_counter()))
        if over(step):
            return network


def measure(name: str, dataset: Path, steps: int, cpu_minutes: float | None) -> dict[str, Any]:
    """Run one loop in this process."""
    torch.set_num_threads(1)
    started = time.process_time()
    times: list[tuple[int, float, float]] = []
    pairs = PreparedPairs(dataset, patch_px=256, normalisation="seed")
    changes, psnr_db = LOOPS[name][1], None
    if changes is None:

        def over(step: int) -> bool:
            spent = time.process_time() - started
            return step >= steps if cpu_minutes is None else spent >= 60 * cpu_minutes

        network = seeds_loop(dataset, over, times)
        if cpu_minutes is not None:
            found = validate(network, pairs, seed_loss, device=torch.device("cpu"), batchnorm="per-image")
            psnr_db = found.psnr_db if found else None
    else:
        batch = changes.get("batch_size", 1)
        timed = max(1, -(-(steps - WARM_UP) // batch))
        steps = WARM_UP + timed + 1  # the last row stands behind the validation
        far = 10**9
        settings = {
            "data": None, "threads": 1, "device": "cpu", "log_every": 1, "validate_every": far,
            "checkpoint_every": far, "sample_pictures": 0, "check_memory": False, **changes,
        }  # fmt: skip
        if cpu_minutes is None:
            settings |= {"epochs": None, "steps": steps}
            pairs.validation = lambda: iter(())  # type: ignore[method-assign]
        else:
            settings["max_cpu_minutes"] = cpu_minutes

        def note(progress: Progress) -> None:
            times.append((batch * progress.step, time.process_time(), time.perf_counter()))

        with tempfile.TemporaryDirectory() as folder:
            config = make_recipe(RECIPE, {**settings, "output": f"{folder}/run"})
            result = train(config, data=pairs, progress=note)
        psnr_db = result.metrics.get("psnr_db")
        times.pop()
    first, last = times[WARM_UP - 1], times[-1]
    samples = last[0] - first[0]
    return {
        "samples": last[0],
        "cpu_s_per_sample": (last[1] - first[1]) / samples,
        "wall_s_per_sample": (last[2] - first[2]) / samples,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "psnr_db": psnr_db,
    }


def in_a_process(name: str, given: argparse.Namespace, cpu_minutes: float | None) -> dict[str, Any]:
    words = [sys.executable, __file__, str(given.dataset), "--one", name, "--steps", str(given.steps)]
    if cpu_minutes is not None:
        words += ["--cpu-minutes", str(cpu_minutes)]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def table(speed: dict[str, list[dict[str, Any]]], results: dict[str, dict[str, Any]]) -> list[str]:
    middle = {
        name: {
            key: statistics.median(row[key] for row in rows)
            for key in ("cpu_s_per_sample", "wall_s_per_sample", "peak_mib")
        }
        for name, rows in speed.items()
    }
    reference = middle["seed"]["cpu_s_per_sample"]
    lines = ["| loop | processor s / sample | speed | peak memory MiB |", "|---|---|---|---|"]
    for name, row in middle.items():
        cost = row["cpu_s_per_sample"]
        lines.append(f"| {LOOPS[name][0]} | {cost:.2f} | {reference / cost:.2f} x | {row['peak_mib']:.0f} |")
    if results:
        lines += ["", "| loop | samples seen | validation PSNR dB |", "|---|---|---|"]
        lines += [f"| {LOOPS[n][0]} | {r['samples']} | {r['psnr_db']:.2f} |" for n, r in results.items()]
    return lines


def write_page(page: Path, lines: list[str]) -> None:
    text = page.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    page.write_text(f"{before}{BEGIN}\n\n" + "\n".join(lines) + f"\n\n{END}{after}", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--loops", nargs="+", choices=list(LOOPS), default=list(LOOPS))
    words = f"samples of each turn; the first {WARM_UP} steps are not timed"
    parser.add_argument("--steps", type=int, default=8, help=words)
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--cpu-minutes", type=float, help="also train each so long and measure the result")
    parser.add_argument("--page", type=Path, help="write the tables into this page")
    parser.add_argument("--json", type=Path, help="write all numbers into this file")
    parser.add_argument("--one", choices=list(LOOPS), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(measure(given.one, given.dataset, given.steps, given.cpu_minutes)))
        return
    speed: dict[str, list[dict[str, Any]]] = {name: [] for name in given.loops}
    for _ in range(given.turns):
        for name in given.loops:
            speed[name].append(in_a_process(name, given, None))
            print(name, speed[name][-1], file=sys.stderr, flush=True)
    results = {}
    for name in given.loops if given.cpu_minutes else ():
        results[name] = in_a_process(name, given, given.cpu_minutes)
        print(name, results[name], file=sys.stderr, flush=True)
    lines = table(speed, results)
    limits = f", {given.cpu_minutes:g} minutes of processor time each" if results else ""
    where = f"one thread of {_processor()}, torch {torch.__version__}{limits}"
    lines += ["", f"U-Net-SIM15, tiles of 256 x 256, {where}; median of {given.turns} turns."]
    print("\n".join(lines))
    if given.json:
        given.json.write_text(json.dumps({"speed": speed, "results": results}, indent=1))
    if given.page:
        write_page(given.page, lines)


def _processor() -> str:
    try:
        names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line]
        return names[0].partition(":")[2].strip()
    except (OSError, IndexError):
        return platform.machine()


if __name__ == "__main__":
    main()
