"""Wiener SIM: seconds of each step, memory, a profile; the accuracy of the pattern fit on simulations.

python benchmarks/wiener.py [--side 512] [--repeats 5] [--threads 2] [--accuracy] [--profile] [--json]

Wall time depends on what else the machine does; processor time does not. One stack of 3 x 5 frames; the
output has twice the side. Each number is the median of the repeats.
"""

from __future__ import annotations

import argparse
import cProfile
import dataclasses
import io
import json
import pstats
import resource
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.fft

from dlsim_ij.acquisition import detect_acquisition, fit_patterns, measure_steps
from dlsim_ij.acquisition.brightness import equalise_frames, estimate_offset
from dlsim_ij.optics import Optics
from dlsim_ij.reconstruction import (
    FILTERS,
    STANDARD,
    VENDOR,
    WienerPlan,
    estimate_parameters,
    wiener_channels,
    wiener_sim,
)
from dlsim_ij.simulation import STRUCTURES, SimulatedStack, draw_structure, simulate_sim
from dlsim_ij.simulation.sim_frames import paper_conditions, random_conditions

OPTICS = Optics()
GRID_UM = OPTICS.pixel_size_um / 2


def timed(work: Callable[[], Any], repeats: int) -> dict[str, float]:
    work()  # first call: plans of the transforms, caches
    wall, cpu = [], []
    for _ in range(repeats):
        start = time.perf_counter(), time.process_time()
        work()
        wall.append(time.perf_counter() - start[0])
        cpu.append(time.process_time() - start[1])
    return {"wall_s": statistics.median(wall), "cpu_s": statistics.median(cpu)}


def simulated(side: int) -> SimulatedStack:
    rng = np.random.default_rng(0)
    density = draw_structure("actin", (2 * side, 2 * side), GRID_UM, rng)
    return simulate_sim(density, paper_conditions(rng, photons=(300, 300)), rng)


def speed(side: int, repeats: int) -> dict[str, Any]:
    raw = simulated(side).raw
    signal = equalise_frames(raw, estimate_offset(raw))
    found = estimate_parameters(raw, OPTICS)
    patterns = list(found.patterns)
    plan = WienerPlan(signal.shape[1:], patterns, OPTICS, [VENDOR])

    def whole() -> None:
        parameters = estimate_parameters(raw, OPTICS)
        wiener_sim(equalise_frames(raw, estimate_offset(raw)), parameters.patterns, OPTICS, filter=VENDOR)

    rows = {
        "check and estimate": timed(lambda: estimate_parameters(raw, OPTICS), repeats),
        "  detect_acquisition": timed(lambda: detect_acquisition(raw, OPTICS.pixel_size_um), repeats),
        "  fit_patterns": timed(lambda: fit_patterns(signal, 3, 5, OPTICS), repeats),
        "  measure_steps": timed(lambda: measure_steps(signal, patterns, OPTICS), repeats),
        "reconstruct": timed(lambda: wiener_sim(signal, patterns, OPTICS, filter=VENDOR), repeats),
        "  next of a series": timed(lambda: plan.images(signal), repeats),
        "reconstruct, standard": timed(
            lambda: wiener_sim(signal, patterns, OPTICS, filter=STANDARD), repeats
        ),
        "channels of a network": timed(lambda: wiener_channels(signal, patterns, OPTICS), repeats),
        "estimate and reconstruct": timed(whole, repeats),
    }
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"side_px": side, "peak_memory_mib": round(peak), "steps": rows}


def profile(side: int) -> str:
    raw = simulated(side).raw
    watch = cProfile.Profile()
    signal = equalise_frames(raw, estimate_offset(raw))
    with watch:
        found = estimate_parameters(raw, OPTICS)
        wiener_sim(signal, found.patterns, OPTICS, filter=VENDOR)
    text = io.StringIO()
    pstats.Stats(watch, stream=text).strip_dirs().sort_stats("tottime").print_stats(12)
    return text.getvalue()


def accuracy(photons: tuple[float, ...], seeds: int, side: int = 256) -> list[dict[str, Any]]:
    """Return median, 95 % level and worst of the errors over structures, seeds and angles, by light.

    Everything is drawn, the cut-off too: it is up to 10 % from what the fit is told.
    """
    rows = []
    for level in photons:
        errors = []
        for number, structure in enumerate(STRUCTURES):
            for seed in range(seeds):
                rng = np.random.default_rng([number, seed])
                conditions = random_conditions(rng, photons=(level, level))
                conditions = _plain(conditions)
                density = draw_structure(structure, (2 * side, 2 * side), GRID_UM, rng)
                raw = simulate_sim(density, conditions, rng).raw
                signal = equalise_frames(raw, estimate_offset(raw))
                found = fit_patterns(signal, 3, 5, OPTICS)
                errors += [_errors(f, t, side) for f, t in zip(found, conditions.patterns, strict=True)]
        table = np.array(errors)
        rows.append(
            {
                "photons": level,
                **{
                    name: [round(float(v), 4) for v in np.percentile(column, (50, 95, 100))]
                    for name, column in zip(
                        (
                            "k_samples",
                            "phase1_deg",
                            "phase2_deg",
                            "modulation1_percent",
                            "modulation2_percent",
                        ),
                        table.T,
                        strict=True,
                    )
                },
            }
        )
    return rows


def _plain(conditions: Any) -> Any:
    even = tuple(2 * np.pi * j / 5 for j in range(5))
    patterns = tuple(dataclasses.replace(p, steps_rad=even) for p in conditions.patterns)
    return dataclasses.replace(conditions, patterns=patterns, haze=0.0, flat=0.0, intensity=(1.0,) * 15)


def _errors(found: Any, true: Any, side: int) -> tuple[float, ...]:
    sign = 1 if np.dot(found.frequency_px, true.frequency_px) > 0 else -1
    frequency = sign * np.array(found.frequency_px)
    centre = (side - 1) / 2  # where a wrong frequency does not count as a wrong phase
    phases = []
    for order, (phase, exact) in enumerate(zip(found.phases_rad, true.phases_rad, strict=True), start=1):
        drift = 2 * np.pi * order * centre * (frequency - true.frequency_px).sum()
        phases.append(np.degrees(abs(np.angle(np.exp(1j * (sign * phase - exact + drift))))))
    modulation = 100 * abs(np.array(found.modulation) / true.modulation - 1)
    return (float(np.hypot(*(frequency - true.frequency_px)) * side), *phases, *modulation)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--accuracy", action="store_true", help="of the pattern fit, by light; takes a minute"
    )
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    with scipy.fft.set_workers(chosen.threads):
        result = speed(chosen.side, chosen.repeats)
    result |= {"threads": chosen.threads, "filters": list(FILTERS)}
    if chosen.accuracy:
        result["accuracy"] = accuracy((1000.0, 100.0, 30.0), seeds=4)
    if chosen.json:
        print(json.dumps(result))
        return
    memory = result["peak_memory_mib"]
    print(f"{chosen.side} x {chosen.side} x 15, {chosen.threads} threads, {memory} MiB at most")
    print("| step | wall s | processor s |\n|---|---|---|")
    for name, row in result["steps"].items():
        print(f"| {name} | {row['wall_s']:.2f} | {row['cpu_s']:.2f} |")
    for row in result.get("accuracy", []):
        print(", ".join(f"{k} {v}" for k, v in row.items()), "(median, 95 %, worst)")
    if chosen.profile:
        print(profile(chosen.side))


if __name__ == "__main__":
    main()
