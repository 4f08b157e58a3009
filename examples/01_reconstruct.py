"""From a raw stack to a super-resolved image, a comparison, and a figure of both.

    python examples/01_reconstruct.py [RAW.tif] [FOLDER]

Writes reconstructed_sr.tif and reconstructed.png into the folder (the current one by default).
"""

import sys
from pathlib import Path

from matplotlib.figure import Figure

import dlsim_ij as dlsim
from dlsim_ij.quality import fair_scores

HERE = Path(__file__).parent


def main(raw_file: Path = HERE / "demo_raw.tif", folder: Path = Path()) -> None:
    raw = dlsim.read_image(raw_file)
    result = dlsim.reconstruct(raw, model="sim15")

    for message, hint in result.warnings:
        print(f"warning: {message} {hint}")
    for pattern in result.acquisition.patterns:
        print(
            f"pattern at {pattern.angle_deg:6.1f} degrees, modulation {pattern.modulation[0]:.2f}, "
            f"signal-to-noise ratio {pattern.snr[0]:.0f}"
        )
    dlsim.write_image(folder / "reconstructed_sr.tif", result.sr, overwrite=True)

    if raw_file == HERE / "demo_raw.tif":  # simulated, so the truth is known
        truth = dlsim.read_image(HERE / "demo_truth.tif").values
        for name, image in (
            ("widefield", result.widefield),
            ("Wiener", result.wiener),
            ("network", result.sr),
        ):
            print(f"{name:10} {fair_scores(truth, image.values).psnr_db:5.1f} dB")

    figure = Figure(figsize=(10, 5), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.imshow(result.widefield, cmap="gray")
    left.set_title("widefield")
    right.imshow(result.sr, cmap="gray", vmin=0)
    right.set_title("sim15")
    for axes in (left, right):
        axes.set_axis_off()
    figure.savefig(folder / "reconstructed.png")


if __name__ == "__main__":
    main(*(Path(word) for word in sys.argv[1:]))
