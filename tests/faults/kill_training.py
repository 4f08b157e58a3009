"""Kill -9 at random moments of `dlsim train`, resume, until it is done: the weights of an undisturbed run.

    python tests/faults/kill_training.py                            # 20 kills, 4 minutes
    python tests/faults/kill_training.py --write docs/reliability.md

A tiny network on a CPU with one thread, a checkpoint every third step. At the end weights, history (all but
its seconds) and scores are compared byte by byte. Then the disk is full while a checkpoint is written, and
the one before must still load.
"""

from __future__ import annotations

import argparse
import csv
import random
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import yaml

sys.path.insert(0, str(Path(__file__).parent))

from disturbed import dlsim, kill, leftovers, start, wait_until, write_table
from places import NotHere, small_disk

SETTINGS = {
    "network": {"name": "unet-sim3", "options": {"width": 2}},
    "data": {"kind": "prepared", "options": {"dataset": "dataset", "frames": "sim3"}},
    "steps": 200, "batch_size": 2, "patch_px": 32, "log_every": 7, "validate_every": 10,
    "checkpoint_every": 3, "threads": 1, "device": "cpu", "sample_pictures": 0,
}  # fmt: skip


def make_data(folder: Path, **settings: object) -> None:
    """Write a dataset of three small fields, and train.yaml."""
    from dlsim_ij.datasets.field_file import Planes, write_field
    from dlsim_ij.datasets.index import DatasetIndex, FieldEntry, FieldScaling

    rng = np.random.default_rng(0)
    (folder / "dataset" / "fields").mkdir(parents=True)
    entries = []
    for number, part in enumerate(("train", "train", "validation")):
        truth = rng.integers(0, 1000, (32, 64), dtype=np.uint16)
        stacks = {"normal": np.stack([truth + 100] * 15), "truth": truth}
        planes = {
            name: Planes(
                shape=stack.shape, dtype="uint16",
                planes=lambda stack=stack: iter(stack if stack.ndim == 3 else [stack]),
            )
            for name, stack in stacks.items()
        }  # fmt: skip
        name = f"fields/{number}.safetensors"
        write_field(folder / "dataset" / name, planes, {})
        scaling = {n: FieldScaling(offset=o, scale=1000) for n, o in (("normal", 100), ("truth", 0))}
        entries.append(
            FieldEntry(
                name=str(number), file=name, part=part, shape=(32, 64), tiles=((0, 0), (0, 32)),
                tiles_in_grid=2, maxima={}, scaling=scaling, pixel_size_um=None, inputs={},
            )
        )  # fmt: skip
    DatasetIndex(
        created_by="test", frames=15, kinds=("normal", "truth"), enlargement=1, truth_scale=1, tile_px=32,
        constants={"HE": 1100.0, "HER": 1000.0}, parameters={}, warnings=(), fields=tuple(entries),
    ).write(folder / "dataset")  # fmt: skip
    (folder / "train.yaml").write_text(yaml.safe_dump({**SETTINGS, **settings}))


def result(run: Path) -> dict[str, object]:
    """Return what two runs must have in common."""
    with open(run / "history.csv", newline="") as file:
        timeless = [{k: v for k, v in row.items() if k not in ("seconds", "samples_per_s")}
                    for row in csv.DictReader(file)]  # fmt: skip
    scores = (run / "metrics.csv").read_text() if (run / "metrics.csv").exists() else ""
    return {"weights": (run / "model" / "weights.safetensors").read_bytes(), "history": timeless,
            "scores": scores}  # fmt: skip


def killed_until_done(folder: Path, kills: int, seconds: float, rng: random.Random) -> tuple[int, int]:
    """Train into ``folder/killed`` with that many kills; return how many came before the first checkpoint."""
    run, dealt, early = folder / "killed", 0, 0
    last = run / "checkpoints" / "last.safetensors"
    begun = 0.0
    while True:
        if last.exists():
            how = ["--resume"]
        else:
            how, begun = [], 0.0
            early += dealt > 0
            for path in [*run.rglob("*")] if run.exists() else []:
                if path.is_file():
                    path.unlink()  # as the refusal says: without a checkpoint there is nothing to resume
            for path in sorted(run.rglob("*"), reverse=True):
                path.rmdir()
        process = start("train", "train.yaml", "-o", run, *how, "-q", cwd=folder)
        if dealt < kills:
            time.sleep(rng.uniform(0.1, seconds) * (1 if begun else 0.8))
            if process.poll() is None:
                kill(process.pid)
                dealt += 1
            begun = 1.0
        _, told = process.communicate(timeout=300)
        if process.returncode == 0:
            return dealt, early
        if process.returncode != -9:
            raise AssertionError(f"exit code {process.returncode}: {told}")


def full_disk(folder: Path, resume: bool = True) -> str:
    """Fill the disk of a run; its last checkpoint loads, and with room it goes on to the same weights."""
    from dlsim_ij.training.checkpoint import load_checkpoint

    with small_disk(folder / "disk", "size=40m") as disk:
        run = disk.folder / "run"
        last = run / "checkpoints" / "last.safetensors"
        process = start("train", "train.yaml", "-o", run, "-q", cwd=folder)
        wait_until(last.exists, "a checkpoint")
        disk.fill()
        _, told = process.communicate(timeout=300)
        assert "Traceback" not in told, told
        assert process.returncode == 2, told
        assert "No space left on device" in told
        _, values = load_checkpoint(last)
        assert leftovers(run) == []
        if resume:
            (disk.folder / "filler").unlink()
            again = dlsim("train", "train.yaml", "-o", run, "--resume", "-q", cwd=folder)
            assert again.returncode == 0, again.stderr
            assert result(run) == result(folder / "whole")
        error = next(line for line in told.splitlines() if line.startswith("error: "))
        return f"{error.replace(str(disk.folder), 'disk')} (step {values['step']} kept)"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the table into a page")
    given = parser.parse_args()
    rng = random.Random(given.seed)
    rows, dealt, early, differ = [], 0, 0, 0
    with tempfile.TemporaryDirectory(prefix="dlsim-train-") as name:
        folder = Path(name)
        make_data(folder)
        begin = time.monotonic()
        whole = dlsim("train", "train.yaml", "-o", "whole", "-q", cwd=folder)
        seconds = time.monotonic() - begin
        assert whole.returncode == 0, whole.stderr
        runs = 0
        while dealt < given.kills:
            more, before = killed_until_done(folder, min(5, given.kills - dealt), seconds, rng)
            dealt, early, runs = dealt + more, early + before, runs + 1
            same = result(folder / "killed") == result(folder / "whole")
            differ += not same
            sys.stdout.write(f"{dealt} kills, the same: {same}\n")
            (folder / "killed").rename(folder / f"killed_{runs}")
        rows.append(["kill -9 at random moments", str(dealt), str(runs), f"{differ} of {runs} differ"])
        try:
            told = full_disk(folder)
            rows.append(["disk full while it trains", "", "1", f"the same weights; told: {told}"])
        except NotHere as reason:
            rows.append(["disk full while it trains", "", "", f"not tried here: {reason}"])
    sys.stdout.write("".join(f"{' | '.join(row)}\n" for row in rows))
    write_table(given.write, "training", ["fault", "kills", "runs", "weights, history and scores"], rows)
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
