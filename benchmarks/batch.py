"""`dlsim batch`: two workers against one, what the scheduling costs for each file, memory over many files.

    python benchmarks/batch.py [--stacks 200] [--many 2000] [--write docs/batch.md]

Times are of the whole command, start of the workers included, and from the first file's end to the last's.
Overhead: files that are refused at once (text), so that nothing but the scheduling is left. Memory: the
largest worker's, after a tenth of the files and at the end.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path


def batch(inputs: Path, output: Path, workers: int, on_sample=None) -> tuple[float, float]:
    """Return seconds of the command, and seconds of its files: from the first end to the last."""
    command = [sys.executable, "-m", "dlsim_ij", "batch", str(inputs), "-o", str(output)]
    command += ["--verb", "predict", "--workers", str(workers), "-q"]
    start = time.perf_counter()
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        if on_sample is not None:
            threading.Thread(target=watch, args=(process, on_sample), daemon=True).start()
    seconds = time.perf_counter() - start
    with open(output / "manifest.csv", newline="") as file:
        ends = [datetime.datetime.fromisoformat(row["finished"]) for row in csv.DictReader(file)]
    return seconds, (max(ends) - min(ends)).total_seconds()


def watch(process: subprocess.Popen[bytes], on_sample) -> None:
    while process.poll() is None:
        on_sample(max((memory_mib(pid) for pid in workers_of(process.pid)), default=0.0))
        time.sleep(0.5)


def workers_of(parent: int) -> list[int]:
    done = subprocess.run(["pgrep", "-P", str(parent)], capture_output=True, text=True, check=False)
    return [int(word) for word in done.stdout.split()]


def memory_mib(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024
    except (OSError, StopIteration):
        return 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stacks", type=int, default=200)
    parser.add_argument("--many", type=int, default=2000)
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the table into a page")
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="dlsim-batch-"))
    subprocess.run(
        [sys.executable, "-m", "dlsim_ij", "simulate", "-o", str(folder / "one"), "--size", "128", "-q"],
        check=True,
    )
    (stack,) = (folder / "one").glob("*_raw.tif")
    for name, count in (("stacks", asked.stacks), ("many", asked.many)):
        (folder / name).mkdir()
        for number in range(count):
            shutil.copy(stack, folder / name / f"s{number:05}.tif")
    (folder / "texts").mkdir()
    for number in range(asked.many):
        (folder / "texts" / f"t{number:05}.tif").write_text("no image")
    one, two = (batch(folder / "stacks", folder / f"out{n}", n) for n in (1, 2))
    rows = [
        [f"{asked.stacks} stacks, {name}: one worker, two", f"{one[index]:.1f} s, {two[index]:.1f} s",
         f"{one[index] / two[index]:.2f} x"]
        for name, index in (("whole command", 0), ("first to last file", 1))
    ]  # fmt: skip
    _, seconds = batch(folder / "texts", folder / "out_texts", 1)
    rows.append([f"cost of scheduling ({asked.many} files that are refused, one worker)",
                 f"{1000 * seconds / asked.many:.1f} ms a file", ""])  # fmt: skip
    samples: list[float] = []
    batch(folder / "many", folder / "out_many", 2, samples.append)
    tenth = samples[len(samples) // 10 :]
    rows.append([
        f"memory of the larger worker over {asked.many} stacks: after a tenth, at most, at the end",
        f"{tenth[0]:.0f}, {max(tenth):.0f}, {samples[-4]:.0f} MiB",
        f"{100 * (samples[-4] / tenth[0] - 1):+.1f} %",
    ])  # fmt: skip
    for row in rows:
        print(" | ".join(row))
    if asked.write is not None:
        from doc_tables import put, table

        put(asked.write, "batch", table(["what", "measured", ""], rows))
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
