"""How well `fit_stack` finds what a stack was simulated with, and how alike a real stack and its copy are.

python benchmarks/like.py [--seeds 4] [--sample DIR] [--figure like_sample.png] [--json]

The table: root mean square errors over structures and seeds, by light level. With the public microtubule
sample (`--sample`, or the environment's DLSIM_SAMPLE), its spectra and histograms beside those of simulated
stacks: once of its own scene, once of drawn microtubules.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from dlsim_ij.optics import Optics
from dlsim_ij.simulation import (
    Conditions,
    SimJob,
    compare_stacks,
    draw_structure,
    fit_stack,
    random_conditions,
    scene_of,
    simulate_batch,
    simulate_sim,
)

STRUCTURES = ("microtubules", "actin", "mitochondria")
LEVELS = (5, 30, 300, 3000)
SIDE_PX = 256


def truth(seed: int, photons: float) -> Conditions:
    """Draw an acquisition in steady light, with the nominal cut-off and some haze."""
    rng = np.random.default_rng([seed, 77])
    drawn = random_conditions(rng, photons=(photons, photons), like_paper=1.0)
    camera = dataclasses.replace(drawn.camera, read_noise_electrons=float(rng.uniform(0.4, 1.6)))
    return dataclasses.replace(
        drawn,
        cutoff_factor=1.0,
        haze=float(rng.uniform(0.3, 2)),
        haze_sigma_px=float(rng.uniform(8, 20)),
        camera=camera,
    )


def errors(seed: int, structure: str, photons: float) -> dict[str, float]:
    """Return found less true, or the logarithm of found over true where a factor is meant."""
    true = truth(seed, photons)
    rng = np.random.default_rng(seed)
    grid, step_um = (2 * SIDE_PX, 2 * SIDE_PX), true.optics.pixel_size_um / 2
    density, haze = (draw_structure(structure, grid, step_um, rng) for _ in range(2))
    raw = simulate_sim(density, true, rng, haze_density=haze).raw
    found = fit_stack(raw, true.optics).conditions
    rows: dict[str, list[float]] = {
        name: [] for name in ("angle_deg", "period_percent", "phase_deg", "modulation_1", "modulation_2")
    }
    for a, b in zip(found.patterns, true.patterns, strict=True):
        rows["angle_deg"].append((a.angle_deg - b.angle_deg + 90) % 180 - 90)
        rows["period_percent"].append(100 * (a.period_px / b.period_px - 1))
        same = np.sign(a.frequency_px[1] * b.frequency_px[1] + a.frequency_px[0] * b.frequency_px[0])
        # in the middle of the field, which is where a fit knows a phase; the steps' errors count as phase
        at = (SIDE_PX - 1) / 2 * np.ones(2)
        phases = [2 * np.pi * np.dot(p.frequency_px, at) + p.phases_rad[0] for p in (a, b)]
        offset = np.mean(np.array(b.steps_rad) - np.array(a.steps_rad))
        turn = same * phases[0] - phases[1] - offset
        rows["phase_deg"].append(float(np.degrees((turn + np.pi) % (2 * np.pi) - np.pi)))
        rows["modulation_1"].append(a.modulation[0] - b.modulation[0])
        rows["modulation_2"].append(a.modulation[1] - b.modulation[1])
    seen, was = found.camera, true.camera
    gain = was.gain_adu_per_electron
    single = {
        "damping_log": np.log(found.otf_damping / true.otf_damping),
        "background_log": np.log((1 + found.haze + found.flat) / (1 + true.haze + true.flat)),
        "haze_blur_log": np.log(found.haze_sigma_px / true.haze_sigma_px),
        "photons_log": np.log(found.photons / true.photons),
        "gain_log": np.log(seen.gain_adu_per_electron / gain),
        "offset_percent_of_level": 100 * (seen.offset_adu - was.offset_adu) / (gain * photons),
        "read_noise_e": seen.read_noise_electrons - was.read_noise_electrons,
    }
    means = {name: float(np.sqrt(np.mean(np.square(values)))) for name, values in rows.items()}
    return {**means, **{name: float(value) for name, value in single.items()}}


def recovery(seeds: int) -> dict[str, dict[str, float]]:
    """Return the root mean square error of every parameter at every light level."""
    table = {}
    for photons in LEVELS:
        found = [errors(seed, name, photons) for seed in range(seeds) for name in STRUCTURES]
        table[f"{photons} photons"] = {
            name: float(np.sqrt(np.mean([one[name] ** 2 for one in found]))) for name in found[0]
        }
    return table


def native_frames(sample: Path, kind: str) -> np.ndarray[Any, Any]:
    """Return the sample's frames on the camera's own pixels, even sides."""
    from dlsim_ij.images import read_image, undo_enlargement

    enlarged = read_image(sample / "microtuble" / f"{kind}_X2" / "Sample_1").values[:15]
    frames = undo_enlargement(enlarged).frames
    return frames[:, : frames.shape[1] // 2 * 2, : frames.shape[2] // 2 * 2]


def sample_likeness(sample: Path, figure: Path | None, frames_shown: bool) -> dict[str, dict[str, float]]:
    """Compare the sample with its simulated copies; draw them."""
    optics = Optics()
    rows: dict[str, dict[str, float]] = {}
    shown = []
    patterns = None
    for kind in ("HE", "LE"):
        frames = native_frames(sample, kind)
        fit = fit_stack(frames, optics, patterns=patterns)
        patterns = fit.conditions.patterns  # at two photons the pattern is that of the bright stack
        scene = scene_of(frames, fit.conditions)
        size = frames.shape[1], frames.shape[2]
        jobs = {
            "own scene": SimJob(
                structure="", size_px=size, seed=(0,), make_conditions=scene.conditions,
                density=scene.density, haze_density=scene.haze_density,
            ),
            "drawn": SimJob(
                structure="microtubules", size_px=size, seed=(2,), make_conditions=fit.conditions
            ),
        }  # fmt: skip
        made = simulate_batch(list(jobs.values()))
        for name, (stack, _) in zip(jobs, made, strict=True):
            alike = compare_stacks(frames, stack.raw)
            rows[f"{kind}, {name}"] = alike.to_dict()
            shown.append((kind, name, frames, stack.raw, alike))
    if figure is not None:
        draw(shown, figure, frames=frames_shown)
    return rows


def draw(shown: list[Any], path: Path, *, frames: bool) -> None:
    """Draw spectra and histograms of the real and the simulated stacks, and a frame of each if wanted."""
    from matplotlib.figure import Figure

    columns = 5 if frames else 2
    figure = Figure(figsize=(12 if frames else 8, 6), layout="constrained")
    axes = figure.subplots(2, columns)
    for row, kind in zip(axes, ("HE", "LE"), strict=True):
        own, drawn = (one for one in shown if one[0] == kind)
        real = own[2]
        if frames:
            low, high = np.percentile(real, (1, 99.8))
            pictures = {f"{kind}, real": real, "its scene, simulated": own[3], "drawn": drawn[3]}
            for place, (title, stack) in zip(row, pictures.items(), strict=False):
                place.imshow(stack[0], cmap="gray", vmin=low, vmax=high)
                place.set(title=title, xticks=[], yticks=[])
        spectra, histogram = row[-2:]
        cycles = own[4].frequencies_px / 0.06
        spectra.semilogy(cycles, own[4].spectra[0], "k", label="real")
        least, most = np.rint(np.percentile(real, (0.05, 99.95)))
        width = max(1, round((most - least) / 60))  # whole counts: half a one would leave empty bars
        edges = np.arange(least - 0.5, most + width, width)
        histogram.hist(real.ravel(), edges, density=True, histtype="step", color="k", label="real")
        for one, colour in ((own, "tab:blue"), (drawn, "tab:orange")):
            spectra.semilogy(
                cycles, one[4].spectra[1], color=colour, label=f"{one[1]}, {one[4].spectrum_db:.2f} dB"
            )
            histogram.hist(
                one[3].ravel(), edges, density=True, histtype="step", color=colour,
                label=f"{one[1]}, {one[4].histogram_sd:.2f} sd",
            )  # fmt: skip
        spectra.set(xlabel="cycles per µm", title=f"{kind}: power spectrum")
        histogram.set(xlabel="counts", title=f"{kind}: histogram", yticks=[])
        spectra.legend(fontsize=7)
        histogram.legend(fontsize=7)
    figure.savefig(path, dpi=90)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--sample", type=Path, default=os.environ.get("DLSIM_SAMPLE"))
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--frames", action="store_true", help="in the figure, a frame of each stack")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    table = recovery(chosen.seeds) if chosen.seeds else {}
    sample = sample_likeness(Path(chosen.sample), chosen.figure, chosen.frames) if chosen.sample else {}
    if chosen.json:
        print(json.dumps({"recovery": table, "sample": sample}))
        return
    if table:
        print("root mean square error " + "".join(f"{level:>15}" for level in table))
        for name in next(iter(table.values())):
            print(f"{name:24s}" + "".join(f"{row[name]:15.3f}" for row in table.values()))
    for name, row in sample.items():
        print(f"{name:16s} spectrum {row['spectrum_db']:.2f} dB, histogram {row['histogram_sd']:.3f} sd")


if __name__ == "__main__":
    main()
