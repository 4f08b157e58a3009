"""What the simulator makes: every structure, and one object under better and worse conditions.

    python examples/simulate_gallery.py [PICTURE]

Writes simulation.png: above, the structures as an ideal SIM would show them; below, raw frames of the same
mitochondria, each with the one thing changed that its title names.
"""

import dataclasses
import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from dlsim_ij.simulation import (
    STRUCTURES,
    TARGETS,
    Aberration,
    Camera,
    Conditions,
    draw_structure,
    paper_conditions,
    simulate_sim,
)

SIDE_PX, GRID_UM = 128, 0.03


def stack(name: str, conditions: Conditions):
    rng = np.random.default_rng(11)
    grid = (2 * SIDE_PX, 2 * SIDE_PX)
    density, haze = (draw_structure(name, grid, GRID_UM, rng) for _ in range(2))
    return simulate_sim(density, conditions, rng, haze_density=haze)


def main(picture: Path = Path("simulation.png")) -> None:
    plain = paper_conditions(np.random.default_rng(0), photons=(300, 300))
    plain = dataclasses.replace(plain, haze=0.2, flat=0.0)
    poor_camera = Camera(
        read_noise_electrons=6,
        gain_spread=0.05,
        offset_spread_adu=20,
        read_noise_spread=0.8,
        row_column_electrons=4,
    )
    changes = {
        "300 photons": {},
        "10 photons": {"photons": 10.0},
        "2 photons": {"photons": 2.0},
        "haze x 3": {"haze": 3.0},
        "0.15 waves spherical": {"aberration": Aberration(spherical_waves=0.15)},
        "3 um deep in water": {"aberration": Aberration(sample_index=1.33, depth_um=3)},
        "drift of 6 px": {"drift_px": tuple((0.4 * n, 0.0) for n in range(15))},
        "60 % bleached": {"intensity": tuple(0.4 ** (n / 14) for n in range(15))},
        "poor sCMOS, 20 photons": {"camera": poor_camera, "photons": 20.0},
    }
    names = [*STRUCTURES, *TARGETS]
    figure = Figure(figsize=(13, 3.4), layout="constrained")
    axes = figure.subplots(2, len(names))
    for panel, name in zip(axes[0], names, strict=True):
        truth = stack(name, plain).object
        panel.imshow(truth, cmap="gray", vmin=0, vmax=np.percentile(truth, 99.7))
        panel.set_title(name, fontsize=8)
    for panel, (title, change) in zip(axes[1], changes.items(), strict=True):
        frame = stack("mitochondria", dataclasses.replace(plain, **change)).raw[-1].astype(float)
        panel.imshow(frame, cmap="gray", vmin=np.percentile(frame, 0.5), vmax=np.percentile(frame, 99.7))
        panel.set_title(title, fontsize=8)
        print(f"{title}: frame 15 has a mean of {frame.mean():.0f} counts")
    for panel in axes.flat:
        panel.set(xticks=[], yticks=[])
    figure.savefig(picture, dpi=80)


if __name__ == "__main__":
    main(*(Path(word) for word in sys.argv[1:]))
