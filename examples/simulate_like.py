"""Another cell on the same microscope: fit pattern, blur, light and camera to a stack, simulate like it.

    python examples/simulate_like.py [RAW] [FOLDER]

RAW is a raw SIM stack that knows its pixel size (without it, the demo's). Prints what was fitted, and how
alike the stacks are; writes like_raw.tif and like_truth.tif, a pair to train or to test with, and like.png.
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import dlsim_ij as dlsim
from dlsim_ij.optics import Optics
from dlsim_ij.simulation import compare_stacks, draw_structure, fit_stack, scene_of, simulate_sim

DEMO = Path(__file__).parent / "demo_raw.tif"


def main(raw_file: Path = DEMO, folder: Path = Path()) -> None:
    image = dlsim.read_image(raw_file)
    real, pixel_um = image.values, image.attrs["pixel_size_um"]
    fit = fit_stack(real, Optics(pixel_size_um=pixel_um))
    seen = fit.conditions
    for pattern in seen.patterns:
        print(
            f"angle {pattern.angle_deg:.1f} degrees, period {1000 * pixel_um * pattern.period_px:.0f} nm, "
            f"modulation {pattern.modulation[0]:.2f}"
        )
    print(
        f"light {seen.photons:.1f} photo-electrons, gain {seen.camera.gain_adu_per_electron:.2f} counts each"
    )
    for sentence in fit.assumed:
        print("not measured:", sentence)

    rng = np.random.default_rng(8)
    grid = (2 * real.shape[1], 2 * real.shape[2])
    cell, out_of_focus = (draw_structure("microtubules", grid, pixel_um / 2, rng) for _ in range(2))
    other = simulate_sim(cell, seen, rng, haze_density=out_of_focus)
    scene = scene_of(real, seen)
    same = simulate_sim(scene.density, scene.conditions, rng, haze_density=scene.haze_density)

    dlsim.write_image(folder / "like_raw.tif", other.raw, pixel_size_um=pixel_um)
    dlsim.write_image(folder / "like_truth.tif", other.object, pixel_size_um=pixel_um / 2)
    figure = Figure(figsize=(12, 3.4), layout="constrained")
    axes = figure.subplots(1, 4)
    shown = {"real": real, "its scene, simulated": same.raw, "another cell": other.raw}
    low, high = np.percentile(real, (1, 99.8))
    for panel, (title, frames) in zip(axes, shown.items(), strict=False):
        panel.imshow(frames[0], cmap="gray", vmin=low, vmax=high)
        panel.set(title=title, xticks=[], yticks=[])
    for title, frames in list(shown.items())[1:]:
        alike = compare_stacks(real, frames)
        print(f"{title}: spectrum {alike.spectrum_db:.2f} dB, histogram {alike.histogram_sd:.2f} sd")
        axes[3].semilogy(alike.frequencies_px / pixel_um, alike.spectra[1], label=title)
    axes[3].semilogy(alike.frequencies_px / pixel_um, alike.spectra[0], "k", label="real")
    axes[3].set(xlabel="cycles per um", title="power spectrum")
    axes[3].legend()
    figure.savefig(folder / "like.png")


if __name__ == "__main__":
    main(*(Path(word) for word in sys.argv[1:]))
