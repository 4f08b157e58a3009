"""`dlsim train --like` on a microscope that departs from all defaults: what tuning gains, against the truth.

    python benchmarks/tuning.py FOLDER [--minutes 18] [--model sim15] [--set KEY=VALUE ...]
    python benchmarks/tuning.py FOLDER --score      # score again what is there
    python benchmarks/tuning.py FOLDER --write docs/tuning.md

NA 1.3, 560 nm, pixels of 70 nm, 3 x 3 frames of two beams at 299 nm, an sCMOS camera with half a count to an
electron, haze of three times the light in focus, a transfer damped to 0.08. Three stacks are given to the
tuning; six others, of other cells, are reconstructed by the model before and after, and compared with their
objects: truths that the tuning never had.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

import numpy as np
from doc_tables import put, table

import dlsim_ij as dlsim
from dlsim_ij.acquisition import detect_acquisition
from dlsim_ij.config import parse_overrides
from dlsim_ij.datasets.normalise import Scaling
from dlsim_ij.datasets.simulated_field import object_target, wiener_target
from dlsim_ij.errors import DlsimError
from dlsim_ij.inference import load_model, predict
from dlsim_ij.optics import Optics
from dlsim_ij.quality import fair_scores
from dlsim_ij.quality.summary import paired_difference
from dlsim_ij.simulation import Camera, SimulatedStack, draw_structure, illumination, simulate_sim
from dlsim_ij.simulation.conditions import Conditions
from dlsim_ij.tuning_job import TuneRequest, prepare, tune

OPTICS = Optics(na=1.3, emission_nm=560, pixel_size_um=0.07)
CELLS = [("microtubules", 300.0), ("mitochondria", 150.0), ("actin", 900.0)]
SIDE = 256
OTHER_CELLS = 100  # between the seeds of the stacks for tuning and those of the check
TARGETS = {"wiener": wiener_target, "object": object_target}


def make_stack(structure: str, photons: float, seed: int) -> SimulatedStack:
    """Simulate one stack of that microscope."""
    rng = np.random.default_rng(seed)
    camera = Camera(
        gain_adu_per_electron=0.5, read_noise_electrons=1.6, row_column_electrons=0.1, gain_spread=0.02,
        offset_spread_adu=1.0, read_noise_spread=0.4,
    )  # fmt: skip
    conditions = Conditions(
        optics=OPTICS,
        patterns=illumination(rng, OPTICS, n_angles=3, n_phases=3, first_angle_deg=33, modulation=[0.6]),
        photons=photons,
        otf_damping=0.08,
        haze=3.0,
        haze_sigma_px=9,
        flat=0.2,
        intensity=tuple(float(v) for v in 1 + rng.normal(0, 0.015, 9)),
        camera=camera,
    )
    cell, out_of_focus = (draw_structure(structure, (2 * SIDE, 2 * SIDE), 0.035, rng) for _ in range(2))
    return simulate_sim(cell, conditions, rng, haze_density=out_of_focus)


def tune_it(folder: Path, model: str, minutes: float, words: list[str]) -> None:
    """Make the stacks, and tune to them."""
    folder.mkdir(parents=True)
    paths = []
    for number, (structure, photons) in enumerate(CELLS, start=1):
        paths.append(folder / f"cell_{number}.tif")
        dlsim.write_image(paths[-1], make_stack(structure, photons, 500 + number).raw, pixel_size_um=0.07)
    request = TuneRequest(
        raws=tuple(paths), output=folder / "tuned", model=model, layout="3x3", na=OPTICS.na,
        emission_nm=OPTICS.emission_nm, minutes=minutes, overrides=parse_overrides(words),
    )  # fmt: skip
    clock = time.process_time()
    found = tune(prepare(request), tell=print)
    print("\n".join(found.sentences))
    print(f"{found.steps} steps; seconds by the clock {found.seconds}, of this process's own", end=" ")
    print(f"{time.process_time() - clock:.0f}")


def check(folder: Path, start: str) -> list[list[str]]:
    """Measure on stacks that the tuning did not have, before and after, against the truth, as rows."""
    models = [load_model(start), load_model(folder / "tuned" / "model")]
    scores: dict[str, list[list[float]]] = {name: [[], []] for name in TARGETS}
    rows = []
    for number, (structure, photons) in enumerate(CELLS * 2, start=1):
        stack = make_stack(structure, photons, 500 + OTHER_CELLS + number)
        cells = [f"{structure}, {photons:g} photons"]
        try:
            found = detect_acquisition(stack.raw, 0.07, optics=OPTICS, n_angles=3, n_phases=3)
        except DlsimError as error:
            rows.append([*cells, error.message, ""])
            continue
        if not found.fit:
            rows.append([*cells, found.warnings[0][0], ""])
            continue
        scaling = Scaling(offset=stack.conditions.camera.offset_adu, scale=1.0)
        for name, target in TARGETS.items():
            truth = target(stack, scaling)[16:-16, 16:-16]
            for model, row in zip(models, scores[name], strict=True):
                image = predict(model, stack.raw, target=name, patterns=found.patterns, optics=OPTICS).image
                row.append(fair_scores(truth, image[16:-16, 16:-16]).psnr_db)
            before, after = (row[-1] for row in scores[name])
            cells.append(f"{before:.2f} to {after:.2f}")
        rows.append(cells)
    gains = (paired_difference(after, before) for before, after in scores.values())
    return [*rows, ["mean gain", *(f"{g.mean:+.2f} ({g.low:+.2f} to {g.high:+.2f})" for g in gains)]]


def page(folder: Path, start: str) -> str:
    """Return what the run took, its own proof, and the check of `check` as Markdown."""
    proof = json.loads((folder / "tuned" / "proof.json").read_text(encoding="utf-8"))
    seconds = proof["seconds"]
    minutes = ", ".join(f"{name} {seconds[name] / 60:.1f}" for name in ("fit", "fields", "training", "proof"))
    lines = [
        f"`{start}` went on for {proof['steps']} steps; {seconds['all'] / 60:.1f} minutes by the clock, "
        f"on {os.cpu_count()} cores ({minutes}). It was {'kept' if proof['accepted'] else 'refused'}:",
        "",
        *(f"- {sentence}" for sentence in proof["sentences"]),
    ]
    if not (folder / "tuned" / "model").exists():
        return "\n".join(lines)
    lines += ["", "On other cells of that microscope, against the truth, PSNR in dB before and after:", ""]
    head = ["stack", *(f"`{name}`" for name in TARGETS)]
    return "\n".join([*lines, table(head, check(folder, start))])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="sim15")
    parser.add_argument("--minutes", type=float, default=18)
    parser.add_argument("--set", dest="words", action="append", default=[])
    parser.add_argument("--score", action="store_true")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the result into a page")
    given = parser.parse_args()
    if not given.score:
        tune_it(given.folder, given.model, given.minutes, given.words)
    text = page(given.folder, given.model)
    print(text)
    if given.write:
        put(given.write, "tuning", text)
