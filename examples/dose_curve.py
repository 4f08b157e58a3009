"""How little light is enough for this sample? Thin one bright stack, and score what each method makes of it.

    python examples/dose_curve.py [RAW] [FOLDER]

RAW is a bright raw SIM stack that knows its pixel size (without it, simulated mitochondria at 300
photo-electrons). Prints a line per method, and writes dose_curve.png and dose_curve_images.png. On the
command line: dlsim dose RAW -o FOLDER
"""

import sys
from pathlib import Path

import numpy as np

import dlsim_ij as dlsim
from dlsim_ij.report.dose_figure import draw_curve, draw_images, fraction_name, need_text
from dlsim_ij.simulation import draw_structure, simulate_sim
from dlsim_ij.simulation.sim_frames import paper_conditions

SIDE_PX, PIXEL_UM = 128, 0.06


def simulated() -> np.ndarray:
    rng = np.random.default_rng(4)
    cell = draw_structure("mitochondria", (2 * SIDE_PX, 2 * SIDE_PX), PIXEL_UM / 2, rng)
    return simulate_sim(cell, paper_conditions(rng, photons=(300.0, 300.0)), rng).raw


def main(raw_file: Path | None = None, folder: Path = Path()) -> None:
    raw = simulated() if raw_file is None else dlsim.read_image(raw_file)
    pixel_um = PIXEL_UM if raw_file is None else None
    found = dlsim.dose_curve(raw, fractions=(1 / 3, 1 / 10, 1 / 30, 1 / 100), draws=2, pixel_size_um=pixel_um)
    photons = found.photons_per_pixel
    print(f"{photons:.0f} photo-electrons per pixel and frame; PSNR against the Wiener image at full light:")
    for needed in found.summary.needed:
        curve = ", ".join(
            f"{fraction_name(q)}: {mean:.1f}" for q, mean, _ in found.summary.curve(needed.method)
        )
        enough = need_text(needed, photons, target=True)
        print(f"{needed.method:12} {curve} dB; {found.summary.target_db:.1f} dB needs {enough}")
    draw_curve(
        found.summary, photons=photons, frames=found.methods, widefield_db=found.widefield_db,
        reference="the Wiener image at full light", title="How little light is enough?",
        paths=[folder / "dose_curve.png"], overwrite=True,
    )  # fmt: skip
    draw_images(
        found.images, found.reference_image, with_truth=False, photons=photons,
        pixel_size_um=found.pixel_size_um, path=folder / "dose_curve_images.png", overwrite=True,
    )  # fmt: skip


if __name__ == "__main__":
    main(*(Path(word) for word in sys.argv[1:]))
