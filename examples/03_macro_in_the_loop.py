"""PyTorch and an ImageJ macro in one loop, without a file in between.

    python examples/03_macro_in_the_loop.py [FOLDER]

Each stack is reconstructed in Python, goes to ImageJ in memory, is segmented and measured there by a plain
macro, and its table comes back. Writes pieces.csv.
"""

import csv
import sys
from pathlib import Path

import numpy as np

import dlsim_ij as dlsim
from dlsim_ij.simulation import draw_structure, simulate_sim
from dlsim_ij.simulation.sim_frames import paper_conditions

MACRO = """
    run("Gaussian Blur...", "sigma=" + getArgument());
    setAutoThreshold("Otsu dark");
    run("Set Measurements...", "area mean perimeter redirect=None decimal=3");
    run("Analyze Particles...", "size=0.02-Infinity display clear");
    return "" + nResults;  // areas in square micrometres: the calibration goes along
"""


def main(folder: Path = Path()) -> None:
    with dlsim.Fiji() as fiji, (folder / "pieces.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["field", "pieces", "largest_area_um2"])
        for number in range(3):
            rng = np.random.default_rng(number)
            density = draw_structure("mitochondria", (256, 256), 0.03, rng)
            stack = simulate_sim(density, paper_conditions(rng, photons=(100, 100)), rng)
            image = dlsim.reconstruct(stack.raw, pixel_size_um=0.06).sr
            result = fiji.run_macro(MACRO, "1", image=image)
            areas = result.tables["Results"]["Area"] if result.value != "0" else [0]
            table.writerow([number, result.value, max(areas)])
            print(f"field {number}: {result.value} pieces, largest {max(areas):.2f} um2")
    print(fiji.describe()["engine"])


if __name__ == "__main__":
    main(*(Path(word) for word in sys.argv[1:]))
