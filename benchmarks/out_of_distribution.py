"""What happens to stacks that a model was not made for: refused, told to take care, or called good.

    python benchmarks/out_of_distribution.py --fields 8
    python benchmarks/out_of_distribution.py --fields 8 --write docs/models.md

Every case is a change of the same simulated fields (two of each structure), which go through
`dlsim.reconstruct` as a user's would. PSNR is that of the image `wiener` against the Wiener image of the
noise-free frames, where there is one; "doubtful" the mean percentage that the report shows.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from doc_tables import put, table
from fixed_fields import INNER, STRUCTURES

import dlsim_ij as dlsim
from dlsim_ij.datasets.normalise import Scaling
from dlsim_ij.datasets.simulated_field import wiener_target
from dlsim_ij.errors import DlsimError
from dlsim_ij.inference import Model, load_model
from dlsim_ij.optics import Optics
from dlsim_ij.quality import fair_scores
from dlsim_ij.report.verdict import judge
from dlsim_ij.simulation import Aberration, Conditions, SimulatedStack, draw_structure, simulate_sim
from dlsim_ij.simulation.conditions import illumination, random_conditions

SIDE_PX = 192
SEED = 606_606
Change = Callable[[Conditions, np.random.Generator], Conditions]
Order = Callable[[np.ndarray], np.ndarray]


def _period(nm: float, beams: int = 3) -> Change:
    def change(conditions: Conditions, rng: np.random.Generator) -> Conditions:
        patterns = illumination(rng, conditions.optics, n_phases=5, beams=beams, period_nm=nm)
        return dataclasses.replace(conditions, patterns=patterns)

    return change


def _modulation(factor: float) -> Change:
    def change(conditions: Conditions, rng: np.random.Generator) -> Conditions:
        patterns = tuple(
            dataclasses.replace(p, modulation=tuple(factor * c for c in p.modulation))
            for p in conditions.patterns
        )
        return dataclasses.replace(conditions, patterns=patterns)

    return change


def _replaced(**changes: object) -> Change:
    return lambda conditions, rng: dataclasses.replace(conditions, **changes)


def _same(conditions: Conditions, rng: np.random.Generator) -> Conditions:
    return conditions


def _phase_major(raw: np.ndarray) -> np.ndarray:
    return raw.reshape(3, 5, *raw.shape[1:]).swapaxes(0, 1).reshape(raw.shape)


def _swapped(raw: np.ndarray) -> np.ndarray:
    order = np.arange(15)
    order[[2, 8]] = order[[8, 2]]
    return raw[order]


CASES: dict[str, tuple[Change, Order, str | None]] = {
    "as it should be, 300 photons": (_same, np.asarray, None),
    "as it should be, 3 photons": (_replaced(photons=3.0), np.asarray, None),
    "frames phase-major": (_same, _phase_major, None),
    "two frames of different angles swapped": (_same, _swapped, None),
    "period 205 nm": (_period(205.0), np.asarray, None),
    "period 400 nm": (_period(400.0), np.asarray, None),
    "two beams, five phases": (_period(246.0, beams=2), np.asarray, None),
    "a tenth of the modulation": (_modulation(0.1), np.asarray, None),
    "widefield: no modulation": (_modulation(0.0), np.asarray, None),
    "another structure: Siemens star": (_same, np.asarray, "siemens-star"),
    "another structure: beads": (_same, np.asarray, "beads"),
    "empty field": (_same, np.asarray, "empty"),
    "30 times more haze than light in focus": (_replaced(haze=30.0, haze_sigma_px=10.0), np.asarray, None),
    "spherical aberration, 0.2 waves rms": (
        _replaced(aberration=Aberration(spherical_waves=0.2)), np.asarray, None,
    ),
}  # fmt: skip


def stacks(case: str, fields: int) -> Iterator[tuple[SimulatedStack, np.ndarray]]:
    """Yield the stacks of a case, with the frames as a user hands them over."""
    change, order, structure = CASES[case]
    for number in range(fields):
        rng = np.random.default_rng([SEED, number])
        conditions = random_conditions(rng, photons=(300.0, 300.0), like_paper=1.0)
        shape, grid_um = (2 * SIDE_PX, 2 * SIDE_PX), Optics().pixel_size_um / 2
        own = STRUCTURES[number % len(STRUCTURES)]
        density = draw_structure(own if structure in (None, "empty") else structure, shape, grid_um, rng)
        haze = draw_structure(own, shape, grid_um, rng)
        conditions = change(conditions, rng)
        stack = simulate_sim(density, conditions, rng, haze_density=haze)
        raw = stack.raw
        if structure == "empty":  # the same camera, with a little even light
            camera = conditions.camera
            electrons = rng.poisson(20.0, raw.shape) + rng.normal(0, camera.read_noise_electrons, raw.shape)
            raw = np.rint(camera.offset_adu + camera.gain_adu_per_electron * electrons).astype(np.uint16)
        yield stack, order(raw)


def measure(case: str, fields: int, model: Model) -> list[str]:
    """Return the row of a case."""
    levels, doubtful, psnr, reasons = [], [], [], []
    for stack, raw in stacks(case, fields):
        try:
            done = dlsim.reconstruct(raw, model=model, pixel_size_um=0.06)
        except DlsimError as error:
            levels.append("refused")
            reasons.append(error.message)
            continue
        snr = min(p.snr[0] for p in done.acquisition.patterns)
        doubts = [message for message, _ in done.acquisition.warnings]
        level, sentence = judge(done.metrics, pattern_snr=snr, fit=done.acquisition.fit, doubts=doubts)
        levels.append(level)
        if level != "good":
            reasons.append(sentence.partition("; but ")[2] or sentence)
        doubtful.append(done.metrics["doubtful_percent"])
        if CASES[case][2] != "empty":
            truth = wiener_target(stack, Scaling(offset=0.0, scale=1.0))
            psnr.append(fair_scores(truth[INNER], done.sr.values[INNER]).psnr_db)
    counts = [str(levels.count(name)) for name in ("refused", "poor", "caution", "good")]
    common = max(set(reasons), key=reasons.count) if reasons else ""
    return [
        case, *counts,
        f"{np.mean(doubtful):.0f}" if doubtful else "", f"{np.mean(psnr):.1f}" if psnr else "", common,
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="sim15")
    parser.add_argument("--fields", type=int, default=8)
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the table into this page")
    given = parser.parse_args()
    torch.set_num_threads(1)
    model = load_model(given.model)
    head = [
        "stack",
        "refused",
        "do not trust",
        "use with care",
        "good",
        "doubtful %",
        "PSNR dB",
        "most common reason",
    ]
    text = table(head, [measure(case, given.fields, model) for case in CASES])
    print(text)
    if given.write is not None:
        put(given.write, "out-of-distribution", text)


if __name__ == "__main__":
    main()
