"""Draw docs/images/demo.png from what `make demo` wrote: widefield, Wiener SIM, result and truth."""

from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt

import dlsim_ij as dlsim

ROOT = Path(__file__).parent.parent


def main() -> None:
    files = {
        "Widefield (mean of the 15 raw frames)": ROOT / "demo_out/demo_raw_wf.tif",
        "Wiener SIM": ROOT / "demo_out/demo_raw_wiener.tif",
        "dlsim sim15": ROOT / "demo_out/demo_raw_sr.tif",
        "Truth (simulated object)": ROOT / "examples/demo_truth.tif",
    }
    figure, axes = plt.subplots(2, 4, figsize=(12, 6.3), facecolor="white")
    for column, (title, file) in zip(axes.T, files.items(), strict=True):
        image = dlsim.read_image(file)
        pixel_um = image.attrs["pixel_size_um"]
        low, high = np.percentile(image, [2, 99.7])
        for axis, (y, x, side) in zip(column, ((0, 0, len(image)), (150, 214, 96)), strict=True):
            axis.imshow(image.values[y : y + side, x : x + side], cmap="gray", vmin=low, vmax=high)
            length_px = (2 if side > 200 else 0.5) / pixel_um
            bottom = 0.93 * side
            axis.plot([0.06 * side, 0.06 * side + length_px], [bottom, bottom], color="white", lw=3)
            axis.set_axis_off()
        column[0].set_title(title, fontsize=11)
    figure.text(0.012, 0.02, "Scale bars: 2 µm above, 0.5 µm below.", fontsize=9)
    figure.subplots_adjust(left=0.01, right=0.99, top=0.94, bottom=0.06, wspace=0.02, hspace=0.03)
    figure.savefig(ROOT / "docs/images/demo.png", dpi=80)


if __name__ == "__main__":
    main()
