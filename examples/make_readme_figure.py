"""Draw the picture of the README from what `make demo` wrote: widefield, Wiener SIM, result and truth.

python examples/make_readme_figure.py [RESULTS [PICTURE]]
"""

import io
import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

import dlsim_ij as dlsim

ROOT = Path(__file__).parent.parent
WHOLE, DETAIL = (0, 0, 384), (150, 214, 96)  # y, x, side, in pixels of the result


def main(results: Path = ROOT / "demo_out", picture: Path = ROOT / "docs/images/demo.png") -> None:
    files = {
        "Widefield (mean of the 15 raw frames)": results / "demo_raw_wf.tif",
        "Wiener SIM": results / "demo_raw_wiener.tif",
        "dlsim sim15": results / "demo_raw_sr.tif",
        "Truth (simulated object)": ROOT / "examples/demo_truth.tif",
    }
    figure = Figure(figsize=(12, 6.3), facecolor="white")
    for column, (title, file) in zip(figure.subplots(2, 4).T, files.items(), strict=True):
        image = dlsim.read_image(file)
        low, high = np.percentile(image, [2, 99.7])
        for axis, (y, x, side), bar_um in zip(column, (WHOLE, DETAIL), (2, 0.5), strict=True):
            axis.imshow(image.values[y : y + side, x : x + side], cmap="gray", vmin=low, vmax=high)
            bar_px = bar_um / image.attrs["pixel_size_um"]
            axis.plot([0.06 * side, 0.06 * side + bar_px], [0.93 * side] * 2, color="white", lw=3)
            axis.set_axis_off()
        column[0].set_title(title, fontsize=11)
    figure.text(0.012, 0.02, "Scale bars: 2 µm above, 0.5 µm below.", fontsize=9)
    figure.subplots_adjust(left=0.01, right=0.99, top=0.94, bottom=0.06, wspace=0.02, hspace=0.03)
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=80)
    Image.open(drawn).convert("L").save(picture, optimize=True)  # all of it is grey: half the bytes


if __name__ == "__main__":
    main(*(Path(word) for word in sys.argv[1:]))
