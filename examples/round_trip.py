"""Would this picture have given these frames? The physics round trip on a true, a wrong and a blurred image.

    python examples/round_trip.py [FOLDER]

Simulates microtubules at 400 photo-electrons and compares the raw frames with four images: the Wiener image,
the same with a filament that is not there, the same with a place wiped out, and the wide-field image. Prints
one sentence for each and writes round_trip.png.
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from dlsim_ij.acquisition import detect_acquisition
from dlsim_ij.images import bicubic_enlarge
from dlsim_ij.quality import physics_residual
from dlsim_ij.reconstruction import equalise_frames, estimate_offset, widefield, wiener_sim
from dlsim_ij.simulation import draw_structure, paper_conditions, simulate_sim

SIDE_PX = 128


def main(folder: Path = Path()) -> None:
    rng = np.random.default_rng(4)
    density = draw_structure("microtubules", (2 * SIDE_PX, 2 * SIDE_PX), 0.03, rng)
    stack = simulate_sim(density, paper_conditions(rng, photons=(400, 401)), rng)
    acquisition = detect_acquisition(stack.raw, 0.06)
    signal = equalise_frames(stack.raw, estimate_offset(stack.raw))
    image = wiener_sim(signal, acquisition.patterns, acquisition.optics)

    y, x = np.mgrid[: 2 * SIDE_PX, : 2 * SIDE_PX]
    line = np.exp(-(((y - 0.6 * x - 60) / 2.3) ** 2) / 2) * ((x > 100) & (x < 150))
    added = image + 0.5 * np.quantile(image, 0.99) * line
    brightest = np.unravel_index(np.argmax(stack.object[60:-60, 60:-60]), (2 * SIDE_PX - 120,) * 2)
    hole = np.hypot(y - brightest[0] - 60, x - brightest[1] - 60) < 10
    wiped = np.where(hole, np.median(image), image)
    images = {
        "Wiener": image,
        "a filament added": added,
        "a place wiped out": wiped,
        "widefield": bicubic_enlarge(widefield(stack.raw), 2),
    }
    figure = Figure(figsize=(12, 5.8), layout="constrained")
    rows = figure.subplots(2, len(images))
    for (above, below), (name, one) in zip(rows.T, images.items(), strict=True):
        found = physics_residual(one, stack.raw, acquisition)
        print(f"{name}: {found.sentence}")
        above.imshow(one, cmap="gray", vmin=np.quantile(one, 0.01), vmax=np.quantile(one, 0.997))
        above.set_title(name)
        shown = below.imshow(found.map, cmap="RdBu_r", vmin=-10, vmax=10)
        below.set_title(f"{found.value:.1f} of {found.expected[1]:.1f}")
        for axes in (above, below):
            axes.set_axis_off()
    bar = figure.colorbar(shown, ax=rows[1, :], shrink=0.8)
    bar.set_label("times the expected noise\nblue: invented, red: missing")
    figure.savefig(folder / "round_trip.png", dpi=80)


if __name__ == "__main__":
    main(*(Path(word) for word in sys.argv[1:]))
