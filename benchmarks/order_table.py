"""How often `detect_acquisition` finds layout and order of simulated stacks, and how sure it says it is.

python benchmarks/order_table.py [COUNT] [--seed N] [--json] [--least PHOTONS] [--most PHOTONS]

Stacks of 9 layouts x 4 orders x photon levels (drawn evenly on a log scale) x five structures, 128 or 256
pixels, with directions, periods, haze, phase errors and cameras of `random_conditions`; some stacks of five
phases have two beams. The detector is given the pixels and the pixel size, nothing else. Right: the layout,
and a permutation that puts the frames in order (phases may start anywhere and step either way, three phases
have one order only). Not sure: a confidence of 0.5 or less, counted neither as right nor as wrong.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from collections import defaultdict
from typing import Any

import numpy as np

from dlsim_ij.acquisition import detect_acquisition
from dlsim_ij.optics import Pattern
from dlsim_ij.simulation import STRUCTURES, draw_structure, random_conditions, simulate_sim

LAYOUTS = [(3, 5), (3, 3), (3, 5), (2, 5), (4, 5), (4, 3), (5, 5), (2, 3), (3, 4), (5, 3)]
ORDERS = ["angle-major", "phase-major", "reversed", "shuffled"]


def two_beam(patterns: tuple[Pattern, ...]) -> tuple[Pattern, ...]:
    """Make two-beam patterns of three-beam ones: the fine order alone."""
    return tuple(
        dataclasses.replace(
            p, frequency_px=(2 * p.frequency_px[0], 2 * p.frequency_px[1]),
            phases_rad=p.phases_rad[:1], modulation=p.modulation[:1],
        )
        for p in patterns
    )  # fmt: skip


def simulated(number: int, least: float, most: float, seed: int = 17) -> tuple[np.ndarray, dict[str, Any]]:
    """Return the frames of stack `number`, and what is true of them."""
    rng = np.random.default_rng([seed, number])
    n_angles, n_phases = LAYOUTS[number % len(LAYOUTS)]
    order = ORDERS[number // len(LAYOUTS) % len(ORDERS)]
    structure = list(STRUCTURES)[number // 7 % len(STRUCTURES)]
    side = 256 if number % 5 == 4 else 128
    shape = (2 * side, 2 * side)
    density, haze = (draw_structure(structure, shape, 0.03, rng) for _ in range(2))
    conditions = random_conditions(rng, photons=(least, most), n_angles=n_angles, n_phases=n_phases)
    beams = 3 if n_phases >= 5 else 2
    if beams == 3 and rng.random() < 0.2:
        beams = 2
        conditions = dataclasses.replace(conditions, patterns=two_beam(conditions.patterns))
    raw = simulate_sim(density, conditions, rng, haze_density=haze).raw
    numbers = np.arange(len(raw))
    stored = {
        "angle-major": numbers,
        "phase-major": numbers.reshape(n_angles, n_phases).T.ravel(),
        "reversed": numbers[::-1],
        "shuffled": rng.permutation(len(raw)),
    }[order]
    truth = {"layout": (n_angles, n_phases), "order": order, "stored": stored, "structure": structure}
    return raw[stored], {**truth, "photons": conditions.photons, "beams": beams}


def in_order(sorted_frames: np.ndarray, n_angles: int, n_phases: int) -> bool:
    """Whether true frame numbers are angle-major, but for the start and the direction of the phases."""
    for group in sorted_frames.reshape(n_angles, n_phases):
        angle, phase = np.divmod(group, n_phases)
        steps = np.diff(phase) % n_phases
        if np.ptp(angle) or (n_phases > 3 and not (set(steps) <= {1} or set(steps) <= {n_phases - 1})):
            return False
    return True


def judged(number: int, least: float, most: float, seed: int = 17) -> dict[str, Any]:
    """Detect stack `number` and compare with the truth."""
    raw, truth = simulated(number, least, most, seed)
    start = time.perf_counter()
    found = detect_acquisition(raw, 0.06)
    seconds = time.perf_counter() - start
    right = (found.n_angles, found.n_phases) == truth["layout"] and in_order(
        truth["stored"][list(found.permutation)], *truth["layout"]
    )
    # a shuffled stack of few frames may come out in a named order
    sure = found.confidence > 0.5
    return {
        "layout": "{}x{}".format(*truth["layout"]), "order": truth["order"], "structure": truth["structure"],
        "photons": round(truth["photons"], 1), "number": number, "right": bool(right), "sure": bool(sure),
        "confidence": round(found.confidence, 3), "found": f"{found.layout} {found.order}",
        "beams_right": found.beams == truth["beams"], "seconds": round(seconds, 3),
        "fit": found.fit, "doubt": found.warnings[0][0] if found.warnings else "",
    }  # fmt: skip


def table(rows: list[dict[str, Any]], key: str) -> list[str]:
    groups = defaultdict(list)
    for row in rows:
        groups[row[key]].append(row)
    lines = [f"| {key} | stacks | right | not sure | wrong | wrong, confidence > 0.9 | beams right |"]
    lines.append("|---|---|---|---|---|---|---|")
    for name, own in [*sorted(groups.items()), ("all", rows)]:
        right = sum(r["right"] and r["sure"] for r in own)
        unsure = sum(not r["sure"] for r in own)
        confident = sum(not r["right"] and r["confidence"] > 0.9 for r in own)
        beams = sum(r["beams_right"] for r in own if r["sure"] and r["right"])
        wrong = len(own) - right - unsure
        lines.append(f"| {name} | {len(own)} | {right} | {unsure} | {wrong} | {confident} | {beams} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("count", nargs="?", type=int, default=500)
    parser.add_argument("--least", type=float, default=30.0)
    parser.add_argument("--most", type=float, default=1000.0)
    parser.add_argument("--seed", type=int, default=18, help="17 is what the detector was made with")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = []
    for number in range(options.count):
        rows.append(judged(number, options.least, options.most, options.seed))
        if options.json:
            print(json.dumps(rows[-1]), flush=True)
    if options.json:
        return
    for key in ("layout", "order", "structure"):
        print("\n".join(table(rows, key)), end="\n\n")
    named = [
        row for row in rows if row["right"] and row["sure"] and row["order"] in ("angle-major", "reversed")
    ]
    print(f"of {len(named)} in the right order and read so, {sum(r['fit'] for r in named)} are fit")
    for row in rows:
        if not (row["right"] and row["sure"]):
            print(*(f"{name}={row[name]}" for name in list(row)[:-1]), row["doubt"])
    print(f"median {np.median([row['seconds'] for row in rows]):.2f} s a stack")


if __name__ == "__main__":
    main()
