"""How little light will do? Simulate one field at several doses and score each reconstruction.

    python examples/02_how_much_light.py [FOLDER]

The paper's question, asked of simulated microtubules: photo-electrons per pixel and frame at the brightest
places against PSNR after the best gain and offset. Writes how_much_light.png.
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import dlsim_ij as dlsim
from dlsim_ij.quality import fair_scores
from dlsim_ij.simulation import draw_structure, simulate_sim
from dlsim_ij.simulation.sim_frames import paper_conditions

SIDE_PX = 96
PIXEL_UM = 0.06
PHOTONS = (3.0, 10.0, 30.0, 100.0, 300.0)


def main(folder: Path = Path()) -> None:
    field = np.random.default_rng(2)
    microtubules = draw_structure("microtubules", (2 * SIDE_PX, 2 * SIDE_PX), PIXEL_UM / 2, field)
    curves: dict[str, list[float]] = {"widefield": [], "Wiener SIM": [], "sim15": []}
    for photons in PHOTONS:
        rng = np.random.default_rng(7)  # the same pattern and field; only the light changes
        conditions = paper_conditions(rng, photons=(photons, photons))
        stack = simulate_sim(microtubules, conditions, rng)
        result = dlsim.reconstruct(stack.raw, pixel_size_um=PIXEL_UM)
        for name, image in zip(curves, (result.widefield, result.wiener, result.sr), strict=True):
            curves[name].append(fair_scores(stack.object, image.values).psnr_db)
        print(
            f"{photons:5.0f}  " + "  ".join(f"{name} {values[-1]:.1f} dB" for name, values in curves.items())
        )

    figure = Figure(layout="constrained")
    axes = figure.subplots()
    for name, values in curves.items():
        axes.semilogx(PHOTONS, values, "o-", label=name)
    axes.set(xlabel="photo-electrons per pixel and frame", ylabel="PSNR against the truth (dB)")
    axes.legend()
    figure.savefig(folder / "how_much_light.png")


if __name__ == "__main__":
    main(*(Path(word) for word in sys.argv[1:]))
