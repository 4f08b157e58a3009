"""A dataset of simulated fields in the seed's form: what its networks are trained on for a fair comparison.

    python benchmarks/seed_dataset.py seed_fields                     # 64 fields of each structure
    python benchmarks/seed_dataset.py actin_fields --structures actin --fields 200
    python benchmarks/seed_dataset.py seed_fields --target object     # the same fields, the other truth

FOLDER/raw_fields gets raw stacks of 15 x 128 x 128 at normal light (300 photons) and at 1/100 of it, and two
truths of 256 x 256: `truth` is the image of the vendor's filter without noise, `object` the clean object
(`dlsim_ij.datasets.simulated_field`). `dlsim prepare` then makes of it FOLDER/dataset-wiener (or -object),
with the frames enlarged twofold by ImageJ's bicubic, on which configs/seed-*.yaml train as they are. The
microscope is the one of the test sets in fixed_fields.py, drawn from other seeds. The truth has no noise,
so it is better than what the seed's authors had.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path

import numpy as np

from dlsim_ij import write_image
from dlsim_ij.cli.main import run
from dlsim_ij.datasets.normalise import Scaling
from dlsim_ij.datasets.simulated_field import draw_object, object_target, wiener_target
from dlsim_ij.files import make_folder
from dlsim_ij.optics import Optics
from dlsim_ij.simulation import random_conditions, simulate_sim
from dlsim_ij.simulation.sim_frames import SimulatedStack

STRUCTURES = ("microtubules", "mitochondria", "adhesions", "actin")
DATA_SEED = 20_261_201  # not that of the test fields
NORMAL, LOW = 300.0, 3.0
SIDE_PX = 128
TARGETS = {"wiener": "truth", "object": "object"}  # and the folders that hold them


def make_field(structure: str, number: int) -> dict[str, np.ndarray]:
    """Return the images of one field by the folder they belong to, uint16."""
    rng = np.random.default_rng([DATA_SEED, STRUCTURES.index(structure), number])
    grid_um = Optics().pixel_size_um / 2
    density, haze = (draw_object(structure, SIDE_PX, grid_um, rng) for _ in range(2))
    conditions = random_conditions(rng, like_paper=1.0)
    stacks = {
        name: simulate_sim(density, dataclasses.replace(conditions, photons=level), rng, haze_density=haze)
        for name, level in (("raw", NORMAL), ("low", LOW))
    }
    counts = Scaling(offset=_background(stacks["raw"]), scale=1.0)
    truths = {"truth": wiener_target(stacks["raw"], counts), "object": object_target(stacks["raw"], counts)}
    images = {name: stack.raw for name, stack in stacks.items()} | truths
    limits = np.iinfo(np.uint16)
    # as the vendor's software saves its images: whole counts, nothing below zero
    whole = {name: np.clip(np.rint(image), limits.min, limits.max) for name, image in images.items()}
    return {name: image.astype(np.uint16) for name, image in whole.items()}


def _background(stack: SimulatedStack) -> float:
    camera = stack.conditions.camera
    mean = stack.electrons.mean(axis=0) * camera.gain_adu_per_electron + camera.offset_adu
    return float(np.percentile(mean, 2.0))


def write_fields(folder: Path, structures: list[str], fields: int) -> None:
    """Write what is not there yet."""
    pixel_um = Optics().pixel_size_um
    for structure in structures:
        for number in range(fields):
            name = f"{structure}_{number:04d}.tif"
            if all((folder / kind / name).exists() for kind in ("raw", "low", *TARGETS.values())):
                continue
            for kind, image in make_field(structure, number).items():
                size = pixel_um if kind in ("raw", "low") else pixel_um / 2
                write_image(make_folder(folder / kind) / name, image, pixel_size_um=size, overwrite=True)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--structures", nargs="+", choices=STRUCTURES, default=list(STRUCTURES))
    parser.add_argument("--fields", type=int, default=64, help="of each structure")
    parser.add_argument("--target", nargs="+", choices=list(TARGETS), default=["wiener"])
    parser.add_argument("--seed-layout", action="store_true", help="also its own folders, for seed_loop.py")
    given = parser.parse_args()
    raw = given.folder / "raw_fields"
    make_folder(raw)
    kept = raw / "fields.json"  # other fields in the same folder would be another dataset
    asked = {"structures": given.structures, "fields": given.fields, "seed": DATA_SEED}
    if kept.exists() and json.loads(kept.read_text()) != asked:
        sys.exit(f"{raw} holds other fields: {kept.read_text()}")
    kept.write_text(json.dumps(asked))
    write_fields(raw, given.structures, given.fields)
    for target in given.target:
        words = [
            "prepare", str(raw), "-o", str(given.folder / f"dataset-{target}"), "--layout", "stacks",
            "--truth-name", TARGETS[target], "--fractions", "0.9,0.1,0", "--resume",
        ]  # fmt: skip
        words += ["--seed-layout"] if given.seed_layout else []
        if code := run(words):
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
