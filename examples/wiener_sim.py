"""Conventional SIM, step by step: find the pattern, reconstruct, keep the parameters; and uneven phases.

    python examples/wiener_sim.py [FOLDER]

Simulates microtubules under three-beam illumination, twice: with even phase steps, and with steps up to 12
degrees off. Prints how close the images come to the object, and how close those of the uneven stack come
to the one under its true phases. Writes wiener_sim.tif (calibrated), its parameters as wiener_sim.json,
and wiener_sim.png.
"""

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import dlsim_ij as dlsim
from dlsim_ij.images import bicubic_enlarge
from dlsim_ij.optics import Optics
from dlsim_ij.quality import fair_scores
from dlsim_ij.reconstruction import (
    SOFT,
    STANDARD,
    VENDOR,
    WienerFilter,
    equalise_frames,
    estimate_offset,
    estimate_parameters,
    wiener_sim,
)
from dlsim_ij.simulation import Conditions, draw_structure, simulate_sim
from dlsim_ij.simulation.sim_frames import paper_patterns

SIDE_PX, EDGE_PX = 192, 32


def main(folder: Path = Path()) -> None:
    rng = np.random.default_rng(2)
    density = draw_structure("microtubules", (2 * SIDE_PX, 2 * SIDE_PX), 0.03, rng)
    even = paper_patterns(phases_rad=(0.3, 2.2, 4.0))
    conditions = Conditions(patterns=even, photons=1000, haze=0.5, intensity=(1.0,) * 15)
    stack = simulate_sim(density, conditions, rng)
    found = estimate_parameters(stack.raw, Optics())  # refuses a stack in the wrong order
    for pattern in found.patterns:
        print(
            f"{pattern.angle_deg:6.1f} degrees, {60 * pattern.period_px:.1f} nm",
            np.round(pattern.modulation, 2),
        )
    signal = equalise_frames(stack.raw, estimate_offset(stack.raw))
    images = {"widefield": bicubic_enlarge(signal.mean(axis=0), 2)}
    for name, one in (("standard", STANDARD), ("vendor", VENDOR), ("soft", SOFT)):
        images[name] = wiener_sim(signal, found.patterns, Optics(), filter=one)

    steps = [tuple(np.array(p.steps_rad) + np.radians(rng.uniform(-12, 12, 5))) for p in even]
    uneven = tuple(dataclasses.replace(p, steps_rad=s) for p, s in zip(even, steps, strict=True))
    other = simulate_sim(density, dataclasses.replace(conditions, patterns=uneven), rng)
    signal = equalise_frames(other.raw, estimate_offset(other.raw))
    # without a notch, which would hide most of the stripes
    plain = WienerFilter(
        otf_damping=0.4, order_weights=None, notch_strength=0, wiener=0.1, apodisation_end=1.8
    )
    ideal = wiener_sim(signal, uneven, Optics(), filter=plain)
    errors = {}
    for phases in ("known", "estimated"):
        parameters = estimate_parameters(other.raw, Optics(), phases=phases)
        image = wiener_sim(signal, parameters.patterns, Optics(), filter=plain)
        errors[f"uneven, {phases}"] = image - ideal

    inner = np.s_[EDGE_PX:-EDGE_PX, EDGE_PX:-EDGE_PX]
    for name, image in images.items():
        print(f"{name:<24} {fair_scores(stack.object[inner], image[inner]).psnr_db:5.1f} dB")
    for name, error in errors.items():
        print(f"{name:<24} {fair_scores(ideal[inner], (ideal + error)[inner]).psnr_db:5.1f} dB")
    dlsim.write_image(folder / "wiener_sim.tif", images["standard"], pixel_size_um=0.03)
    (folder / "wiener_sim.json").write_text(json.dumps(found.to_dict(), indent=2))

    figure = Figure(figsize=(9, 6.2), layout="constrained")
    window = np.s_[60:260, 60:260]
    brightest = np.percentile(ideal[window], 99.7)
    panels = [*images.items(), *((f"{name}: error x 10", 10 * e) for name, e in errors.items())]
    for axes, (name, image) in zip(figure.subplots(2, 3).flat, panels, strict=True):
        low, high = np.percentile(image[window], (2, 99.7))
        if "error" in name:
            low, high = -brightest, brightest
        axes.imshow(image[window], cmap="gray", vmin=low, vmax=high)
        axes.set(title=name, xticks=[], yticks=[])
    figure.savefig(folder / "wiener_sim.png", dpi=90)


if __name__ == "__main__":
    main(*(Path(word) for word in sys.argv[1:]))
